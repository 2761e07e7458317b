"""The command line against a namespace in memory: what is shown, what a command changes, and what it says when it cannot."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from landfall.cli import cluster_client, render_objects, resource_names
from landfall.cli.cluster_client import ClusterClient, ClusterOptions, RefusedError
from landfall.cli.main import app
from landfall.kube.client import Kube
from landfall.kube.errors import ConflictError, ForbiddenError, KubeError
from tests.support.gateway import Namespace, key
from tests.support.moves import PLAN, SPEC, planned_now, stands

Object = dict[str, Any]
_NOW = datetime(2026, 1, 1, 3, tzinfo=UTC)


def _condition(kind: str, status: str, reason: str, message: str) -> Object:
    at = "2026-01-01T00:00:00Z"
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": at}


def _paused(*, reason: str = "", immediate: bool = False) -> Object:
    return {"desiredState": "Paused", "pause": {"reason": reason, "immediate": immediate, "resumeTo": "Completed"}}


_READY = _condition("Ready", "True", "Completed", "5000 rows are in the target")
_WAITS = _condition("Ready", "False", "ApprovalRequired", "2 review items need your approval")
_UNAPPROVED = _condition("Approved", "False", "ApprovalRequired", "2 review items need your approval")
_STALLED = [_condition("Ready", "False", "Refused", "no room"), _condition("Stalled", "True", "Refused", "no room")]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Namespace:
    """A namespace with a Migration, an app with two Releases, and a Connection."""
    namespace = Namespace()
    namespace.put("Migration", "shop", dict(SPEC), {"phase": "Pending"})
    namespace.put("Connection", "old", {"type": "MariaDB", "host": "db"}, {"conditions": [_READY], "version": "10.11"})
    namespace.put("Deployment", "web", {"source": {}}, {"live": "web-2", "previous": "web-1", "url": "http://web.example"})
    for revision in (1, 2):
        spec = {"deploymentRef": {"name": "web"}, "revision": revision}
        namespace.put(
            "Release",
            f"web-{revision}",
            spec,
            {"phase": "Live", "liveAt": "2026-01-01T00:00:00Z"},
            labels={"landfall.dev/deployment": "web"},
        )

    @contextlib.asynccontextmanager
    async def connected(options: ClusterOptions) -> AsyncIterator[ClusterClient]:
        yield ClusterClient(cast("Kube", namespace), options.namespace or "shop", options.force, bool(options.namespace))

    monkeypatch.setattr(cluster_client, "connected", connected)
    return namespace


def _ran(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def test_the_version_is_printed() -> None:
    result = _ran("--version")
    assert (result.exit_code, result.stdout.startswith("landfall ")) == (0, True), result.output


def _annotation(cluster: Namespace, kind: str, name: str) -> Object:
    return dict(json.loads(cluster.ours[kind, name]["metadata"]["annotations"]["landfall.dev/request"]))


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["get"], ["Migrations", "shop", "Deployments", "web", "Connections", "old"]),
        (["get", "migrations"], ["NAME", "shop", "Pending"]),
        (["get", "conn", "old", "-o", "wide"], ["MariaDB", "db", "10.11", "5000 rows are in the target"]),
        (["get", "app/web"], ["web-2", "http://web.example"]),
        (["releases", "web"], ["REVISION", "web-2", "web-1"]),
        (["get", "releases", "-o", "name"], ["release.landfall.dev/web-1\nrelease.landfall.dev/web-2\n"]),
        (["get", "apps", "-o", "name"], ["appdeployment.landfall.dev/web\n"]),
        (["open", "web", "--print"], ["http://web.example\n"]),
        (["describe", "shop"], ["Migration shop/shop  Pending"]),
    ],
)
def test_what_is_there_is_shown(cluster: Namespace, words: list[str], lines: list[str]) -> None:
    result = _ran(*words)
    assert (result.exit_code, cluster.written) == (0, []), result.output
    at = 0
    for line in lines:
        at = result.stdout.index(line, at) + len(line)


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_machines_get_whole_objects(cluster: Namespace, output: str, read: Any) -> None:
    document = read(_ran("get", "migration/shop", "-o", output).stdout)
    assert (document["kind"], document["apiVersion"], document["spec"]) == ("Migration", "landfall.dev/v1alpha1", SPEC)
    assert "managedFields" not in document["metadata"]
    several = read(_ran("get", "migrations", "-o", output).stdout)
    assert (several["kind"], [item["metadata"]["name"] for item in several["items"]]) == ("List", ["shop"])
    assert cluster.written == []


@pytest.mark.parametrize(
    ("words", "phase", "spec"),
    [
        (["start", "shop"], "PlanReady", {"desiredState": "Completed"}),
        (["pause", "shop", "--reason", "lunch"], "Running", _paused(reason="lunch")),
        (["pause", "mig/shop", "--immediate"], "Running", _paused(immediate=True)),
        (["resume", "shop"], "Paused", {"desiredState": "Completed"}),
        (
            ["cancel", "shop", "--keep", "--force"],
            "Running",
            {"desiredState": "Cancelled", "cancel": {"reason": "", "rollback": False, "force": True}},
        ),
        (["rollback", "shop"], "Completed", {"desiredState": "RolledBack"}),
        (
            ["rollback", "shop", "--discard-writes"],
            "Completed",
            {"desiredState": "RolledBack", "rollback": {"discardWrites": True}},
        ),
    ],
)
def test_each_word_is_one_change_of_spec(cluster: Namespace, words: list[str], phase: str, spec: Object) -> None:
    stands(cluster, phase, plan={"digest": "d"}, startTime="2026-01-01T00:00:00Z")
    if phase == "Paused":
        cluster.objects["Migration", "shop"]["spec"]["desiredState"] = "Paused"
    result = _ran(*words)
    assert result.exit_code == 0, result.output
    assert len(cluster.written) == 1
    assert cluster.ours["Migration", "shop"]["spec"] == spec
    assert "annotations" not in cluster.ours["Migration", "shop"]["metadata"]


@pytest.mark.parametrize("word", ["start", "pause", "resume", "cancel"])
def test_what_is_completed_neither_begins_nor_stops(cluster: Namespace, word: str) -> None:
    cluster.put("Migration", "shop", SPEC, {"phase": "Completed", "conditions": [_READY]})
    result = _ran(word, "shop")
    assert (result.exit_code, "oll it back" in result.stderr, cluster.written) == (1, True, []), result.output


def test_a_word_takes_back_those_before_it(cluster: Namespace) -> None:
    stands(cluster, "Running", startTime="2026-01-01T00:00:00Z")
    for words in (["pause", "shop", "--reason", "lunch"], ["resume", "shop"]):
        assert _ran(*words).exit_code == 0
        stands(cluster, "Paused", startTime="2026-01-01T00:00:00Z")
    assert cluster.ours["Migration", "shop"]["spec"] == {"desiredState": "Completed"}


def test_terms_and_rehearsals_are_requests(cluster: Namespace) -> None:
    planned_now(cluster, to_review=2)
    assert "2 review items" in _ran("start", "shop").stderr
    assert "records no phase after" in _ran("start", "shop", "--skip-approval", "--from", "validation").stderr
    assert _ran("start", "shop", "--skip-approval", "--from", "schema_migration").exit_code == 0
    request = _annotation(cluster, "Migration", "shop")
    assert (request["verb"], request["skipApproval"], request["from"]) == ("start", True, "schema_migration")
    assert "a request in progress" in _ran("start", "shop", "--dry-run").stderr
    cluster.objects["Migration", "shop"]["status"]["lastHandledRequest"] = request["id"]
    assert _ran("start", "shop", "--dry-run").exit_code == 0
    assert _annotation(cluster, "Migration", "shop")["verb"] == "rehearse"
    assert _ran("deploy", "web", "--commit", "abcdef1").exit_code == 0
    request = _annotation(cluster, "Deployment", "web")
    assert (request["verb"], request["commit"]) == ("deploy", "abcdef1")


def test_an_app_goes_back_and_moves_on(cluster: Namespace) -> None:
    assert _ran("rollback", "deployment/web").exit_code == 0
    assert cluster.ours["Deployment", "web"]["spec"]["rollbackTo"]["release"] == "web-1"
    assert _ran("rollback", "app/web", "--to", "web-2").exit_code == 0
    assert cluster.ours["Deployment", "web"]["spec"]["rollbackTo"]["release"] == "web-2"
    assert _ran("resume", "app/web").exit_code == 0
    assert cluster.ours["Deployment", "web"].get("spec", {}) == {}
    missing = _ran("rollback", "app/web", "--to", "web-99")
    assert (missing.exit_code, "release web-99 not found" in missing.stderr, "web-1, web-2" in missing.stderr) == (
        1,
        True,
        True,
    )
    cluster.objects["Deployment", "web"]["status"] = {}
    result = _ran("rollback", "app/web")
    assert (result.exit_code, "landfall releases web" in result.stderr) == (1, True)


def test_a_plan_is_read_and_approved(cluster: Namespace) -> None:
    assert "no plan yet" in _ran("plan", "shop").stderr
    planned_now(cluster, to_review=2)
    output = _ran("plan", "shop")
    assert (output.exit_code, PLAN.digest() in output.stdout) == (0, True), output.output
    assert json.loads(_ran("plan", "shop", "-o", "json").stdout)["digest"] == PLAN.digest()
    refused = _ran("approve", "shop", "--digest", "sha256:0", "--yes")
    assert (refused.exit_code, "has changed: its digest is now" in refused.stderr) == (1, True)
    approval = _ran("approve", "shop")
    assert (approval.exit_code, "2 items require approval" in approval.stdout, cluster.written) == (3, True, [])
    assert _ran("approve", "shop", "--yes").exit_code == 0
    assert cluster.ours["Migration", "shop"]["spec"] == {"data": {"approval": {"planDigest": PLAN.digest()}}}
    planned_now(cluster, blockers=1)
    assert "the approval of shop" in _ran("approve", "shop", "--yes").stderr


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        pytest.param({"conditions": [_READY]}, 0, "5000 rows are in the target", id="ready"),
        pytest.param({"conditions": _STALLED}, 1, "no room", id="needs a person"),
        pytest.param({"conditions": [_WAITS, _UNAPPROVED], "plan": {"digest": "d"}}, 3, "landfall approve", id="to approve"),
        pytest.param({"conditions": [*_STALLED, _UNAPPROVED]}, 3, "landfall approve", id="to approve, told as stalled, too"),
    ],
)
def test_watching_ends_with_what_became_of_it(cluster: Namespace, status: Object, code: int, words: str) -> None:
    stands(cluster, "Completed", **status)
    result = _ran("watch", "shop")
    assert (result.exit_code, words in result.output) == (code, True), result.output


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, "Pending: not yet reconciled"),
        (
            {"phase": "Building", "conditions": [_condition("Ready", "False", "Building", "building web-1")]},
            "Building: building web-1",
        ),
        (
            {
                "phase": "Running",
                "progress": {"percent": 40},
                "conditions": [_condition("Ready", "False", "Running", "rows move")],
            },
            "Running 40 %: rows move",
        ),
    ],
)
def test_a_line_says_where_it_stands(status: Object, expected: str) -> None:
    assert render_objects.line({"metadata": {"name": "shop"}, "status": status}) == expected


def test_an_api_server_that_is_away_for_a_while_ends_no_watch(cluster: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("landfall.cli.inspect._EVERY_SECONDS", 0.0)
    reads = 0

    async def get(kind: str, namespace: str, name: str) -> Object | None:
        nonlocal reads
        reads += 1
        if reads in {2, 3}:
            raise KubeError(0, "the answer was lost")
        stands(cluster, "Running", **({"conditions": [_READY]} if reads > 3 else {}))
        return await Namespace.get(cluster, kind, namespace, name)

    monkeypatch.setattr(cluster, "get", get)
    result = _ran("watch", "shop")
    assert (result.exit_code, reads) == (0, 4), result.output


@pytest.mark.parametrize(
    ("request_", "handled", "rests"),
    [
        ("", "", True),
        ('{"id": "a", "verb": "start"}', "", False),
        ('{"id": "a", "verb": "start"}', "a", True),
        ("none", "", True),
        ("[]", "", True),
    ],
)
def test_what_was_asked_for_and_not_handled_is_waited_for(request_: str, handled: str, rests: bool) -> None:  # noqa: FBT001  a row
    annotations = {"landfall.dev/request": request_} if request_ else {}
    status = {"conditions": [_WAITS, _UNAPPROVED], "lastHandledRequest": handled}
    assert render_objects.rests({"metadata": {"annotations": annotations}, "status": status}) == rests


def test_what_was_true_of_another_spec_does_not_hold() -> None:
    raw = {"metadata": {"generation": 2}, "status": {"conditions": [{**_READY, "observedGeneration": 1}]}}
    assert not render_objects.holds(raw, "Ready")
    assert render_objects.holds({**raw, "metadata": {"generation": 1}}, "Ready")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConflictError(409, 'conflict with "argocd-controller"'), "--force-conflicts"),
        (ForbiddenError(403, "cannot patch"), "permission denied"),
        (KubeError(0, "the answer was lost"), "the answer was lost"),
    ],
)
def test_a_refusal_of_the_cluster_is_told(cluster: Namespace, error: KubeError, words: str) -> None:
    cluster.refuses = error
    result = _ran("pause", "shop")
    assert (result.exit_code, words in result.stderr.replace("\n", " ")) == (1, True), result.output
    assert _ran("pause", "shop", "--force-conflicts").exit_code == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["get", "gadgets"], 2, "Valid kinds: migrations"),
        (["get", "migration", "none"], 1, "-n NAMESPACE"),
        (["pause", "app/web"], 2, "use migration/NAME"),
        (["deploy", "migration/shop"], 2, "use deployment/NAME"),
        (["plan", "none"], 1, "Migration 'none' not found"),
        (["plan", "none.yaml"], 2, "none.yaml"),
    ],
)
def test_a_mistake_is_told_with_the_way_out(cluster: Namespace, words: list[str], code: int, message: str) -> None:
    result = _ran(*words)
    assert (result.exit_code, message in result.stderr.replace("\n", " "), cluster.written) == (code, True, []), result.output


def test_keys_are_listed_and_revoked(cluster: Namespace) -> None:
    opens = [key(cluster.secrets, "--role", role) for role in ("viewer", "editor")]
    ids = [text.split("_")[1] for text in opens]
    output = _ran("keys", "list").stdout
    assert all(word in output for word in (*ids, "viewer", "editor", "ci", "shop"))
    assert not any(text.split("_", 2)[2] in output for text in opens), "what opens is kept nowhere"
    assert ids[0] not in _ran("keys", "list", "-n", "another").stdout
    result = _ran("keys", "revoke", ids[0])
    assert (result.exit_code, ids[0] in _ran("keys", "list").stdout, ids[1] in _ran("keys", "list").stdout) == (0, False, True)
    again = _ran("keys", "revoke", ids[0])
    assert (again.exit_code, "not found" in again.stderr) == (1, True)


def _pod(cluster: Namespace, name: str, verb: str, kind: str, owner: str, second: int) -> None:
    labels = {"landfall.dev/verb": verb, "landfall.dev/owner-kind": kind, "landfall.dev/owner": owner}
    status = {"phase": "Succeeded", "containerStatuses": [{"name": "worker", "state": {"terminated": {}}}]}
    cluster.put("Pod", name, {}, status, labels=labels, creationTimestamp=f"2026-01-01T00:00:{second:02}Z")


def test_logs_are_those_of_all_pods_that_worked_for_it(cluster: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    async def log(namespace: str, pod: str, container: str, *, follow: bool) -> AsyncIterator[str]:
        assert (namespace, container, follow) == ("shop", "worker", False)
        yield f"{pod} says so"

    monkeypatch.setattr(cluster, "log", log, raising=False)
    assert "no pods found" in _ran("logs", "shop").stderr
    cluster.put("Run", "shop-1", {}, labels={"landfall.dev/migration": "shop"})
    _pod(cluster, "shop-1-run-1", "run", "Run", "shop-1", 5)
    _pod(cluster, "shop-1-plan-1", "plan", "Run", "shop-1", 2)
    _pod(cluster, "shop-tidy", "tidy", "Migration", "shop", 9)
    _pod(cluster, "other-1-run-1", "run", "Run", "other-1", 1)
    _pod(cluster, "web-2-build-1", "build", "Release", "web-2", 3)
    assert _ran("logs", "shop").stdout == ("plan | shop-1-plan-1 says so\nrun | shop-1-run-1 says so\ntidy | shop-tidy says so\n")
    assert _ran("logs", "deployment/web").stdout == "build | web-2-build-1 says so\n"


def test_a_file_that_is_there_is_meant_before_a_name(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    assert resource_names.object_name([tmp_path / "shop"]) == ""
    assert resource_names.object_name([Path("shop")]) == "shop"
    assert resource_names.object_name([Path("app/web")]) == "app/web"
    assert (
        resource_names.object_name([Path("examples/none")])
        == resource_names.object_name([Path("a"), Path("b")])
        == resource_names.object_name([Path("a.yaml")])
        == ""
    )


def test_a_kind_that_is_not_meant_is_refused() -> None:
    assert resource_names.parse_name("migrations.landfall.dev/shop", "Migration") == ("Migration", "shop")
    with pytest.raises(RefusedError, match="not a Migration or Deployment"):
        resource_names.parse_name("release/web-1", "Migration", "Deployment")


@pytest.mark.parametrize(
    ("since", "expected"), [("03:00:00", "0s"), ("02:58:30", "90s"), ("02:50:00", "10m"), ("00:00:00", "3h"), ("03:00:09", "0s")]
)
def test_ages_are_told_as_kubectl_does(since: str, expected: str) -> None:
    assert render_objects.age(f"2026-01-01T{since}Z", _NOW) == expected
