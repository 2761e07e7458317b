"""Outgoing HTTP: the only module that creates an HTTP client, so that every call has the same limits.

Each call has separate timeouts for connecting, reading, writing and waiting for a pooled connection, a deadline for the whole call,
and a limit on the size of the body that is read into memory. Certificates are verified against the system's trust store, or the file
that `SSL_CERT_FILE` names. No client keeps cookies, because one client serves many accounts. Other modules import httpx through this one.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import BinaryIO

import httpcore
import httpx

CHUNK_BYTES = 1 << 20
_MOST = 16 << 20
_MEBIBYTE = 1 << 20
_PORTS = {"http": 80, "https": 443}
Client = httpx.AsyncClient
Response = httpx.Response
Body = bytes | AsyncIterator[bytes]

# Maximum number of bytes per read from a connection: the read size of asyncio. httpx has no setting for it.
httpcore.AsyncHTTP11Connection.READ_NUM_BYTES = 256 * 1024

for _name in ("httpx", "httpcore"):  # at INFO they log each URL, and a signed URL contains a credential
    logging.getLogger(_name).setLevel(logging.WARNING)


class OutgoingError(Exception):
    """A call got no response or an incomplete one. `kind` is for messages, such as `ConnectError: Connection refused`; it contains no secret."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class BadUrlError(OutgoingError, ValueError):
    """The URL is malformed, or its scheme is neither http nor https."""


class ForbiddenHostError(OutgoingError):
    """The client does not access this host. Nothing was sent to it."""

    def __init__(self, host: str) -> None:
        super().__init__("ForbiddenHostError")
        self.host = host


class TooLargeError(OutgoingError):
    """The body of the response exceeds its size limit."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts in seconds: `read` and `write` for one chunk of a body, `total` for the whole call including the body."""

    total: float
    connect: float = 10.0
    read: float = 30.0
    write: float = 30.0
    pool: float = 10.0

    def for_httpx(self) -> httpx.Timeout:
        """Return the timeouts for httpx; none is longer than `total`."""
        return httpx.Timeout(
            connect=min(self.connect, self.total),
            read=min(self.read, self.total),
            write=min(self.write, self.total),
            pool=min(self.pool, self.total),
        )


def client(*, proxies: bool = False, address_of: Callable[[str, int], Awaitable[str]] | None = None) -> Client:
    """Create a client with a connection pool. Close it with `aclose()`, or use it as a context manager.

    Args:
        proxies: Whether to use the proxies of the environment (`HTTPS_PROXY`, `NO_PROXY`). Not with `address_of`: a proxy resolves names itself.
        address_of: Resolves the host and port of each request to the address that is connected to; an empty one leaves that to the system. It
            raises ForbiddenHostError for a host that is not accessed. The name cannot resolve to another address in between. It is
            called for the host of every redirect, too.
    """
    # A connection to a pinned address is not kept. Its certificate was checked for one of the names that lead there.
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=0 if address_of else 20)
    pinned = (
        _PinnedTransport(address_of, httpx.AsyncHTTPTransport(verify=_trusted(), trust_env=False, limits=limits))
        if address_of
        else None
    )
    return httpx.AsyncClient(
        transport=pinned,
        verify=_trusted(),
        trust_env=proxies and not address_of,
        cookies=_no_cookies(),
        headers={"User-Agent": "landfall"},
        max_redirects=10,
        limits=limits,
    )


