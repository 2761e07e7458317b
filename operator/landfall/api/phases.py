"""The values of `status.phase` of the kinds that have no table in `landfall.lifecycle`."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from landfall.lifecycle import Phase


class DeploymentPhase(StrEnum):
    """`status.phase` of a Deployment."""

    PENDING = "Pending"
    BUILDING = "Building"
    DEPLOYING = "Deploying"
    LIVE = "Live"
    PAUSED = "Paused"
    FAILED = "Failed"


class ReleasePhase(StrEnum):
    """`status.phase` of a Release."""

    QUEUED = "Queued"
    BUILDING = "Building"
    DEPLOYING = "Deploying"
    LIVE = "Live"
    FAILED = "Failed"
    ROLLED_BACK = "RolledBack"
    SUPERSEDED = "Superseded"


class ProbePhase(StrEnum):
    """`status.phase` of a Connection and of a Webhook."""

    PENDING = "Pending"
    PROBING = "Probing"
    READY = "Ready"
    FAILED = "Failed"


# Migrations and TablePlans use `Phase`.
AnyPhase: TypeAlias = Phase | DeploymentPhase | ReleasePhase | ProbePhase
