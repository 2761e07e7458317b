"""Risks of one cause are one group, and risks of different causes are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landfall.engine.model.plan import Risk, Severity
from landfall.engine.planning.grouping import not_migrated, risk_groups
from tests.support.plans import planned


def _groups(*risks: tuple[str, str, str], severity: Severity = Severity.HIGH) -> int:
    risk_list = tuple(Risk(severity, kind, affected, text, "Approve the plan") for kind, affected, text in risks)
    return len(risk_groups(replace(planned(), risks=risk_list)))


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (("ZeroDate", "shop.a.x", "1 row holds zero dates"), ("ZeroDate", "shop.b.y", "41,000 rows hold zero dates")),
        (("Filled", "a", "the empty table is filled from shop.a"), ("Filled", "b", "the empty table is filled from shop.b")),
        (
            ("Default", "a.x", "the default '0000-00-00' is not migrated"),
            ("Default", "b.y", "the default '0000-00-01' is not migrated"),
        ),
        (
            ("Extension", "cube", "the target lacks the extension cube"),
            ("Extension", "isn", "the target lacks the extension isn"),
        ),
    ],
)
def test_names_and_numbers_make_no_other_cause(first: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert _groups(first, other) == 1


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (
            ("NotCarried", "a", "the view is rejected: no such function"),
            ("NotCarried", "b", "the view is rejected: no such operator"),
        ),
        (("NotCarried", "a", "the trigger is not migrated"), ("Check", "a", "the trigger is not migrated")),
    ],
)
def test_another_text_or_kind_is_another_cause(first: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert _groups(first, other) == 2


def test_the_worst_come_first_and_nothing_is_lost() -> None:
    risks = tuple(
        Risk(severity, "K", f"t{n}", f"{n} rows are odd", "Look") for n, severity in enumerate([*Severity, *reversed(Severity)])
    )
    groups = risk_groups(replace(planned(), risks=risks))
    assert [g.first.severity for g in groups] == list(reversed(Severity))
    assert sorted(r.affected for g in groups for r in g.risks) == sorted(r.affected for r in risks)


def test_what_is_left_behind_is_counted_by_its_kind() -> None:
    rows = [
        *(("View", f"v{n}", "the view is not carried: no such function") for n in range(9)),
        *(("NotCarried", f"t.w{n}", "the trigger is written in the source's own language and is not carried") for n in range(2)),
        ("NotCarried", "v0", "the view v0 is not carried: the target says no"),
        (
            "GeneratedColumn",
            "t.g",
            "the target rejects its expression (no); its values are copied, but it becomes an ordinary column",
        ),
        ("Filled", "t", "the empty table is filled from t; it keeps its definition, and that of the source is not migrated"),
        ("Sequence", "s", "no column owns this sequence of the target"),
    ]
    risk_list = tuple(Risk(Severity.HIGH, kind, affected, text, "") for kind, affected, text in rows)
    assert not_migrated(replace(planned(), risks=risk_list)) == (
        "9 views: v0, v1, v2 and 6 more",
        "2 triggers: t.w0, t.w1",
        "1 generated column: t.g",
    )
