"""Reports and lines on their way to an intake that is away, that has no journal, that has everything."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import get_type_hints

import pytest

from landfall.api.worker_protocol import Report, ReportFields, Taken
from landfall.engine.model.events import Event, EventKind
from landfall.engine.model.plan import Plan
from landfall.ledger_states import State
from landfall.worker import reporter
from landfall.worker.progress import EventReporter
from landfall.worker.reporter import Reporter


@contextmanager
def _intake(answers: list[str]) -> Iterator[tuple[str, list[Report]]]:
    """An intake that answers so, the last one forever: `away`, `no journal` or `all`; `old` is one of version 0.1, which refuses newer fields."""
    reports: list[Report] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            report = Report.model_validate_json(self.rfile.read(int(self.headers["Content-Length"])))
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            newer = {"key", "locks_given_back"} & report.model_fields_set
            if answer == "away" or (answer == "old" and newer):
                self.send_response(503 if answer == "away" else 400)
                self.end_headers()
                return
            reports.append(report)
            last = report.lines[-1].number if answer in {"all", "old"} and report.lines else -1
            self.send_response(200)
            self.end_headers()
            self.wfile.write(Taken(taken=report.sequence, lines=last).model_dump_json().encode())

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", reports
    finally:
        server.shutdown()


def _reporter(url: str, folder: Path) -> Reporter:
    (folder / "token").write_text("t", encoding="ascii")
    return Reporter(url, "plan", folder / "token")


def test_the_last_report_is_told_until_it_arrives(tmp_path: Path) -> None:
    with _intake(["away", "away", "all"]) as (url, reports):
        sender = _reporter(url, tmp_path)
        sender.line("first")
        assert sender.finish(rows=3)
    assert [(r.final, r.rows, [x.message for x in r.lines]) for r in reports] == [(True, 3, ["first"])]


def test_lines_are_told_again_until_the_journal_has_them(tmp_path: Path) -> None:
    with _intake(["no journal", "no journal", "all"]) as (url, reports):
        sender = _reporter(url, tmp_path)
        for number in range(3):
            sender.line(f"line {number}")
        assert sender.finish()
        assert not sender.latest().lines
    assert [len(r.lines) for r in reports] == [3, 3, 3]
    assert {r.sequence for r in reports} == {1}


def test_a_journal_that_is_away_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "_LINES_PATIENCE_SECONDS", 0.3)
    with _intake(["no journal"]) as (url, reports):
        sender = _reporter(url, tmp_path)
        sender.line("lost")
        assert sender.finish()
    assert reports[-1].final


def test_an_intake_that_stays_away_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "_PATIENCE_SECONDS", 0.3)
    with _intake(["away"]) as (url, _):
        assert not _reporter(url, tmp_path).finish()


@pytest.mark.parametrize("fields", [{}, {"key": "k"}, {"key": "k", "locks_given_back": 2}])
def test_an_intake_of_version_0_1_takes_reports_without_the_fields_that_it_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, object]
) -> None:
    monkeypatch.setattr(reporter, "_PATIENCE_SECONDS", 0.3)
    with _intake(["old"]) as (url, reports):
        sender = _reporter(url, tmp_path)
        sender.line("first")
        assert sender.finish(rows=3, **fields)
    assert [(r.rows, [x.message for x in r.lines]) for r in reports] == [(3, ["first"])]


def test_an_intake_of_this_version_takes_them(tmp_path: Path) -> None:
    with _intake(["all"]) as (url, reports):
        assert _reporter(url, tmp_path).finish(key="k", locks_given_back=2)
    assert [(r.key, r.locks_given_back) for r in reports] == [("k", 2)]


def test_a_line_is_told_before_the_numbers_are_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "_EVERY_SECONDS", 3600)
    with _intake(["all"]) as (url, reports):
        sender = _reporter(url, tmp_path)
        sender.start()
        sender.line("first")
        sender.line("second")
        deadline = time.monotonic() + 60
        while sender.latest().lines and time.monotonic() < deadline:
            time.sleep(0.01)
        assert [line.message for report in reports for line in report.lines] == ["first", "second"]
        assert sender.finish()


def test_a_cutover_is_not_told_before_its_verdict(tmp_path: Path) -> None:
    sender = _reporter("", tmp_path)
    plan = Plan("SQLite", "a", "b", "3", "15", 150000, "public", "Fail", "Full", "Engine", (), (), (), estimates={})
    watch = EventReporter(sender, plan, {}, sender.line)
    states = []
    for state in (State.COPYING, State.COMPARING, State.CUT_OVER):
        watch.event(Event(EventKind.STATE, text=state.value))
        states.append(sender.latest().state)
    assert states == ["copying", "comparing", "comparing"], (
        "Completed is reported with the rows and the verdict of the last report"
    )
    assert [line.message for line in sender.latest().lines][-1] == "state cut_over"


def test_what_a_worker_changes_of_its_report_has_the_types_of_the_report() -> None:
    others = {"sequence", "at", "lines", "pod", "pod_created"}  # by the reporter, the journal and the intake
    assert set(ReportFields.__annotations__) == set(Report.model_fields) - others
    hints = get_type_hints(ReportFields)
    assert hints == {name: Report.model_fields[name].annotation for name in hints}
