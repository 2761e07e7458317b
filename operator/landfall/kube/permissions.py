"""What the operator may do, and why. A test compares these lists with the chart's roles."""

from __future__ import annotations

from typing import Any

from landfall.api.crd import GROUP, KINDS

Rule = dict[str, Any]
Grant = tuple[str, tuple[str, ...], tuple[str, ...]]

_OURS = [kind.plural for kind in KINDS]

# API group, resources, verbs. Granted in every namespace that the operator works in.
GRANTS: tuple[Grant, ...] = (
    (GROUP, tuple(_OURS), ("get", "list", "watch")),
    (GROUP, ("runs", "tableplans", "releases"), ("create",)),  # records of runs and releases; objects for decisions about tables
    (GROUP, ("appdeployments",), ("create",)),  # created once from a Migration's template
    (GROUP, ("releases",), ("patch", "delete")),  # owner references after a restore; releases beyond the history
    (GROUP, ("migrations",), ("patch",)),  # the finalizer only, never spec
    (GROUP, tuple(f"{plural}/status" for plural in _OURS), ("get", "update")),
    (
        GROUP,
        ("migrations/finalizers", "appdeployments/finalizers", "releases/finalizers"),
        ("update",),
    ),  # owner references with blockOwnerDeletion, where a cluster enforces the permission
    ("batch", ("jobs",), ("get", "list", "watch", "create", "patch", "delete")),
    ("", ("configmaps",), ("get", "list", "create", "delete")),  # tasks and plans
    (
        "",
        ("secrets",),
        ("get", "create", "patch", "delete"),
    ),  # read by name if something references them, never listed; captured environments; databases created at a provider
    ("", ("pods",), ("get", "list")),  # which pod sent a report; why a release does not become healthy
    ("apps", ("deployments",), ("get", "list", "watch", "create", "patch")),  # workloads of releases
    ("", ("services",), ("get", "create", "patch", "delete")),  # traffic to the live release, and previews
    ("networking.k8s.io", ("ingresses",), ("get", "create", "patch", "delete")),
    ("", ("namespaces",), ("get",)),  # whether the namespace is terminating
    ("", ("events",), ("create", "list")),  # events; and the kubelet's events about failed probes
)
# Only in a cluster-wide installation; limited to namespaces, the operator works without them.
CLUSTER_GRANTS: tuple[Grant, ...] = (
    ("", ("nodes",), ("list",)),  # whether a region has a node; otherwise the scheduler's event says so
    ("", ("namespaces",), ("list", "watch")),  # discovery of kopf; otherwise not needed
    ("apiextensions.k8s.io", ("customresourcedefinitions",), ("list", "watch")),  # discovery of kopf; otherwise not needed
    ("authentication.k8s.io", ("tokenreviews",), ("create",)),  # verifies tokens; otherwise the cluster's published keys are used
)


def rules(grants: tuple[Grant, ...]) -> list[Rule]:
    """The rules of a role."""
    return [{"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)} for group, resources, verbs in grants]
