"""The door for HTTP against an API server in memory: who may come in, what is asked and answered, and what is told when something is wrong."""

from __future__ import annotations

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from landfall.api.annotations import deploy_requests
from landfall.cli.main import app as cli
from landfall.gateway.app import application
from landfall.gateway.auth import Callers
from landfall.gateway.errors import ProblemError
from landfall.gateway.identifiers import PROJECT, minted, name_in
from landfall.gateway.pagination import page
from landfall.gateway.rate_limit import Rate, RateLimiter
from landfall.gateway.requests import WANTED
from landfall.kube.client import Kube
from landfall.kube.errors import ConflictError, ForbiddenError
from tests.support.asgi import Client
from tests.support.gateway import FakeJournal, Namespace, key, line
from tests.support.gateway import client as made

Object = dict[str, Any]
_DEPLOY = {"project_id": "proj_shop"}
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def release(cluster: Namespace, number: int, phase: str, **more: Any) -> None:
    """A Release of the shop."""
    status = {"phase": phase, **more.pop("status", {})}
    spec = {
        "deploymentRef": {"name": "shop"},
        "revision": number,
        "commit": f"{number}" * 40,
        "message": "feat: fish",
        "branch": "main",
        "trigger": "generation 1",
    }
    labels = {"landfall.dev/deployment": "shop"}
    at = f"2026-01-0{number}T00:00:00Z"
    cluster.put("Release", f"shop-{number}", {**spec, **more}, status, creationTimestamp=at, labels=labels)


@pytest.fixture
def journal() -> FakeJournal:
    """What the journal has."""
    fake = FakeJournal()
    fake.by_owner["Deployment", "shop"] = [line(10, "it is a node-express app", "build")]
    return fake


@pytest.fixture
def cluster() -> Namespace:
    """A namespace with a shop."""
    namespace = Namespace()
    built = {"installSeconds": 3.4, "buildSeconds": 80.2}
    release(namespace, 1, "Superseded", status={"liveAt": "2026-01-01T00:01:00Z", "build": built})
    release(namespace, 2, "Failed", status={"failure": {"reason": "BuildFailed", "message": "npm", "at": "2026-01-02T00:01:00Z"}})
    release(
        namespace, 3, "Live", status={"liveAt": "2026-01-03T00:01:00Z"}, runtime={"instanceType": "t3.small"}, region="us-east-1"
    )
    namespace.put("Deployment", "shop", {}, {"url": "https://shop.example.com", "live": "shop-3"}, generation=4)
    return namespace


@pytest.fixture
def client(cluster: Namespace, journal: FakeJournal) -> Client:
    """An editor's client."""
    return made(cluster, journal)


def test_the_list_and_its_pages(client: Client, cluster: Namespace) -> None:
    first_page = client.get("/v1/deployments", project_id="proj_shop", limit=2).json()
    assert [item["id"] for item in first_page["data"]] == ["dep_shop-3", "dep_shop-2"]
    assert first_page["pagination"]["has_more"]
    second_page = client.get("/v1/deployments", limit=2, cursor=first_page["pagination"]["next_cursor"]).json()
    assert [item["id"] for item in second_page["data"]] == ["dep_shop-1"]
    assert second_page["pagination"] == {"has_more": False, "next_cursor": None}
    assert first_page["data"][0] == {
        "id": "dep_shop-3",
        "project_id": "proj_shop",
        "commit_sha": "3" * 40,
        "commit_message": "feat: fish",
        "branch": "main",
        "status": "live",
        "url": "https://shop.example.com",
        "created_at": "2026-01-03T00:00:00Z",
        "live_at": "2026-01-03T00:01:00Z",
        "allowed_actions": ["rollback"],
    }
    assert [item["id"] for item in client.get("/v1/deployments?status=rolled_back").json()["data"]] == ["dep_shop-1"]
    assert cluster.user == "system:serviceaccount:shop:ci", "asked in the holder's name"


def test_one_deployment_and_its_log(client: Client) -> None:
    detail = client.get("/v1/deployments/dep_shop-3").json()["data"]
    assert (detail["region"], detail["instance_type"], detail["build_duration_seconds"]) == ("us-east-1", "t3.small", None)
    assert detail["logs_url"] == "http://gateway/v1/deployments/dep_shop-3/logs"
    assert client.get("/v1/deployments/dep_shop-1").json()["data"]["build_duration_seconds"] == 84
    assert client.get("/v1/deployments/dep_shop-2").json()["data"]["error"] == "BuildFailed: npm"
    log = client.get("/v1/deployments/dep_shop-3/logs").json()["data"]["logs"]
    assert [(entry["level"], entry["message"]) for entry in log] == [
        ("info", "it is a node-express app"),
        ("success", "live at https://shop.example.com"),
    ]


