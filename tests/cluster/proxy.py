"""An API server that shows what is not so: a proxy on this machine that passes everything else on.

Watches: `cut` breaks them off after a second; `stalled` keeps them open and never tells anything; `expired` answers that the
version is too old (410); `late` tells everything some seconds afterwards; `skipped` leaves out every other event; `merged`
tells the last of a second's events of an object alone. Reads: `stale` answers the first GET behind every write of an object
with what it was before.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Self

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.cluster.machine import Cluster
from tests.support.servers import free_port

WATCHES = ("cut", "stalled", "expired", "late", "skipped", "merged", "stale")
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_CUT_SECONDS = 1
_LATE_SECONDS = 4
_MERGED_SECONDS = 1
_EXPIRED = {
    "type": "ERROR",
    "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"},
}
_OF_A_CONNECTION = {"host", "connection", "content-length", "transfer-encoding"}
Pieces = AsyncGenerator[bytes, None]


class CutError(Exception):
    """A watch is broken off: the connection is closed in the middle of the answer."""


class Proxy:
    """Listens on a port of loopback; `struck` counts the watches that went wrong."""

    def __init__(self, cluster: Cluster, fault: str, folder: Path) -> None:
        self._fault = fault
        upstream, port = free_port(), free_port()
        kubectl = [str(cluster.programs / "kubectl"), "--kubeconfig", str(cluster.kubeconfig)]
        self._command = [*kubectl, "proxy", f"--port={upstream}"]
        self._upstream = httpx.URL(f"http://127.0.0.1:{upstream}")
        self._address = f"http://127.0.0.1:{port}"
        application = Starlette(routes=[Route("/{tail:path}", self._passed, methods=_METHODS)], lifespan=self._connected)
        settings = uvicorn.Config(application, port=port, log_config=None, log_level="critical", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self.kubeconfig = folder / "kubeconfig"
        self.struck = 0
        self._seen: dict[str, bytes] = {}
        self._outdated: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        self._thread.start()
        deadline = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < deadline, "the proxy does not answer"
            time.sleep(0.1)
        server = {"name": "c", "cluster": {"server": self._address}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [server], "contexts": [context]}
        self.kubeconfig.write_text(json.dumps({**config, "users": [{"name": "u", "user": {}}]}), encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._process.terminate()
        self._process.wait(10)

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self._address}/readyz").status_code == httpx.codes.OK
        return False

    @contextlib.asynccontextmanager
    async def _connected(self, _: Starlette) -> AsyncIterator[None]:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        async with httpx.AsyncClient(timeout=None, limits=limits) as self._client:  # noqa: S113  a watch takes its time
            yield

    async def _passed(self, request: Request) -> Response:
        watched = request.query_params.get("watch", "") in {"1", "true", "True"}
        if self._fault == "stale":
            return await self._stale(request, watched=watched)
        if watched:
            self.struck += 1
        if watched and self._fault == "expired":
            await asyncio.sleep(0.2)
            return JSONResponse(_EXPIRED)
        answer = await self._answer(request)
        return _streamed(answer, self._struck(answer) if watched else _pieces(answer))

    async def _answer(self, request: Request) -> httpx.Response:
        """What the API server answers; its body is still to come."""
        headers = {k: v for k, v in request.headers.items() if k not in _OF_A_CONNECTION}
        query = request.scope["query_string"]
        url = self._upstream.copy_with(raw_path=request.scope["raw_path"] + (b"?" + query if query else b""))
        forwarded = self._client.build_request(
            request.method, url, headers={"accept-encoding": "identity", **headers}, content=await request.body()
        )
        try:
            return await self._client.send(forwarded, stream=True)
        except httpx.TransportError as error:
            return httpx.Response(502, text=str(error), request=forwarded)

    async def _stale(self, request: Request, *, watched: bool) -> Response:
        """Reads of single objects are remembered, and told once more behind a write to them."""
        place = request.url.path.removesuffix("/status")
        if request.method == "GET" and place in self._outdated:
            self.struck += 1
            return Response(self._outdated.pop(place), media_type="application/json")
        answer = await self._answer(request)
        if watched:
            return _streamed(answer, _pieces(answer))
        body = await answer.aread()
        if request.method == "GET" and answer.status_code == 200 and b'"resourceVersion"' in body and "/namespaces/" in place:
            self._seen[place] = body
        elif request.method in {"PUT", "PATCH"} and answer.status_code == 200 and place in self._seen:
            self._outdated[place] = self._seen.pop(place)
        return Response(body, answer.status_code, media_type=answer.headers.get("content-type"))

    def _struck(self, answer: httpx.Response) -> Pieces:
        ways = {"stalled": _stalled, "cut": _cut, "late": _late, "skipped": _skipped, "merged": _merged}
        return ways[self._fault](answer)


def _streamed(answer: httpx.Response, pieces: Pieces) -> Response:
    """What is answered, passed on piece by piece, for as long as whoever asked is there."""
    headers = {k: v for k, v in answer.headers.items() if k in {"content-type", "content-encoding"}}
    return StreamingResponse(pieces, answer.status_code, headers)


async def _pieces(answer: httpx.Response) -> Pieces:
    try:
        async for piece in answer.aiter_raw():
            yield piece
    finally:
        await answer.aclose()


async def _lines(answer: httpx.Response) -> Pieces:
    """Whole ones, each with its end."""
    incomplete = b""
    async for piece in _pieces(answer):
        *lines, incomplete = (incomplete + piece).split(b"\n")
        for line in lines:
            yield line + b"\n"


async def _stalled(answer: httpx.Response) -> Pieces:
    try:
        await asyncio.sleep(3600)
        yield b""
    finally:
        await answer.aclose()


async def _cut(answer: httpx.Response) -> Pieces:
    loop = asyncio.get_running_loop()
    end, pieces = loop.time() + _CUT_SECONDS, _pieces(answer)
    while True:
        try:
            piece = await asyncio.wait_for(anext(pieces, b""), end - loop.time())
        except TimeoutError as error:
            raise CutError from error
        if not piece:
            return
        yield piece


async def _skipped(answer: httpx.Response) -> Pieces:
    number = 0
    async for line in _lines(answer):
        number += 1
        if number % 2:
            yield line


async def _late(answer: httpx.Response) -> Pieces:
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def read() -> None:
        async for piece in _pieces(answer):
            queue.put_nowait((loop.time() + _LATE_SECONDS, piece))
        queue.put_nowait((loop.time(), b""))

    reading = asyncio.create_task(read())
    try:
        while (entry := await queue.get())[1]:
            await asyncio.sleep(max(0, entry[0] - loop.time()))
            yield entry[1]
    finally:
        reading.cancel()


async def _merged(answer: httpx.Response) -> Pieces:
    last: dict[str, bytes] = {}

    async def read() -> None:
        async for line in _lines(answer):
            event = json.loads(line)
            metadata = event["object"].get("metadata", {})
            last[str(metadata.get("uid", event["type"]))] = line

    reading = asyncio.create_task(read())
    try:
        while not reading.done() or last:
            await asyncio.sleep(_MERGED_SECONDS)
            lines = list(last.values())
            last.clear()
            for line in lines:
                yield line
    finally:
        reading.cancel()
