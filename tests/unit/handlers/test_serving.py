"""Serving inside somebody else's event loop: signals are left alone, requests end in order, bodies are bounded."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from landfall.handlers.serving import served
from landfall.intake import answers
from landfall.lib import outgoing

_PATIENT = outgoing.Timeouts(total=60)


async def _hello(_: Request) -> Response:
    return PlainTextResponse("hello")


async def _said(client: outgoing.Client, port: int, path: str = "/") -> tuple[int, bytes]:
    async with outgoing.send(client, "GET", f"http://127.0.0.1:{port}{path}", _PATIENT) as answer:
        return answer.status_code, await outgoing.body(answer)


def test_it_serves_until_the_block_ends_and_leaves_signals_alone() -> None:
    async def work() -> None:
        before = [signal.getsignal(signal_number) for signal_number in (signal.SIGTERM, signal.SIGINT)]
        async with outgoing.client() as client, served(answers.application(Route("/", _hello)), 0) as port:
            assert await _said(client, port) == (200, b"hello")
            assert (await _said(client, port, "/nothing"))[0] == 404
            assert [signal.getsignal(signal_number) for signal_number in (signal.SIGTERM, signal.SIGINT)] == before
        async with outgoing.client() as client:
            with pytest.raises(outgoing.OutgoingError):
                await _said(client, port)

    asyncio.run(work())


def test_a_request_that_is_under_way_is_answered() -> None:
    async def work() -> None:
        came, goes = asyncio.Event(), asyncio.Event()

        async def slowly(_: Request) -> Response:
            came.set()
            await goes.wait()
            return PlainTextResponse("after all")

        async with outgoing.client() as client:
            async with served(answers.application(Route("/", slowly)), 0) as port:
                request = asyncio.create_task(_said(client, port))
                await came.wait()
                asyncio.get_running_loop().call_later(0.3, goes.set)
            assert await request == (200, b"after all")

    asyncio.run(work())


def test_a_port_that_is_taken_is_an_error_and_ends_nothing_else() -> None:
    async def work() -> None:
        application = answers.application(Route("/", _hello))
        async with served(application, 0) as port:
            with pytest.raises(OSError, match="in use"):
                async with served(application, port):
                    pass
            async with outgoing.client() as client:
                assert await _said(client, port) == (200, b"hello")

    asyncio.run(work())


async def _read(request: Request) -> Response:
    return PlainTextResponse(str(len(await answers.body(request, 1000))))


@pytest.mark.parametrize(("size", "status"), [(1000, 200), (1001, 413)])
@pytest.mark.parametrize("has_length", [True, False], ids=["with its length", "in chunks"])
def test_a_body_is_read_up_to_a_limit(size: int, status: int, has_length: bool) -> None:  # noqa: FBT001
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(size):
            yield b"x"

    async def work() -> int:
        application = answers.application(Route("/", _read, methods=["POST"]))
        async with served(application, 0) as port, outgoing.client() as client:
            content = b"x" * size if has_length else pieces()
            async with outgoing.send(client, "POST", f"http://127.0.0.1:{port}/", _PATIENT, content=content) as answer:
                await outgoing.body(answer)
                return answer.status_code

    assert asyncio.run(work()) == status


def test_who_goes_in_the_middle_of_a_body_is_no_fault_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        async with served(answers.application(Route("/", _read, methods=["POST"])), 0) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx")
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    asyncio.run(work())
    assert [record for record in caplog.records if record.levelname in {"ERROR", "WARNING"}] == []
