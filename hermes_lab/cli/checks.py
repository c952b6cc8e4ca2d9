"""What `jupyter hermes doctor` looks at, one function a check."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hermes_lab.model.errors import HermesError, NotFound

Status = Literal["ok", "note", "problem"]

_LONGEST_TEMPORARY_FOLDER = 50
"""Bytes; with what follows it, the path of a kernel's socket stays below the 107 that Linux takes."""
_SECONDS = 60.0


@dataclass(frozen=True)
class Finding:
    """``note``: it works as it is, with less. ``hint`` says what to do."""

    name: str
    status: Status
    message: str
    hint: str | None = None


def findings(root_folder: Path, db_url: str | None, kernels: Callable[[], list[Finding]]) -> Iterator[Finding]:
    """Every check in turn; ``kernels`` starts them, which takes the longest."""
    yield server_extension()
    yield lab_extension()
    yield store(root_folder, db_url)
    yield data_file_system(root_folder)
    yield from kernels()
    yield sandbox()
    yield temporary_folder()
    yield process_trees()
    yield git()
    yield hermes()


def server_extension() -> Finding:
    """Whether Jupyter loads us."""
    from jupyter_core.paths import jupyter_config_path
    from jupyter_server.extension.config import ExtensionConfigManager

    settings = ExtensionConfigManager(read_config_path=jupyter_config_path())
    enabled: dict[str, bool] = settings.get_jpserver_extensions()  # type: ignore[no-untyped-call]
    if enabled.get("hermes_lab"):
        return Finding("server extension", "ok", "enabled")
    hint = "jupyter server extension enable hermes_lab"
    return Finding("server extension", "problem", "Jupyter does not load it", hint)


def lab_extension() -> Finding:
    """Whether JupyterLab finds our front end."""
    from jupyter_core.paths import jupyter_path

    places = [Path(folder, "hermes-lab") for folder in jupyter_path("labextensions")]
    found = next((place for place in places if (place / "package.json").exists()), None)
    if found is not None:
        return Finding("lab extension", "ok", f"installed in {found}")
    hint = "install hermes-lab into the environment that JupyterLab starts from"
    return Finding("lab extension", "problem", "JupyterLab does not find the front end", hint)


def store(root_folder: Path, db_url: str | None) -> Finding:
    """Whether the store opens, with the tables that we use."""
    from hermes_lab.store.location import default_url, open_store, shown

    url = db_url or default_url(root_folder)
    try:
        open_store(url, create=False).close()
    except NotFound:
        return Finding("store", "ok", f"none yet: the server makes it at {shown(url)}")
    except HermesError as error:
        return Finding("store", "problem", error.message, "HermesLab.db_url names another one")
    return Finding("store", "ok", shown(url))


def data_file_system(root_folder: Path) -> Finding:
    """Whether several processes may work on a SQLite store there: network file systems do not allow it."""
    from hermes_lab.store.location import data_folder

    folder = data_folder(root_folder)
    folder = next(place for place in (folder, *folder.parents) if place.is_dir())
    hint = "set JUPYTER_DATA_DIR to a folder on a local disk, or HermesLab.db_url to a store elsewhere"
    try:
        with tempfile.TemporaryDirectory(prefix=".hermes-doctor-", dir=folder) as name:
            database = sqlite3.connect(Path(name, "trial.sqlite3"))
            mode = database.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            database.close()
    except (OSError, sqlite3.Error) as error:
        return Finding("data folder", "problem", f"{folder} cannot be written: {error}", hint)
    if mode != "wal":
        return Finding("data folder", "note", f"{folder} is on a file system without write-ahead logs", hint)
    return Finding("data folder", "ok", f"{folder} takes write-ahead logs")


def sandbox() -> Finding:
    """Whether code of agents can be shut off."""
    from hermes_lab.engines.sandbox_probe import probe

    report = probe()
    if report.works:
        return Finding("sandbox", "ok", f"works, with bubblewrap {report.version}")
    version = f" (bubblewrap {report.version})" if report.version else ""
    hint = "until then, what an agent wrote waits for a person: HermesLab.agent_execution is `ask`"
    return Finding("sandbox", "note", f"{report.reason}{version}", hint)


def temporary_folder() -> Finding:
    """Whether there is room for the paths of sockets."""
    folder = tempfile.gettempdir()
    if len(folder.encode()) <= _LONGEST_TEMPORARY_FOLDER:
        return Finding("temporary folder", "ok", folder)
    message = f"the path of {folder} is long: kernels cannot be reached over Unix sockets, and the sandbox needs them"
    return Finding("temporary folder", "note", message, "set TMPDIR to a short path, such as /tmp")


def process_trees() -> Finding:
    """Whether all that a run starts is found again."""
    from hermes_lab.runner.cgroups import make_cgroup
    from hermes_lab.runner.keeping import WORKS_HERE

    if not WORKS_HERE:
        message = "only on Linux is every process of a run ended with it; here, detached ones may be missed"
        return Finding("process trees", "note", message)
    cgroup = make_cgroup()
    if cgroup is None:
        return Finding("process trees", "ok", "what a run starts is ended with it (child subreaper, no cgroup of ours)")
    cgroup.rmdir()
    return Finding("process trees", "ok", "what a run starts is ended with it (child subreaper and cgroup)")


def git() -> Finding:
    """Which git there is."""
    version = _first_line("git", "--version")
    if version is None:
        return Finding("git", "note", "missing: runs do not record their revision", "install git")
    return Finding("git", "ok", version)


def hermes() -> Finding:
    """Whether there is a Hermes Agent beside us."""
    program = shutil.which("hermes")
    if program is None:
        return Finding("Hermes", "ok", "not found: cells call the built-in tools")
    return Finding("Hermes", "ok", f"{program}: {_first_line(program, '--version') or 'it does not say its version'}")


def _first_line(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):  # missing and broken are the same to whoever asks
        return None
    return next(iter(done.stdout.splitlines()), "")
