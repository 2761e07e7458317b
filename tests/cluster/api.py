"""An API server as a test uses it, with or without a node behind it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster.install import NAMESPACE
from tests.cluster.machine import Cluster
from tests.cluster.objects import Objects

PATIENCE = 5  # a wait ends only what is hopeless: a machine that is busy otherwise takes its time
Object = dict[str, Any]


class Api:
    """What can be done at any API server."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.objects = Objects(cluster.kubeconfig)
        self.namespaces: list[str] = []

    def apply(self, *documents: Object) -> None:
        """What `kubectl apply --server-side --force-conflicts` does, without the time that a kubectl takes to start."""
        for document in documents:
            self.objects.apply(document)

    def wait(self, description: str, ready: Callable[[], bool], seconds: float = 90) -> None:
        """Until it is so; fails with what the cluster says. `seconds`: what it takes at the most on a machine that does nothing else."""
        deadline = time.monotonic() + PATIENCE * seconds
        while time.monotonic() < deadline:
            if ready():
                return
            time.sleep(0.3)
        events = self.cluster.kubectl(
            "get", "migrations,runs,connections,appdeployments,releases,jobs,pods", "-A", "-o", "wide", check=False
        )
        pytest.fail(f"{description} within {PATIENCE * seconds} s\n{events}\n{self.operator_log()}")

    def operator_log(self) -> str:
        """The end of the operator's log."""
        return self.cluster.kubectl("logs", "-n", NAMESPACE, "deployment/landfall-operator", "--tail=20", check=False)

    def account(self, namespace: str, name: str, *roles: str) -> str:
        """A service account with such ClusterRoles in its namespace, or with `role=NAME`, a Role; its name as a user."""
        self.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}})
        group = "rbac.authorization.k8s.io"
        for number, role in enumerate(roles):
            kind = "Role" if "=" in role else "ClusterRole"
            self.apply(
                {
                    "apiVersion": f"{group}/v1",
                    "kind": "RoleBinding",
                    "metadata": {"name": f"{name}-{number}", "namespace": namespace},
                    "roleRef": {"apiGroup": group, "kind": kind, "name": role.removeprefix("role=")},
                    "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
                }
            )
        return f"system:serviceaccount:{namespace}:{name}"

    def may(self, account: str, access: str, namespace: str) -> bool:
        """Whether a user may do something, as `kubectl auth can-i` is asked."""
        answer = self.cluster.kubectl("auth", "can-i", *access.split(), "-n", namespace, "--as", account, check=False).strip()
        assert answer in {"yes", "no"}, answer
        return answer == "yes"

    def namespace(self, test: str) -> str:
        """A new namespace for a test, one that demands Pod Security restricted."""
        name = f"{test.removeprefix('test_').replace('_', '-')[:30].rstrip('-')}-{secrets.token_hex(3)}"
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        self.namespaces.append(name)
        return name
