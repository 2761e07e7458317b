"""Outgoing HTTP: the one module that builds an HTTP client, so that every call has the same limits.

Each call has separate timeouts for connecting, reading, writing and waiting for a pooled connection, a deadline for the whole of it,
and a limit on the size of the body that is read into memory. Certificates are verified against the system's trust store, or the file
that `SSL_CERT_FILE` names. No client keeps cookies: one client serves many accounts. Other modules import httpx through this one.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import logging
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import BinaryIO

import httpcore
import httpx

PIECE = 1 << 20
_MOST = 16 << 20
_MEBIBYTE = 1 << 20
Client = httpx.AsyncClient
Response = httpx.Response
Body = bytes | AsyncIterator[bytes]

# Most octets of one read from a connection: as many as asyncio takes from a socket at once. httpx has no setting for it.
httpcore.AsyncHTTP11Connection.READ_NUM_BYTES = 256 * 1024

for _name in ("httpx", "httpcore"):  # at INFO they log each URL, and a signed URL is a credential
    logging.getLogger(_name).setLevel(logging.WARNING)


class OutgoingError(Exception):
    """A call got no answer, or the answer broke off. `kind` is for messages, such as `ConnectError: Connection refused`; it holds no secret."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class BadUrlError(OutgoingError, ValueError):
    """The URL cannot be called: it is malformed, or neither http nor https."""


class TooLargeError(OutgoingError):
    """The body of the answer is larger than its limit."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Timeouts in seconds: `read` and `write` for one piece of a body, `total` for a call from its first octet to its last."""

    total: float
    connect: float = 10.0
    read: float = 30.0
    write: float = 30.0
    pool: float = 10.0

    def timeouts(self) -> httpx.Timeout:
        """As httpx takes them; none is longer than the whole call."""
        return httpx.Timeout(
            connect=min(self.connect, self.total),
            read=min(self.read, self.total),
            write=min(self.write, self.total),
            pool=min(self.pool, self.total),
        )


def client(*, proxies: bool = False) -> Client:
    """A client with a connection pool; close it with `aclose()`, or use it as a context manager.

    Args:
        proxies: Whether the environment's proxies (`HTTPS_PROXY`, `NO_PROXY`) apply.
    """
    return httpx.AsyncClient(
        verify=_trusted(), trust_env=proxies, cookies=_no_cookies(), headers={"User-Agent": "landfall"}, max_redirects=10
    )


@asynccontextmanager
async def sent(
    by: Client,
    method: str,
    url: str,
    limits: Limits,
    *,
    headers: Mapping[str, str] | None = None,
    content: Body | None = None,
    redirects: bool = False,
) -> AsyncIterator[Response]:
    """The answer to a request, whose body is still to be read.

    Redirects, where they are followed, take no `Authorization` to another host.

    Raises:
        BadUrlError: The URL cannot be called.
        OutgoingError: No answer came, the connection broke off, or the deadline passed; also while the caller reads the body.
    """
    told = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    try:
        async with asyncio.timeout(limits.total):
            request = by.build_request(method, url, headers=told, content=content, timeout=limits.timeouts())
            answer = await by.send(request, stream=True, follow_redirects=redirects)
            try:
                yield answer
            finally:
                await answer.aclose()
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise BadUrlError(type(error).__name__) from error
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise OutgoingError(_why(error)) from error
    except TimeoutError as error:
        raise OutgoingError("TimeoutError") from error


async def body(answer: Response, most: int = _MOST) -> bytes:
    """The whole body. Raises TooLargeError if it has more than `most` octets, OutgoingError if it breaks off."""
    found = bytearray()
    async for piece in answer.aiter_bytes():
        found += piece
        _bounded(len(found), most)
    return bytes(found)


def chunks(answer: Response) -> AsyncIterator[bytes]:
    """The body for a file or another request, decoded, in chunks as they arrive: at most 256 KiB, or what those decode to.

    No size can be asked for: chunks of equal size would be copied once more, which doubles the processor time of a download.
    """
    return answer.aiter_bytes()


def text(octets: bytes) -> str:
    """A body as text for a message, whatever it is encoded in."""
    return octets.decode("utf-8", "replace")


async def pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    """A file in pieces of 1 MiB, read beside the event loop."""
    while piece := await asyncio.to_thread(file.read, PIECE):
        yield piece


def basic(name: str, word: str) -> str:
    """The `Authorization` of a name and a password."""
    return f"Basic {base64.b64encode(f'{name}:{word}'.encode()).decode()}"


def post(url: str, content: bytes, headers: Mapping[str, str], limits: Limits, most: int = _MOST) -> tuple[int, bytes]:
    """Send a body from code without an event loop, and wait; the status and the body of the answer.

    The environment's proxies apply. Redirects are not followed.

    Raises:
        BadUrlError: The URL cannot be called.
        OutgoingError: No answer came, it broke off, is too large, or took longer than `limits.total`.
    """

    async def posted() -> tuple[int, bytes]:
        async with client(proxies=True) as by, sent(by, "POST", url, limits, headers=headers, content=content) as answer:
            return answer.status_code, await body(answer, most)

    return asyncio.run(posted())  # of the two kinds of clients, only this one can keep a deadline while headers trickle in


def _why(error: BaseException) -> str:
    """The name of an error, and of what the operating system or TLS said below it. Messages of libraries are left out: they may hold a URL."""
    name, said = type(error).__name__, ""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, ssl.SSLCertVerificationError):
            said = below.verify_message
        elif isinstance(below, OSError) and below.errno:
            said = os.strerror(below.errno) if below.errno > 0 else str(below.strerror)
        below = below.__cause__ or below.__context__
    return f"{name}: {said}" if said else name


def _bounded(size: int, most: int) -> None:
    if size > most:
        message = f"an answer of more than {most // _MEBIBYTE} MiB"
        raise TooLargeError(message)


@functools.lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """OpenSSL's own trust store, which heeds `SSL_CERT_FILE`; httpx would bring a list of its own."""
    return ssl.create_default_context()


def _no_cookies() -> CookieJar:
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))