def test_a_deploy_is_one_request_and_its_values_are_in_no_annotation(client: Client, cluster: Namespace) -> None:
    body = {"project_id": "proj_shop", "commit_sha": "0aed1c0", "env_vars": {"STRIPE_KEY": "sk_live_1"}}
    answers = [client.post("/v1/deployments", body, headers={"Idempotency-Key": "7"}) for _ in range(2)]
    assert [a.status for a in answers] == [202, 202]
    accepted = answers[0].json()["data"]
    assert accepted["id"] == answers[1].json()["data"]["id"]
    assert accepted["created_at"].endswith("Z")
    assert (accepted["project_id"], accepted["status"]) == ("proj_shop", "queued")
    applied = [body for kind, body in cluster.written if kind == "Deployment"]
    assert applied[0] == applied[1]
    request = json.loads(applied[0]["metadata"]["annotations"]["landfall.dev/request"])
    assert (request["id"], request["verb"], request["commit"]) == (accepted["id"], "deploy", "0aed1c0")
    assert "sk_live_1" not in json.dumps(applied)
    secret = next(body for kind, body in cluster.written if kind == "Secret")
    assert secret["stringData"] == {"STRIPE_KEY": "sk_live_1"}
    assert request["env"] == [
        {"name": "STRIPE_KEY", "valueFrom": {"secretKeyRef": {"name": secret["metadata"]["name"], "key": "STRIPE_KEY"}}}
    ]
    queued = client.get(f"/v1/deployments/{accepted['id']}")
    assert (queued.status, queued.json()["data"]["status"]) == (200, "queued")
    assert client.get(f"/v1/deployments/{accepted['id']}/logs").json()["data"]["logs"] == []
    release(cluster, 4, "Building", trigger=f"request {accepted['id']}")
    assert client.get(f"/v1/deployments/{accepted['id']}").json()["data"]["status"] == "building"
    other = client.post("/v1/deployments", {"project_id": "proj_shop"}).json()["data"]["id"]
    assert other != accepted["id"]


def test_deploys_at_once_are_all_queued_and_each_is_known_from_the_first_moment(client: Client, cluster: Namespace) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: client.post("/v1/deployments", {**_DEPLOY, "env_vars": {"N": str(n)}}), range(4)))
    assert [a.status for a in answers] == [202] * 4
    ids = [a.json()["data"]["id"] for a in answers]
    for deployment_id in ids:
        assert client.get(f"/v1/deployments/{deployment_id}").json()["data"]["status"] == "queued"
    requests, problem = deploy_requests(cluster.ours["Deployment", "shop"]["metadata"]["annotations"]["landfall.dev/request"])
    assert (problem, {r.id for r in requests}, len(requests)) == ("", set(ids), 4)
    assert len({r.env for r in requests}) == 4, "each with its own values"
    cluster.objects["Deployment", "shop"]["status"]["lastHandledRequest"] = requests[2].id
    last = client.post("/v1/deployments", _DEPLOY).json()["data"]["id"]
    remaining, _ = deploy_requests(cluster.ours["Deployment", "shop"]["metadata"]["annotations"]["landfall.dev/request"])
    assert [r.id for r in remaining] == [requests[3].id, last], "what is handled makes room"


def test_of_too_many_deploys_that_wait_one_more_is_refused(client: Client) -> None:
    answers = [client.post("/v1/deployments", _DEPLOY) for _ in range(17)]
    assert [a.status for a in answers] == [202] * 16 + [409]
    assert answers[-1].json()["error"]["code"] == "deploy_in_progress"


def test_the_way_back(client: Client, cluster: Namespace) -> None:
    answer = client.post("/v1/deployments/dep_shop-1/rollback")
    assert answer.status == 202
    data = answer.json()["data"]
    assert (data["rolled_back_from"], data["rolled_back_to"], data["status"]) == ("dep_shop-3", "dep_shop-1", "queued")
    assert cluster.written[-1][1]["spec"] == {"rollbackTo": {"release": "shop-1", "id": data["id"]}}
    refused = client.post("/v1/deployments/dep_shop-2/rollback")
    assert (refused.status, refused.json()["error"]["code"]) == (409, "invalid_state")
    cluster.refuses = ConflictError(409, 'conflict with "argocd-controller": .spec.rollbackTo')
    refused = client.post("/v1/deployments/dep_shop-1/rollback")
    assert (refused.status, refused.json()["error"]["code"]) == (409, "invalid_state")
    assert "argocd-controller" in refused.json()["error"]["message"]
    cluster.refuses = ForbiddenError(403, "secrets of others")
    refused = client.post("/v1/deployments/dep_shop-1/rollback")
    assert (refused.status, b"others" in refused.body) == (403, False)


