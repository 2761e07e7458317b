"""Rows on their way from a source into the target's COPY.

Rows are blocks: pairs of (rows that end in the block, octets of COPY's format). A row may be spread over several blocks, so that a large
value is in memory only once.
"""

from __future__ import annotations

import binascii
import itertools
from collections.abc import Iterable, Iterator
from typing import Protocol

from landfall.engine.errors import ConnectionLostError, EngineError
from landfall.engine.model.rows import Moved
from landfall.engine.sources.base import CopyJob, RowSink

_PIECE = 1024 * 1024


class _Streams(Protocol):
    def raw_rows(self, sql: str) -> Iterator[tuple[bytes | None, ...]]: ...


def all_blocks(session: _Streams, job: CopyJob, rendered: Iterable[tuple[int, bytes]]) -> Iterable[tuple[int, bytes]]:
    """Return the blocks of a range: the rows that the server rendered, then the large ones, which this process renders part by part.

    Args:
        session: The session that reads the large rows.
        job: The range.
        rendered: Blocks of the rendered rows, as (rows that end in this block, octets).

    Returns:
        All blocks, in the same shape.
    """
    return itertools.chain(rendered, _large(session.raw_rows(job.large), job.kinds)) if job.large else rendered


def _large(rows: Iterable[tuple[bytes | None, ...]], kinds: tuple[str, ...]) -> Iterator[tuple[int, bytes]]:
    for row in rows:
        for at, (value, kind) in enumerate(zip(row, kinds, strict=True)):
            if at:
                yield 0, b"\x02"
            if value is not None:
                yield from ((0, piece) for piece in _rendered(value, kind))
        yield 1, b"\n"


def _rendered(value: bytes, kind: str) -> Iterator[bytes]:
    """Render one field part by part.

    Args:
        value: The field as the driver returns it.
        kind: `plain`, `text` or `bytes`; see `CopyJob.kinds`.

    Yields:
        Octets of COPY's format.
    """
    view = memoryview(value)
    pieces = (view[at : at + _PIECE] for at in range(0, len(value), _PIECE))
    if kind == "bytes":
        yield b"\\x"
        yield from (binascii.hexlify(piece) for piece in pieces)
    elif kind == "text":
        yield b"\x01"
        yield from (bytes(piece).replace(b"\x01", b"\x01\x01") for piece in pieces)
        yield b"\x01"
    else:
        yield value


def send_rows(blocks: Iterable[tuple[int, bytes]], target: RowSink, copy_in: str) -> Moved:
    """Send rendered rows into the target's COPY.

    Args:
        blocks: Pairs of (rows that end in this block, octets of COPY's format).
        target: The session that writes.
        copy_in: The COPY statement.

    Returns:
        The numbers of rows and octets that were written.

    Raises:
        ConnectionLostError: Another number of rows was written than was read, or a connection is lost.
        EngineError: The target refuses a row.
    """
    target.copy_in(copy_in)
    read_rows = size = 0
    try:
        for rows, block in blocks:
            target.copy_data(block)
            read_rows += rows
            size += len(block)
    except EngineError:
        target.copy_fail()
        raise
    written_rows = target.copy_end()
    if read_rows != written_rows:
        message = f"{read_rows} rows read, but {written_rows} written"
        raise ConnectionLostError(message, advice="Run the same command again.")
    return Moved(written_rows, size)
