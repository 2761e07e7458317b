"""Migrations over HTTP, against an API server in memory: the contracts' requests as printed, what they become, and what is told of it."""

from __future__ import annotations

import functools
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.api.migration import Migration
from landfall.gateway.views.metrics import metrics_of as measured
from landfall.gateway.views.migration import sized
from landfall.kube.server_side_apply import merged
from tests.support.asgi import Client
from tests.support.gateway import FakeJournal, Namespace, client, line
from tests.support.moves import ID, PRINTED, SPEC, owned_spec, stands

Object = dict[str, Any]
_NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)


def test_a_move_is_created_as_printed(door: Client, cluster: Namespace) -> None:
    answers = [door.post("/v1/migrations", PRINTED, headers={"Idempotency-Key": "1"}) for _ in range(2)]
    assert [a.status for a in answers] == [201, 201], answers[0].body
    created = answers[0].json()
    assert created == answers[1].json(), "the same request is the same migration"
    name = created["id"].removeprefix("mig_")
    assert name.startswith("q1-database-modernization-")
    assert created == {
        "id": created["id"],
        "name": "Q1 Database Modernization",
        "status": "pending",
        "created_at": "2026-01-01T00:00:00Z",
        "created_by": "system:serviceaccount:shop:ci",
        "source": {
            "connection_id": "conn_oracle-prod",
            "connection_name": "oracle-prod",
            "schemas": ["HR", "FINANCE"],
            "tables_count": None,
        },
        "target": {
            "connection_id": "conn_postgres-cloud",
            "connection_name": "postgres-cloud",
            "schemas": ["public"],
            "tables_count": None,
        },
        "plan": {"status": "generating", "estimated_completion": None, "digest": None},
        "links": {
            "self": f"/v1/migrations/{created['id']}",
            "plan": f"/v1/migrations/{created['id']}/plan",
            "start": f"/v1/migrations/{created['id']}/start",
            "logs": f"/v1/migrations/{created['id']}/logs",
        },
    }
    spec = cluster.ours["Migration", name]["spec"]
    created_spec = Migration.model_validate({"metadata": {"name": name}, "spec": spec}).spec
    assert created_spec.desired_state == "Planned", "nothing moves before somebody has started it"
    assert created_spec.data
    assert created_spec.data.approval.auto_approve_above_percent == 95
    assert created_spec.schedule
    assert created_spec.schedule.maintenance_window
    assert created_spec.schedule.maintenance_window.time_zone == "America/New_York"
    assert created_spec.notifications
    assert created_spec.notifications.on_events == ("Completed", "Failed", "ApprovalRequired")
    got = door.get(f"/v1/migrations/{created['id']}").json()
    assert (got["description"], got["phase"]) == ("Migrate legacy Oracle to PostgreSQL", "planning")


