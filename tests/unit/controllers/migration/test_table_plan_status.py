"""How a TablePlan stands, from what is proposed and what a person said."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from landfall.api.tableplan import ColumnProposal, SourceTable, TablePlan, TableProposal, decided
from landfall.controllers.migration.table_plan_status import proposal_of, proposed, status_of
from landfall.manifests.tableplan import table_plan_name

_NOW = datetime(2026, 3, 1, tzinfo=UTC)
_OPEN = ColumnProposal(source="seen", decision="NeedsReview")
_FINE = ColumnProposal(source="id", decision="AutoApproved")


def _plan(*decisions: dict[str, str], **source: str) -> TablePlan:
    spec = {"migrationRef": {"name": "shop"}, "source": {"table": "item", **source}, "decisions": decisions}
    return TablePlan.model_validate({"metadata": {"name": "p"}, "spec": spec})


def _told(plan: TablePlan, *columns: ColumnProposal, **more: Any) -> tuple[str, str]:
    proposal = TableProposal(source=SourceTable(table="item"), columns=columns, decisions=more.pop("made_with", ""))
    status = proposed(plan, 2, "sha256:1", proposal if columns else None)
    facts = {"approved": False, "has_begun": False, **more}
    stands = status_of(plan.model_copy(update={"status": status}), 2, _NOW, **facts)
    assert stands
    ready = next(c for c in stands.conditions if c.type == "Ready")
    return ready.status, ready.reason


def test_how_it_stands() -> None:
    plan, word = _plan(), _plan({"column": "seen", "decision": "Approve"})
    table = (
        (_told(plan, _FINE), ("True", "Decided")),
        (_told(plan, _FINE, _OPEN), ("False", "DecisionRequired")),
        (_told(plan, _FINE, _OPEN, approved=True), ("True", "Approved")),
        (_told(plan), ("False", "TableMissing")),
        (_told(word, _OPEN), ("False", "Planning")),
        (_told(word, _FINE, made_with=decided(word.spec)), ("True", "Decided")),
        (_told(word, _OPEN, has_begun=True), ("False", "RunStarted")),
    )
    for actual, expected in table:
        assert actual == expected


def test_nothing_is_told_before_there_is_a_plan() -> None:
    assert status_of(_plan(), 1, _NOW, approved=False, has_begun=False) is None


def test_a_condition_that_stays_keeps_its_time() -> None:
    plan = _plan()
    first = proposed(plan, 1, "sha256:1", TableProposal(source=SourceTable(table="item"), columns=(_FINE,)))
    early = status_of(plan.model_copy(update={"status": first}), 1, _NOW, approved=False, has_begun=False)
    later = status_of(
        plan.model_copy(update={"status": early}), 1, datetime(2026, 4, 1, tzinfo=UTC), approved=False, has_begun=False
    )
    assert early == later


def test_the_comment_of_a_decision_changes_no_plan() -> None:
    without_comment, noted = (_plan({"column": "seen", "decision": "Approve", **more}) for more in ({}, {"comment": "yes"}))
    assert decided(without_comment.spec) == decided(noted.spec) != decided(_plan({"column": "seen", "decision": "Reject"}).spec)


@pytest.mark.parametrize(("schema", "is_found"), [("shop", True), ("other", False), ("", True)])
def test_a_table_is_known_by_its_schema_where_one_is_told(schema: str, *, is_found: bool) -> None:
    plan = _plan(**({"schema": schema} if schema else {}))
    proposal = TableProposal(source=SourceTable(schema="shop", table="item"))
    assert (proposal_of(plan, (proposal,)) is not None) == is_found


def test_names_are_a_function_of_names_alone() -> None:
    names = {table_plan_name("shop", SourceTable(schema="s", table=t)) for t in ("Order Items", "order-items", "Ä", "x" * 300)}
    assert len(names) == 4
    assert all(len(n) <= 253 and n == n.lower() for n in names)
    assert any(n.startswith("shop-order-items-") for n in names)
