"""The way to the server: HTTP with JSON, one connection kept open per thread."""

import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Dict, NamedTuple, Optional, Tuple
from urllib.parse import urlsplit

from hermes_runtime.errors import NoServer

if TYPE_CHECKING:
    from http.client import HTTPConnection

URL = "HERMES_LAB_URL"
SOCKET = "HERMES_LAB_SOCKET"
TOKEN = "HERMES_LAB_KERNEL_TOKEN"  # noqa: S105 - the name of the variable
RECONNECT_DELAYS = (0.0, 0.2, 0.5, 1.0, 2.0)
"""Seconds before each further attempt after a dropped or refused connection."""
PATIENCE = 30.0
"""Seconds that an answer may take beyond the wait that was asked for."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")

_open = threading.local()


class Answer(NamedTuple):
    """The HTTP status, and the JSON object that came with it."""

    status: int
    body: Dict[str, Any]


class Server(NamedTuple):
    """The server that started this kernel, and the token that it gave to it."""

    url: str
    token: str
    socket: Optional[str] = None
    """The path of a Unix socket, which stands in for the host and port of the address."""

    @classmethod
    def of_this_kernel(cls) -> "Server":
        """The server named by the kernel's environment.

        Raises:
            NoServer: this interpreter was not started by a server with hermes_lab.
        """
        socket, token = os.environ.get(SOCKET), os.environ.get(TOKEN)
        url = "http://localhost/" if socket else os.environ.get(URL)
        if not url or not token:
            raise NoServer(
                "No hermes_lab server started this kernel, so there is nobody to run tools. Open the "
                "notebook in a JupyterLab that has hermes_lab, and start a new kernel."
            )
        return cls(url if url.endswith("/") else url + "/", token, socket)

    def ask(self, method: str, path: str, body: Optional[Dict[str, Any]], wait: float) -> Answer:
        """The server's answer to one request, which may be sent again over a new connection.

        ``wait`` is for how many seconds the server was asked to hold its answer back. Only send what
        may arrive twice.

        Raises:
            NoServer: it cannot be reached, or what answers is no hermes_lab.
        """
        from http.client import HTTPException  # noqa: PLC0415 - costs 10 ms that `import hermes_runtime` need not pay

        payload = None if body is None else json.dumps(body, default=os.fspath).encode()
        failure: Optional[Exception] = None
        for delay in RECONNECT_DELAYS:
            time.sleep(delay)
            try:
                return self._exchange(method, path, payload, wait)
            except (OSError, HTTPException) as error:
                failure = error
                _close()
            except BaseException:
                # An interrupted cell leaves half an answer in the connection.
                _close()
                raise
        raise NoServer(
            f"The Jupyter server at {self.socket or self.url} does not answer ({failure!r}). "
            "If it was restarted, start a new kernel."
        )

    def _exchange(self, method: str, path: str, payload: Optional[bytes], wait: float) -> Answer:
        connection = _connection(self)
        connection.timeout = wait + PATIENCE
        if connection.sock is not None:
            connection.sock.settimeout(connection.timeout)
        headers = {"Authorization": "Bearer " + self.token, "Accept": "application/json"}
        if payload is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, urlsplit(self.url).path + "hermes/api/" + path, payload, headers)
        response = connection.getresponse()
        return Answer(response.status, _json_object(response.read(), response.status, self.url))


def _json_object(content: bytes, status: int, url: str) -> Dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError:
        value = None
    if isinstance(value, dict):
        return value
    raise NoServer(f"What answers at {url} is no hermes_lab server (HTTP {status}, no JSON object).")


def _connection(server: Server) -> "HTTPConnection":
    """This thread's open connection; a forked child must not share its parent's."""
    owner: Tuple[int, str, Optional[str]] = (os.getpid(), server.url, server.socket)
    if getattr(_open, "owner", None) != owner:
        _open.connection, _open.owner = _connect(server.url, server.socket), owner
    connection: HTTPConnection = _open.connection
    return connection


def _connect(url: str, unix_socket: Optional[str]) -> "HTTPConnection":
    if unix_socket:
        from hermes_runtime.unix import UnixConnection  # noqa: PLC0415

        return UnixConnection(unix_socket)
    # http.client knows no proxies, so none stands between a kernel and its own server.
    from http.client import HTTPConnection, HTTPSConnection  # noqa: PLC0415

    parts = urlsplit(url)
    if parts.scheme == "https":
        import ssl  # noqa: PLC0415

        context = ssl.create_default_context()
        if parts.hostname in LOOPBACK:
            # A certificate for the public name, or a self-signed one, cannot name this machine to itself.
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return HTTPSConnection(parts.hostname or "", parts.port, context=context)
    return HTTPConnection(parts.hostname or "", parts.port)


def _close() -> None:
    connection = getattr(_open, "connection", None)
    if connection is not None:
        connection.close()
