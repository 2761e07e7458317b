"""The sessions that move and compare rows: each chunk is claimed, written and recorded in one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from landfall.engine.clients.postgresql import PINNED
from landfall.engine.clients.postgresql_wire import PgWireConnection
from landfall.engine.model.chunk_range import range_of
from landfall.engine.model.options import Endpoint
from landfall.engine.model.rows import Moved
from landfall.engine.model.run_state import Chunk
from landfall.engine.targets.ledger import Lease, superseded
from landfall.engine.targets.postgresql.ledger import PostgresqlLedger
from landfall.ledger_states import State

_BEGIN = "BEGIN; SET LOCAL synchronous_commit=off"


class PostgresqlLoader(PgWireConnection):
    """One session. Not shared between threads, but for `abort`."""

    def __init__(self, endpoint: Endpoint, ledger: PostgresqlLedger, search_path: str) -> None:
        super().__init__(endpoint, "target", {**PINNED, "search_path": search_path})
        self._ledger = ledger

    @property
    def backend(self) -> str:
        """The process identifier of the server's side."""
        return str(self.pid)

    def claim(self, lease: Lease) -> Chunk | None:
        """Open a transaction and claim the next chunk in it."""
        answer = self.rows(f"{_BEGIN}; {self._ledger.fence(lease, State.COPYING)}; {self._ledger.claim(lease)}")
        if not answer or len(answer[0]) != 1:
            raise superseded()
        if len(answer) == 1:
            self.rows("ROLLBACK")
            return None
        return Chunk(int(answer[1][0] or 0), int(answer[1][1] or 0), range_of(answer[1][2] or ""))

    def complete(self, lease: Lease, chunk: Chunk, amount: Moved) -> None:
        """Record a claimed chunk and commit."""
        self.rows(self._ledger.complete(lease, chunk.table, chunk.number, amount.rows, amount.bytes) + "; COMMIT")

    def begin_repair(self, lease: Lease) -> None:
        """Open a transaction for a repair."""
        if not self.rows(f"{_BEGIN}; {self._ledger.fence(lease, State.COMPARING)}"):
            raise superseded()

    def record_removal(self, lease: Lease, chunks: Sequence[Chunk]) -> None:
        """Record chunks whose rows this transaction removed."""
        self.rows(self._ledger.taken_out(lease, chunks))

    def complete_repair(self, lease: Lease, chunk: Chunk) -> None:
        """Record a chunk that was copied again and commit."""
        self.rows(f"{self._ledger.recopied(lease, chunk)}; COMMIT")

    def commit(self) -> None:
        """Commit."""
        self.rows("COMMIT")
