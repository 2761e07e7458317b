"""What the operator may do, and why. The chart's roles are exactly these lists; a test compares them."""

from __future__ import annotations

from typing import Any

from landfall.api.crd import GROUP, KINDS

Rule = dict[str, Any]
Grant = tuple[str, tuple[str, ...], tuple[str, ...]]

_OURS = [kind.plural for kind in KINDS]

# One tuple per line of reasons: API group, resources, verbs. In every namespace that the operator works in.
GRANTS: tuple[Grant, ...] = (
    (GROUP, tuple(_OURS), ("get", "list", "watch")),
    (GROUP, ("runs", "tableplans", "releases"), ("create",)),  # records of executions and deploys; a place for decisions
    (GROUP, ("appdeployments",), ("create",)),  # what a Migration's template says, once
    (GROUP, ("releases",), ("patch", "delete")),  # the owner of one that comes from a backup; beyond the history
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
        ("get", "create", "patch", "delete"),
    ),  # by name, where something refers to them; never listed. Captured environments; what is known of an app's database, step by step
    ("", ("pods",), ("get", "list")),  # whose token it is that a report came with; why a release does not become healthy
    ("apps", ("deployments",), ("get", "list", "watch", "create", "patch")),  # what runs a release
    ("", ("services",), ("get", "create", "patch", "delete")),  # what routes to it, and to a release alone
    ("networking.k8s.io", ("ingresses",), ("get", "create", "patch", "delete")),
    ("", ("namespaces",), ("get",)),  # whether this one is ending
    ("", ("events",), ("create", "list")),  # what the kubelet says of a probe that fails
)
# What only the cluster can grant, and what is done without where the operator is told its namespaces.
CLUSTER_GRANTS: tuple[Grant, ...] = (
    ("", ("nodes",), ("list",)),  # whether there is one in a region; else the scheduler tells
    ("", ("namespaces",), ("list", "watch")),  # kopf's discovery; else none is needed
    ("apiextensions.k8s.io", ("customresourcedefinitions",), ("list", "watch")),  # the same
    ("authentication.k8s.io", ("tokenreviews",), ("create",)),  # whose a token is; else the cluster's published keys tell
)


def rules(grants: tuple[Grant, ...]) -> list[Rule]:
    """The rules of a role."""
    return [{"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)} for group, resources, verbs in grants]
