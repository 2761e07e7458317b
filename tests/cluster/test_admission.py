"""The chart's admission policies: who may say yes to a plan, and who may have a Connection's password used."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import yaml

from tests.cluster.conftest import Object, Place
from tests.cluster.test_chart import rendered

_DIGEST = "sha256:" + "ab" * 32


@pytest.fixture(scope="module")
def guarded(place: Place) -> Iterator[str]:
    """A namespace that the policies hold in, with those who edit, those who approve besides, and one who may use one Connection."""
    name = place.namespace("guarded")
    on = f"admission.enabled=true,admission.namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name={name}"
    made = rendered("--set", on, "--show-only", "templates/admission.yaml")
    place.apply(*made)
    rights = {"apiGroups": ["landfall.dev"], "resources": ["connections"], "resourceNames": ["new", "old"], "verbs": ["use"]}
    place.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "uses", "namespace": name},
            "rules": [rights],
        }
    )
    for who, more in {"editor": [], "connector": ["role=uses"], "approver": ["other-approver"]}.items():
        place.account(name, who, "landfall-editor", *more)
    probe = _migration(name, "probe", "new")
    place.wait("the policies hold", lambda: "may not" in _as(place, "editor", probe), 10)
    yield name
    place.cluster.kubectl("delete", "-f", "-", stdin=yaml.safe_dump_all(made))


def _migration(namespace: str, name: str, target: str) -> Object:
    data = {"source": {"connectionRef": {"name": "old"}}, "target": {"connectionRef": {"name": target}}}
    spec = {"data": data, "desiredState": "Planned"}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "landfall.dev/v1alpha1", "kind": "Migration", "metadata": metadata, "spec": spec}


def _as(place: Place, who: str, document: Object) -> str:
    """Apply it as somebody; what they are refused with, or nothing."""
    account = f"system:serviceaccount:{document['metadata']['namespace']}:{who}"
    try:
        place.cluster.kubectl(
            "apply", "--server-side", "--force-conflicts", "-f", "-", "--as", account, stdin=yaml.safe_dump(document)
        )
    except RuntimeError as error:
        return str(error)
    return ""


def test_a_connection_is_used_by_those_who_may(place: Place, guarded: str) -> None:
    told = _as(place, "editor", _migration(guarded, "shop", "new"))
    assert "may not have these Connections used: old, new" in told
    assert 'the verb "use" on connections.landfall.dev' in told
    assert _as(place, "connector", _migration(guarded, "shop", "new")) == ""
    assert "used: production" in _as(place, "connector", _migration(guarded, "shop", "production"))
    held = _migration(guarded, "shop", "new")
    held["spec"]["desiredState"] = "Paused"
    assert _as(place, "editor", held) == "", "what is pointed at already may be edited"
    app = {"source": {"image": f"registry.example.invalid/a@{_DIGEST}"}, "database": {"connectionRef": {"name": "production"}}}
    metadata = {"name": "app", "namespace": guarded}
    told = _as(place, "editor", {"apiVersion": "landfall.dev/v1alpha1", "kind": "Deployment", "metadata": metadata, "spec": app})
    assert "used: production" in told


def test_a_plan_is_approved_by_those_who_may(place: Place, guarded: str) -> None:
    document = _migration(guarded, "asks", "new")
    assert _as(place, "connector", document) == ""
    for yes in ({"planDigest": _DIGEST}, {"autoApproveAbovePercent": 0}):
        approved = copy.deepcopy(document)
        approved["spec"]["data"]["approval"] = yes
        assert 'the verb "approve" on migrations.landfall.dev' in _as(place, "connector", approved)
        assert _as(place, "approver", approved) == ""
        approved["spec"]["desiredState"] = "Paused"
        assert _as(place, "connector", approved) == "", "what was approved stays so, whoever edits the rest"
    assert _as(place, "connector", document) == "", "anybody may take it back"
    plan = {"migrationRef": {"name": "asks"}, "source": {"table": "item"}}
    metadata = {"name": "asks-item", "namespace": guarded}
    kind = {"apiVersion": "landfall.dev/v1alpha1", "kind": "TablePlan", "metadata": metadata}
    assert _as(place, "connector", {**kind, "spec": plan}) == ""
    decided = {**plan, "decisions": [{"column": "note", "decision": "Approve"}]}
    assert 'the verb "approve" on tableplans.landfall.dev' in _as(place, "connector", {**kind, "spec": decided})
    assert _as(place, "approver", {**kind, "spec": decided}) == ""
