"""Looking for a text in all files of a folder in which others work."""

from __future__ import annotations

from pathlib import Path


def files_with(folder: Path, text: str) -> list[Path]:
    """The files below the folder that hold the text."""
    return [file for file in folder.rglob("*") if file.is_file() and text.encode() in _content(file)]


def _content(file: Path) -> bytes:
    """Nothing for a file that has gone meanwhile, as a database's journal goes."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""
