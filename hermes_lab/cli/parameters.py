"""The parameters of a run, collected from the command line in papermill's order."""

from __future__ import annotations

import base64
import binascii
import json
import math
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

from hermes_lab.cli.exits import CommandFailed
from hermes_lab.model.payload import JsonObject

_PYTHON_WORDS = {"True": True, "False": False, "None": None}


def parameters(options: Namespace, output: str) -> JsonObject:
    """All parameters; of those that are given twice, the one that papermill would take.

    Raises:
        InvalidRequest, CommandFailed: something is not what it should be.
    """
    from hermes_lab.engines.papermill import parameters_in, parameters_of_file

    found: JsonObject = {}
    if options.inject_input_path or options.inject_paths:
        found["PAPERMILL_INPUT_PATH"] = options.notebook
    if options.inject_output_path or options.inject_paths:
        found["PAPERMILL_OUTPUT_PATH"] = output
    for text in options.parameters_base64:
        found |= parameters_in(_decoded(text), "--parameters_base64")
    for path in options.parameters_file:
        found |= parameters_of_file(path)
    for text in options.parameters_yaml:
        found |= parameters_in(text, "--parameters_yaml")
    found |= {name: value(text) for name, text in options.parameters}
    return found | dict(options.parameters_raw)


def secrets(options: Namespace) -> dict[str, str]:
    """The secret parameters by name: never on the command line itself, where every process can read them.

    Raises:
        CommandFailed: the variable is not set, or the file cannot be read.
    """
    found: dict[str, str] = {}
    for name in options.secret:
        if name not in os.environ:
            raise CommandFailed(f"--secret {name}: there is no environment variable of this name")
        found[name] = os.environ[name]
    for name, file in options.secret_file:
        try:
            found[name] = Path(file).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandFailed(f"--secret-file {name}: {error}") from error
    return found


def value(text: str) -> Any:
    """The value of ``-p``: a Python word, a number or JSON where it is one of these, else the text itself.

    papermill takes words and numbers alone; lists, objects and quoted text are what is more here.
    """
    if text in _PYTHON_WORDS:
        return _PYTHON_WORDS[text]
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if math.isfinite(number):
            return number
        raise CommandFailed(f"-p: {text} is no finite number; -r takes it as text")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CommandFailed(f"--parameters_base64: {error}") from error
