"""`kubectl` is refused what the gateway and the command line refuse: a cancel and a rollback, in every phase."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import yaml

from landfall import refusals
from landfall.api.transitions import UNDOING
from landfall.lifecycle import Phase
from tests.cluster.api import Api

Object = dict[str, Any]
_DATA = {"source": {"connectionRef": {"name": "old"}}, "target": {"connectionRef": {"name": "new"}}}
_APP = {"template": {"source": {"image": "registry.example.com/shop@sha256:" + "a" * 64}}}
_SPECS: dict[str, Object] = {"data": {"data": _DATA}, "app": {"app": _APP}}
_OF_AN_APP = (Phase.PLAN_READY, Phase.RUNNING, Phase.COMPLETED, Phase.FAILED)
_BEGUN = {"startTime": "2026-01-01T00:00:00Z"}
_MOMENTS: dict[str, Object] = {
    "new": {},
    "begun": _BEGUN,
    "cut-over": {**_BEGUN, "completionTime": "2026-01-01T01:00:00Z"},
}


def _statuses() -> dict[str, tuple[str, Object]]:
    """By name: the spec and the status of a Migration in each phase."""
    return {
        f"{(phase or 'none').lower()}-{moment}-{spec}": (spec, {"phase": str(phase), **times})
        for phase in Phase
        for moment, times in _MOMENTS.items()
        for spec in _SPECS
        if spec == "data" or phase in _OF_AN_APP
    }


@pytest.fixture(scope="module")
def migrations(api: Api) -> list[Object]:
    """A Migration in each phase, before its start, after it, and after the cutover."""
    namespace = api.namespace("lifecycle")
    documents = [
        {
            "apiVersion": "landfall.dev/v1alpha1",
            "kind": "Migration",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {**_SPECS[spec], "desiredState": "Planned"},
        }
        for name, (spec, _) in _statuses().items()
    ]
    api.apply(*documents)
    items = yaml.safe_load(api.cluster.kubectl("get", "migrations", "-n", namespace, "-o", "yaml"))["items"]
    for item in items:
        item["status"] = _statuses()[item["metadata"]["name"]][1]
    api.cluster.kubectl("replace", "--subresource=status", "-f", "-", stdin=yaml.safe_dump_all(items))
    return list(yaml.safe_load(api.cluster.kubectl("get", "migrations", "-n", namespace, "-o", "yaml"))["items"])


def _changed(migration: Object, desired: str) -> Object:
    changed_object = copy.deepcopy(migration)
    changed_object["spec"]["desiredState"] = desired
    return changed_object


@pytest.mark.parametrize("desired", UNDOING)
def test_the_api_server_refuses_what_the_doors_refuse(api: Api, migrations: list[Object], desired: str) -> None:
    documents = yaml.safe_dump_all([_changed(migration, desired) for migration in migrations])
    result = api.cluster.run_kubectl("replace", "--dry-run=server", "-f", "-", stdin=documents)
    refused = set(re.findall(r'Migration.landfall.dev "([\w-]+)" is invalid', result.stderr))
    row = UNDOING[desired]
    assert result.stderr.count(row.message) >= len(refused) > 0
    expected = {
        migration["metadata"]["name"]
        for migration in migrations
        if refusals.refusal(row.action, migration) and migration["status"]["phase"] != row.reached
    }
    assert refused == expected


@pytest.mark.parametrize("desired", ["Planned", "Completed", "Paused"])
def test_every_other_change_is_accepted(api: Api, migrations: list[Object], desired: str) -> None:
    documents = yaml.safe_dump_all([_changed(migration, desired) for migration in migrations])
    result = api.cluster.run_kubectl("replace", "--dry-run=server", "-f", "-", stdin=documents)
    assert (result.returncode, result.stderr) == (0, "")
