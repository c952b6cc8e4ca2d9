"""The system calls that are refused inside a sandbox: those whose reach no namespace bounds.

A socket of a family that knows no network namespace (AF_VSOCK reaches the host of a virtual machine), the keyrings of
the user, and what has been a way through Linux itself more than once: io_uring, bpf, perf_event_open, userfaultfd.
The filter is a program of classic BPF, as seccomp(2) describes it.
"""

from __future__ import annotations

import errno
import platform
import struct
import sys
from dataclasses import dataclass
from typing import Final

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
"""Where in what the filter is shown; of the argument the lower half, which comes first on these machines."""
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_X32: Final = 0x40000000
"""Numbers from here on are another way to call the same, on x86_64."""
_FAMILIES: Final = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: each is bounded by a namespace."""
_IO_URING: Final = (425, 426, 427)


@dataclass(frozen=True)
class _Machine:
    """The numbers of the system calls of a machine, and its own."""

    audit: int
    socket: int
    refused: tuple[int, ...]


_MACHINES: Final = {
    # add_key, request_key, keyctl, perf_event_open, bpf, userfaultfd
    "x86_64": _Machine(0xC000003E, 41, (248, 249, 250, 298, 321, 323)),
    "aarch64": _Machine(0xC00000B7, 198, (217, 218, 219, 241, 280, 282)),
}


def system_call_filter() -> bytes | None:
    """The program for this machine; None for one whose system calls we do not know."""
    machine = _MACHINES.get(platform.machine())
    if machine is None or sys.byteorder != "little":
        return None
    families = [part for family in _FAMILIES for part in (_step(_EQUAL, family, 0, 1), _step(_RETURN, _ALLOW))]
    sockets = [_step(_LOAD, _FIRST_ARGUMENT), *families, _refuse(errno.EAFNOSUPPORT)]
    program = [
        _step(_LOAD, _ARCHITECTURE),
        *(_step(_EQUAL, machine.audit, 1, 0), _refuse(errno.EPERM)),
        _step(_LOAD, _NUMBER),
        *(_step(_AT_LEAST, _X32, 0, 1), _refuse(errno.EPERM)),
        *(_step(_EQUAL, machine.socket, 0, len(sockets)), *sockets),
        *(part for number in machine.refused for part in (_step(_EQUAL, number, 0, 1), _refuse(errno.EPERM))),
        # Programs go on without it where it is not there.
        *(part for number in _IO_URING for part in (_step(_EQUAL, number, 0, 1), _refuse(errno.ENOSYS))),
        _step(_RETURN, _ALLOW),
    ]
    return b"".join(program)


def _step(code: int, value: int, steps_if_true: int = 0, steps_if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, steps_if_true, steps_if_false, value)


def _refuse(error: int) -> bytes:
    return _step(_RETURN, _ERROR | error)
