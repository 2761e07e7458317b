"""The environment, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator is told by its pod."""

    image: str
    intake_url: str
    intake_port: int = 8443
    health_port: int = 8080

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Settings:
        """Raises KeyError for what must be there."""
        return cls(
            image=environment["LANDFALL_IMAGE"],
            intake_url=environment["LANDFALL_INTAKE_URL"],
            intake_port=int(environment.get("LANDFALL_LISTEN_INTAKE", "8443")),
            health_port=int(environment.get("LANDFALL_LISTEN_HEALTH", "8080")),
        )