def test_an_app_is_brought_as_printed(door: Client, cluster: Namespace) -> None:
    body = {
        "source": "github",
        "repo": "your-org/your-app",
        "branch": "main",
        "env_vars": {"NEXT_PUBLIC_SUPABASE_URL": "https://xxx.supabase.co", "STRIPE_SECRET_KEY": "sk_live_1"},
        "database": {"type": "supabase", "action": "create"},
        "domain": "app.yourcompany.com",
        "region": "us-east-1",
    }
    answer = door.post("/v1/migrations", body)
    assert answer.status == 201, answer.body
    created = answer.json()["data"]
    name = created["id"].removeprefix("mig_")
    assert created == {
        "id": created["id"],
        "status": "pending",
        "project_id": f"proj_{name}",
        "created_at": "2026-01-01T00:00:00Z",
    }
    created_spec = Migration.model_validate({"metadata": {"name": name}, "spec": cluster.ours["Migration", name]["spec"]}).spec
    assert created_spec.app
    template = created_spec.app.template
    assert template
    assert template.database
    assert template.database.secret_ref
    assert (template.database.type, template.database.secret_ref.name) == ("Supabase", "landfall-supabase")
    assert template.route
    assert (template.route.domain, template.region) == ("app.yourcompany.com", "us-east-1")
    assert "sk_live_1" not in json.dumps(cluster.ours["Migration", name])
    assert cluster.objects["Secret", f"{name}-env"]["stringData"] == body["env_vars"]

    spec = cluster.ours["Migration", name]["spec"]
    cluster.put(
        "Migration",
        name,
        spec,
        {"phase": "Completed", "completionTime": "2026-01-01T00:05:00Z", "app": {"url": "https://app.yourcompany.com"}},
    )
    label = {"landfall.dev/deployment": name}
    build_status = {"build": {"framework": "nextjs"}}
    cluster.put("Release", f"{name}-1", {"deploymentRef": {"name": name}, "revision": 1}, build_status, labels=label)
    cluster.put("Deployment", name, {}, {"databaseProject": "abcdefghij"})
    got = door.get(f"/v1/migrations/{created['id']}").json()["data"]
    assert (got["source"], got["repo"], got["branch"], got["framework"], got["status"]) == (
        "github",
        "your-org/your-app",
        "main",
        "nextjs",
        "complete",
    )
    assert got["database"] == {"type": "supabase", "project_id": "abcdefghij"}
    assert got["logs_url"] == f"http://gateway/v1/migrations/{created['id']}/logs"
    some = door.get("/v1/migrations?status=complete").json()["data"]
    assert [(item["id"], item["framework"]) for item in some] == [(created["id"], "nextjs")]


def test_a_database_that_is_there_is_opened_by_a_secret(door: Client, cluster: Namespace) -> None:
    database = {"type": "supabase", "action": "connect", "url": "https://xxx.supabase.co", "service_key": "eyJ1"}
    created = door.post("/v1/migrations", {"source": "github", "repo": "o/a", "database": database}).json()["data"]
    name = created["id"].removeprefix("mig_")
    secret_data = cluster.objects["Secret", f"{name}-provider"]["stringData"]
    assert secret_data == {"url": "https://xxx.supabase.co", "serviceRoleKey": "eyJ1"}
    template = cluster.ours["Migration", name]["spec"]["app"]["template"]
    assert template["database"] == {"type": "Supabase", "action": "Connect", "secretRef": {"name": f"{name}-provider"}}


