"""bubblewrap: a kernel that sees a read-only system, one folder to write, and nobody else.

What holds inside, and what does not, is in docs/security.md. The command line is built from nothing: whatever is not
named here is not there. Everything that the kernel could put a link in place of is bound read-only or lies outside.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hermes_lab.engines.interpreters import Interpreter
from hermes_lab.engines.sandbox_filter import system_call_filter

TOOL_SOCKET: Final = "/run/hermes_lab/tools.sock"
"""Where the server's tool channel is inside."""
HOME: Final = "/tmp/home"  # noqa: S108 - inside, /tmp is the kernel's own

_SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS: Final = (
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "timezone"),
    *("locale.alias", "fonts", "mime.types", "protocols", "services", "matplotlibrc"),
)
"""What is shown of /etc. Who exists here, and which machines are known, is written anew for each kernel."""
_INHERITED: Final = ("LANG", "LANGUAGE", "TZ", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_SEPARATE: Final = (
    *("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
    *("--cap-drop", "ALL", "--die-with-parent", "--new-session", "--hostname", "sandbox"),
)
_SINCE_FOR_DISABLING: Final = (0, 8)
_MOST_LINKS: Final = 40
"""After so many links, Linux gives a path up too."""


@dataclass(frozen=True)
class Bubblewrap:
    """The program, and how it makes user namespaces on this machine (see `sandbox_probe`)."""

    program: str
    version: tuple[int, ...]
    own_users: bool = True

    @property
    def options(self) -> list[str]:
        """Own namespaces of every kind; where it can, no further ones can be made inside."""
        if not self.own_users:
            return ["--unshare-user-try", *_SEPARATE]
        disabling = ["--disable-userns"] if self.version >= _SINCE_FOR_DISABLING else []
        return ["--unshare-user", *disabling, *_SEPARATE]


@dataclass(frozen=True)
class Enclosure:
    """What one kernel is shut in.

    ``folder`` is private to the kernel and outside: its connection file, its sockets and its log lie in it.
    ``readable`` folders are there for reading; ``closed`` ones are hidden even where they lie in a readable one.
    """

    folder: Path
    scratch_folder: Path
    interpreter: Interpreter
    readable: tuple[Path, ...] = ()
    closed: tuple[Path, ...] = ()
    tool_socket: Path | None = None

    @property
    def sockets(self) -> Path:
        """The folder of the kernel's own sockets: besides the scratch folder all of the machine that it can write."""
        return self.folder / "sockets"

    @property
    def connection_file(self) -> Path:
        """The kernel reads it and cannot put another one in its place."""
        return self.folder / "kernel.json"

    def prepare(self) -> None:
        """Write what stands in for /etc and the filter of system calls, and make the folder of the sockets."""
        self.sockets.mkdir(mode=0o700)
        stand_ins = self.folder / "etc"
        stand_ins.mkdir()
        for name, content in _identity().items():
            (stand_ins / name).write_text(content)
        program = system_call_filter()
        if program is not None:
            self._filter.write_bytes(program)

    def wrap(self, argv: list[str], bubblewrap: Bubblewrap, working_folder: Path) -> list[str]:
        """The command that runs ``argv`` inside. Its environment is the one that it is started with."""
        mounts = self._mounts()
        shut = [option for path in self._hidden() for option in ("--remount-ro", str(path))]
        # bubblewrap reads the filter from a file that is open when it starts.
        filtered = ["/bin/sh", "-c", 'exec 9<"$0" && exec "$@"', str(self._filter)]
        has_filter = self._filter.exists()
        return [
            *(filtered if has_filter else []),
            *(bubblewrap.program, *bubblewrap.options, *(("--seccomp", "9") if has_filter else ())),
            # To the user id 0 of the machine, /proc/sys is writable even without any capability.
            *("--dev", "/dev", "--proc", "/proc", "--remount-ro", "/proc"),
            *("--tmpfs", "/tmp", "--dir", HOME),  # noqa: S108
            *(option for path in sorted(mounts, key=_depth) for option in mounts[path]),
            *shut,
            *("--remount-ro", "/"),
            # Its parent inside is bubblewrap's, whose end it need not look out for.
            *("--unsetenv", "JPY_PARENT_PID", "--chdir", str(working_folder)),
            *("--", *argv),
        ]

    def environment(self, inherited: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
        """The few variables of the machine that say how, and never who or where; and the kernel's own."""
        kept = {name: value for name, value in inherited.items() if name in _INHERITED or name.startswith("LC_")}
        programs = [str(self.interpreter.program.parent), "/usr/local/bin", "/usr/bin", "/bin"]
        made = {
            "PATH": os.pathsep.join(programs),
            "HOME": HOME,
            "TMPDIR": "/tmp",  # noqa: S108
            "IPYTHONDIR": f"{HOME}/.ipython",
            "MPLCONFIGDIR": f"{HOME}/.config/matplotlib",
        }
        if self.interpreter.user_base is not None:
            made["PYTHONUSERBASE"] = str(self.interpreter.user_base)
        if self.tool_socket is not None:
            made["HERMES_LAB_SOCKET"] = TOOL_SOCKET
        return {**kept, **made, **{name: value for name, value in own.items() if name != "HERMES_LAB_URL"}}

    @property
    def _filter(self) -> Path:
        return self.folder / "system_calls.bpf"

    def _mounts(self) -> dict[Path, list[str]]:
        """Place inside -> the options that make it, parents to be made before what lies in them."""
        mounts: dict[Path, list[str]] = {}
        hidden = set(self._hidden())
        folders = {_real(path) for path in self._shown() if path.is_dir()}
        for path in self._shown():
            real = _real(path)
            mounts |= _links(path)
            if folders.isdisjoint(real.parents) or not hidden.isdisjoint(real.parents):
                mounts[real] = ["--ro-bind", str(real), str(real)]
        for path in hidden:
            mounts[path] = ["--tmpfs", str(path)]
        for file in (self.folder / "etc").iterdir():
            mounts[Path("/etc", file.name)] = ["--ro-bind", str(file), f"/etc/{file.name}"]
        for path in (self.scratch_folder, self.sockets):
            mounts |= _links(path)
            mounts[_real(path)] = ["--bind", str(_real(path)), str(_real(path))]
        mounts[_real(self.connection_file)] = ["--ro-bind", *[str(_real(self.connection_file))] * 2]
        if self.tool_socket is not None:
            mounts[Path(TOOL_SOCKET)] = ["--ro-bind", str(self.tool_socket), TOOL_SOCKET]
        return _without_links_inside(mounts)

    def _shown(self) -> list[Path]:
        system = [Path(path) for path in _SYSTEM]
        settings = [Path("/etc", name) for name in _SETTINGS]
        every = [*system, *settings, *self.interpreter.folders, self.interpreter.program, *self.readable]
        return [path for path in every if path.exists()]

    def _hidden(self) -> list[Path]:
        """The closed folders that would show through a folder around them."""
        shown = {_real(path) for path in self._shown() if path.is_dir()}
        closed = {_real(path) for path in self.closed if path.is_dir()}
        return sorted(path for path in closed - shown if not shown.isdisjoint(path.parents))


def _identity() -> dict[str, str]:
    """One user and one machine: whom the kernel runs as, under another name, and itself."""
    user, group = os.getuid(), os.getgid()
    return {
        "passwd": f"sandbox:x:{user}:{group}:sandbox:{HOME}:/bin/sh\n",
        "group": f"sandbox:x:{group}:\n",
        "hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    }


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _depth(path: Path) -> tuple[int, str]:
    return len(path.parts), str(path)


def _links(path: Path) -> dict[Path, list[str]]:
    """Every link on the way to what the path names, as it is."""
    links: dict[Path, list[str]] = {}
    here, left = Path("/"), list(Path(os.path.abspath(path)).parts[1:])  # noqa: PTH100
    while left and len(links) < _MOST_LINKS:
        part = left.pop(0)
        step = here.parent if part == ".." else here / part
        if step.is_symlink():
            target = Path(os.readlink(step))  # noqa: PTH115
            links[step] = ["--symlink", str(target), str(step)]
            here = Path("/") if target.is_absolute() else here
            left = [*(target.parts[1:] if target.is_absolute() else target.parts), *left]
        else:
            here = step
    return links


def _without_links_inside(mounts: dict[Path, list[str]]) -> dict[Path, list[str]]:
    """A link in a folder that is bound is there already."""
    bound = {path for path, options in mounts.items() if options[0] != "--symlink"}
    return {
        path: options for path, options in mounts.items() if options[0] != "--symlink" or bound.isdisjoint(path.parents)
    }
