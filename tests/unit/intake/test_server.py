"""What a worker's report is answered with, whatever its Migration says: the worker goes by it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.requests import Request

from landfall.api.worker_protocol import Report, Taken
from landfall.controllers.deployment.build_jobs import BuildSettings
from landfall.controllers.intake_parts import IntakeParts
from landfall.controllers.migration.reconcile import live_settings_of
from landfall.controllers.reports import Reports
from landfall.intake.server import Intake
from landfall.intake.token_review import TokenReviews
from landfall.intake.workers import Workers
from landfall.journal.store import Journal
from landfall.journal.writer import JournalWriter
from landfall.kube.client import Kube
from tests.support.asgi import Client

Object = dict[str, Any]
_JOB = {"landfall.dev/owner-kind": "Run", "landfall.dev/owner": "shop-1", "landfall.dev/verb": "run"}


class Cluster:
    """A Migration, its Run, the Run's Job and the Job's pod."""

    def __init__(self, spec: Object) -> None:
        def object_of(kind: str, name: str, owner: str = "", **more: Any) -> Object:
            owners = [{"kind": owner, "name": "shop-1-run-1", "uid": f"{owner}-uid", "controller": True}] if owner else []
            metadata = {"name": name, "namespace": "shop", "uid": f"{kind}-uid", "generation": 1, "ownerReferences": owners}
            metadata["creationTimestamp"] = "2026-01-01T00:00:00Z"
            return {"apiVersion": "landfall.dev/v1alpha1", "kind": kind, "metadata": metadata, **more}

        job = object_of("Job", "shop-1-run-1", "Run", spec={})
        job["metadata"]["labels"] = _JOB
        self.namespaces = ()
        self.there = {
            "Pod": object_of("Pod", "p", "Job"),
            "Job": job,
            "Run": object_of("Run", "shop-1", spec={"migrationRef": {"name": "shop"}}),
            "Migration": object_of("Migration", "shop", spec=spec),
        }

    async def get(self, kind: str, _namespace: str, _name: str) -> Object | None:
        """There is one of each."""
        return self.there[kind]

    async def create(self, _kind: str, body: Object) -> Object:
        """Every token is the pod's."""
        bound = {"authentication.kubernetes.io/pod-name": ["p"], "authentication.kubernetes.io/pod-uid": ["Pod-uid"]}
        user = {"username": "system:serviceaccount:shop:default", "extra": bound}
        return {"status": {"authenticated": True, "audiences": body["spec"]["audiences"], "user": user}}


def _answer(tmp_path: Path, cluster: Cluster) -> tuple[int, str]:
    """Status and body of what a report is answered with."""
    keeper = JournalWriter(Journal(f"sqlite:///{tmp_path}/journal.db"), 30, 1000, lambda: datetime(2026, 1, 1, tzinfo=UTC))

    async def pushed(_repository: str, _branch: str) -> int:
        return 0

    parts = IntakeParts(
        kube=cast("Kube", cluster),
        reports=Reports(),
        keeper=keeper,
        on_owned_change=lambda *_: None,
        live_settings_of=live_settings_of,
        on_push=pushed,
        webhook_secret="",
        gateway="",
        builds=BuildSettings(),
    )
    intake = Intake(parts)

    body = Report(sequence=3).model_dump_json(by_alias=True).encode()
    answer = Client(intake.application()).ask("POST", "/v1/reports", body, {"Authorization": "Bearer x"})
    return answer.status, answer.body.decode()


_ENDS: Object = {"source": {"connectionRef": {"name": "a"}}, "target": {"connectionRef": {"name": "b"}}}


@pytest.mark.parametrize("applies", ["All", "Cutover"])
def test_a_worker_hears_of_a_window_and_of_limits(tmp_path: Path, applies: str) -> None:
    window = {"start": "00:00", "end": "00:01", "appliesTo": applies}
    spec = {"data": {**_ENDS, "limits": {"rowsPerSecond": 7}}, "schedule": {"maintenanceWindow": window}}
    status, body = _answer(tmp_path, Cluster(spec))
    assert status == 200, body
    settings = Taken.model_validate_json(body)
    assert settings.taken == 3
    assert settings.dials
    assert settings.dials.rows_per_second == 7
    assert settings.dials.cutover_from
    assert settings.dials.cutover_from.tzinfo


def _another(kind: str) -> Cluster:
    """There is another object of that kind, of the same name, than the one that the rest is of."""
    cluster = Cluster({"data": _ENDS})
    cluster.there[kind]["metadata"]["uid"] = "of-another"
    return cluster


def _stray() -> Cluster:
    """The pod is nobody's, as one that a user makes."""
    cluster = Cluster({"data": _ENDS})
    cluster.there["Pod"]["metadata"]["ownerReferences"] = []
    return cluster


@pytest.mark.parametrize(
    "cluster", [_another("Pod"), _another("Job"), _another("Run"), _stray()], ids=["pod", "job", "run", "stray"]
)
def test_a_pod_that_is_no_worker_of_it_reports_nothing(tmp_path: Path, cluster: Cluster) -> None:
    assert _answer(tmp_path, Cluster({"data": _ENDS}))[0] == 200
    status, body = _answer(tmp_path, cluster)
    assert (status, "does not belong to a known worker" in body) == (401, True)


def _request(token: str) -> Request:
    return Request({"type": "http", "headers": [(b"authorization", f"Bearer {token}".encode())]})


def test_a_worker_is_identified_once_in_ten_seconds() -> None:
    cluster, seconds = Cluster({"data": _ENDS}), [0.0]
    workers = Workers(TokenReviews(cluster), cluster, lambda: seconds[0])

    async def scenario() -> None:
        first = await workers.identify(_request("x"))
        assert first
        assert (first.owner_kind, first.owner, first.job, first.verb) == ("Migration", "shop", "shop-1-run-1", "run")
        cluster.there["Pod"]["metadata"]["uid"] = "of-another"
        seconds[0] = 9.9
        assert await workers.identify(_request("x")) == first
        assert await workers.identify(_request("y")) is None, "each token for itself"
        seconds[0] = 10.0
        assert await workers.identify(_request("x")) is None

    asyncio.run(scenario())
