"""The keeper of one program: nothing that the program starts outlives it. Linux; run as a file, imports little.

``python -I -S keeper.py FD GRACE CGROUP PROGRAM ARGUMENT…`` starts the program in a session of its own, and ends
as it ends: with the same exit status, or by the same signal. SIGINT and SIGTERM are passed on to the program's process
group. FD is a socket: ``started PID PARENT`` is written when the program is there, ``clean`` when nothing of it is
left. When its other end is closed, the program has GRACE seconds to end, and is killed. CGROUP is a cgroup (version
2) made for the program, or empty; it is removed at the end.

A process whose parent ends becomes the child of the nearest "child subreaper" above it. The keeper is one, so that
whatever detaches (a new session, another environment, a fork of a fork) comes back to it, and the end is certain:
nothing is left when it has no child any more. It watches in two processes, one below the other, of which each goes
on when the other is killed.
"""

from __future__ import annotations

# What `signal` is made of; that one imports `enum`, which takes a third of the time of this program's start.
import _signal as signal  # type: ignore[import-not-found]
import ctypes
import os
import select
import sys
import time

_SET_PDEATHSIG, _SET_DUMPABLE, _SET_CHILD_SUBREAPER = 1, 4, 36
_GONE_WITHIN = 5.0
"""Seconds after which a process that cannot die, or belongs to somebody else, is given up."""
_LEAVE_TO_END = 0.25
"""Seconds that what an ended program leaves behind has for an orderly end of its own."""
_ROUNDS_OF_STOPPING = 20
_NOT_EXECUTED = 127
_libc = ctypes.CDLL(None, use_errno=True)


class Watch:
    """One of the two processes: what it waits for, and what is below it."""

    def __init__(self, above: int, grace: float, cgroup: str) -> None:
        self._above = above
        self._grace = grace
        self._cgroup = cgroup
        self._first = 0
        self._status: int | None = None
        _libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._woken, wake = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        self._poll = select.poll()
        self._poll.register(self._woken, select.POLLIN)

    def fork(self) -> int:
        """As ``os.fork``; the child is the one to watch."""
        self._first = os.fork()
        return self._first

    def forwards_to_group(self) -> None:
        """Pass SIGINT and SIGTERM on to the watched process and its group, for it is in another one."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._pass_on)

    def until_the_end(self) -> bool:
        """Wait for the end of the watched process, or of what is above; whether it was the former."""
        self._poll.register(self._above, select.POLLIN)
        deadline: float | None = None
        while self._reap() and self._status is None:
            pause = None if deadline is None else max(deadline - time.monotonic(), 0.0) * 1000
            ready = {file for file, _ in self._poll.poll(pause)}
            self._drain()
            if self._above in ready:
                self._poll.unregister(self._above)
                deadline = time.monotonic() + self._grace
            if deadline is not None and time.monotonic() >= deadline:
                break
        self._poll = select.poll()
        self._poll.register(self._woken, select.POLLIN)
        return self._status is not None

    def end_alike(self) -> None:
        """End as the watched process has ended. Does not return."""
        status = self._status if self._status is not None else signal.SIGKILL
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            _libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0)  # the one that died has left its core, if any
            if number != signal.SIGKILL:
                signal.signal(number, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
            os.kill(os.getpid(), number)
        os._exit(os.waitstatus_to_exitcode(status))

    def ask_the_rest_to_end(self) -> None:
        """The watched process has ended: SIGTERM for what it leaves behind, and a moment to heed it."""
        if not self._reap():
            return
        for pid in _descendants():
            _send(pid, signal.SIGTERM)
        deadline = time.monotonic() + _LEAVE_TO_END
        while self._reap() and time.monotonic() < deadline:
            self._poll.poll((deadline - time.monotonic()) * 1000)
            self._drain()

    def kill_the_rest(self) -> bool:
        """Kill all that is below, until nothing is; whether that is so."""
        deadline = time.monotonic() + _GONE_WITHIN
        while self._reap():
            if time.monotonic() > deadline:
                return False
            self._kill_cgroup()
            for pid in _stopped_descendants():
                _send(pid, signal.SIGKILL)
            self._poll.poll(5)
            self._drain()
        return True

    def _kill_cgroup(self) -> None:
        if self._cgroup:
            try:
                with open(f"{self._cgroup}/cgroup.kill", "w") as file:
                    file.write("1")
            except OSError:  # a kernel before Linux 5.14; the descendants are killed one by one
                self._cgroup = ""

    def _reap(self) -> bool:
        """Take in what has ended; whether any child is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._first:
                self._status = status

    def _drain(self) -> None:
        try:
            while os.read(self._woken, 4096):
                pass
        except BlockingIOError:
            pass

    def _on_signal(self, _number: int, _frame: object) -> None:
        """The byte in the pipe wakes the loop."""

    def _pass_on(self, number: int, _frame: object) -> None:
        if self._status is None and self._first:
            _send(-self._first, number)


