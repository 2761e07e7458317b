"""Calls to others: deadlines, limits, what an answer may not do."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from landfall.lib import outgoing
from landfall.lib.outgoing import BadUrlError, OutgoingError, Timeouts, TooLargeError

_SOON, _PATIENT = Timeouts(total=0.3), Timeouts(total=60)
Served = Callable[[bytes, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@asynccontextmanager
async def server(serve: Served) -> AsyncIterator[str]:
    """A server that does with each request, as it came, what it is told to; its address."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(await reader.readuntil(b"\r\n\r\n"), writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    running = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with running:
        yield f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}"


def answered(*answers: bytes, timeouts: Timeouts = _PATIENT, most: int = 1000, **more: Any) -> tuple[list[bytes], list[bytes]]:
    """The bodies of answers to one request each, and the requests."""
    requests: list[bytes] = []

    async def serve(request: bytes, writer: asyncio.StreamWriter) -> None:
        requests.append(request)
        writer.write(answers[len(requests) - 1])

    async def work() -> list[bytes]:
        bodies = []
        async with server(serve) as url, outgoing.client() as client:
            for _ in answers if not more.get("redirects") else answers[:1]:
                async with outgoing.send(client, "GET", url, timeouts, **more) as answer:
                    bodies.append(await outgoing.body(answer, most))
        return bodies

    return asyncio.run(work()), requests


def response_bytes(body: bytes, *headers: str) -> bytes:
    """An answer."""
    return "\r\n".join(("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Connection: close", *headers, "", "")).encode() + body


