"""HTTP servers of the standard library for the length of a test; clients that go away are no news to them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class QuietServer(ThreadingHTTPServer):
    """Every request has a thread of its own."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Told, unless the client went away."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class QuietHandler(BaseHTTPRequestHandler):
    """Answers requests for `service`, and says nothing of them."""

    service: Any
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        """Whatever is asked, by whichever method."""
        self.handled()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815  the server's names

    def handled(self) -> None:
        """Answer what was asked."""
        raise NotImplementedError

    def body(self) -> bytes:
        """What came along."""
        length = int(self.headers.get("Content-Length") or 0)
        return self.rfile.read(length) if length else b""

    def answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send an answer."""
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class Listening:
    """Listens on addresses while its block lasts. Requests go to handlers that know it as `service`."""

    def __init__(self, handler: type[QuietHandler], *addresses: tuple[str, int]) -> None:
        bound = type("Bound", (handler,), {"service": self})
        self._servers = [QuietServer(address, bound) for address in addresses or (("127.0.0.1", 0),)]
        self._threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in self._servers]
        self.ports = [server.server_port for server in self._servers]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join(10)
