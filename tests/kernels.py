"""A kernel of a session, started by a real server as JupyterLab starts it, and cells executed in it."""

from __future__ import annotations

from dataclasses import dataclass
from queue import Empty
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient

from tests.clients import SECONDS, Client
from tests.servers import Server

IMPORT = "import hermes_runtime as hermes, os\n"
WAITING = "waiting for approval of: "


@dataclass
class Cell:
    """What a cell has shown so far; ``ended`` when its kernel is idle again."""

    message_id: str
    stdout: str = ""
    stderr: str = ""
    error: tuple[str, str] | None = None
    ended: bool = False


class Kernel:
    """The kernel of a notebook. Close it when the test ends."""

    def __init__(self, server: Server, person: Client, path: str) -> None:
        self._person = person
        answer = person.request(
            "POST",
            "/api/sessions",
            json={"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}},
        )
        assert answer.status_code == 201, answer.text
        session = answer.json()
        self.session_id: str = session["id"]
        self.kernel_id: str = session["kernel"]["id"]
        self._client = BlockingKernelClient()
        self._client.load_connection_file(str(server.home / "runtime" / f"kernel-{self.kernel_id}.json"))
        # Without heartbeats: on a busy machine a kernel that is still starting misses them, and counts as dead.
        self._client.start_channels(hb=False)
        self._client.wait_for_ready(timeout=SECONDS)

    def begin(self, source: str, cell_id: str | None = None) -> Cell:
        """Execute a cell as JupyterLab does, with its id in the metadata."""
        content = {
            "code": source,
            "silent": False,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        metadata = {} if cell_id is None else {"cellId": cell_id}
        message = self._client.session.msg("execute_request", content, metadata=metadata)
        self._client.shell_channel.send(message)
        return Cell(message["header"]["msg_id"])

    def until(self, cell: Cell, stderr: str) -> Cell:
        """Wait until the cell has written this to stderr."""
        while stderr not in cell.stderr:
            assert not cell.ended, f"the cell ended without {stderr!r}: {cell}"
            self._take(cell)
        return cell

    def end(self, cell: Cell) -> Cell:
        """Wait until the cell has ended."""
        while not cell.ended:
            self._take(cell)
        return cell

    def run(self, source: str, cell_id: str | None = None) -> str:
        """Execute a cell that must not fail; what it printed."""
        cell = self.end(self.begin(source, cell_id))
        assert cell.error is None, cell
        return cell.stdout.strip()

    def restart(self) -> None:
        """As the person does it from JupyterLab's menu."""
        assert self._person.request("POST", f"/api/kernels/{self.kernel_id}/restart").status_code == 200
        self._client.wait_for_ready(timeout=SECONDS)

    def shut_down(self) -> None:
        """As the person does it from JupyterLab's menu; the second time nothing happens."""
        self._client.stop_channels()
        assert self._person.request("DELETE", f"/api/sessions/{self.session_id}").status_code in (204, 404)

    def _take(self, cell: Cell) -> None:
        try:
            message: dict[str, Any] = self._client.get_iopub_msg(timeout=SECONDS)
        except Empty:
            raise AssertionError(f"the kernel says nothing any more: {cell}") from None
        if message["parent_header"].get("msg_id") != cell.message_id:
            return
        content = message["content"]
        match message["msg_type"]:
            case "stream" if content["name"] == "stdout":
                cell.stdout += content["text"]
            case "stream":
                cell.stderr += content["text"]
            case "error":
                cell.error = (content["ename"], content["evalue"])
            case "status":
                cell.ended = content["execution_state"] == "idle"