class _PinnedTransport(httpx.AsyncBaseTransport):
    """Connects to the address that was checked. The client, and so a redirect that is relative, sees only the name."""

    def __init__(self, address_of: Callable[[str, int], Awaitable[str]], below: httpx.AsyncBaseTransport) -> None:
        self._address_of = address_of
        self._below = below

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; each hop of a redirect is one."""
        host = request.url.host
        address = await self._address_of(host, request.url.port or _PORTS.get(request.url.scheme, 0))
        if not address:
            return await self._below.handle_async_request(request)
        pinned = httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,  # the Host header keeps the name, and the certificate has to have it
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return await self._below.handle_async_request(pinned)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._below.aclose()


@asynccontextmanager
async def send(
    by: Client,
    method: str,
    url: str,
    timeouts: Timeouts,
    *,
    headers: Mapping[str, str] | None = None,
    content: Body | None = None,
    redirects: bool = False,
) -> AsyncIterator[Response]:
    """Send a request and yield the response; the caller reads its body inside the block.

    A redirect to another host does not carry the `Authorization` header.

    Args:
        by: The client.
        method: The HTTP method.
        url: The URL, with scheme http or https.
        timeouts: Timeouts; `total` includes reading the body.
        headers: Headers of the request.
        content: The body of the request.
        redirects: Whether to follow redirects.

    Raises:
        BadUrlError: The URL is malformed.
        OutgoingError: No response arrived, the connection was lost, or the deadline passed; also while the caller reads the body.
    """
    encoded = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    try:
        async with asyncio.timeout(timeouts.total):
            request = by.build_request(method, url, headers=encoded, content=content, timeout=timeouts.for_httpx())
            answer = await by.send(request, stream=True, follow_redirects=redirects)
            try:
                yield answer
            finally:
                await answer.aclose()
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise BadUrlError(type(error).__name__) from error
    except (httpx.HTTPError, httpx.StreamError, socket.gaierror) as error:
        raise OutgoingError(_cause_of(error)) from error
    except TimeoutError as error:
        raise OutgoingError("TimeoutError") from error


async def body(answer: Response, most: int = _MOST) -> bytes:
    """Read the whole body of a response into memory.

    Args:
        answer: The response.
        most: The size limit in bytes.

    Raises:
        TooLargeError: The body has more than `most` bytes.
        OutgoingError: The connection was lost.
    """
    data = bytearray()
    async for chunk in answer.aiter_bytes():
        data += chunk
        _check_size(len(data), most)
    return bytes(data)


def chunks(answer: Response) -> AsyncIterator[bytes]:
    """Return the decoded body in chunks as they arrive: at most 256 KiB before decoding.

    The chunk size cannot be chosen: chunks of equal size would be copied once more, which doubles the CPU time of a download.
    """
    return answer.aiter_bytes()


def text(octets: bytes) -> str:
    """Decode a body as UTF-8 for a message; invalid bytes are replaced."""
    return octets.decode("utf-8", "replace")


async def file_chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    """Yield a file in chunks of 1 MiB, read in a thread so that the event loop is not blocked."""
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield chunk


def basic_auth(username: str, password: str) -> str:
    """Return the value of an `Authorization` header with a user name and a password."""
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


def post(url: str, content: bytes, headers: Mapping[str, str], timeouts: Timeouts, most: int = _MOST) -> tuple[int, bytes]:
    """Send a POST request from code without an event loop, and wait for the response.

    The proxies of the environment are used. Redirects are not followed.

    Args:
        url: The URL, with scheme http or https.
        content: The body of the request.
        headers: Headers of the request.
        timeouts: Timeouts.
        most: The size limit of the response's body, in bytes.

    Returns:
        The status and the body of the response.

    Raises:
        BadUrlError: The URL is malformed.
        OutgoingError: No response arrived, the connection was lost, the body is too large, or `timeouts.total` passed.
    """

    async def posted() -> tuple[int, bytes]:
        async with client(proxies=True) as by, send(by, "POST", url, timeouts, headers=headers, content=content) as answer:
            return answer.status_code, await body(answer, most)

    return asyncio.run(posted())  # only the asynchronous client can enforce a deadline while headers arrive slowly


def _cause_of(error: BaseException) -> str:
    """The name of an error, and the message of the operating system or of TLS that caused it. Messages of libraries may contain a URL and are left out."""
    name, cause = type(error).__name__, ""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, ssl.SSLCertVerificationError):
            cause = below.verify_message
        elif isinstance(below, OSError) and below.errno:
            cause = os.strerror(below.errno) if below.errno > 0 else str(below.strerror)
        below = below.__cause__ or below.__context__
    return f"{name}: {cause}" if cause else name


def _check_size(size: int, most: int) -> None:
    if size > most:
        message = f"the response is larger than {most // _MEBIBYTE} MiB"
        raise TooLargeError(message)


@functools.lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """The trust store of OpenSSL, which respects `SSL_CERT_FILE`; httpx would use its own list."""
    return ssl.create_default_context()


def _no_cookies() -> CookieJar:
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))
