"""What the operator may do, and why. The chart's role is exactly this list; a test compares them."""

from __future__ import annotations

from typing import Any

from landfall.api.crd import GROUP, KINDS

Rule = dict[str, Any]

_OURS = [kind.plural for kind in KINDS]

# One tuple per line of reasons: API group, resources, verbs.
GRANTS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (GROUP, tuple(_OURS), ("get", "list", "watch")),
    (GROUP, ("runs", "tableplans"), ("create",)),  # the record of an execution; a place for decisions
    (GROUP, ("migrations",), ("patch",)),  # the finalizer, and nothing of spec
    (GROUP, tuple(f"{plural}/status" for plural in _OURS), ("get", "update")),
    (GROUP, ("migrations/finalizers",), ("update",)),  # owner references that block, where a cluster enforces them
    ("batch", ("jobs",), ("get", "list", "watch", "create", "patch", "delete")),
    ("", ("configmaps",), ("get", "list", "create", "delete")),  # tasks and plans
    ("", ("secrets",), ("get",)),  # by name, where something refers to them; never listed
    ("", ("pods",), ("get",)),  # whose token it is that a report came with
    ("", ("namespaces",), ("get", "list", "watch")),  # whether one is ending; kopf's discovery
    ("", ("events",), ("create",)),
    ("apiextensions.k8s.io", ("customresourcedefinitions",), ("list", "watch")),  # kopf's discovery
    ("authentication.k8s.io", ("tokenreviews",), ("create",)),
)


def rules() -> list[Rule]:
    """The rules of the role."""
    return [{"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)} for group, resources, verbs in GRANTS]