def test_how_far_it_is(door: Client, cluster: Namespace) -> None:
    done_fields = {"status": "Done", "percent": 100}
    steps = [
        {"name": "planning", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:14:07Z", **done_fields},
        {"name": "schema_migration", "startedAt": "2026-01-01T00:14:07Z", "finishedAt": "2026-01-01T00:16:11Z", **done_fields},
        {"name": "data_transfer", "status": "Running", "percent": 78, "startedAt": "2026-01-01T00:16:11Z"},
        {"name": "validation", "status": "Pending"},
    ]
    progress = {
        "percent": 67,
        "rows": 12453891,
        "totalRows": 18500000,
        "bytes": 47_200_000_000,
        "rowsPerSecond": 8234,
        "recoveredErrors": 127,
        "remainingSeconds": 60,
    }
    stands(
        cluster, "Running", steps=steps, progress=progress, startTime="2026-01-01T00:14:07Z", plan={"digest": "d", "tables": 47}
    )
    detail = door.get(f"/v1/migrations/{ID}").json()
    assert (detail["status"], detail["phase"], detail["source"]["tables_count"]) == ("running", "data_transfer", 47)
    assert detail["progress"]["overall_percent"] == 67
    assert detail["progress"]["phases"] == [
        {"name": "planning", "status": "completed", "duration_seconds": 847, "progress_percent": None},
        {"name": "schema_migration", "status": "completed", "duration_seconds": 124, "progress_percent": None},
        {"name": "data_transfer", "status": "running", "duration_seconds": None, "progress_percent": 78},
        {"name": "validation", "status": "pending", "duration_seconds": None, "progress_percent": None},
        {"name": "cutover", "status": "pending", "duration_seconds": None, "progress_percent": None},
    ]
    assert detail["metrics"] == {
        "records_processed": 12453891,
        "records_total": 18500000,
        "bytes_transferred": "47.2 GB",
        "throughput_records_per_second": 8234,
        "errors_recovered": 127,
        "errors_escalated": 0,
    }
    assert detail["timing"]["estimated_completion"]
    assert detail["error"] is None


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["m3", "m2", "m1", "shop"]),
        ("order=asc", ["shop", "m1", "m2", "m3"]),
        ("sort=name&order=asc", ["m1", "m2", "m3", "shop"]),
        ("sort=started_at", ["m1", "shop", "m3", "m2"]),
        ("status=running", ["m2", "m1"]),
        ("status=pending", ["shop"]),
        ("status=complete", []),
        ("source_id=conn_old", ["shop"]),
        ("source_id=conn_oracle_prod&target_id=conn_new", ["m3", "m2", "m1"]),
        ("created_after=2026-01-03T00:00:00Z", ["m3"]),
        ("created_before=2026-01-03T00:00:00Z", ["m1", "shop"]),
        ("limit=2", ["m3", "m2"]),
        ("limit=2&offset=3", ["shop"]),
        ("offset=9", []),
    ],
)
def test_the_list(door: Client, cluster: Namespace, query: str, names: list[str]) -> None:
    for number, phase in enumerate(("Running", "Running", "Completed"), 1):
        data = {"source": {"connectionRef": {"name": "oracle-prod"}}, "target": {"connectionRef": {"name": "new"}}}
        status = {"phase": phase, **({"startTime": "2026-01-05T00:00:00Z"} if number == 1 else {})}
        cluster.put("Migration", f"m{number}", {"data": data}, status, creationTimestamp=f"2026-01-0{number + 1}T00:00:00Z")
    first_page = door.get(f"/v1/migrations?{query}").json()
    assert [item["id"].removeprefix("mig_") for item in first_page["data"]] == names
    assert first_page["pagination"]["has_more"] == ("limit=2" in query and "offset" not in query)
    items, cursor = list(first_page["data"]), first_page["pagination"]["next_cursor"]
    while cursor:
        more = door.get(f"/v1/migrations?{query}&cursor={cursor}").json()
        items, cursor = items + more["data"], more["pagination"]["next_cursor"]
    assert len(items) == first_page["pagination"]["total"] or "offset" in query
    assert len({item["id"] for item in items}) == len(items)


def test_its_log(door: Client, journal: FakeJournal) -> None:
    journal.by_owner["Migration", "shop"] = [line(1, "planned", "plan"), line(2, "Processing table: employees")]
    answer = door.get(f"/v1/migrations/{ID}/logs", level="warning", phase="validation", since="2026-01-01T00:00:00Z", limit=7)
    assert answer.json()["data"]["logs"] == [
        {"timestamp": "2026-01-01T00:00:01Z", "level": "info", "message": "planned", "phase": "planning"},
        {
            "timestamp": "2026-01-01T00:00:02Z",
            "level": "info",
            "message": "Processing table: employees",
            "phase": "data_transfer",
        },
    ]
    assert journal.asked == [
        {
            "levels": "warning,error",
            "phases": "indexing,comparing",
            "since": "2026-01-01T00:00:00+00:00",
            "limit": "7",
            "newest": "true",
        }
    ]


