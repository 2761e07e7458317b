"""What the loops of all kinds share: the client, the clock, the reports, and how status and Events are written."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from landfall import metrics
from landfall.api.deployment import Resolved
from landfall.api.fields import API_VERSION
from landfall.controllers.actions import ControllerAction
from landfall.controllers.decision import Decision, ObservedObject, conditions
from landfall.controllers.providers import Providers
from landfall.controllers.reports import Reports
from landfall.journal.writer import JournalWriter
from landfall.kube.client import Kube, Object
from landfall.kube.errors import AlreadyExistsError, KubeError
from landfall.lib import logs
from landfall.lib.redact import redacted

_MESSAGE = 1000


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that acting needs. `keeper` keeps the journal; `checked` is when sources were last looked at, what they are, and what was in the way."""

    kube: Kube
    reports: Reports
    image: str
    intake_url: str
    clock: Callable[[], datetime]
    keeper: JournalWriter
    providers: Providers
    checked: dict[str, tuple[datetime, Resolved | None, tuple[str, str] | None, str]] = field(default_factory=dict)

    async def secrets(self, namespace: str, names: Iterable[str]) -> dict[str, str | None]:
        """The versions of Secrets; None for one that is not there. Their content is not looked at."""
        found: dict[str, str | None] = {}
        for name in sorted(set(names)):
            secret = await self.kube.get("Secret", namespace, name)
            found[name] = str(secret["metadata"]["resourceVersion"]) if secret else None
        return found

    async def created(
        self,
        kind: Literal[
            "Run", "Job", "ConfigMap", "TablePlan", "Release", "Secret", "Workload", "Service", "Ingress", "Deployment"
        ],
        body: Object,
    ) -> None:
        """Create it; one that is there already was made by an earlier try of just this."""
        try:
            await self.kube.create(kind, body)
        except AlreadyExistsError:
            return

    async def report(
        self, raw: Object, seen: ObservedObject, decision: Decision[ControllerAction], fields: dict[str, Any]
    ) -> None:
        """Write the status once, if it changed, and tell an Event where Ready's reason did."""
        metadata, before = raw["metadata"], raw.get("status") or {}
        metrics.record_phase(raw["kind"], metadata["namespace"], metadata["name"], str(decision.phase))
        told = [c.model_dump(mode="json", by_alias=True) for c in conditions(seen, decision)]
        for condition in told:
            condition["message"] = redacted(condition["message"])[:_MESSAGE]
        status = {"observedGeneration": seen.generation, "phase": str(decision.phase), "conditions": told, **fields}
        status = {name: value for name, value in status.items() if value not in (None, "", [], ())}
        if status == before:
            return
        await self.kube.replace_status(raw["kind"], {**raw, "status": status})
        then: dict[str, str] = next((c for c in before.get("conditions", []) if c["type"] == "Ready"), {})
        if (then.get("reason"), then.get("status")) != (decision.ready[1], decision.ready[0]):
            await self.event(raw, decision.ready[1], decision.message, warning=decision.stalled)

    async def event(self, raw: Object, reason: str, message: str, *, warning: bool) -> None:
        """Something for `kubectl describe`. An Event that cannot be written stops nothing, and is logged."""
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
    """Log that an action of an object was carried out: one line for each."""
    metadata = raw["metadata"]
    about = {"kind": raw["kind"], "namespace": metadata["namespace"], "name": metadata["name"]}
    fields: dict[str, Any] = {"action": action.log_name, **action.log_fields}
    logs.event(logging.INFO, "action_applied", **about, **fields)


def minimal_observed(raw: Object, context: Context) -> ObservedObject:
    """What is seen of an object whose spec cannot be read."""
    metadata = raw["metadata"]
    return ObservedObject(now=context.clock(), generation=metadata["generation"], uid=metadata["uid"])


def stands_as_before(raw: Object) -> dict[str, Any]:
    """The fields of the status that a spec that cannot be read says nothing about: all but how the object stands."""
    status: dict[str, Any] = raw.get("status") or {}
    return {name: value for name, value in status.items() if name not in {"observedGeneration", "phase", "conditions"}}
