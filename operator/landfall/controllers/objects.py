"""Small helpers for Kubernetes objects that every controller needs: owners, labels, ages, names of Secrets."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Never

from pydantic import BaseModel, ValidationError

from landfall.api.connection import Connection
from landfall.api.fields import message_of
from landfall.api.release import LABEL_DEPLOYMENT
from landfall.controllers.decision import ReconcileDecision
from landfall.kube.client import Object
from landfall.lifecycle import Phase
from landfall.manifests.parts import LABEL_KIND, LABEL_OWNER, owner


def now() -> datetime:
    """The process's clock in whole seconds, the resolution of times in the API server."""
    return datetime.now(UTC).replace(microsecond=0)  # noqa: TID251  the one place of the loop that reads it


def format_time(moment: datetime | None) -> str | None:
    """A time in the format of the API server."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def secret_names(connection: Connection) -> list[str]:
    """The names of the Secrets that a Connection refers to."""
    spec = connection.spec
    return [r.name for r in (spec.secret_ref, spec.tls.ca_secret_ref) if r]


def volumes(connections: Iterable[Connection]) -> list[tuple[str, str]]:
    """The volumes with database files of Connections, as (connection, claim)."""
    claims = [(c.metadata.name, c.spec.file.persistent_volume_claim) for c in connections if c.spec.file]
    return [(name, claim) for name, claim in claims if claim]


def to_model_input(raw: Object) -> Object:
    """An object as input for its model: with the metadata that users write."""
    metadata = raw["metadata"]
    identity = {k: metadata[k] for k in ("name", "namespace", "labels", "annotations") if k in metadata}
    status = raw.get("status")
    return {
        **{k: raw[k] for k in ("apiVersion", "kind", "spec")},
        "metadata": identity,
        **({"status": status} if status else {}),
    }


def invalid(model: type[BaseModel], raw: Object) -> ReconcileDecision[Never] | None:
    """The decision for an object that the API server accepted and the model rejects, such as one stored before a rule existed."""
    try:
        model.model_validate(to_model_input(raw))
    except ValidationError as error:
        first = error.errors()[0]
        message = f"{'.'.join(map(str, first['loc']))}: {message_of(first)}. Correct it."
        return ReconcileDecision(Phase.FAILED, ("False", "SpecInvalid"), message, stalled=True)
    return None


def owner_of(raw: Object) -> Object:
    """A controller owner reference to an object."""
    return owner(raw["kind"], raw["metadata"]["name"], raw["metadata"]["uid"], raw["apiVersion"])


def owned_by(raw: Object, *uids: str) -> bool:
    """Whether one of these objects owns it, identified by UID."""
    return any(r["uid"] in uids for r in raw["metadata"].get("ownerReferences", []))


def labelled(raw: Object, deployment: str) -> bool:
    """Whether its labels say that Landfall created it for a Deployment of this name."""
    labels = raw["metadata"].get("labels", {})
    of = labels.get(LABEL_DEPLOYMENT) or (labels.get(LABEL_KIND) == "Deployment" and labels.get(LABEL_OWNER))
    return bool(labels.get("app.kubernetes.io/managed-by") == "landfall" and of == deployment)


def since(moment: datetime, text: str | None) -> float:
    """Seconds since a time in the format of the API server."""
    return (moment - datetime.fromisoformat(text)).total_seconds() if text else 0.0
