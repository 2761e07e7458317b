"""A source of any engine behind one face: sessions that read, a common snapshot, and the write lock.

Ask what a source can do, never what it is: the differences between engines end in this file.
"""

from __future__ import annotations

import contextlib
import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from landfall.engine.errors import EngineError, SourceBusyError
from landfall.engine.model.fence import Fence
from landfall.engine.model.key_span import Span
from landfall.engine.model.plan import CopyForm
from landfall.engine.model.rows import Moved, Row
from landfall.lib.backoff import Backoff
from landfall.lib.retry import Attempts, retried

TRIAL_SECONDS = 30
LOCK_TRIES = 3
_LOCKING = Attempts(LOCK_TRIES, Backoff(0.5, 1))
LOCK_SECONDS = 3
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class CopyJob:
    """One range to copy.

    Attributes:
        query: The query whose rows the server renders in the target's COPY format. With a `span`, it is a page.
        copy_in: The target's COPY statement.
        form: The format of the rows; see `Dialect.copy_format`.
        large: The query of the rows that the server cannot render, one field a column; empty if there are none.
        kinds: How each column of `large` is rendered by this process: `plain`, `text` or `bytes`.
        span: The keys of the page; None for a query that is read as a whole.
    """

    query: str
    copy_in: str
    form: CopyForm
    large: str = ""
    kinds: tuple[str, ...] = ()
    span: Span | None = None


class RowSink(Protocol):
    """A session with the target that takes rows."""

    def copy_in(self, sql: str) -> None:
        """Begin to take rows.

        Args:
            sql: A statement of `TargetQueries.copy_in`.

        Raises:
            EngineError: The target rejects the statement.
        """

    def copy_data(self, block: bytes) -> None:
        """Send a part of the rows.

        Args:
            block: Octets in the format of the COPY statement; it may end within a row.

        Raises:
            EngineError: The target has refused a row that was sent earlier, or the connection is lost.
        """

    def copy_end(self) -> int:
        """End the rows.

        Returns:
            The number of rows that were written.

        Raises:
            EngineError: The target refuses a row, or the connection is lost.
        """

    def copy_fail(self) -> None:
        """End without writing. The transaction is aborted."""


class Session(Protocol):
    """A session that runs statements."""

    def rows(self, sql: str) -> list[Row]:
        """Run a statement.

        Args:
            sql: The statement.

        Returns:
            Its rows: tuples of text, None for NULL.

        Raises:
            EngineError: The source rejects the statement, or the connection is lost.
        """

    def close(self) -> None:
        """Close the session."""


class Reader(Session, Protocol):
    """One session that reads. It is used by one thread at a time, except for `abort`."""

    @property
    def backend(self) -> str:
        """The server's identifier of this session; empty if there is no server."""

    def sums(self, sql: str) -> tuple[int, int]:
        """Run a query of `SourceQueries.sums`.

        Args:
            sql: The query.

        Returns:
            The number of rows, and the sum of their row numbers.

        Raises:
            EngineError: The source rejects the query, or the connection is lost.
        """

    def copy(self, job: CopyJob, target: RowSink) -> Moved:
        """Copy one range into the target.

        Args:
            job: The range.
            target: The session that writes. Its transaction is left open.

        Returns:
            The numbers of rows and octets that were written.

        Raises:
            ConnectionLostError: Another number of rows was written than was read, or a connection is lost.
            EngineError: A side rejects a statement or a row.
        """

    def trial(self, seconds: int) -> contextlib.AbstractContextManager[None]:
        """Open a transaction for statements that a person wrote. It only reads, and it is rolled back at its end.

        Args:
            seconds: The time limit of each statement, in seconds.

        Returns:
            The context of the transaction.
        """

    def abort(self) -> None:
        """End the statement that runs, from any thread."""

    def close(self) -> None:
        """Close."""


class WriteLock(Protocol):
    """The write lock, as long as this lives."""

    def alive(self) -> bool:
        """Whether the lock is still held."""

    def release(self) -> None:
        """Release the lock."""


@runtime_checkable
class FencingLock(WriteLock, Protocol):
    """A write lock that can be turned into a fence.

    Attributes:
        backends: The server's identifiers of its sessions, so that a takeover can end them; empty if there is no server.
    """

    backends: tuple[str, ...]

    def fence(self, fence: Fence) -> None:
        """Create the fence and release the lock, so that no write is accepted in between. Afterwards, `alive` is true without a session.

        Args:
            fence: The triggers and the message of the fence.

        Raises:
            EngineError: It fails. A part of the fence may exist then, and `FencingSource.unfence` removes it.
        """


