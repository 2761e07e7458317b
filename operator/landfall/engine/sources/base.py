"""A source of any engine behind one face: sessions that read, a common snapshot, and the write lock.

Ask what a source can do, never what it is: the differences between engines end in this file.
"""

from __future__ import annotations

import binascii
import contextlib
import itertools
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from landfall.engine.errors import ConnectionLostError, EngineError, SourceBusyError
from landfall.engine.model.fence import Fence
from landfall.engine.model.key_span import Span
from landfall.engine.model.rows import Moved, Row

TRIAL_SECONDS = 30
LOCK_TRIES = 3
LOCK_SECONDS = 3
_PIECE = 1024 * 1024
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class CopyJob:
    """One range to copy. `large` reads the rows that the server cannot render, column by column.

    `kinds` says for each of its columns how to render it here: plain, text or bytes. With a `span`, `query` is a page.
    """

    query: str
    copy_in: str
    form: str
    large: str = ""
    kinds: tuple[str, ...] = ()
    span: Span | None = None


class RowSink(Protocol):
    """A session with the target that takes rows."""

    def copy_in(self, sql: str) -> None:
        """Begin to take rows, by a statement of `TargetQueries.copy_in`."""

    def copy_data(self, block: bytes) -> None:
        """Send some octets. Raises the target's error as soon as it refuses a row."""

    def copy_end(self) -> int:
        """End; the number of rows that were written."""

    def copy_fail(self) -> None:
        """End without writing; the transaction is aborted."""


class Reader(Protocol):
    """One session that reads."""

    @property
    def backend(self) -> str:
        """How the server calls this session; empty where there is no server."""

    def rows(self, sql: str) -> list[Row]:
        """Run a statement; its rows as text."""

    def sums(self, sql: str) -> tuple[int, int]:
        """Count and sum of the row numbers that a query of `SourceQueries.sums` stands for."""

    def copy(self, job: CopyJob, target: RowSink) -> Moved:
        """Read a query into the target's COPY. The numbers of rows read and written are compared."""

    def trial(self, seconds: int) -> contextlib.AbstractContextManager[None]:
        """A transaction for statements that a person wrote: it only reads, each has a time limit, and all is rolled back."""

    def abort(self) -> None:
        """Stop at once, from any thread."""

    def close(self) -> None:
        """Close."""


class Freeze(Protocol):
    """The write lock, as long as this lives."""

    def alive(self) -> bool:
        """Whether the lock is still held."""

    def release(self) -> None:
        """Release the lock."""


@runtime_checkable
class FencingLock(Freeze, Protocol):
    """A write lock that can be turned into a fence. `backends`: how the server calls its sessions, so that a takeover can end them."""

    backends: tuple[str, ...]

    def fence(self, fence: Fence) -> None:
        """Create the fence and release the lock, so that no write is accepted in between. Afterwards, `alive` is true without a session.

        Raises an EngineError if it fails; a part of the fence may exist then, and `FencingSource.unfence` removes it.
        """


class Source(Protocol):
    """A database to read from. `most_readers` is how many sessions at once still make it faster."""

    most_readers: int

    def reader(self) -> Reader:
        """A new session."""

    def snapshot(self, readers: Sequence[Reader]) -> bool:
        """Put all readers into a transaction; whether they see the same moment."""

    def freeze(self, tables: Sequence[tuple[str, str]], *, fenced: bool = False) -> Freeze:
        """Acquire the write lock. `fenced`: a fence will follow. Raises SourceBusyError if it cannot be acquired."""

    def position(self) -> str | None:
        """A mark that moves with every write, or None where the server has none."""

    def written(self) -> str | None:
        """A hint that differs when rows were written in between, or None. It may lag: never conclude from it that rows are equal."""

    def kill(self, backends: Sequence[str]) -> None:
        """End sessions that an earlier process left behind."""


@runtime_checkable
class FencingSource(Source, Protocol):
    """A source whose write lock is a `FencingLock`."""

    def unfence(self, name: str) -> int:
        """Remove the fence of a run, or what there is of it. Returns the number of triggers. Raises an EngineError."""