async def _trickle(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    for _turn in itertools.count():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _trickle_headers(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for turn in itertools.count():
        writer.write(f"X-{turn}: x\r\n".encode())
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("serve", [_trickle, _trickle_headers])
def test_a_call_has_a_deadline_however_busy_its_answer_looks(serve: Served) -> None:
    async def work() -> None:
        async with server(serve) as url, outgoing.client() as client, outgoing.send(client, "GET", url, _SOON) as answer:
            await outgoing.body(answer)

    with pytest.raises(OutgoingError, match="TimeoutError"):
        asyncio.run(work())


@pytest.mark.parametrize("serve", [_trickle, _trickle_headers])
def test_so_has_one_that_blocks(serve: Served) -> None:
    async def work() -> None:
        async with server(serve) as url:
            await asyncio.to_thread(outgoing.post, url, b"", {}, _SOON)

    with pytest.raises(OutgoingError, match="Timeout"):
        asyncio.run(work())


def test_an_answer_is_read_up_to_a_limit() -> None:
    assert answered(response_bytes(b"x" * 1000))[0] == [b"x" * 1000]
    with pytest.raises(TooLargeError):
        answered(response_bytes(b"x" * 1001))


def test_an_answer_that_breaks_off_is_no_answer() -> None:
    with pytest.raises(OutgoingError, match="RemoteProtocolError"):
        answered(response_bytes(b"x" * 10)[:-1])


def test_no_cookie_is_kept() -> None:
    _, requests = answered(response_bytes(b"", "Set-Cookie: a=b"), response_bytes(b""))
    assert b"cookie" not in requests[1].lower()


def test_a_redirect_is_followed_only_where_that_is_asked_for() -> None:
    redirect = b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    assert answered(redirect)[0] == [b""]
    assert answered(redirect, response_bytes(b"there"), redirects=True)[0] == [b"there"]


def test_a_credential_goes_to_no_other_host() -> None:
    requests: list[bytes] = []

    async def answer_there(request: bytes, writer: asyncio.StreamWriter) -> None:
        requests.append(request)
        writer.write(response_bytes(b"there"))

    async def work() -> None:
        async with server(answer_there) as other, outgoing.client() as client:

            async def redirect(request: bytes, writer: asyncio.StreamWriter) -> None:
                requests.append(request)
                writer.write(f"HTTP/1.1 302 Found\r\nLocation: {other}/\r\nContent-Length: 0\r\n\r\n".encode())

            async with server(redirect) as url:
                headers = {"Authorization": "Bearer s3cret"}
                async with outgoing.send(client, "GET", url, _PATIENT, headers=headers, redirects=True) as answer:
                    assert await outgoing.body(answer) == b"there"

    asyncio.run(work())
    assert [b"s3cret" in request for request in requests] == [True, False]


@pytest.mark.parametrize("url", ["ftp://example.com/", "http://", "/path", "http://[::1", "http://h:port/"])
def test_what_is_no_url_is_called_by_nobody(url: str) -> None:
    async def work() -> None:
        async with outgoing.client() as client, outgoing.send(client, "GET", url, _PATIENT):
            pass

    with pytest.raises(BadUrlError):
        asyncio.run(work())
    with pytest.raises(BadUrlError):
        outgoing.post(url, b"", {}, _PATIENT)


def test_proxies_of_the_environment_are_used_only_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    request_lines: list[bytes] = []

    async def proxy(request: bytes, writer: asyncio.StreamWriter) -> None:
        request_lines.append(request.split(b"\r\n")[0])
        writer.write(response_bytes(b"by the proxy"))

    async def work(*, proxies: bool) -> bytes:
        async with server(proxy) as url:
            monkeypatch.setenv("HTTP_PROXY", url)
            monkeypatch.setenv("http_proxy", url)
            monkeypatch.setenv("no_proxy", "")
            async with (
                outgoing.client(proxies=proxies) as client,
                outgoing.send(client, "GET", "http://nowhere.invalid/x", _PATIENT) as answer,
            ):
                return await outgoing.body(answer)

    assert asyncio.run(work(proxies=True)) == b"by the proxy"
    assert request_lines == [b"GET http://nowhere.invalid/x HTTP/1.1"]
    with pytest.raises(OutgoingError):
        asyncio.run(work(proxies=False))


@pytest.mark.parametrize(
    ("url", "message"), [("http://127.0.0.1:1/", "refused"), ("http://nowhere.invalid/", "(?:[Nn]ame|[Aa]ddress|resol)")]
)
def test_it_says_what_the_system_said(url: str, message: str) -> None:
    with pytest.raises(OutgoingError, match=f"ConnectError: .*{message}"):
        outgoing.post(url, b"", {}, _PATIENT)


def _serving_tls(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The context of a server with a certificate for a name, and of a client that trusts it."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=test", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run([*command, *files], check=True, capture_output=True)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)
    return serving, ssl.create_default_context(cafile=str(certificate))


@pytest.mark.parametrize("name", ["shop.example.com", "other.example.com"])
def test_a_pinned_address_is_connected_to_and_the_certificate_must_have_the_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving, trusting = _serving_tls(tmp_path, "shop.example.com")
    monkeypatch.setattr(outgoing, "_trusted", lambda: trusting)
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(response_bytes(b"here"))
        await writer.drain()
        writer.close()

    async def address_of(host: str, port: int) -> str:
        assert (host, port > 1024) == (name, True)
        return "127.0.0.1"

    async def called() -> bytes:
        async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=serving) as listening:
            port = listening.sockets[0].getsockname()[1]
            async with (
                outgoing.client(address_of=address_of) as by,
                outgoing.send(by, "GET", f"https://{name}:{port}/a", _PATIENT) as answer,
            ):
                return await outgoing.body(answer)

    if name == "shop.example.com":
        assert asyncio.run(called()) == b"here"
        assert f"host: {name}:" in heads[0].decode().lower()
    else:
        with pytest.raises(OutgoingError, match=r"(?i)certificate|mismatch"):
            asyncio.run(called())
        assert heads == []


def test_a_host_that_the_client_does_not_access_gets_nothing() -> None:
    async def address_of(host: str, port: int) -> str:
        assert port == 1
        raise outgoing.ForbiddenHostError(host)

    async def called() -> None:
        async with outgoing.client(address_of=address_of) as by, outgoing.send(by, "GET", "http://inside:1/", _PATIENT):
            pass

    with pytest.raises(outgoing.ForbiddenHostError):
        asyncio.run(called())


def test_names_of_one_address_share_no_connection() -> None:
    """Its certificate was checked for one of them, and a request for the other could have a credential in it."""
    connections: list[list[str]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hosts: list[str] = []
        connections.append(hosts)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                hosts.append(next(line for line in head.decode().lower().splitlines() if line.startswith("host:")))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                await writer.drain()
        writer.close()

    async def address_of(host: str, port: int) -> str:
        assert host.endswith(".example.com")
        assert port
        return "127.0.0.1"

    async def called() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            async with outgoing.client(address_of=address_of) as by:
                for name in ("a", "b", "a"):
                    async with outgoing.send(by, "GET", f"http://{name}.example.com:{port}/", _PATIENT) as answer:
                        assert await outgoing.body(answer) == b"ok"

    asyncio.run(called())
    assert [len(hosts) for hosts in connections] == [1, 1, 1]


@pytest.mark.parametrize(
    ("location", "hosts"),
    [
        ("http://b.example.com:{port}/there", ["a", "b"]),
        ("//b.example.com:{port}/there", ["a", "b"]),
        ("/there", ["a", "a"]),
        ("http://inside.example.com:{port}/there", ["a"]),
        ("http://127.0.0.1:{port}/there", ["a"]),
        ("http://[::1]:{port}/there", ["a"]),
    ],
)
def test_the_host_of_a_redirect_is_checked_and_pinned_again(location: str, hosts: list[str]) -> None:
    heads: list[str] = []
    asked: list[str] = []

    async def serve(request: bytes, writer: asyncio.StreamWriter) -> None:
        heads.append(request.decode().lower())
        port = writer.get_extra_info("sockname")[1]
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {location.format(port=port)}\r\nContent-Length: 0\r\n\r\n"
        writer.write(moved.encode() if len(heads) == 1 else response_bytes(b"there"))

    async def address_of(host: str, port: int) -> str:
        assert port
        asked.append(host)
        if host not in {"a.example.com", "b.example.com"}:
            raise outgoing.ForbiddenHostError(host)
        return "127.0.0.1"

    async def called() -> bytes:
        async with server(serve) as url, outgoing.client(address_of=address_of) as by:
            place = url.replace("127.0.0.1", "a.example.com")
            headers = {"Authorization": "Bearer s3cret"}
            async with outgoing.send(by, "GET", place, _PATIENT, headers=headers, redirects=True) as answer:
                return await outgoing.body(answer)

    if len(hosts) == 2:
        assert asyncio.run(called()) == b"there"
        assert asked == [f"{host}.example.com" for host in hosts]
    else:
        with pytest.raises(outgoing.ForbiddenHostError):
            asyncio.run(called())
    assert [f"host: {name}.example.com:" in head for name, head in zip(hosts, heads, strict=True)] == [True] * len(hosts)
    assert ["s3cret" in head for head in heads] == [True, hosts == ["a", "a"]][: len(hosts)]