class Source(Protocol):
    """A database to read from.

    Attributes:
        most_readers: The largest number of concurrent sessions that still makes a copy faster.
    """

    most_readers: int

    def reader(self) -> Reader:
        """Open a session.

        Returns:
            The session.

        Raises:
            EngineError: The source cannot be reached, or it refuses the credential.
        """

    def snapshot(self, readers: Sequence[Reader]) -> bool:
        """Begin a transaction in every reader.

        Args:
            readers: The sessions.

        Returns:
            Whether all of them read the same snapshot.

        Raises:
            EngineError: A session cannot begin its transaction.
        """

    def freeze(self, tables: Sequence[tuple[str, str]], *, fenced: bool = False) -> WriteLock:
        """Acquire the write lock.

        Args:
            tables: The tables, as (schema, name).
            fenced: A fence will follow, so the lock has to be a `FencingLock`.

        Returns:
            The lock, which is held until it is released or a session of it ends.

        Raises:
            SourceBusyError: It could not be acquired in `LOCK_TRIES` attempts of `LOCK_SECONDS` seconds each. Retryable.
        """

    def position(self) -> str | None:
        """Return the position of the source's log, which changes with every write; None if the source has none."""

    def written(self) -> str | None:
        """Return a hint that differs when rows were written in between, or None. It may lag: never conclude from it that rows are equal."""

    def kill(self, backends: Sequence[str]) -> None:
        """End sessions that an earlier process left behind.

        Args:
            backends: Their identifiers, as `Reader.backend` returns them. Sessions that have ended are ignored.
        """


@runtime_checkable
class FencingSource(Source, Protocol):
    """A source whose write lock is a `FencingLock`."""

    def unfence(self, name: str) -> int:
        """Remove the fence of a run, also if only a part of it exists.

        Args:
            name: The name of the fence.

        Returns:
            The number of triggers that were removed.

        Raises:
            EngineError: The source cannot be reached, or a trigger cannot be removed.
        """


@runtime_checkable
class Digesting(Reader, Protocol):
    """A reader that can tell a digest of a range in the order of its key."""

    def digest(self, sql: str, span: Span) -> tuple[int, str]:
        """Run a query of `SourceQueries.digest`.

        Args:
            sql: The query.
            span: The keys of the range, and about how many rows it has.

        Returns:
            The number of rows, and the SHA2-256 digest of their lines in 64 hexadecimal digits; empty if there is no row.

        Raises:
            EngineError: The source rejects the query, or the connection is lost.
        """


@runtime_checkable
class Screening(Reader, Protocol):
    """A reader that looks at texts faster than its database does."""

    def clean(self, sql: str, span: Span) -> bool:
        """Look at the texts of a range.

        Args:
            sql: A page of the texts.
            span: The keys of the range.

        Returns:
            Whether all of them are valid UTF-8 without NUL bytes.
        """


class HeldLock:
    """Sessions that hold a lock until it is released; the lock dies with any of them."""

    def __init__(self, *sessions: Session) -> None:
        self._sessions = sessions
        self._releasing = threading.Lock()
        self._released = False

    def alive(self) -> bool:
        """Return whether every session, and with it the lock, still exists."""
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

    Attributes:
        backends: The server's identifiers of its sessions; empty if there is no server.
    """

    def __init__(self, *sessions: Session, backends: Sequence[str] = ()) -> None:
        super().__init__(*sessions)
        self.backends = tuple(backends)
        self._fenced = False

    def alive(self) -> bool:
        """Return whether writers are refused: by the fence, or by the lock."""
        return self._fenced or super().alive()

    def fence(self, fence: Fence) -> None:
        """Create the fence and release the lock, also if that fails: removing a part of the fence must not wait for the lock.

        Args:
            fence: The triggers and the message of the fence.
        """
        try:
            self._create(fence)
            self._fenced = True
        finally:
            self.release()

    @abstractmethod
    def _create(self, fence: Fence) -> None:
        """Create what is missing of the fence, while the lock is held. At the end, the lock may be gone and the fence is committed."""


def while_busy(attempt: Callable[[], _Result]) -> _Result:
    """Call a function that locks of other sessions may prevent, again after a pause of 0.5 s and of 1 s.

    Args:
        attempt: The function. It raises SourceBusyError while it is prevented.

    Returns:
        Its result.

    Raises:
        SourceBusyError: The last of `LOCK_TRIES` attempts was prevented too.
    """
    return retried(attempt, SourceBusyError, attempts=_LOCKING)


def acquire_lock(session: Session, lock: Sequence[str], undo: str = "") -> None:
    """Acquire a lock, in `LOCK_TRIES` attempts.

    Args:
        session: The session that will hold the lock. It is closed if the lock cannot be acquired.
        lock: The statements that acquire it; the first of them limits how long the others wait.
        undo: The statement that ends a failed attempt; empty if none is needed.

    Raises:
        SourceBusyError: Other sessions prevent it. Retryable.
    """

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
    """Return the result of a query of `SourceQueries.sums` that the server has summed up.

    Args:
        rows: One row of (count, sum), as text.

    Returns:
        The number of rows, and the sum of their row numbers.
    """
    count, total = rows[0][:2]
    return int(count or 0), int(total or 0)
