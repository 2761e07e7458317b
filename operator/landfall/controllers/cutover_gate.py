"""The gate between the halves of a Migration that moves data and app as one.

The app's release waits there until its data is cut over, nothing goes live any more once the data is to be taken back, and no release
goes live on a database that a move has left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from landfall.api.deployment import Variable

WAITS = "WaitingForData"
# States of the app half in which nothing goes live any more, because the data is taken back.
CLOSING = frozenset({"Failed", "RollingBack"})
_CUT_OVER = frozenset({"Starting", "Live", "RollingBack"})


@dataclass(frozen=True, slots=True)
class End:
    """One side of a move: its Connection, and the Secret that opens it."""

    connection: str = ""
    secret: str = ""

    def named_by(self, database: str, secrets: Collection[str]) -> bool:
        """Whether an app points at it: by the Connection that `database` names, or by a Secret that a variable refers to."""
        return bool((self.connection and database == self.connection) or (self.secret and self.secret in secrets))


@dataclass(frozen=True, slots=True)
class Gate:
    """What a Migration says of its app's Deployment.

    `run` is the move, `state` how far it is (`status.app.state`), `source` where its data comes from, `target` the Connection that it goes
    to, `begun` whether its run has started, and `cancelled` whether it was given up before its cutover.
    """

    migration: str
    run: str = ""
    state: str = ""
    source: End = End()
    target: str = ""
    begun: bool = True
    cancelled: bool = False

    @property
    def open(self) -> bool:
        """Whether the data is cut over, and nobody is taking it back."""
        return self.state in {"Starting", "Live"}

    @property
    def failed(self) -> bool:
        """Whether the app did not come up with it, so that it is taken back."""
        return self.state == "Failed"

    @property
    def back(self) -> bool:
        """Whether it was cut over, and has gone back."""
        return self.state == "RolledBack"


def governing(gates: Iterable[tuple[str, Gate]]) -> Gate | None:
    """The one that a Deployment waits at, of those of all Migrations that refer to it, each with when that was created.

    One whose data is taken back comes first, so that the app takes note of it; then one that is cut over, whose source is locked until
    the app is live; then one that is closed; then one whose app is live, or that has gone back. Of equal ones the newest.
    """
    found = tuple(gates)
    return max(found, key=lambda one: (_rank(one[0], one[1], found), one[0]), default=("", None))[1]


def _rank(created: str, gate: Gate, gates: tuple[tuple[str, Gate], ...]) -> int:
    if gate.state in CLOSING:
        return 4
    if gate.state == "Starting":
        return 3
    if gate.open or gate.back:
        return 1
    return 0 if _idle(created, gate, gates) else 2


def _idle(created: str, gate: Gate, gates: tuple[tuple[str, Gate], ...]) -> bool:
    """Whether it has not begun, or was cancelled, and closes no gate that another has opened since. One that is to go on from there does."""
    if gate.begun and not gate.cancelled:
        return False
    opened = [(when, one) for when, one in gates if one.open and one.target != gate.source.connection]
    return any(gate.cancelled or when > created for when, _ in opened)


def left(gates: Iterable[tuple[str, Gate]]) -> tuple[Gate, ...]:
    """The moves whose source holds the app's data no more: they are cut over, and no later move has come back to it.

    Args:
        gates: Those of all Migrations that refer to a Deployment, each with when its run was completed or, before that, created.
    """
    found: dict[str, Gate] = {}
    for _, gate in sorted(gates, key=lambda one: one[0]):
        if gate.state in _CUT_OVER and gate.source.connection != gate.target:
            found.pop(gate.target, None)
            found[gate.source.connection] = gate
    return tuple(found.values())


def secrets_of(variables: Iterable[Variable]) -> frozenset[str]:
    """The Secrets that variables refer to."""
    references = [v.value_from.secret_key_ref for v in variables if v.value_from]
    return frozenset(r.name for r in references if r)
