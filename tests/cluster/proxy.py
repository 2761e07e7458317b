"""An API server whose watches go wrong: a proxy on this machine that passes everything else on.

`cut`: every watch breaks off after a second. `stalled`: it stays open and never tells anything. `expired`: it answers that
its version is too old (410).
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from pathlib import Path
from typing import Self

import aiohttp
from aiohttp import web

from tests.cluster.machine import Cluster
from tests.support.servers import free_port

WATCHES = ("cut", "stalled", "expired")
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

    async def _passed(self, request: web.Request) -> web.StreamResponse:
        watched = request.query.get("watch", "") in {"1", "true", "True"}
        if watched:
            self.struck += 1
        if watched and self._fault == "expired":
            await asyncio.sleep(0.2)
            return web.json_response(_EXPIRED)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in {"host", "content-length", "transfer-encoding"}}
        url = f"http://127.0.0.1:{self._upstream}{request.raw_path}"
        async with self._session.request(
            request.method, url, headers=headers, data=await request.read() or None, timeout=aiohttp.ClientTimeout(total=None)
        ) as answer:
            kept = {k: v for k, v in answer.headers.items() if k.lower() in {"content-type", "content-encoding"}}
            told = web.StreamResponse(status=answer.status, headers=kept)
            await told.prepare(request)
            if watched:
                await self._struck(request, answer, told)
                return told
            async for piece in answer.content.iter_any():
                await told.write(piece)
            await told.write_eof()
            return told

    async def _struck(self, request: web.Request, answer: aiohttp.ClientResponse, told: web.StreamResponse) -> None:
        if self._fault == "stalled":
            await asyncio.sleep(3600)

        async def passed() -> None:
            async for piece in answer.content.iter_any():
                await told.write(piece)

        try:
            await asyncio.wait_for(passed(), 1)
        except TimeoutError:
            if request.transport:
                request.transport.abort()