def test_a_log_is_followed_to_its_end_and_from_where_it_was_left(door: Client, cluster: Namespace, journal: FakeJournal) -> None:
    stands(cluster, "Completed", progress={"percent": 45, "rows": 4500000}, steps=[{"name": "planning", "status": "Done"}])
    journal.by_owner["Migration", "shop"] = [line(1, "a"), line(2, "b")]
    answer = door.get(f"/v1/migrations/{ID}/logs?follow=true", headers={"Accept": "text/event-stream"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = answer.body.decode().split("\n\n")
    assert events[0].startswith('id: 1\nevent: log\ndata: {"timestamp"')
    assert events[2] == 'event: progress\ndata: {"phase":"schema_migration","percent":45,"records_processed":4500000}'
    again = door.get(f"/v1/migrations/{ID}/logs?follow=true", headers={"Last-Event-ID": "1"})
    assert again.body.decode().split("\n\n")[0].startswith("id: 2\n")


def test_an_apps_log_has_its_builds(door: Client, cluster: Namespace, journal: FakeJournal) -> None:
    cluster.put("Migration", "web", {"app": {"deploymentRef": {"name": "site"}}}, {"phase": "Completed"})
    journal.by_owner["Migration", "web"] = [line(1, "the Deployment site begins", "app"), line(9, "site-1 is live", "app")]
    journal.by_owner["Deployment", "site"] = [line(5, "it is a nextjs app", "build")]
    entries = door.get("/v1/migrations/mig_web/logs").json()["data"]["logs"]
    assert [entry["message"] for entry in entries] == ["the Deployment site begins", "it is a nextjs app", "site-1 is live"]


def test_its_numbers(cluster: Namespace) -> None:
    rows = [(0, 0, 0), (10, 50_000, 5000), (20, 130_000, 8000), (30, 130_000, 0)]
    samples = [
        {
            "at": f"2026-01-01T00:00:{at:02}+00:00",
            "percent": at,
            "rows": rows_done,
            "rows_per_second": rate,
            "cpu_seconds": at // 2,
        }
        for at, rows_done, rate in rows
    ]
    table = {"table": "orders", "state": "Copying", "rows": 3750000, "totalRows": 5000000, "correctedRows": 12}
    progress = {
        "rowsPerSecond": 8234,
        "bytesPerSecond": 32_400_000,
        "comparedRows": 1000,
        "correctedRows": 2,
        "memoryBytes": 256,
        "tables": [table],
    }
    raw = cluster.objects["Migration", "shop"]
    raw["status"] = {"phase": "Running", "progress": progress}
    raw["spec"] = {"data": {**SPEC["data"], "workers": 8, "limits": {"memoryBytes": 512}}}
    metrics = measured(raw, samples, _NOW)
    assert metrics.throughput.model_dump() == {
        "current_records_per_second": 8234,
        "average_records_per_second": 6500,
        "peak_records_per_second": 8234,
        "current_bytes_per_second": "32.4 MB",
    }
    assert (
        metrics.resources.active_workers,
        metrics.resources.cpu_utilization_percent,
        metrics.resources.memory_utilization_percent,
    ) == (
        8,
        50,
        50,
    )
    assert metrics.quality.validation_pass_rate_percent == 99.8
    assert (metrics.by_table[0].table, metrics.by_table[0].records_processed, metrics.by_table[0].errors) == (
        "orders",
        3750000,
        12,
    )
    assert [point.percent for point in metrics.series] == [0, 10, 20, 30]
    between = measured({**raw, "status": {"phase": "Completed"}}, samples[:1] + samples[2:3], _NOW)
    assert (between.throughput.average_records_per_second, between.throughput.peak_records_per_second) == (6500, 8000)
    short = measured({**raw, "status": {"phase": "Completed"}}, [{**s, "rows_per_second": 0} for s in samples], _NOW)
    assert short.throughput.peak_records_per_second == 6500, "no moment of a short run may have been as fast as all of it"
    idle = measured({**raw, "status": {"phase": "Pending"}}, [], _NOW)
    assert idle.throughput.peak_records_per_second == 0
    assert idle.quality.validation_pass_rate_percent is None


def test_a_period_of_its_numbers(door: Client, journal: FakeJournal) -> None:
    journal.numbers = [
        {"at": f"2026-01-01T00:0{at}:00+00:00", "percent": at, "rows": at, "rows_per_second": at, "cpu_seconds": 0}
        for at in range(5)
    ]
    metrics = door.get(f"/v1/migrations/{ID}/metrics", since="2026-01-01T00:01:00Z", until="2026-01-01T00:03:00Z").json()
    assert [point["percent"] for point in metrics["series"]] == [1, 2, 3]


def test_what_has_ended_is_deleted(door: Client, cluster: Namespace) -> None:
    stands(cluster, "Running")
    assert door.ask("DELETE", f"/v1/migrations/{ID}").json()["error"]["code"] == "invalid_state"
    stands(cluster, "Completed")
    answer = door.ask("DELETE", f"/v1/migrations/{ID}?keep_logs=false")
    assert answer.json() == {"id": ID, "deleted": True, "logs_retained": False, "metrics_retained": True}
    assert owned_spec(cluster)["keep"] == {"logs": False, "metrics": True}
    assert door.get(f"/v1/migrations/{ID}").status == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "field"),
    [
        ("POST", "/v1/migrations", {}, 400, "invalid_request", "name"),
        ("POST", "/v1/migrations", [], 400, "invalid_request", "body"),
        ("POST", "/v1/migrations", {"source": "ftp"}, 400, "invalid_request", "source"),
        ("POST", "/v1/migrations", {"source": "github"}, 400, "invalid_request", "repo"),
        ("POST", "/v1/migrations", {"source": "github", "repo": "x"}, 400, "invalid_request", "repo"),
        ("POST", "/v1/migrations", {**PRINTED, "colour": 1}, 400, "invalid_request", "colour"),
        ("POST", "/v1/migrations", {**PRINTED, "options": {"mode": "all"}}, 400, "invalid_request", "options.mode"),
        ("POST", "/v1/migrations", {**PRINTED, "options": {"batch_size": 1}}, 400, "invalid_request", "options.batch_size"),
        (
            "POST",
            "/v1/migrations",
            {**PRINTED, "source": {"connection_id": "conn_nobody"}},
            404,
            "connection_not_found",
            "source.connection_id",
        ),
        (
            "POST",
            "/v1/migrations",
            {**PRINTED, "target": {"connection_id": "x"}},
            400,
            "invalid_request",
            "target.connection_id",
        ),
        ("GET", "/v1/migrations?status=great", None, 400, "invalid_request", "status"),
        ("GET", "/v1/migrations?sort=size", None, 400, "invalid_request", "sort"),
        (
            "POST",
            "/v1/migrations",
            {"source": "github", "repo": "o/a", "database": {"type": "appwrite", "action": "connect", "url": "https://a/v1"}},
            400,
            "invalid_request",
            "database.service_key",
        ),
        ("POST", "/v1/migrations", {**PRINTED, "schedule": {"start_at": 7}}, 400, "invalid_request", "schedule.start_at"),
        ("GET", "/v1/migrations?created_after=7", None, 400, "invalid_request", "created_after"),
        ("GET", "/v1/migrations?created_after=yesterday", None, 400, "invalid_request", "created_after"),
        ("GET", "/v1/migrations?statsu=failed", None, 400, "invalid_request", "statsu"),
        ("GET", "/v1/migrations/mig_nobody", None, 404, "migration_not_found", None),
        ("GET", "/v1/migrations/mig_..%2F..", None, 404, "not_found", None),
        ("POST", f"/v1/migrations/{ID}/start", {"start_from_phase": "lunch"}, 400, "invalid_request", "start_from_phase"),
        ("GET", f"/v1/migrations/{ID}/logs?level=loud", None, 400, "invalid_request", "level"),
        ("PUT", f"/v1/migrations/{ID}", {}, 405, "method_not_allowed", None),
    ],
)
def test_bad_requests(door: Client, method: str, path: str, body: object, status: int, code: str, field: str | None) -> None:
    answer = door.ask(method, path, body)
    assert answer.status == status, answer.body
    assert (answer.json()["error"]["code"], answer.json()["error"].get("field")) == (code, field)


