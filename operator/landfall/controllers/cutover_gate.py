"""The gate between the halves of a Migration that migrates data and app together.

The app's release waits at the gate until the data is cut over. The gate closes before the data is rolled back. No release goes live on a
database whose data has been migrated elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from landfall.api.deployment import Variable
from landfall.api.progress import AppState

WAITS = "WaitingForData"
# States of the app half in which no release may go live, because the data is rolled back.
CLOSING: frozenset[AppState] = frozenset({"Failed", "RollingBack"})
_CUT_OVER: frozenset[AppState] = frozenset({"Starting", "Live", "RollingBack"})


@dataclass(frozen=True, slots=True)
class MigrationSide:
    """One side of a migration: its Connection, and the Secret with the credentials."""

    connection: str = ""
    secret: str = ""

    def named_by(self, database: str, secrets: Collection[str]) -> bool:
        """Whether an app uses it: by the Connection that `database` names, or by a Secret that a variable refers to."""
        return bool((self.connection and database == self.connection) or (self.secret and self.secret in secrets))


@dataclass(frozen=True, slots=True)
class Gate:
    """The state of a Migration, as far as its app's Deployment depends on it.

    `run`: the run of the data. `state`: `status.app.state`. `source`: where the data comes from. `target`: name of the target Connection.
    `begun`: the run has started. `cancelled`: the migration was cancelled before its cutover.
    """

    migration: str
    run: str = ""
    state: AppState | Literal[""] = ""
    source: MigrationSide = MigrationSide()
    target: str = ""
    begun: bool = True
    cancelled: bool = False

    @property
    def open(self) -> bool:
        """Whether the data is cut over and not being rolled back."""
        return self.state in {"Starting", "Live"}

    @property
    def failed(self) -> bool:
        """Whether the app did not start with the migrated data, so that the data is rolled back."""
        return self.state == "Failed"

    @property
    def rolled_back(self) -> bool:
        """Whether the data was cut over and has been rolled back."""
        return self.state == "RolledBack"


def governing(gates: Iterable[tuple[str, Gate]]) -> Gate | None:
    """The gate that a Deployment waits at, of all Migrations that refer to it.

    Args:
        gates: Each with the creation time of its Migration.

    Returns:
        The first of: a gate whose data is being rolled back, so that the app notices it; one that is cut over, whose source stays locked
        until the app is live; a closed one; one whose app is live or whose data has been rolled back. Among equals the newest. None if
        there are no gates.
    """
    all_gates = tuple(gates)
    return max(all_gates, key=lambda entry: (_rank(entry[0], entry[1], all_gates), entry[0]), default=("", None))[1]


def _rank(created: str, gate: Gate, gates: tuple[tuple[str, Gate], ...]) -> int:
    if gate.state in CLOSING:
        return 4
    if gate.state == "Starting":
        return 3
    if gate.open or gate.rolled_back:
        return 1
    return 0 if _idle(created, gate, gates) else 2


def _idle(created: str, gate: Gate, gates: tuple[tuple[str, Gate], ...]) -> bool:
    """Whether a gate can be ignored: not started or cancelled, and another one has opened since. One that will continue from there counts."""
    if gate.begun and not gate.cancelled:
        return False
    opened = [(when, other_gate) for when, other_gate in gates if other_gate.open and other_gate.target != gate.source.connection]
    return any(gate.cancelled or when > created for when, _ in opened)


def migrated_away(gates: Iterable[tuple[str, Gate]]) -> tuple[Gate, ...]:
    """The gates of completed migrations whose source no longer holds the app's data, and to which no later migration has returned.

    Args:
        gates: Those of all Migrations that refer to a Deployment, each with the time of its completion or, before that, of its creation.
    """
    by_connection: dict[str, Gate] = {}
    for _, gate in sorted(gates, key=lambda entry: entry[0]):
        if gate.state in _CUT_OVER and gate.source.connection != gate.target:
            by_connection.pop(gate.target, None)
            by_connection[gate.source.connection] = gate
    return tuple(by_connection.values())


def secrets_of(variables: Iterable[Variable]) -> frozenset[str]:
    """The Secrets that variables refer to."""
    references = [v.value_from.secret_key_ref for v in variables if v.value_from]
    return frozenset(r.name for r in references if r)