def test_a_way_back_that_somebody_else_chose_is_theirs_to_end(client: Client, cluster: Namespace) -> None:
    cluster.objects["Deployment", "shop"]["spec"]["rollbackTo"] = {"release": "shop-1"}
    answer = client.post("/v1/deployments", {"project_id": "proj_shop"})
    assert (answer.status, answer.json()["error"]["code"]) == (409, "invalid_state")
    cluster.objects["Deployment", "shop"]["spec"]["rollbackTo"] = {"release": "shop-1", "id": "dep_x"}
    assert client.post("/v1/deployments", {"project_id": "proj_shop"}).status == 202
    assert "spec" not in cluster.written[-1][1], "its own goes with the next thing it says"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "field"),
    [
        ("GET", "/v1/deployments?limit=0", None, 400, "invalid_request", "limit"),
        ("GET", "/v1/deployments?limit=101", None, 400, "invalid_request", "limit"),
        ("GET", "/v1/deployments?status=great", None, 400, "invalid_request", "status"),
        ("GET", "/v1/deployments?cursor=x", None, 400, "invalid_request", "cursor"),
        ("GET", "/v1/deployments?project_id=shop", None, 404, "project_not_found", "project_id"),
        ("GET", "/v1/deployments/dep_nothing", None, 404, "deployment_not_found", None),
        ("POST", "/v1/deployments", {}, 400, "invalid_request", "project_id"),
        ("POST", "/v1/deployments", {"project_id": "proj_shop", "x": 1}, 400, "invalid_request", "x"),
        ("POST", "/v1/deployments", {"project_id": "proj_shop", "commit_sha": "HEAD"}, 400, "invalid_request", "commit_sha"),
        ("POST", "/v1/deployments", {"project_id": "proj_other"}, 404, "project_not_found", "project_id"),
        ("DELETE", "/v1/deployments", None, 405, "method_not_allowed", None),
        ("GET", "/v1/nothing", None, 404, "not_found", None),
    ],
)
def test_bad_requests(
    client: Client, method: str, path: str, body: Object | None, status: int, code: str, field: str | None
) -> None:
    answer = client.ask(method, path, body)
    assert (answer.status, answer.json()["error"]["code"], answer.json()["error"].get("field")) == (status, code, field)


def test_whoever_asks_too_often_waits() -> None:
    clock = [0.0]
    limits = RateLimiter(Rate(2.0, 3), lambda: clock[0])
    for _ in range(3):
        limits.take("a")
    limits.take("b")
    with pytest.raises(ProblemError) as refused:
        limits.take("a")
    assert (refused.value.status, refused.value.code, refused.value.retry_seconds) == (429, "rate_limited", 1)
    clock[0] = 0.5
    limits.take("a")
    with pytest.raises(ProblemError):
        limits.take("a")
    clock[0] = 60
    for _ in range(3):
        limits.take("a")


def test_keys_cannot_be_tried_out(client: Client) -> None:
    answers = [client.get("/v1/deployments", headers={"Authorization": f"Bearer lf_{'a' * 12}_{'b' * 43}"}) for _ in range(40)]
    assert {a.status for a in answers} == {401, 429}
    assert answers[-1].headers["retry-after"] == "1"
    assert client.get("/v1/deployments").status == 200, "whoever holds a key is let in from there all the same"


def test_a_body_that_is_too_large_is_read_no_further(client: Client) -> None:
    client.headers.pop("Authorization")
    answer = client.post("/v1/deployments", {"project_id": "x" * 2_000_000})
    assert (answer.status, answer.json()["error"]["code"]) == (413, "too_large")