@runtime_checkable
class Digesting(Reader, Protocol):
    """A reader that can tell a digest of a range in the order of its key."""

    def digest(self, sql: str, span: Span) -> tuple[int, str]:
        """Count and SHA2-256 of the lines of a query of `SourceQueries.digest`; empty where there is no row."""


@runtime_checkable
class Screening(Reader, Protocol):
    """A reader that looks at texts faster than its database does."""

    def clean(self, sql: str, span: Span) -> bool:
        """Whether the texts of a range are valid UTF-8 without NUL bytes, all of them."""


class _Streams(Protocol):
    def raw_rows(self, sql: str) -> Iterator[tuple[bytes | None, ...]]: ...


def all_blocks(session: _Streams, job: CopyJob, rendered: Iterable[tuple[int, bytes]]) -> Iterable[tuple[int, bytes]]:
    """The rendered rows, and behind them the large ones, which are rendered here part by part."""
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
    """One field part by part, so that a large value is held in memory only once."""
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


class Session(Protocol):
    """A session that runs statements."""

    def rows(self, sql: str) -> list[Row]:
        """Run a statement; its rows as text."""

    def close(self) -> None:
        """Close."""


class HeldLock:
    """Sessions that hold a lock until it is released; the lock dies with any of them."""

    def __init__(self, *sessions: Session) -> None:
        self._sessions = sessions
        self._releasing = threading.Lock()
        self._released = False

    def alive(self) -> bool:
        """Whether the sessions, and with them the lock, are still there."""
        with contextlib.suppress(EngineError):
            return all(session.rows("SELECT 1") == [("1",)] for session in self._sessions)
        return False

    def release(self) -> None:
        """Release the lock, once, from any thread; a second caller waits until it is released."""
        with self._releasing:
            if not self._released:
                self._released = True
                for session in self._sessions:
                    session.close()


class FenceableLock(HeldLock):
    """A lock that a fence can follow, without a moment in which a write is accepted.

    `backends`: how the server calls its sessions; empty where there is no server.
    """

    def __init__(self, *sessions: Session, backends: Sequence[str] = ()) -> None:
        super().__init__(*sessions)
        self.backends = tuple(backends)
        self._fenced = False

    def alive(self) -> bool:
        """Whether writers are kept away: by the fence, or by the lock."""
        return self._fenced or super().alive()

    def fence(self, fence: Fence) -> None:
        """Create the fence and release the lock, also if that fails: what is left of the fence must not wait for the lock."""
        try:
            self._create(fence)
            self._fenced = True
        finally:
            self.release()

    @abstractmethod
    def _create(self, fence: Fence) -> None:
        """Create what is missing of the fence, while the lock is held. At the end, the lock may be gone and the fence is committed."""


def while_busy(attempt: Callable[[], _Made]) -> _Made:
    """Do something that other sessions' locks may prevent: up to three times, with a pause in between. Raises the last SourceBusyError."""
    for number in range(1, LOCK_TRIES):
        with contextlib.suppress(SourceBusyError):
            return attempt()
        time.sleep(0.5 * number)
    return attempt()


def acquire_lock(session: Session, lock: Sequence[str], undo: str = "") -> None:
    """Take a lock that is waited for a few seconds, a few times. Closes the session and raises SourceBusyError when it cannot be had."""

    def attempt() -> None:
        try:
            for statement in lock:
                session.rows(statement)
        except SourceBusyError:
            if undo:
                session.rows(undo)
            raise

    try:
        while_busy(attempt)
    except SourceBusyError:
        session.close()
        raise


def count_and_sum(rows: list[Row]) -> tuple[int, int]:
    """The answer to a query of `SourceQueries.sums` that the server has summed up."""
    count, total = rows[0][:2]
    return int(count or 0), int(total or 0)


def send_rows(blocks: Iterable[tuple[int, bytes]], target: RowSink, copy_in: str) -> Moved:
    """Send rendered rows into the target's COPY.

    Args:
        blocks: Pairs of (rows that end in this block, octets of COPY's format).
        target: The session that writes.
        copy_in: The COPY statement.

    Raises:
        ConnectionLostError: Another number of rows was written than was read.
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
