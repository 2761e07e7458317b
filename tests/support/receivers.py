"""Servers that people are told through, as their documents describe them: a webhook's receiver, Slack's chat.postMessage, SMTP."""

from __future__ import annotations

import base64
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Post:
    """A request that came in."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """An HTTP server. `answers`: statuses to give before all is well."""

    url: str = ""
    posts: list[Post] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    """A server at work in a thread of its own."""
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def http(address: str = "127.0.0.1", token: str = "", answers: tuple[int, ...] = ()) -> Iterator[Receiver]:
    """A receiver of webhooks; under /api/chat.postMessage it answers as Slack does."""
    receiver = Receiver(answers=list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = receiver.answers.pop(0) if receiver.answers else 200
            receiver.posts.append(Post(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(status)
            self.end_headers()
            if self.path.endswith("/api/chat.postMessage"):
                right = self.headers["Authorization"] == f"Bearer {token}"
                reply = {"ok": True, "channel": json.loads(body)["channel"]} if right else {"ok": False, "error": "invalid_auth"}
                self.wfile.write(json.dumps(reply).encode())

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer((address, 0), Handler)
    receiver.url = f"http://{address}:{server.server_port}"
    with _serving(server):
        yield receiver


@dataclass
class MailServer:
    """An SMTP server with AUTH PLAIN. `refuse`: codes to answer MAIL with before all is well."""

    port: int = 0
    mails: list[tuple[list[str], Message]] = field(default_factory=list)
    refuse: list[int] = field(default_factory=list)


@contextmanager
def smtp(user: str, password: str, refuse: tuple[int, ...] = ()) -> Iterator[MailServer]:
    """A mail server (RFC 5321, RFC 4954) without TLS."""
    mail_server = MailServer(refuse=list(refuse))
    credentials = base64.b64encode(f"\0{user}\0{password}".encode()).decode()

    class Handler(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def handle(self) -> None:
            self.say("220 local ESMTP")
            authenticated, to = False, []
            while line := self.rfile.readline().decode().rstrip("\r\n"):
                verb = line.split()[0].upper()
                if verb == "EHLO":
                    self.say("250-local\r\n250 AUTH PLAIN")
                elif verb == "AUTH":
                    authenticated = line.split()[-1] == credentials
                    self.say("235 well" if authenticated else "535 credentials are invalid")
                elif verb == "MAIL":
                    code = mail_server.refuse.pop(0) if mail_server.refuse else 250
                    self.say(f"{code} so" if authenticated else "530 authentication required")
                elif verb == "RCPT":
                    to.append(line[line.index("<") + 1 : line.index(">")])
                    self.say("250 well")
                elif verb == "DATA":
                    self.say("354 go on")
                    mail_server.mails.append((to, message_from_bytes(b"".join(iter(self.rfile.readline, b".\r\n")))))
                    self.say("250 taken")
                else:
                    self.say("221 bye" if verb == "QUIT" else "250 well")

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    mail_server.port = int(server.server_address[1])
    with _serving(server):
        yield mail_server