@pytest.mark.parametrize(
    ("method", "path", "body", "field", "message"),
    [
        ("GET", "/v1/migrations?statsu=failed", None, "statsu", "unknown parameter statsu. Did you mean status?"),
        ("GET", "/v1/migrations?namespace=shop", None, "namespace", "unknown parameter namespace. Known are: created_"),
        ("POST", "/v1/migrations", {**PRINTED, "nmae": "x"}, "nmae", "unknown field nmae. Did you mean name?"),
        ("POST", "/v1/migrations", {"nmae": "x", "source": {}}, "nmae", "unknown field nmae. Did you mean name?"),
        ("POST", "/v1/migrations", {**PRINTED, "colour": 1}, "colour", "unknown field colour."),
        ("POST", "/v1/migrations", {**PRINTED, "x" * 99: 1}, "x" * 99, f"unknown field {'x' * 60}."),
        (
            "POST",
            "/v1/migrations",
            {**PRINTED, "options": {"batchsize": 1}},
            "options.batchsize",
            "unknown field batchsize. Did you mean batch_size?",
        ),
        (
            "POST",
            "/v1/migrations",
            {**PRINTED, "options": {"x": 1}},
            "options.x",
            "unknown field x. Known are: auto_approve_above, batch_size, generate_rollback, mode, parallelism.",
        ),
    ],
)
def test_what_is_not_known_is_named_with_what_was_meant(
    door: Client, method: str, path: str, body: object, field: str, message: str
) -> None:
    problem = door.ask(method, path, body).json()["error"]
    assert (problem["code"], problem["field"]) == ("invalid_request", field)
    assert problem["message"].startswith(message), problem["message"]


