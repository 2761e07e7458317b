"""The chart's admission policies: who may say yes to a plan, and who may have a Connection's password used."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import yaml

from tests.cluster.api import Api, Object
from tests.cluster.test_chart import rendered

_DIGEST = "sha256:" + "ab" * 32


@pytest.fixture(scope="module")
def guarded(api: Api) -> Iterator[str]:
    """A namespace that the policies hold in, with those who edit, those who approve besides, and one who may use one Connection."""
    name = api.namespace("guarded")
    on = f"admission.enabled=true,admission.namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name={name}"
    documents = rendered("--set", on, "--show-only", "templates/admission.yaml")
    api.apply(*documents)
    rights = {"apiGroups": ["landfall.dev"], "resources": ["connections"], "resourceNames": ["new", "old"], "verbs": ["use"]}
    api.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "uses", "namespace": name},
            "rules": [rights],
        }
    )
    for account, more in {"editor": [], "connector": ["role=uses"], "approver": ["other-approver"]}.items():
        api.account(name, account, "landfall-editor", *more)
    probe = _migration(name, "probe", "new")
    # A dry run: a probe that is stored before the policies hold may be edited afterwards, so it would never be refused.
    api.wait("the policies hold", lambda: "may not" in _as(api, "editor", probe, "--dry-run=server"), 10)
    yield name
    api.cluster.kubectl("delete", "-f", "-", stdin=yaml.safe_dump_all(documents))


def _migration(namespace: str, name: str, target: str) -> Object:
    data = {"source": {"connectionRef": {"name": "old"}}, "target": {"connectionRef": {"name": target}}}
    spec = {"data": data, "desiredState": "Planned"}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "landfall.dev/v1alpha1", "kind": "Migration", "metadata": metadata, "spec": spec}


def _as(api: Api, account_name: str, document: Object, *options: str) -> str:
    """Apply it as somebody; what they are refused with, or nothing."""
    account = f"system:serviceaccount:{document['metadata']['namespace']}:{account_name}"
    try:
        api.cluster.kubectl(
            "apply", "--server-side", "--force-conflicts", "-f", "-", "--as", account, *options, stdin=yaml.safe_dump(document)
        )
    except RuntimeError as error:
        return str(error)
    return ""


def test_a_connection_is_used_by_those_who_may(api: Api, guarded: str) -> None:
    message = _as(api, "editor", _migration(guarded, "shop", "new"))
    assert "may not have these Connections used: old, new" in message
    assert 'the verb "use" on connections.landfall.dev' in message
    assert _as(api, "connector", _migration(guarded, "shop", "new")) == ""
    assert "used: production" in _as(api, "connector", _migration(guarded, "shop", "production"))
    migration = _migration(guarded, "shop", "new")
    migration["spec"]["desiredState"] = "Paused"
    assert _as(api, "editor", migration) == "", "what is pointed at already may be edited"
    app = {"source": {"image": f"registry.example.invalid/a@{_DIGEST}"}, "database": {"connectionRef": {"name": "production"}}}
    metadata = {"name": "app", "namespace": guarded}
    message = _as(api, "editor", {"apiVersion": "landfall.dev/v1alpha1", "kind": "Deployment", "metadata": metadata, "spec": app})
    assert "used: production" in message


def test_a_plan_is_approved_by_those_who_may(api: Api, guarded: str) -> None:
    document = _migration(guarded, "asks", "new")
    assert _as(api, "connector", document) == ""
    for yes in ({"planDigest": _DIGEST}, {"autoApproveAbovePercent": 0}):
        approved = copy.deepcopy(document)
        approved["spec"]["data"]["approval"] = yes
        assert 'the verb "approve" on migrations.landfall.dev' in _as(api, "connector", approved)
        assert _as(api, "approver", approved) == ""
        approved["spec"]["desiredState"] = "Paused"
        assert _as(api, "connector", approved) == "", "what was approved stays so, whoever edits the rest"
    assert _as(api, "connector", document) == "", "anybody may take it back"
    plan = {"migrationRef": {"name": "asks"}, "source": {"table": "item"}}
    metadata = {"name": "asks-item", "namespace": guarded}
    kind = {"apiVersion": "landfall.dev/v1alpha1", "kind": "TablePlan", "metadata": metadata}
    assert _as(api, "connector", {**kind, "spec": plan}) == ""
    decided = {**plan, "decisions": [{"column": "note", "decision": "Approve"}]}
    assert 'the verb "approve" on tableplans.landfall.dev' in _as(api, "connector", {**kind, "spec": decided})
    assert _as(api, "approver", {**kind, "spec": decided}) == ""
