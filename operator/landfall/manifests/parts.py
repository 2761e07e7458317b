"""What the created objects have in common: owner references, labels, and the security contexts that Pod Security `restricted` requires."""

from __future__ import annotations

from typing import Any

from landfall.api.fields import API_VERSION

LABEL_OWNER = "landfall.dev/owner"
LABEL_KIND = "landfall.dev/owner-kind"
AUDIENCE = "landfall.dev/intake"
Object = dict[str, Any]


def owner(kind: str, name: str, uid: str, api_version: str = API_VERSION) -> Object:
    """A controller owner reference."""
    return {"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": True, "blockOwnerDeletion": False}


def owned(owner_object: Object, kind: str, name: str, labels: dict[str, str] | None = None) -> Object:
    """The metadata of an object that another one owns. Without `labels`, it gets the labels by which its owner is found."""
    metadata = owner_object["metadata"]
    return {
        "name": name,
        "namespace": metadata["namespace"],
        "labels": {
            **({LABEL_KIND: kind, LABEL_OWNER: metadata["name"]} if labels is None else labels),
            "app.kubernetes.io/managed-by": "landfall",
        },
        "ownerReferences": [owner(kind, metadata["name"], metadata["uid"])],
    }


def pod_security(user: int) -> Object:
    """The security context of a pod that runs as one user, who is not root."""
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Object:
    """The security context of a container of Landfall: it can write only to its volumes."""
    return {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def token_volume() -> Object:
    """The volume of a token that only the intake accepts."""
    token = {"serviceAccountToken": {"path": "token", "audience": AUDIENCE, "expirationSeconds": 3600}}
    return {"name": "token", "projected": {"sources": [token]}}
