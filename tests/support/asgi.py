"""Calls an ASGI application without a socket, from tests that have no event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The document."""
        return json.loads(self.body)


class Client:
    """`headers` go with every request."""

    def __init__(self, application: Any, headers: Mapping[str, str] | None = None) -> None:
        self._transport = httpx.ASGITransport(application)
        self.headers = {"Content-Type": "application/json", **(headers or {})}

    def get(self, path: str, headers: Mapping[str, str] | None = None, **query: Any) -> Answer:
        """GET with a query."""
        return self.ask("GET", str(httpx.URL(path, params=query) if query else path), headers=headers)

    def post(self, path: str, document: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """POST with a document."""
        return self.ask("POST", path, document, headers)

    def ask(self, method: str, path: str, document: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Any request; octets go as they are."""
        all_headers = httpx.Headers(dict(self.headers))
        all_headers.update(dict(headers or {}))
        body = document if isinstance(document, bytes) else b"" if document is None else json.dumps(document).encode()

        async def request() -> Answer:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://gateway", trust_env=False) as client:
                answer = await client.request(method, path, content=body, headers=all_headers)
                return Answer(answer.status_code, answer.headers, answer.content)

        return asyncio.run(request())
