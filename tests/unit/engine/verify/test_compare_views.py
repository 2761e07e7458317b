"""Views are equal only if both sides tell the same rows; all others are named with the reason."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from landfall.engine.errors import ConnectionLostError, EngineError, InterruptedRunError
from landfall.engine.model.mapping import Mapping
from landfall.engine.model.plan import ColumnPlan, Decision, TablePlan, ViewPlan
from landfall.engine.verify.views import ViewResults, budget, compare_views

Answer = Callable[[str], tuple[int, int]]


def _view(name: str, reason: str = "") -> ViewPlan:
    mapping = Mapping("text", "c", quoted=True, check_source="c", check_target="c")
    columns = tuple(
        ColumnPlan(c, c, "", "text", mapping, nullable=True, decision=Decision.AUTO, confidence=100, reasons=()) for c in "ab"
    )
    return ViewPlan(TablePlan(-1, "s", name, name, columns, (), "none", (), "", "", moved=False), reason=reason)


def _results(
    views: list[ViewPlan],
    source: Answer,
    target: Answer,
    seconds: float | None = 60,
    *,
    stopped: bool = False,
    limits: list[int] | None = None,
) -> ViewResults:
    """`source` and `target` answer for a view, or for one of its columns as `view.column`. `limits` gets those of the statements."""

    def trial(limit: int) -> AbstractContextManager[None]:
        if limits is not None:
            limits.append(limit)
        return nullcontext()

    def table_name(table: TablePlan) -> str:
        return table.name if len(table.columns) > 1 else f"{table.name}.{table.columns[0].source}"

    queries = SimpleNamespace(queries=lambda shape: SimpleNamespace(sums=lambda _: shape))
    session = SimpleNamespace(trial=trial, rows=lambda sql: [target(sql)])
    statements = tuple(SimpleNamespace(name=v.table.target, kind="view") for v in views if v.table.name != "gone")
    work: Any = SimpleNamespace(
        plan=SimpleNamespace(views=tuple(views), statements=statements),
        stop=SimpleNamespace(requested=stopped),
        shape=table_name,
        engine=queries,
        queries=lambda table: SimpleNamespace(range_sums=lambda _low, _high: table_name(table)),
        database=SimpleNamespace(session=session),
    )
    reader: Any = SimpleNamespace(trial=trial, sums=source)
    return compare_views(work, reader, seconds)


def _fails(error: EngineError) -> Answer:
    def answer(_: str) -> tuple[int, int]:
        raise error

    return answer


def _refused(code: str) -> EngineError:
    error = EngineError("no")
    error.code = code
    return error


def test_views_with_the_same_count_and_sum_are_equal() -> None:
    results = _results([_view("v"), _view("w")], lambda _: (2, 7), lambda _: (2, 7))
    assert results == ViewResults(equal=2)


def test_other_rows_are_named_by_their_number_or_by_the_columns_that_differ() -> None:
    assert _results([_view("v")], lambda _: (2, 7), lambda _: (1, 7)).different == ["s.v (2 rows in the source, 1 in the target)"]
    target = lambda name: (2, 8) if name in {"v", "v.b"} else (2, 7)  # noqa: E731
    assert _results([_view("v")], lambda _: (2, 7), target).different == ["s.v (2 rows in both, other values in b)"]


def test_a_view_that_only_the_target_cannot_compute_is_different() -> None:
    assert _results([_view("v")], lambda _: (2, 7), _fails(_refused("22012"))).different == [
        "s.v (the target cannot compute it: code 22012)"
    ]


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("1356", "", "the source cannot compute it: code 1356"),
        ("3024", "", "it takes longer than 5 s"),
        ("1969", "", "it takes longer than 5 s"),
        ("", "57014", "it takes longer than 5 s"),
    ],
)
def test_what_has_no_answer_is_not_compared(source: str, target: str, reason: str) -> None:
    answers = [_fails(_refused(code)) if code else lambda _: (1, 1) for code in (source, target)]
    assert _results([_view("v")], *answers) == ViewResults(uncompared=[f"s.v ({reason})"])


def test_views_that_cannot_be_compared_or_were_not_created_are_not_read() -> None:
    views = [_view("v", "LIMIT chooses among its rows"), _view("gone")]
    never = _fails(AssertionError("it is read"))  # type: ignore[arg-type]
    assert _results(views, never, never).uncompared == ["s.v (LIMIT chooses among its rows)"]


def test_the_time_for_all_views_is_limited() -> None:
    never = _fails(AssertionError("it is read"))  # type: ignore[arg-type]
    assert _results([_view("v")], never, never, 0).uncompared == ["s.v (less than 1 s was left for it under the write lock)"]
    assert _results([_view("v")], lambda _: (1, 1), lambda _: (1, 1), None).equal == 1
    assert [budget(seconds) for seconds in (10, 60, 3600)] == [1, 6, 10]


def test_a_lost_connection_and_a_stop_end_the_comparison() -> None:
    with pytest.raises(ConnectionLostError):
        _results([_view("v")], _fails(ConnectionLostError("lost")), lambda _: (1, 1))
    with pytest.raises(InterruptedRunError):
        _results([_view("v")], lambda _: (1, 1), lambda _: (1, 1), stopped=True)


class _Clock:
    """A clock that the answers of the sides move on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("landfall.engine.verify.views.time.monotonic", lambda: self.now)

    def after(self, seconds: float, answer: Answer) -> Answer:
        def late(name: str) -> tuple[int, int]:
            self.now += seconds
            return answer(name)

        return late


def test_a_statement_gets_only_what_is_left_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, limits = _Clock(monkeypatch), []
    same = clock.after(1.5, lambda _: (1, 1))
    results = _results([_view("v"), _view("w"), _view("x")], same, same, 6.5, limits=limits)
    assert limits == [5, 5, 4, 2]
    assert results == ViewResults(equal=2, uncompared=["s.x (less than 1 s was left for it under the write lock)"])
    assert _results([_view("v")], _fails(_refused("3024")), same, 1.5).uncompared == ["s.v (it takes longer than 2 s)"]
    limits.clear()
    assert _results([_view("v")], same, same, 1, limits=limits).equal == 1
    assert limits == [1, 1], "a statement has 1 s at least"
    limits.clear()
    _results([_view("v")], same, same, None, limits=limits)
    assert limits == [0], "without an end there is no limit, and none is set on the source"


def test_a_difference_is_told_though_no_time_is_left_to_name_its_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, read = _Clock(monkeypatch), list[str]()

    def source(name: str) -> tuple[int, int]:
        read.append(name)
        return (2, 7)

    results = _results([_view("v")], clock.after(0.5, source), clock.after(0.5, lambda _: (2, 8)), 2)
    assert (results.different, read) == (["s.v (2 rows in both, other values in a)"], ["v", "v.a"])
    results = _results([_view("v")], clock.after(1, source), clock.after(1, lambda _: (2, 8)), 2)
    assert (results.different, read) == (["s.v (2 rows in both, other values)"], ["v", "v.a", "v"])

    def failing(name: str) -> tuple[int, int]:
        if "." in name:
            raise ConnectionLostError(name)
        return (2, 8)

    assert _results([_view("v")], source, failing).different == ["s.v (2 rows in both, other values)"]
