"""Views are equal only if both sides tell the same rows; all others are named with the reason."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
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
    views: list[ViewPlan], source: Answer, target: Answer, seconds: float | None = 60, *, stopped: bool = False
) -> ViewResults:
    """`source` and `target` answer for a view, or for one of its columns as `view.column`."""

    def named(table: TablePlan) -> str:
        return table.name if len(table.columns) > 1 else f"{table.name}.{table.columns[0].source}"

    queries = SimpleNamespace(queries=lambda shape: SimpleNamespace(sums=lambda _: shape))
    session = SimpleNamespace(trial=lambda _: nullcontext(), rows=lambda sql: [target(sql)])
    statements = tuple(SimpleNamespace(name=v.table.target, kind="view") for v in views if v.table.name != "gone")
    work: Any = SimpleNamespace(
        plan=SimpleNamespace(views=tuple(views), statements=statements),
        stop=SimpleNamespace(requested=stopped),
        shape=named,
        engine=queries,
        queries=lambda table: SimpleNamespace(range_sums=lambda _low, _high: named(table)),
        database=SimpleNamespace(session=session),
    )
    reader: Any = SimpleNamespace(trial=lambda _: nullcontext(), sums=source)
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
    found = _results([_view("v"), _view("w")], lambda _: (2, 7), lambda _: (2, 7))
    assert found == ViewResults(equal=2)


def test_other_rows_are_named_by_their_number_or_by_the_columns_that_differ() -> None:
    assert _results([_view("v")], lambda _: (2, 7), lambda _: (1, 7)).different == ["s.v (2 rows in the source, 1 in the target)"]
    target = lambda name: (2, 8) if name in {"v", "v.b"} else (2, 7)  # noqa: E731
    assert _results([_view("v")], lambda _: (2, 7), target).different == ["s.v (2 rows in both, other values in b)"]


def test_a_view_that_only_the_target_cannot_compute_is_different() -> None:
    assert _results([_view("v")], lambda _: (2, 7), _fails(_refused("22012"))).different == [
        "s.v (the target cannot compute it: code 22012)"
    ]


@pytest.mark.parametrize(
    ("source", "target", "why"),
    [
        ("1356", "", "the source cannot compute it: code 1356"),
        ("3024", "", "it takes longer than 5 s"),
        ("1969", "", "it takes longer than 5 s"),
        ("", "57014", "it takes longer than 5 s"),
    ],
)
def test_what_has_no_answer_is_not_compared(source: str, target: str, why: str) -> None:
    answers = [_fails(_refused(code)) if code else lambda _: (1, 1) for code in (source, target)]
    assert _results([_view("v")], *answers) == ViewResults(uncompared=[f"s.v ({why})"])


def test_views_that_cannot_be_compared_or_were_not_created_are_not_read() -> None:
    views = [_view("v", "LIMIT chooses among its rows"), _view("gone")]
    never = _fails(AssertionError("it is read"))  # type: ignore[arg-type]
    assert _results(views, never, never).uncompared == ["s.v (LIMIT chooses among its rows)"]


def test_the_time_for_all_views_is_limited() -> None:
    never = _fails(AssertionError("it is read"))  # type: ignore[arg-type]
    assert _results([_view("v")], never, never, 0).uncompared == ["s.v (the time for views had passed)"]
    assert _results([_view("v")], lambda _: (1, 1), lambda _: (1, 1), None).equal == 1
    assert [budget(seconds) for seconds in (10, 60, 3600)] == [1, 6, 10]


def test_a_lost_connection_and_a_stop_end_the_comparison() -> None:
    with pytest.raises(ConnectionLostError):
        _results([_view("v")], _fails(ConnectionLostError("lost")), lambda _: (1, 1))
    with pytest.raises(InterruptedRunError):
        _results([_view("v")], lambda _: (1, 1), lambda _: (1, 1), stopped=True)
