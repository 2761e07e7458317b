"""The gate between the halves of a Migration that moves data and app as one: the app's release waits there until its data is cut over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

WAITS = "WaitingForData"


@dataclass(frozen=True, slots=True)
class Gate:
    """What a Migration says of its app's Deployment: `run` is the move, `state` how far it is (`status.app.state`)."""

    migration: str
    run: str = ""
    state: str = ""

    @property
    def open(self) -> bool:
        """Whether the data is cut over, and nobody is taking it back."""
        return self.state in {"Starting", "Live"}

    @property
    def back(self) -> bool:
        """Whether it was cut over, and has gone back."""
        return self.state == "RolledBack"


def governing(gates: Iterable[tuple[str, Gate]]) -> Gate | None:
    """The one that a Deployment waits at, of those of all Migrations that refer to it, each with when that was created: one that is closed before any other, else the newest."""
    return max(gates, key=lambda found: (not found[1].open and not found[1].back, found[0]), default=("", None))[1]
