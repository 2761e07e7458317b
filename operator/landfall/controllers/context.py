"""What the loops of all kinds share: client, clock, worker reports, and how status and Events are written."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from landfall import metrics
from landfall.api.fields import API_VERSION
from landfall.controllers.actions import ControllerAction
from landfall.controllers.decision import ObservedObject, ReconcileDecision, conditions
from landfall.controllers.providers import Providers
from landfall.controllers.reports import Reports
from landfall.controllers.source_lookups import SourceLookups
from landfall.journal.writer import JournalWriter
from landfall.kube.client import Kube, Object
from landfall.kube.errors import AlreadyExistsError, KubeError
from landfall.lib import logs
from landfall.lib.redact import redacted

_MESSAGE = 1000


@dataclass(frozen=True, slots=True)
class Context:
    """What the loops need to act: the fields never change. Reports and lookups are stores of their own, and Kubernetes and the journal are outside.

    Attributes:
        kube: The Kubernetes client.
        reports: The latest report of each worker.
        image: The image of workers.
        intake_url: The URL at which workers reach the operator.
        clock: The current time, in whole seconds.
        keeper: Writes the journal.
        providers: Clients of outside services.
        lookups: The last lookup of each Deployment's source.
    """

    kube: Kube
    reports: Reports
    image: str
    intake_url: str
    clock: Callable[[], datetime]
    keeper: JournalWriter
    providers: Providers
    lookups: SourceLookups = field(default_factory=SourceLookups)

    async def secrets(self, namespace: str, names: Iterable[str]) -> dict[str, str | None]:
        """Read the versions of Secrets, but not their content.

        Args:
            namespace: The namespace.
            names: Names of Secrets.

        Returns:
            Resource versions by name; None for a Secret that does not exist.

        Raises:
            KubeError: A request failed.
        """
        versions: dict[str, str | None] = {}
        for name in sorted(set(names)):
            secret = await self.kube.get("Secret", namespace, name)
            versions[name] = str(secret["metadata"]["resourceVersion"]) if secret else None
        return versions

    async def created(
        self,
        kind: Literal[
            "Run", "Job", "ConfigMap", "TablePlan", "Release", "Secret", "Workload", "Service", "Ingress", "Deployment"
        ],
        body: Object,
    ) -> None:
        """Create an object; one of that name is kept, because an earlier try of the same action created it.

        Args:
            kind: The object's kind.
            body: The object.

        Raises:
            KubeError: The request failed.
        """
        try:
            await self.kube.create(kind, body)
        except AlreadyExistsError:
            return

    async def report(
        self, raw: Object, observed: ObservedObject, decision: ReconcileDecision[ControllerAction], fields: dict[str, Any]
    ) -> None:
        """Write the status if it changed, and an Event if the condition Ready changed.

        Args:
            raw: The object as it was read.
            observed: What was observed of it.
            decision: Its phase and conditions.
            fields: Further fields of the status; empty values are left out.

        Raises:
            ConflictError: The object has changed since it was read.
            KubeError: The request failed.
        """
        metadata, before = raw["metadata"], raw.get("status") or {}
        metrics.record_phase(raw["kind"], metadata["namespace"], metadata["name"], str(decision.phase))
        current = [c.model_dump(mode="json", by_alias=True) for c in conditions(observed, decision)]
        for condition in current:
            condition["message"] = redacted(condition["message"])[:_MESSAGE]
        status = {"observedGeneration": observed.generation, "phase": str(decision.phase), "conditions": current, **fields}
        status = {name: value for name, value in status.items() if value not in (None, "", [], ())}
        if status == before:
            return
        await self.kube.replace_status(raw["kind"], {**raw, "status": status})
        then: dict[str, str] = next((c for c in before.get("conditions", []) if c["type"] == "Ready"), {})
        if (then.get("reason"), then.get("status")) != (decision.ready[1], decision.ready[0]):
            await self.event(raw, decision.ready[1], decision.message, warning=decision.stalled)

    async def event(self, raw: Object, reason: str, message: str, *, warning: bool) -> None:
        """Write an Event. A failure to write it is logged and otherwise ignored.

        Args:
            raw: The object that the Event is about.
            reason: A word in CamelCase.
            message: The text; secrets are redacted. Empty: the reason.
            warning: The Event's type is Warning instead of Normal.
        """
        metadata, now = raw["metadata"], self.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{metadata['name'][:200]}.", "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": raw["kind"],
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
            },
            "reason": reason,
            "message": redacted(message or reason)[:_MESSAGE],
            "type": "Warning" if warning else "Normal",
            "source": {"component": "landfall"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self.kube.create("Event", body)
        except KubeError as error:
            about = {"kind": raw["kind"], "namespace": metadata["namespace"], "name": metadata["name"]}
            logs.event(logging.WARNING, "event_write_failed", **about, reason=reason, error=str(error))


def log_action(raw: Object, action: ControllerAction) -> None:
    """Log an executed action: one line.

    Args:
        raw: The reconciled object.
        action: The action.
    """
    log_write(raw, action.log_name, **action.log_fields)


def log_write(raw: Object, name: str, **fields: str | int) -> None:
    """Log a write that no rule chose, such as a step towards a database at a provider: one line, in the form of an action's.

    Args:
        raw: The reconciled object.
        name: The name of the action.
        fields: Further fields; `object` is the object that is written. Never a secret.
    """
    metadata = raw["metadata"]
    about = {"kind": raw["kind"], "namespace": metadata["namespace"], "name": metadata["name"]}
    all_fields: dict[str, Any] = {"action": name, **fields}
    logs.event(logging.INFO, "action_applied", **about, **all_fields)


def minimal_observed(raw: Object, context: Context) -> ObservedObject:
    """What is observed of an object whose spec is invalid.

    Args:
        raw: The object.
        context: Supplies the clock.

    Returns:
        Time, generation and UID only.
    """
    metadata = raw["metadata"]
    return ObservedObject(now=context.clock(), generation=metadata["generation"], uid=metadata["uid"])


def kept_status(raw: Object) -> dict[str, Any]:
    """The status fields to keep while the spec is invalid: all except `observedGeneration`, `phase` and `conditions`.

    Args:
        raw: The object.

    Returns:
        The fields by name.
    """
    status: dict[str, Any] = raw.get("status") or {}
    return {name: value for name, value in status.items() if name not in {"observedGeneration", "phase", "conditions"}}
