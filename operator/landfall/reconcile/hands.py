"""What the loops of all kinds share: the client, the clock, the reports, and how status and Events are written."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import aiohttp
from pydantic import BaseModel, ValidationError

from landfall.api.connection import Connection
from landfall.api.deployment import Resolved
from landfall.api.fields import API_VERSION, said
from landfall.api.release import LABEL_DEPLOYMENT
from landfall.core.outcome import Decision, Seen, conditions
from landfall.kit.redact import redacted
from landfall.kube.client import Kube, Object
from landfall.kube.errors import AlreadyExistsError, KubeError
from landfall.manifests.parts import LABEL_KIND, LABEL_OWNER, owner
from landfall.metrics import loop as metrics
from landfall.providers.github import GitHub
from landfall.reconcile.keeper import Keeper
from landfall.reconcile.reports import Reports

_LOG = logging.getLogger("landfall")
_MESSAGE = 1000


class Providers:
    """How providers are asked: one session for all of them, opened with the first question, and their addresses."""

    def __init__(self, github: str, supabase: str, private_hosts: Collection[str] = ()) -> None:
        self.private_hosts = private_hosts
        self.github = GitHub(github, self.session)
        self.supabase = supabase
        self._session: aiohttp.ClientSession | None = None

    def session(self) -> aiohttp.ClientSession:
        """The session."""
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session

    async def close(self) -> None:
        """End it."""
        if self._session:
            await self._session.close()
            self._session = None


@dataclass(frozen=True, slots=True)
class Hands:
    """Everything that acting needs. `keeper` keeps the journal; `checked` is when sources were last looked at, what they are, and what was in the way."""

    kube: Kube
    reports: Reports
    image: str
    intake_url: str
    clock: Callable[[], datetime]
    keeper: Keeper
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

    async def report(self, raw: Object, seen: Seen, decision: Decision, fields: dict[str, Any]) -> None:
        """Write the status once, if it changed, and tell an Event where Ready's reason did."""
        metadata, before = raw["metadata"], raw.get("status") or {}
        metrics.stands(raw["kind"], metadata["namespace"], metadata["name"], decision.phase)
        told = [c.model_dump(mode="json", by_alias=True) for c in conditions(seen, decision)]
        for condition in told:
            condition["message"] = redacted(condition["message"])[:_MESSAGE]
        status = {"observedGeneration": seen.generation, "phase": decision.phase, "conditions": told, **fields}
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
            _LOG.warning("event not written", extra={"object": metadata["name"], "reason": reason, "error": str(error)})


def now() -> datetime:
    """The clock of the process, in whole seconds, as the API server keeps times."""
    return datetime.now(UTC).replace(microsecond=0)  # noqa: TID251  the one place of the loop that reads it


def told(moment: datetime | None) -> str | None:
    """A time as the API server writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def secret_names(connection: Connection) -> list[str]:
    """The Secrets that a Connection refers to."""
    spec = connection.spec
    return [r.name for r in (spec.secret_ref, spec.tls.ca_secret_ref) if r]


def volumes(connections: Iterable[Connection]) -> list[tuple[str, str]]:
    """The volumes that hold files of Connections, as (connection, claim)."""
    found = [(c.metadata.name, c.spec.file.persistent_volume_claim) for c in connections if c.spec.file]
    return [(name, claim) for name, claim in found if claim]


def plain(raw: Object) -> Object:
    """An object as its model takes it: with the metadata that people write."""
    metadata = raw["metadata"]
    kept = {k: metadata[k] for k in ("name", "namespace", "labels", "annotations") if k in metadata}
    status = raw.get("status")
    return {**{k: raw[k] for k in ("apiVersion", "kind", "spec")}, "metadata": kept, **({"status": status} if status else {})}


def invalid(model: type[BaseModel], raw: Object) -> Decision | None:
    """How an object stands that the API server took and the models do not, as one that was written before a rule was."""
    try:
        model.model_validate(plain(raw))
    except ValidationError as error:
        first = error.errors()[0]
        message = f"{'.'.join(map(str, first['loc']))}: {said(first)}. Correct it."
        return Decision("Failed", ("False", "SpecInvalid"), message, stalled=True)
    return None


def bare(raw: Object, hands: Hands) -> Seen:
    """What is seen of an object whose spec cannot be read."""
    metadata = raw["metadata"]
    return Seen(now=hands.clock(), generation=metadata["generation"], uid=metadata["uid"])


def owner_of(raw: Object) -> Object:
    """A controller owner reference to an object."""
    return owner(raw["kind"], raw["metadata"]["name"], raw["metadata"]["uid"], raw["apiVersion"])


def owned_by(raw: Object, *uids: str) -> bool:
    """Whether it belongs to an object, be there another one of that name or not."""
    return any(r["uid"] in uids for r in raw["metadata"].get("ownerReferences", []))


def labelled(raw: Object, deployment: str) -> bool:
    """Whether its labels say that we made it, for a Deployment of this name."""
    labels = raw["metadata"].get("labels", {})
    of = labels.get(LABEL_DEPLOYMENT) or (labels.get(LABEL_KIND) == "Deployment" and labels.get(LABEL_OWNER))
    return bool(labels.get("app.kubernetes.io/managed-by") == "landfall" and of == deployment)


def since(moment: datetime, text: str | None) -> float:
    """Seconds from a time that the API server wrote."""
    return (moment - datetime.fromisoformat(text)).total_seconds() if text else 0.0
