"""A Landfall that works in some namespaces alone, without any role in the cluster: a database moves, an app goes live, and elsewhere nothing is touched."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cluster import images
from tests.cluster.conftest import Place, without_operator
from tests.cluster.door import Door
from tests.cluster.install import CHART, NAMESPACE, helm
from tests.cluster.test_apps import applied, pushed

_OPERATOR, _GATEWAY = (f"system:serviceaccount:{NAMESPACE}:narrow-{who}" for who in ("operator", "gateway"))


def _installed(place: Place, *namespaces: str) -> None:
    values = {
        "image": images.OURS,
        "crds": {"enabled": False},
        "watchNamespaces": list(namespaces),
        "builds": place.builds,
        "gateway": {"enabled": True},
    }
    command = ["upgrade", "--install", "narrow", str(CHART), "--wait", "--timeout", "300s"]
    sets = (part for key, value in values.items() for part in ("--set-json", f"{key}={json.dumps(value)}"))
    helm(place.cluster, *command, *sets).check_returncode()


@pytest.fixture(scope="module")
def tenants(place: Place) -> Iterator[tuple[str, str]]:
    """The two namespaces that it works in."""
    names = place.namespace("narrow"), place.namespace("leaving")
    with without_operator(place):
        _installed(place, *names)
        yield names
        helm(place.cluster, "uninstall", "narrow", "--wait", "--timeout", "300s").check_returncode()


@pytest.fixture(scope="module")
def tenant(tenants: tuple[str, str]) -> str:
    """The one that stays."""
    return tenants[0]


def _operator(place: Place) -> list[tuple[str, int]]:
    pods = [pod for pod in place.listed("pods", NAMESPACE) if pod["metadata"]["name"].startswith("narrow-operator")]
    return [(pod["metadata"]["uid"], s["restartCount"]) for pod in pods for s in pod["status"]["containerStatuses"]]


def _reached(place: Place, namespace: str, name: str, database: str) -> None:
    """A database is looked at there, under a name of its own."""
    _, secret, _, target, _ = place.move(namespace, database)
    target["metadata"]["name"] = name
    place.apply(secret, target)
    place.wait(f"{name} is reached", lambda: place.reason(namespace, name, "connection") == "Reachable")


def test_it_works_there_and_nowhere_else(place: Place, tenant: str) -> None:
    elsewhere = place.namespace("elsewhere")
    for name in (tenant, elsewhere):
        place.databases(name, 100)
        place.apply(*place.move(name, name))
    place.until(tenant, "shop", "Completed")
    place.settled(tenant, 100)
    pushed(place, "app-node-express")
    app = applied(place, tenant, "app-node-express")
    app.until_live("greetings-1", 240)
    app.serves("the harbour")
    assert "conditions" not in place.get("migration", elsewhere, "shop")["status"]
    assert place.listed("jobs", elsewhere) == []


def test_nobody_of_it_has_a_role_in_the_cluster(place: Place, tenant: str) -> None:
    roles = place.cluster.kubectl("get", "clusterroles,clusterrolebindings", "-o", "name")
    assert "narrow" not in roles
    lists = [
        place.may(account, "list migrations.landfall.dev", namespace)
        for account in (_OPERATOR, _GATEWAY)
        for namespace in (tenant, "default")
    ]
    assert lists == [True, False, True, False]
    assert not place.may(_OPERATOR, "create tokenreviews.authentication.k8s.io", tenant)


def test_its_gateway_opens_it_for_a_key_of_there(place: Place, tenant: str) -> None:
    """A key's role is a Role; what a worker told is in the journal, so its token was believed by the cluster's published keys."""
    place.until(tenant, "shop", "Completed")
    door = Door(place, tenant, release="narrow")
    status, answer = door.ask("GET", "/v1/migrations")
    assert status == 200
    status, answer = door.ask("GET", f"/v1/migrations/{answer['data'][0]['id']}/logs?limit=1000")
    assert status == 200
    assert any("planned 2 tables" in line["message"] for line in answer["data"]["logs"]), answer


def test_a_namespace_that_is_deleted_keeps_nothing_from_the_others(place: Place, tenants: tuple[str, str]) -> None:
    """It may come back, and an upgrade gives the roles in it again."""
    stays, leaving = tenants
    place.empty(leaving)
    _reached(place, leaving, "before", leaving)
    operator = _operator(place)
    place.cluster.kubectl("delete", "namespace", leaving, "--timeout=120s")
    _reached(place, stays, "meanwhile", leaving)
    place.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": leaving}})
    _installed(place, *tenants)
    _reached(place, leaving, "afterwards", leaving)
    assert [restarts for _, restarts in operator] == [0]
    assert _operator(place) == operator