def test_who_may_come_in(client: Client, cluster: Namespace) -> None:
    good = client.headers["Authorization"]
    identifier, secret = good.split("_", 2)[1:]
    other = key(cluster.secrets, "--role", "editor").split("_", 2)[2]
    for bad in ("", "Basic x", "Bearer lf_x", f"Bearer lf_{identifier}_{other}", f"Bearer lf_{'a' * 12}_{secret}", good[:-1]):
        answer = client.get("/v1/deployments", headers={"Authorization": bad})
        assert (answer.status, answer.json()["error"]["code"], answer.headers["www-authenticate"]) == (
            401,
            "unauthorized",
            "Bearer",
        )
    viewer = {"Authorization": f"Bearer {key(cluster.secrets)}"}
    assert client.get("/v1/deployments", headers=viewer).status == 200
    assert client.post("/v1/deployments", {"project_id": "proj_shop"}, headers=viewer).json()["error"]["code"] == "forbidden"
    assert client.post("/v1/deployments/dep_shop-1/rollback", headers=viewer).status == 403
    assert cluster.written == []
    late = Callers(cast("Kube", cluster), "landfall-system", lambda: datetime.now(UTC) + timedelta(days=366))  # noqa: TID251  a year on
    assert Client(application(late, FakeJournal())).get("/v1/deployments", headers={"Authorization": good}).status == 401


def test_a_key_opens_one_namespace_as_one_account_and_is_in_no_manifest() -> None:
    result = CliRunner().invoke(cli, ["keys", "create", "-n", "shop", "--name", "ci", "--role", "editor"])
    documents = list(yaml.safe_load_all(result.stdout))
    assert [(d["kind"], d["metadata"]["namespace"]) for d in documents] == [
        ("Secret", "landfall-system"),
        ("ServiceAccount", "shop"),
        ("RoleBinding", "shop"),
        ("Role", "shop"),
        ("RoleBinding", "shop"),
    ]
    acts = documents[3]["rules"]
    assert acts == [{"apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["ci"], "verbs": ["impersonate"]}]
    printed_key = next(word for word in result.stderr.split() if word.startswith("lf_"))
    assert printed_key.split("_", 2)[2] not in result.stdout
    assert CliRunner().invoke(cli, ["keys", "create", "-n", "shop", "--name", "ci", "--role", "root"]).exit_code == 2


_ABOUT = (
    "start",
    "pause",
    "resume",
    "cancel",
    "rollback",
    "plan",
    "plan/approve",
    "plan/mappings/{mapping_id}/approve",
    "logs",
    "metrics",
    "validation",
)


def test_its_description_is_openapi_of_every_path(client: Client) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        "/v1/migrations",
        "/v1/migrations/{migration_id}",
        *(f"/v1/migrations/{{migration_id}}/{suffix}" for suffix in _ABOUT),
        "/v1/uploads",
        "/v1/connections",
        "/v1/connections/{connection_id}",
        "/v1/connections/{connection_id}/test",
        "/v1/webhooks",
        "/v1/webhooks/{webhook_id}",
        "/v1/webhooks/{webhook_id}/test",
        "/v1/deployments",
        "/v1/deployments/{deployment_id}",
        "/v1/deployments/{deployment_id}/rollback",
        "/v1/deployments/{deployment_id}/logs",
    }


@pytest.mark.parametrize("falling", [True, False])
@given(items=st.lists(st.tuples(st.sampled_from("abc"), st.uuids().map(str)), unique=True, max_size=30), limit=st.integers(1, 7))
def test_pages_are_the_list_whole_and_once(items: list[tuple[str, str]], limit: int, *, falling: bool) -> None:
    items_read: list[tuple[str, str]] = []
    cursor: str | None = ""
    while cursor is not None:
        some, cursor = page(sorted(items), lambda item: item, limit, cursor, falling=falling)
        items_read += some
    assert items_read == sorted(items, reverse=falling)
    pages = [
        page(sorted(items), lambda item: item, limit, "", offset=n, falling=falling)[0] for n in range(0, len(items) + 1, limit)
    ]
    assert [item for some in pages for item in some] == items_read


@given(st.text())
def test_any_text_is_no_cursor_or_one_of_ours(text: str) -> None:
    with contextlib.suppress(ProblemError):
        assert len(page([("a", "b")], lambda item: item, 1, text)[0]) <= 1


def test_identifiers() -> None:
    assert minted("a", "b") == minted("a", "b") != minted("ab", "")
    identifiers = ["proj_shop", "proj_abc_1", "shop", "proj_", "proj_../x", "proj_Shop", "proj_a-"]
    assert [name_in(PROJECT, text) for text in identifiers] == ["shop", "abc-1", "", "", "", "", ""]


def test_every_pattern_has_words(client: Client) -> None:
    patterns: set[str] = set()

    def walk(node: object) -> None:
        if isinstance(node, dict):
            patterns.update([node["pattern"]] if isinstance(node.get("pattern"), str) else [])
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(client.get("/openapi.json").json()["components"]["schemas"])
    assert patterns
    assert patterns <= set(WANTED)