def test_a_viewer_changes_nothing(cluster: Namespace, journal: FakeJournal) -> None:
    stands(cluster, "Running")
    viewer = client(cluster, journal, "viewer")
    paths = ("start", "pause", "resume", "cancel", "rollback")
    answers = [viewer.post(f"/v1/migrations/{ID}/{verb}") for verb in paths]
    answers += [viewer.post("/v1/migrations", PRINTED), viewer.ask("DELETE", f"/v1/migrations/{ID}")]
    answers.append(viewer.post(f"/v1/migrations/{ID}/plan/mappings/map_1/approve", {"approved": True}))
    assert [a.status for a in answers] == [403] * len(answers)
    assert cluster.written == []
    assert viewer.get(f"/v1/migrations/{ID}").status == 200


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["source", "name", "a"]), inner, max_size=3),
    max_leaves=6,
)


_DOOR = functools.cache(lambda: client(Namespace(), FakeJournal()))


@given(_JSON, st.text(max_size=20))
def test_any_body_and_any_identifier_is_answered(body: object, identifier: str) -> None:
    door = _DOOR()
    assert door.post("/v1/migrations", body).status in {400, 201}
    assert door.ask("POST", f"/v1/migrations/{identifier.encode().hex()}/pause", body).status in {400, 404}


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers() | st.dictionaries(st.sampled_from("xy"), st.integers())),
    st.dictionaries(st.sampled_from("abc"), st.none() | st.integers() | st.dictionaries(st.sampled_from("xy"), st.integers())),
)
def test_a_merge_says_what_the_change_says(current: Object, change: Object) -> None:
    result = merged(current, change)
    for name, value in change.items():
        if value is None:
            assert name not in result
        elif isinstance(value, dict):
            assert result[name].items() >= value.items()
        else:
            assert result[name] == value
    assert {n: v for n, v in result.items() if n not in change} == {n: v for n, v in current.items() if n not in change}


@pytest.mark.parametrize(
    ("octets", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (47_200_000_000, "47.2 GB"), (10**18, "1000.0 PB")]
)
def test_sizes(octets: int, text: str) -> None:
    assert sized(octets) == text


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"source": "github", "repo": "https://github.com/acme/shop"}, "repo", "as acme/shop"),
        ({"source": "github", "repo": "acme/shop", "domain": "Shop"}, "domain", "as shop.example.com"),
        ({"source": "github", "repo": "acme/shop", "env_vars": {"1A": "x"}}, "env_vars.1A", "no digit first"),
        ({"source": "zip", "url": "http://x/y.zip", "sha256": "0" * 64}, "url", "begins with https://"),
        ({"source": "zip", "url": "https://x/y.zip", "sha256": "X"}, "sha256", "64 lower-case hexadecimal digits"),
        ({**PRINTED, "target": {"connection_id": "new"}}, "target.connection_id", "GET /v1/connections"),
    ],
)
def test_what_is_wanted_is_told_where_a_text_does_not_look_like_it(door: Client, body: Object, field: str, words: str) -> None:
    answer = door.post("/v1/migrations", body)
    problem = answer.json()["error"]
    assert (answer.status, problem["field"].removesuffix(".[key]")) == (400, field), problem
    assert words in problem["message"]
    assert "pattern" not in problem["message"]
