"""HTTP over a Unix socket: the only way to the server out of a sandbox."""

import socket
from http.client import HTTPConnection


class UnixConnection(HTTPConnection):
    """A connection to whatever listens on the socket at ``path``."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            opened.settimeout(self.timeout)
            opened.connect(self._path)
        except BaseException:
            opened.close()
            raise
        self.sock = opened
