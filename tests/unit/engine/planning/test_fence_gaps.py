"""What a fence lets pass is in the plan: by table, with what refuses it, and only where there is a fence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landfall.engine.model.catalog import ForeignKey, SourceRemark
from landfall.engine.model.options import Quiesce
from landfall.engine.model.plan import Plan, Severity
from tests.support.plans import CATALOG, ITEM, planned

_PARENT = replace(ITEM, name="Parent")


def _told(plan: Plan) -> dict[str, Severity]:
    return {r.affected: r.severity for r in plan.risks if r.kind == "FencePassed"}


def _plan(key: ForeignKey, engine: str = "MariaDB", exclude: tuple[str, ...] = ("Parent",)) -> Plan:
    tables = (replace(ITEM, foreign_keys=(key,)), _PARENT)
    return planned(replace(CATALOG, engine=engine, tables=tables), exclude_tables=exclude)


@pytest.mark.parametrize(
    ("actions", "schema", "passes"),
    [
        (("NO ACTION", "CASCADE"), "", True),
        (("SET NULL", "NO ACTION"), "shop", True),
        (("CASCADE", "RESTRICT"), "other", True),
        (("NO ACTION", "RESTRICT"), "", False),
    ],
)
def test_cascades_from_tables_that_accept_writers(actions: tuple[str, str], schema: str, *, passes: bool) -> None:
    severities = _told(_plan(ForeignKey("k", ("Id",), schema, "Parent", ("Id",), *actions)))
    assert severities == {"source": Severity.INFO} | ({"shop.Item": Severity.MEDIUM} if passes else {})


def test_a_parent_with_a_fence_refuses_what_would_cascade() -> None:
    key = ForeignKey("k", ("Id",), "", "Parent", ("Id",), "CASCADE", "CASCADE")
    assert _told(_plan(key, exclude=())) == {"source": Severity.INFO}
    for engine in ("PostgreSQL", "SQLite"):  # they execute the triggers, also for TRUNCATE
        assert _told(_plan(key, engine)) == {}


def test_a_table_on_which_nothing_can_refuse_writers() -> None:
    remark = SourceRemark("medium", "FencePassed", "Item", "a virtual table", "stop them", ("shop", "Item"))
    catalog = replace(CATALOG, remarks=(remark,))
    assert _told(planned(catalog)) == {"Item": Severity.MEDIUM, "source": Severity.INFO}
    assert _told(planned(catalog, exclude_tables=("Item",))) == {"source": Severity.INFO}


def test_nothing_is_said_without_a_fence() -> None:
    remark = SourceRemark("medium", "FencePassed", "Item", "a virtual table", "stop them", ("shop", "Item"))
    for options in ({"fence": False}, {"quiesce": Quiesce.NONE}, {"quiesce": Quiesce.CONFIRM}):
        assert _told(planned(replace(CATALOG, remarks=(remark,)), **options)) == {}
