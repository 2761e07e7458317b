"""Reports of workers: which are news, whatever pod of a Job sent them in whatever order, and what is known of a run whose last report was lost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.api.progress import Progress, TableProgress
from landfall.api.run import RunStatus
from landfall.api.worker_protocol import Failure, Report
from landfall.controllers.context import Context
from landfall.controllers.migration import reported_progress
from landfall.controllers.migration.observe import MigrationObserver
from landfall.controllers.migration.record_reports import record
from landfall.controllers.reports import Reports
from landfall.ledger_states import State
from landfall.worker.reporter import Reporter
from landfall.worker.termination_message import termination_message
from tests.support.migrations import NOW, PLAN

Object = dict[str, Any]
_JOB = "shop-1-run-1"
_FIRST, _SECOND = NOW, NOW + timedelta(seconds=90)
_TABLES = (
    TableProgress(table="a", state="Copied", rows=60, total_rows=60),
    TableProgress(table="b", state="Copying", rows=39, total_rows=40),
)
_PAUSED = RunStatus(
    plan=PLAN,
    state="copying",
    progress=Progress(percent=70, rows=99, total_rows=100, tables=_TABLES),
    reported_by=_JOB,
    reported_by_pod="old",
    pod_created=_FIRST,
    sequence=700,
    reported_at=NOW,
)


def told(sequence: int, pod: str = "new", **more: Any) -> Report:
    """A report as the intake keeps it."""
    return Report(sequence=sequence, pod=pod, pod_created=_FIRST if pod == "old" else _SECOND, **more)


_CUT_OVER: Object = {"state": "cut_over", "verdict": "equal", "rows": 100}


def recorded(before: RunStatus, *reports: Report, job: str = _JOB) -> RunStatus:
    """The status after these reports were heard, in this order."""
    for report in reports:
        if not reported_progress.stale(before, job, report):
            before = reported_progress.folded(before, job, report, NOW)
    return before


def test_a_resumed_worker_with_few_reports_left_is_heard() -> None:
    """Its pod counts from 0, and the one before had told seven hundred reports."""
    status = recorded(_PAUSED, told(0, state="copying"), told(2, **_CUT_OVER))
    assert (status.state, status.reported_by_pod, status.sequence) == ("cut_over", "new", 2)
    assert status.attempts == _PAUSED.attempts + 1, "worker pods are counted, not Jobs"


def test_a_late_report_of_the_pod_before_changes_nothing() -> None:
    resumed = recorded(_PAUSED, told(1, **_CUT_OVER))
    late = told(701, "old", final=True, failure=Failure(reason="Interrupted", message="m", transient=True))
    assert recorded(resumed, late) == resumed


def test_a_late_report_of_the_job_before_changes_nothing() -> None:
    resumed = recorded(_PAUSED, told(1, **_CUT_OVER), job="shop-1-run-2")
    assert recorded(resumed, told(701, "old", state="copying")) == resumed


@pytest.mark.parametrize("sequence", [0, 701])
def test_what_version_0_1_recorded_stands_in_nobodys_way(sequence: int) -> None:
    """It kept no pod: whichever pod reports after the upgrade is heard, and known from then on."""
    before = _PAUSED.model_copy(update={"reported_by_pod": "", "pod_created": None})
    status = recorded(before, told(sequence, state="comparing"), told(sequence + 1, **_CUT_OVER))
    assert (status.state, status.reported_by_pod, status.attempts) == ("cut_over", "new", before.attempts)


def test_a_job_that_was_resumed_has_not_finished() -> None:
    interrupted = told(701, "old", final=True, failure=Failure(reason="Interrupted", message="m", transient=True))
    paused = recorded(_PAUSED, interrupted)
    assert (paused.finished, bool(paused.failure)) == (_JOB, True)
    resumed = recorded(paused, told(0, state="copying"))
    assert (resumed.finished, resumed.failure) == ("", None)


_SENT = st.lists(st.tuples(st.sampled_from(["old", "new"]), st.integers(0, 5)), max_size=12)


@given(_SENT)
def test_in_whatever_order_reports_arrive_the_newest_counts(sequences: list[tuple[str, int]]) -> None:
    reports, status = Reports(), RunStatus()
    for pod, sequence in sequences:
        reports.take("shop", _JOB, told(sequence, pod, state="copying"))
        report = reports.of("shop", _JOB)
        assert report
        status = recorded(status, report)
    assert (status.reported_by_pod, status.sequence) == _newest(sequences)


def _newest(sequences: list[tuple[str, int]]) -> tuple[str, int]:
    of_new = [sequence for pod, sequence in sequences if pod == "new"]
    of_old = [sequence for pod, sequence in sequences if pod == "old"]
    return ("new", max(of_new)) if of_new else ("old", max(of_old)) if of_old else ("", -1)


# -- what a completed run tells ----------------------------------------------------------------------------------------


def test_a_completed_run_tells_all_its_numbers_whatever_was_told_last() -> None:
    """A worker that finds the cutover done, one of version 0.1, knows of no comparison; the cutover needs one of every row."""
    progress = Progress(percent=0, rows=99, total_rows=100, remaining_seconds=3, tables=_TABLES)
    actual_progress = recorded(_PAUSED, told(0, final=True, already=True, progress=progress, **_CUT_OVER)).progress
    assert actual_progress
    assert (actual_progress.percent, actual_progress.step_percent, actual_progress.remaining_seconds) == (100, 100, 0)
    assert (actual_progress.rows, actual_progress.compared_rows, actual_progress.tables_done) == (100, 100, 2)
    assert [(t.state, t.compared_rows) for t in actual_progress.tables] == [("Equal", 60), ("Equal", 39)]


def test_an_adopted_run_tells_its_numbers() -> None:
    status = recorded(RunStatus(), told(0, final=True, already=True, plan=PLAN, **_CUT_OVER))
    assert status.adopted
    assert status.progress
    assert (status.progress.percent, status.progress.rows, status.progress.compared_rows) == (100, 100, 100)


def test_a_run_without_rows_claims_no_comparison() -> None:
    progress = recorded(RunStatus(), told(0, final=True, state="cut_over")).progress
    assert progress
    assert (progress.percent, progress.compared_rows, progress.tables_done) == (100, 0, 0)


@pytest.mark.parametrize(
    ("report", "released"),
    [
        (told(1, **_CUT_OVER), False),
        (told(1, final=True, **_CUT_OVER), True),
        (told(0, already=True, **_CUT_OVER), True),
        (told(1, state="comparing"), False),
    ],
)
def test_the_source_is_released_when_the_worker_that_cut_over_ends(report: Report, *, released: bool) -> None:
    assert recorded(_PAUSED, report).source_released is released


# -- the last report, read in the pod ----------------------------------------------------------------------------------


def test_the_last_report_is_left_in_the_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("landfall.worker.reporter._PATIENCE_SECONDS", 0)
    (tmp_path / "token").write_text("t", encoding="ascii")
    reporter = Reporter("http://127.0.0.1:9", "run", tmp_path / "token", tmp_path / "words")
    assert not reporter.finish(state=State.CUT_OVER, rows=7)
    report = Report.model_validate_json((tmp_path / "words").read_text(encoding="utf-8"))
    assert (report.final, report.state, report.rows) == (True, "cut_over", 7)


def test_last_words_are_as_short_as_the_kubelet_keeps_them() -> None:
    tables = tuple(TableProgress(table=f"{'t' * 60}{n}", state="Equal", rows=n) for n in range(50))
    failure = Failure(reason="Refused", message="é" * 4000)
    whole = told(
        9,
        final=True,
        plan=PLAN,
        plan_bytes="x" * 9000,
        failure=failure,
        progress=Progress(percent=100, tables=tables),
        **_CUT_OVER,
    )
    text = termination_message(whole)
    assert 0 < len(text.encode()) <= 4096
    report = Report.model_validate_json(text)
    assert (report.final, report.state, report.rows, report.verdict) == (True, "cut_over", 100, "equal")
    assert report.failure
    assert report.failure.reason == "Refused"
    fits = Report.model_validate_json(termination_message(whole.model_copy(update={"failure": None})))
    assert fits.progress
    assert fits.progress.tables, "as many tables as there is room for"


def test_a_fresh_plan_is_not_left_without_its_bytes() -> None:
    assert Report.model_validate_json(termination_message(told(9, final=True, plan=PLAN, plan_bytes="x"))).plan is None
    assert (
        Report.model_validate_json(termination_message(told(9, final=True, plan=PLAN, plan_bytes="x", state="copying"))).plan
        == PLAN
    )


class _Kube:
    """A Run whose Job is over, and the Job's pods."""

    def __init__(self, *pods: Object) -> None:
        self.pods = list(pods)
        self.run: Object = {}

    async def listed(self, kind: str, _namespace: str, selector: str = "") -> list[Object]:
        """Its pods."""
        assert (kind, selector) == ("Pod", f"job-name={_JOB}")
        return self.pods

    async def replace_status(self, kind: str, body: Object) -> Object:
        """The Run's status."""
        assert kind == "Run"
        self.run = body
        return body


