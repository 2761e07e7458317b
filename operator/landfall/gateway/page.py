"""The web page: three static files; the browser may load nothing else. It uses the same routes as every client."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fastapi import APIRouter, Request, Response

_FILES = {"": ("index.html", "text/html"), "page.css": ("page.css", "text/css"), "page.js": ("page.js", "text/javascript")}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
ROUTER = APIRouter(include_in_schema=False)


class _File:
    """One file, read once."""

    def __init__(self, name: str, kind: str) -> None:
        self._content = (Path(__file__).parent / "files" / name).read_bytes()
        self._kind = kind
        self._tag = f'"{hashlib.sha256(self._content).hexdigest()[:16]}"'

    async def __call__(self, request: Request) -> Response:
        """Return the file, or 304 if the client has the current version."""
        headers = {**_HEADERS, "ETag": self._tag}
        if request.headers.get("if-none-match") == self._tag:
            return Response(status_code=304, headers=headers)
        return Response(self._content, media_type=self._kind, headers=headers)


for _path, _told in _FILES.items():
    ROUTER.add_api_route(f"/{_path}", _File(*_told).__call__, methods=["GET"])