def main(arguments: list[str]) -> None:
    """Does not return."""
    line, grace, cgroup, program = int(arguments[0]), float(arguments[1]), arguments[2], arguments[3:]
    os.set_inheritable(line, False)
    outer = Watch(line, grace, cgroup)
    alive_below, alive = os.pipe()
    if outer.fork() == 0:
        os.close(alive)
        _inner(alive_below, line, cgroup, program)
    os.close(alive_below)
    _let_go_of_pipes()
    outer.until_the_end()
    if outer.kill_the_rest():
        if cgroup:
            _remove(cgroup)
        _say(line, "clean")
    outer.end_alike()


def _inner(outer_alive: int, line: int, cgroup: str, program: list[str]) -> None:
    watch = Watch(outer_alive, 0.0, cgroup)
    pid = watch.fork()
    if pid == 0:
        _become(program, cgroup)
    watch.forwards_to_group()
    _say(line, f"started {pid} {os.getpid()}")
    _let_go_of_pipes()
    if watch.until_the_end():
        watch.ask_the_rest_to_end()
    if watch.kill_the_rest():
        _say(line, "clean")
    watch.end_alike()


def _become(program: list[str], cgroup: str) -> None:
    keeper = os.getppid()
    os.setsid()
    _libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != keeper:
        os._exit(_NOT_EXECUTED)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    if cgroup:
        with open(f"{cgroup}/cgroup.procs", "w") as file:
            file.write("0")
    if "JPY_PARENT_PID" in os.environ:  # ipykernel ends when that process is no longer its parent
        os.environ["JPY_PARENT_PID"] = str(keeper)
    try:
        os.execvp(program[0], program)  # noqa: S606
    except OSError as error:
        os.write(2, f"{program[0]}: {error.strerror}\n".encode())
    os._exit(_NOT_EXECUTED)


def _let_go_of_pipes() -> None:
    """Standard input and output are the program's; who reads them must see its end."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)


def _say(line: int, words: str) -> None:
    try:
        os.write(line, words.encode() + b"\n")
    except OSError:  # whoever would hear it is gone
        pass


def _remove(cgroup: str) -> None:
    try:
        os.rmdir(cgroup)
    except OSError:  # somebody made a group below it
        pass


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:  # gone meanwhile, or a setuid program: it is looked at again until the deadline
        pass


def _stopped_descendants() -> set[int]:
    """All that is below this process, stopped so that it forks no more."""
    stopped: set[int] = set()
    for _ in range(_ROUNDS_OF_STOPPING):
        fresh = _descendants() - stopped
        if not fresh:
            break
        for pid in fresh:
            _send(pid, signal.SIGSTOP)
        stopped |= fresh
    return stopped


def _descendants() -> set[int]:
    found: set[int] = set()
    parents = [os.getpid()]
    while parents:
        children = _children(parents.pop()) - found
        found |= children
        parents.extend(children)
    return found


def _children(parent: int) -> set[int]:
    children: set[int] = set()
    try:
        for task in os.listdir(f"/proc/{parent}/task"):
            with open(f"/proc/{parent}/task/{task}/children", "rb") as file:
                children.update(map(int, file.read().split()))
    except FileNotFoundError:
        if not os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
            return _children_by_search(parent)
    except OSError:  # it ends while it is looked at
        pass
    return children


def _children_by_search(parent: int) -> set[int]:
    """For a Linux that was built without lists of children."""
    children: set[int] = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    words = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(words[1]) == parent:
                children.add(int(name))
    return children


if __name__ == "__main__":
    main(sys.argv[1:])