def _pod(uid: str, message: str = "", *, created: datetime = _FIRST, reason: str = "Error", **status: Any) -> Object:
    terminated = {"terminated": {"exitCode": 1, "reason": reason, "message": message}}
    metadata = {"name": uid, "uid": uid, "creationTimestamp": created.isoformat()}
    return {"metadata": metadata, "status": {"containerStatuses": [{"name": "worker", "state": terminated}], **status}}


def _looked(kube: _Kube, before: RunStatus, condition: str = "Failed", report: Report | None = None) -> tuple[RunStatus, str]:
    """The Run's status after a look, and why its worker is taken for lost."""
    reports = Reports()
    if report:
        reports.take("store", _JOB, report)
    nothing = cast("Any", None)
    hands = Context(cast("Any", kube), reports, "i", "u", lambda: NOW, nothing, nothing)
    spec = {"data": {"source": {"connectionRef": {"name": "a"}}, "target": {"connectionRef": {"name": "b"}}}}
    kind = {"apiVersion": "landfall.dev/v1alpha1", "kind": "Migration"}
    look = MigrationObserver(
        hands, {**kind, "metadata": {"name": "shop", "namespace": "store", "uid": "m", "generation": 1}, "spec": spec}
    )
    run_spec = {"migrationRef": {"name": "shop"}, "key": "0" * 64, "image": "i", **spec}
    status = before.model_dump(mode="json", by_alias=True, exclude_none=True)
    look.run = {
        **kind,
        "kind": "Run",
        "metadata": {"name": "shop-1", "namespace": "store", "uid": "r"},
        "spec": run_spec,
        "status": status,
    }
    conditions = [{"type": condition, "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"}]
    metadata = {"name": _JOB, "labels": {"landfall.dev/verb": "run"}, "creationTimestamp": "2026-01-02T03:00:00Z"}
    jobs = [{"metadata": metadata, "status": {"conditions": conditions}}]
    look.reported = asyncio.run(look._fold(jobs))  # noqa: SLF001  a part of a look
    assert not kube.run, "a look only reads"
    asyncio.run(record(look))
    after = RunStatus.model_validate(kube.run["status"]) if kube.run else before
    return after, look.lost.get(_JOB, "")


