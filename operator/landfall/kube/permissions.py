"""What the operator may do, and why. The chart's role is exactly this list; a test compares them."""

from __future__ import annotations

from typing import Any

from landfall.api.crd import GROUP, KINDS

Rule = dict[str, Any]

_OURS = [kind.plural for kind in KINDS]

# One tuple per line of reasons: API group, resources, verbs.
GRANTS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (GROUP, tuple(_OURS), ("get", "list", "watch")),
    (GROUP, ("runs", "tableplans", "releases"), ("create",)),  # records of executions and deploys; a place for decisions
    (GROUP, ("appdeployments",), ("create",)),  # what a Migration's template says, once
    (GROUP, ("releases",), ("delete",)),  # beyond the history
    (GROUP, ("migrations",), ("patch",)),  # the finalizer, and nothing of spec
    (GROUP, tuple(f"{plural}/status" for plural in _OURS), ("get", "update")),
    (
        GROUP,
        ("migrations/finalizers", "appdeployments/finalizers", "releases/finalizers"),
        ("update",),
    ),  # owner references that block, where a cluster enforces them
    ("batch", ("jobs",), ("get", "list", "watch", "create", "patch", "delete")),
    ("", ("configmaps",), ("get", "list", "create", "delete")),  # tasks and plans
    (
        "",
        ("secrets",),
        ("get", "create", "delete"),
    ),  # by name, where something refers to them; never listed. Captured environments
    ("", ("pods",), ("get", "list")),  # whose token it is that a report came with; why a release does not become healthy
    ("apps", ("deployments",), ("get", "list", "watch", "create", "patch")),  # what runs a release
    ("", ("services",), ("get", "create", "patch")),  # what routes to it
    ("networking.k8s.io", ("ingresses",), ("get", "create", "patch", "delete")),
    ("", ("nodes",), ("list",)),  # whether there is one in a region
    ("", ("namespaces",), ("get", "list", "watch")),  # whether one is ending; kopf's discovery
    ("", ("events",), ("create", "list")),  # what the kubelet says of a probe that fails
    ("apiextensions.k8s.io", ("customresourcedefinitions",), ("list", "watch")),  # kopf's discovery
    ("authentication.k8s.io", ("tokenreviews",), ("create",)),
)


def rules() -> list[Rule]:
    """The rules of the role."""
    return [{"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)} for group, resources, verbs in GRANTS]
