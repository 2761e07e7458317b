"""What was last looked up of the sources of Deployments. Kept in memory: after a restart, each source is looked up again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from landfall.api.deployment import Resolved


@dataclass(frozen=True, slots=True)
class SourceLookup:
    """One lookup.

    Attributes:
        at: Its time.
        question: What was looked up: the source of the spec, and the request that needed it.
        found: The commit; None if nothing is known.
        problem: Why it failed, as (reason, message); None if it did not.
    """

    at: datetime
    question: str
    found: Resolved | None
    problem: tuple[str, str] | None


class SourceLookups:
    """The last lookup of each Deployment, by namespace and name."""

    def __init__(self) -> None:
        self._latest: dict[tuple[str, str], SourceLookup] = {}

    def __len__(self) -> int:
        """The number of Deployments of which a lookup is kept."""
        return len(self._latest)

    def of(self, namespace: str, name: str, question: str) -> SourceLookup | None:
        """The last lookup, if it answers this question."""
        last = self._latest.get((namespace, name))
        return last if last and last.question == question else None

    def record(self, namespace: str, name: str, lookup: SourceLookup) -> None:
        """Keep a lookup instead of the one before it."""
        self._latest[namespace, name] = lookup

    def forget(self, namespace: str, name: str) -> None:
        """Remove the lookup, so that the source is looked up at the next reconcile."""
        self._latest.pop((namespace, name), None)
