"""What every target's ledger does: it records a run, its chunks and its statements in the database that the rows are written to.

A record of a change of data commits together with the change. What a ledger stores does not depend on the target: see `model.run_state`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from landfall.engine.errors import SupersededError
from landfall.engine.model.chunk_range import ChunkRange
from landfall.engine.model.plan import Plan
from landfall.engine.model.run_state import Chunk, RunRecord
from landfall.ledger_states import State


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of this process to work on a run: every write checks the attempt."""

    key: str
    attempt: int
    helper: bool = False


def superseded() -> SupersededError:
    """The error for a process whose run another process has taken over."""
    return SupersededError("another process has taken this migration over", advice="This one stops without writing.")


class RunLedger(Protocol):
    """The runs of a ledger, and who works on them."""

    def exists(self) -> bool:
        """Whether there is a ledger. Raises LedgerTooNewError if a newer version wrote it."""

    def create(self) -> None:
        """Create the ledger if there is none."""

    def remove(self) -> None:
        """Drop the ledger if it knows no run."""

    def find(self, key: str) -> RunRecord | None:
        """The run of that key."""

    def every(self) -> list[RunRecord]:
        """All runs, the newest first."""

    def retention_ended(self, key: str) -> bool:
        """Whether the retained tables of a run may be dropped."""

    def plan(self, key: str) -> Plan:
        """The plan as it was approved."""

    def begin(self, key: str, name: str, plan: Plan) -> Lease:
        """Record an approved plan and take the target schema. Raises RunConflictError if another run holds it."""

    def take_over(self, key: str, patience: int) -> tuple[Lease, list[str]]:
        """Become the process that works on a run; the source sessions that an earlier process left behind.

        Raises RunConflictError while that process lives: its sessions exist, and its last heartbeat is younger than `patience` seconds.
        """

    def register_backend(self, lease: Lease, side: str, pid: str) -> None:
        """Record a session, so that a process that takes over can end exactly that one."""

    def forget_backends(self, lease: Lease) -> None:
        """Remove the sessions of an attempt from the record."""

    def end_helpers(self, lease: Lease) -> None:
        """End the sessions of copy helpers: the chunks that they held may be claimed again."""

    def heartbeat(self, lease: Lease) -> None:
        """Record that this process lives. Raises SupersededError if another one took over."""

    def check(self, lease: Lease) -> None:
        """Raise SupersededError if another process took over."""

    def advance(self, lease: Lease, then: State) -> None:
        """Change the state, waiting for the chunks in flight."""

    def finish(self, key: str, state: State, result: dict[str, object], *, retain_seconds: int = 0) -> None:
        """Record the end of a run, inside the caller's transaction."""

    def forget(self, key: str) -> None:
        """Remove all records of a run, inside the caller's transaction."""

    def note(self, key: str, result: dict[str, object]) -> None:
        """Add facts to the record of a run."""


class Ledger(RunLedger, Protocol):
    """A run's statements and chunks besides."""

    def done(self, key: str) -> set[int]:
        """The statements of the plan that were executed."""

    def mark_done(self, lease: Lease, number: int) -> None:
        """Record a statement in the transaction that executes it."""

    def mark_undone(self, lease: Lease, number: int) -> None:
        """Remove the record of a statement, in the transaction that undid it."""

    def split_tables(self, key: str) -> set[int]:
        """The tables that are cut into chunks."""

    def add_chunks(self, lease: Lease, table: int, ranges: Sequence[ChunkRange], priority: int) -> None:
        """Record the chunks of one table, all at once."""

    def cut_again(self, lease: Lease, cut: Callable[[ChunkRange], Sequence[ChunkRange]]) -> None:
        """Replace the chunks that no stream has claimed by smaller ones that cover the same rows."""

    def chunks(self, key: str) -> list[Chunk]:
        """Every chunk of a run."""

    def copied_rows(self, key: str) -> dict[int, int]:
        """How many rows were copied, by table."""

    def claimable(self, lease: Lease) -> bool:
        """Whether there is a chunk that no stream has claimed."""

    def left(self, key: str) -> int:
        """How many chunks are not done."""

    def deltas(self, key: str) -> dict[int, list[str]]:
        """The transactions that repaired rows, by table. Only version 0.1 wrote them."""

    def unverify(self, lease: Lease) -> None:
        """Remove what was recorded under a write lock that is released."""

    def verified(self, lease: Lease, table: int) -> None:
        """Record that every chunk of a table was equal under this attempt's write lock."""

    def unverified(self, lease: Lease) -> int:
        """How many chunks were not found equal under this attempt's write lock."""
