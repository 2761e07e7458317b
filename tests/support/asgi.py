"""Asks an ASGI application without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

Application = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass
class Answer:
    """What came back; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The document."""
        return json.loads(self.body)


class Client:
    """`headers` go with every request."""

    def __init__(self, application: Application, headers: Mapping[str, str] | None = None) -> None:
        self._application = application
        self.headers = dict(headers or {})

    def get(self, path: str, headers: Mapping[str, str] | None = None, **query: object) -> Answer:
        """GET with a query."""
        return self.ask("GET", f"{path}?{urlencode(query)}" if query else path, headers=headers)

    def post(self, path: str, document: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """POST with a document."""
        return self.ask("POST", path, document, headers)

    def ask(self, method: str, path: str, document: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Any request; octets go as they are."""
        url = urlsplit(path)
        body = document if isinstance(document, bytes) else b"" if document is None else json.dumps(document).encode()
        told = {"host": "gateway", "content-type": "application/json", **self.headers, **(headers or {})}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": url.path,
            "raw_path": url.path.encode(),
            "query_string": url.query.encode(),
            "root_path": "",
            "headers": [(k.lower().encode(), v.encode()) for k, v in told.items()],
            "server": ("gateway", 80),
            "client": ("127.0.0.1", 1),
        }
        answer, asked = Answer(0, {}, b""), [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, object]:
            if not asked:
                await asyncio.Event().wait()  # it stays, and says no more
            return asked.pop()

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            else:
                answer.body += message.get("body", b"")

        asyncio.run(self._application(scope, receive, send))  # type: ignore[arg-type]
        return answer
