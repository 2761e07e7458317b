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
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Self

import aiohttp
from aiohttp import web

from tests.cluster.machine import Cluster
from tests.support.servers import free_port

WATCHES = ("cut", "stalled", "expired", "late", "skipped", "merged", "stale")
_LATE_SECONDS = 4
_MERGED_SECONDS = 1
_EXPIRED = {
    "type": "ERROR",
    "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"},
}


class Proxy:
    """Listens on a port of loopback; `struck` counts the watches that went wrong."""

    def __init__(self, cluster: Cluster, fault: str, folder: Path) -> None:
        self._fault = fault
        self._upstream, self._port = free_port(), free_port()
        self._kubectl = [str(cluster.programs / "kubectl"), "--kubeconfig", str(cluster.kubeconfig), "proxy"]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.kubeconfig = folder / "kubeconfig"
        self.struck = 0
        self._seen: dict[str, bytes] = {}
        self._outdated: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen([*self._kubectl, f"--port={self._upstream}"], stdout=subprocess.DEVNULL)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        server = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{self._port}"}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [server], "contexts": [context]}
        self.kubeconfig.write_text(json.dumps({**config, "users": [{"name": "u", "user": {}}]}), encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._process.terminate()
        self._process.wait(10)

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(auto_decompress=False)
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_route("*", "/{tail:.*}", self._passed)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        while True:
            try:
                async with self._session.get(f"http://127.0.0.1:{self._upstream}/readyz"):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)

    async def _stop(self) -> None:
        await self._runner.cleanup()
        await self._session.close()
        held = asyncio.all_tasks() - {asyncio.current_task()}  # watches that are never told anything
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)

    async def _passed(self, request: web.Request) -> web.StreamResponse:
        watched = request.query.get("watch", "") in {"1", "true", "True"}
        if self._fault == "stale":
            return await self._stale(request)
        if watched:
            self.struck += 1
        if watched and self._fault == "expired":
            await asyncio.sleep(0.2)
            return web.json_response(_EXPIRED)
        async with await self._upstreams(request) as answer:
            return await _streamed(request, answer, partial(self._struck, request) if watched else _copied)

    async def _upstreams(self, request: web.Request) -> aiohttp.ClientResponse:
        """What the API server answers."""
        headers = {k: v for k, v in request.headers.items() if k.lower() not in {"host", "content-length", "transfer-encoding"}}
        url = f"http://127.0.0.1:{self._upstream}{request.raw_path}"
        body, forever = await request.read() or None, aiohttp.ClientTimeout(total=None)
        return await self._session.request(request.method, url, headers=headers, data=body, timeout=forever)

    async def _stale(self, request: web.Request) -> web.StreamResponse:
        """Reads of single objects are remembered, and told once more behind a write to them."""
        place = request.path.removesuffix("/status")
        if request.method == "GET" and place in self._outdated:
            self.struck += 1
            return web.Response(body=self._outdated.pop(place), content_type="application/json")
        async with await self._upstreams(request) as answer:
            if request.query.get("watch"):
                return await _streamed(request, answer, _copied)
            body = await answer.read()
            if request.method == "GET" and answer.status == 200 and b'"resourceVersion"' in body and "/namespaces/" in place:
                self._seen[place] = body
            elif request.method in {"PUT", "PATCH"} and answer.status == 200 and place in self._seen:
                self._outdated[place] = self._seen.pop(place)
            return web.Response(status=answer.status, body=body, content_type=answer.content_type)

    async def _struck(self, request: web.Request, answer: aiohttp.ClientResponse, told: web.StreamResponse) -> None:
        if self._fault == "stalled":
            await asyncio.sleep(3600)
        if self._fault == "cut":
            await self._cut(request, answer, told)
        elif self._fault == "late":
            await self._late(answer, told)
        elif self._fault == "skipped":
            await self._skipped(answer, told)
        else:
            await self._merged(answer, told)

    @staticmethod
    async def _skipped(answer: aiohttp.ClientResponse, told: web.StreamResponse) -> None:
        number = 0
        async for line in _lines(answer):
            number += 1
            if number % 2:
                await told.write(line)

    @staticmethod
    async def _cut(request: web.Request, answer: aiohttp.ClientResponse, told: web.StreamResponse) -> None:
        try:
            await asyncio.wait_for(_copied(answer, told), 1)
        except TimeoutError:
            if request.transport:
                request.transport.abort()

    @staticmethod
    async def _late(answer: aiohttp.ClientResponse, told: web.StreamResponse) -> None:
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        async def sent() -> None:
            while True:
                at, piece = await held.get()
                await asyncio.sleep(max(0, at - loop.time()))
                await told.write(piece)

        sending = asyncio.create_task(sent())
        try:
            async for piece in answer.content.iter_any():
                held.put_nowait((loop.time() + _LATE_SECONDS, piece))
        finally:
            sending.cancel()

    @staticmethod
    async def _merged(answer: aiohttp.ClientResponse, told: web.StreamResponse) -> None:
        last: dict[str, bytes] = {}

        async def sent() -> None:
            while True:
                await asyncio.sleep(_MERGED_SECONDS)
                lines = list(last.values())
                last.clear()
                for line in lines:
                    await told.write(line)

        sending = asyncio.create_task(sent())
        try:
            async for line in _lines(answer):
                event = json.loads(line)
                metadata = event["object"].get("metadata", {})
                last[str(metadata.get("uid", event["type"]))] = line
        finally:
            sending.cancel()


async def _streamed(
    request: web.Request,
    answer: aiohttp.ClientResponse,
    passed_on: Callable[[aiohttp.ClientResponse, web.StreamResponse], Awaitable[None]],
) -> web.StreamResponse:
    """What is answered, passed on piece by piece, for as long as whoever asked is there."""
    kept = {k: v for k, v in answer.headers.items() if k.lower() in {"content-type", "content-encoding"}}
    told = web.StreamResponse(status=answer.status, headers=kept)
    with contextlib.suppress(ConnectionResetError):
        await told.prepare(request)
        await passed_on(answer, told)
    return told


async def _copied(answer: aiohttp.ClientResponse, told: web.StreamResponse) -> None:
    async for piece in answer.content.iter_any():
        await told.write(piece)


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Whole ones, each with its end."""
    rest = b""
    async for piece in answer.content.iter_any():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line + b"\n"
