"""What the intake needs of the operator: the door is built from it, and calls back into the work queue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from landfall.api.worker_protocol import Dials
from landfall.controllers.deployment.build_jobs import BuildSettings
from landfall.controllers.reports import Reports
from landfall.journal.writer import JournalWriter
from landfall.kube.client import Kube, Object


@dataclass(frozen=True, slots=True)
class IntakeParts:
    """The parts of the operator that the intake uses.

    Attributes:
        kube: The Kubernetes client.
        reports: Takes the reports of workers.
        keeper: Writes the journal.
        on_owned_change: Called with kind, namespace and name of the owner of a Job that reported.
        live_settings_of: The live settings of a Migration, read from the API server; None if its spec is invalid.
        on_push: Called with repository and branch of a push that GitHub reports. Returns the number of Deployments that follow them.
        webhook_secret: The secret of GitHub's webhook; empty if there is none.
        gateway: The gateway's service account as NAMESPACE/NAME; empty if there is no gateway.
        builds: How apps are built, for uploaded archives.
    """

    kube: Kube
    reports: Reports
    keeper: JournalWriter
    on_owned_change: Callable[[str, str, str], None]
    live_settings_of: Callable[[Object], Dials | None]
    on_push: Callable[[str, str], Awaitable[int]]
    webhook_secret: str
    gateway: str
    builds: BuildSettings
