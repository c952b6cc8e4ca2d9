"""A command on a file system that can do less: the kernel refuses it some system calls, as exFAT's driver does.

``python tests/file_systems.py link,linkat,renameat2 COMMAND …`` becomes the command.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

_NUMBERS = {
    "x86_64": {"link": 86, "linkat": 265, "renameat2": 316},
    "aarch64": {"linkat": 37, "renameat2": 276},
}
CAN_REFUSE = sys.platform == "linux" and platform.machine() in _NUMBERS
NO_EXCHANGE = "renameat2"
NO_LINKS = "link,linkat,renameat2"
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2
_LOAD_NUMBER, _IF_EQUAL, _ANSWER = 0x20, 0x15, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000


def refuse(calls: set[str]) -> None:
    """Have these calls answered with EPERM in this process, and in all that it starts, for ever."""
    numbers = [number for name, number in _NUMBERS[platform.machine()].items() if name in calls]
    steps = [(_LOAD_NUMBER, 0, 0, 0)]
    for number in numbers:
        steps += [(_IF_EQUAL, 0, 1, number), (_ANSWER, 0, 0, _REFUSE | errno.EPERM)]
    steps.append((_ANSWER, 0, 0, _ALLOW))
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    fields = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(program)))
    library = ctypes.CDLL(None, use_errno=True)
    for arguments in ((_NO_NEW_PRIVILEGES, 1, 0, 0, 0), (_SECCOMP, _FILTER, fields, 0, 0)):
        if library.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    refuse(set(sys.argv[1].split(",")))
    os.execv(sys.argv[2], sys.argv[2:])
