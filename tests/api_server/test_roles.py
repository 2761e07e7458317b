"""What each of our identities may do and may not, as the API server sees it: every line is a SelfSubjectAccessReview in that identity's name."""

from __future__ import annotations

import pytest

from tests.cluster.api import Api
from tests.cluster.door import key
from tests.cluster.install import NAMESPACE

_OPERATOR = f"system:serviceaccount:{NAMESPACE}:landfall-operator"
_GATEWAY = f"system:serviceaccount:{NAMESPACE}:landfall-gateway"
_OURS = ("migrations", "connections", "tableplans", "appdeployments", "webhooks")


@pytest.fixture(scope="module")
def tenant(api: Api) -> str:
    """A namespace with a key for those who edit and one for those who look."""
    name = api.namespace("roles")
    for role in ("viewer", "editor"):
        api.cluster.kubectl("apply", "-f", "-", stdin=key(name, role).stdout)
        api.account(name, role, f"landfall-{role}")
    return name


# Of itself the gateway looks; it may act in the name of keys' accounts alone.
_ASKED = {
    _OPERATOR: [
        ("list migrations.landfall.dev -A", True),
        ("update migrations.landfall.dev --subresource=status", True),
        ("update migrations.landfall.dev", False),
        ("delete migrations.landfall.dev", False),
        ("create migrations.landfall.dev", False),
        ("delete connections.landfall.dev", False),
        ("get secrets", True),
        ("list secrets", False),
        ("watch secrets", False),
        ("create jobs.batch", True),
        ("create pods", False),
        ("create pods --subresource=exec", False),
        ("get pods --subresource=log", False),
        ("delete deployments.apps", False),
        ("delete namespaces", False),
        ("update nodes", False),
        ("impersonate serviceaccounts", False),
        ("impersonate users", False),
        ("create rolebindings.rbac.authorization.k8s.io", False),
        ("escalate clusterroles.rbac.authorization.k8s.io", False),
        ("create serviceaccounts --subresource=token", False),
        ("update customresourcedefinitions.apiextensions.k8s.io", False),
    ],
    _GATEWAY: [
        ("list migrations.landfall.dev -A", True),
        ("create migrations.landfall.dev", False),
        ("patch migrations.landfall.dev", False),
        ("list secrets", False),
        ("get secrets", False),
        ("list pods", False),
        ("impersonate users", False),
        ("impersonate serviceaccounts", False),
        ("impersonate serviceaccounts/ci", True),
        ("create rolebindings.rbac.authorization.k8s.io", False),
    ],
}


@pytest.mark.parametrize(("account", "access", "may"), [(who, *line) for who, lines in _ASKED.items() for line in lines])
def test_the_operator_and_the_gateway(api: Api, tenant: str, account: str, access: str, *, may: bool) -> None:
    assert api.may(account, access, tenant) == may


def test_the_gateway_reads_keys_beside_it_alone(api: Api, tenant: str) -> None:
    assert [api.may(_GATEWAY, "get secrets", namespace) for namespace in (NAMESPACE, tenant, "kube-system")] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("kind", _OURS)
def test_those_who_look_and_those_who_edit(api: Api, tenant: str, kind: str) -> None:
    def may(role: str, verb: str, more: str = "") -> bool:
        return api.may(f"system:serviceaccount:{tenant}:{role}", f"{verb} {kind}.landfall.dev{more}", tenant)

    assert [may("viewer", verb) for verb in ("get", "list", "watch", "create", "patch", "delete")] == [True] * 3 + [False] * 3
    assert [may("editor", verb) for verb in ("get", "create", "update", "patch", "delete")] == [True] * 5
    assert not may("editor", "update", " --subresource=status"), "status is the operator's"


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_neither_reads_secrets_nor_what_is_elsewhere(api: Api, tenant: str, role: str) -> None:
    account = f"system:serviceaccount:{tenant}:{role}"
    assert not api.may(account, "get secrets", tenant)
    assert not api.may(account, "list migrations.landfall.dev", NAMESPACE)
    assert not api.may(account, "create jobs.batch", tenant)
    assert not api.may(account, "create releases.landfall.dev", tenant)


def test_a_worker_is_nobody(api: Api, tenant: str) -> None:
    """Workers and apps run as their namespace's default account, whose token they do not even hold."""
    account = f"system:serviceaccount:{tenant}:default"
    assert [
        api.may(account, f"{verb} {kind}", tenant)
        for verb in ("get", "create")
        for kind in ("secrets", "pods", "migrations.landfall.dev")
    ] == [False] * 6
