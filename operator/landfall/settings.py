"""The environment, read once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from landfall.api.worker_protocol import RunImage
from landfall.controllers.deployment.build_jobs import BuildSettings
from landfall.journal.store import DEFAULT_URL
from landfall.providers.supabase import BASE as SUPABASE


def _builds(environment: Mapping[str, str]) -> BuildSettings:
    """What the chart says under `builds`."""
    told = json.loads(environment.get("LANDFALL_BUILDS", "") or "{}")
    bundle, least = environment.get("LANDFALL_AUTHORITIES", ""), BuildSettings()
    return BuildSettings(
        registry=str(told.get("registry", "")).strip("/"),
        insecure=bool(told.get("insecure", False)),
        secret=str(told.get("secret", "")),
        builder=str(told.get("builder", "")),
        images=tuple(RunImage.model_validate(one) for one in told.get("images", ())),
        env={str(k): str(v) for k, v in (told.get("env") or {}).items()},
        authorities=Path(bundle).read_text(encoding="ascii") if bundle and Path(bundle).exists() else "",
        memory=str(told.get("memory") or least.memory),
        disk=str(told.get("disk") or least.disk),
        timeout_seconds=int(told.get("timeoutSeconds") or least.timeout_seconds),
        github=str(told.get("github") or least.github).rstrip("/"),
        private_hosts=tuple(str(host) for host in told.get("privateHosts") or ()),
        follow_seconds=int(told.get("followSeconds") or least.follow_seconds),
    )


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
    builds: BuildSettings = field(default_factory=BuildSettings)
    supabase: str = SUPABASE
    webhook_secret: str = ""
    gateway: str = ""

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
            builds=_builds(environment),
            supabase=environment.get("LANDFALL_SUPABASE_URL", "") or SUPABASE,
            webhook_secret=environment.get("LANDFALL_WEBHOOK_SECRET", ""),
            gateway=environment.get("LANDFALL_GATEWAY", ""),
        )
