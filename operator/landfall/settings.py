"""The environment, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from landfall.journal.store import DEFAULT_URL


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator is told by its pod."""

    image: str
    intake_url: str
    intake_port: int = 8443
    health_port: int = 8080
    resync_seconds: int = 300
    journal_url: str = DEFAULT_URL
    journal_keep_days: int = 30
    journal_keep_lines: int = 1_000_000

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Settings:
        """Raises KeyError for what must be there."""
        return cls(
            image=environment["LANDFALL_IMAGE"],
            intake_url=environment["LANDFALL_INTAKE_URL"],
            intake_port=int(environment.get("LANDFALL_LISTEN_INTAKE", "8443")),
            health_port=int(environment.get("LANDFALL_LISTEN_HEALTH", "8080")),
            resync_seconds=int(environment.get("LANDFALL_RESYNC_SECONDS", "300")),
            journal_url=environment.get("LANDFALL_JOURNAL_URL", "") or DEFAULT_URL,
            journal_keep_days=int(environment.get("LANDFALL_JOURNAL_KEEP_DAYS", "30")),
            journal_keep_lines=int(environment.get("LANDFALL_JOURNAL_KEEP_LINES", "1000000")),
        )