def test_a_failure_that_nobody_heard_is_read_in_the_pod() -> None:
    words = termination_message(
        Report(sequence=3, final=True, failure=Failure(reason="CredentialRefused", message="no such user"))
    )
    status, cause = _looked(_Kube(_pod("new", words, created=_SECOND), _pod("old", "{}")), _PAUSED)
    assert status.failure
    assert (status.failure.reason, status.finished, status.reported_by_pod, cause) == ("CredentialRefused", _JOB, "new", "")


def test_an_end_that_nobody_heard_is_read_in_the_pod() -> None:
    words = termination_message(Report(sequence=3, final=True, state="cut_over", verdict="equal", rows=100))
    report = told(2, state="comparing")
    status, _ = _looked(_Kube(_pod("new", words, created=_SECOND)), _PAUSED, "Complete", report)
    assert (status.state, status.rows, status.source_released) == ("cut_over", 100, True)


def test_words_of_a_pod_that_was_followed_are_not_the_last() -> None:
    words = termination_message(
        Report(sequence=900, final=True, failure=Failure(reason="Interrupted", message="m", transient=True))
    )
    resumed = recorded(_PAUSED, told(1, **_CUT_OVER))
    status, _ = _looked(_Kube(_pod("old", words)), resumed)
    assert status == resumed


@pytest.mark.parametrize(
    ("pods", "says"),
    [
        ([], "its pod no longer exists"),
        ([_pod("new", reason="OOMKilled")], "memory"),
        ([_pod("new", "Unreachable: no server answers")], "status 1; the end of its log: Unreachable: no server answers"),
        ([_pod("new", "{", created=_SECOND), _pod("old")], "status 1; the end of its log: {"),
    ],
)
def test_a_worker_that_left_nothing_is_told_with_what_is_known(pods: list[Object], says: str) -> None:
    status, cause = _looked(_Kube(*pods), _PAUSED)
    assert status == _PAUSED
    assert says in cause


def test_what_is_recorded_is_not_read_again() -> None:
    finished = recorded(_PAUSED, told(1, final=True, **_CUT_OVER))
    kube = _Kube(_pod("new", "{"))
    assert _looked(kube, finished) == (finished, "")


def test_times_of_pods_are_the_api_servers() -> None:
    assert told(1).pod_created == datetime(2026, 1, 2, 3, 5, 35, tzinfo=UTC)
    assert "pod" not in told(1).model_dump_json(), "an operator of version 0.1 knows no such field"
