"""Rows that an application put into its own tables before they are filled: kept where they are equal, set aside by decision, and restored."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landfall.engine.errors import TargetInTheWayError
from landfall.engine.model.options import Mode, Policies, TableDecision
from landfall.engine.model.plan import Plan, Severity
from landfall.engine.run.rollback import roll_back
from landfall.engine.sources.run_key import run_key
from tests.support import engine as run
from tests.support import filling
from tests.support.filling import FILL
from tests.support.servers import MariaDb, PostgreSql

_SOURCE = """
CREATE TABLE schema_version (version INT PRIMARY KEY, upgraded TINYINT(1) NOT NULL, at DATETIME);
INSERT INTO schema_version VALUES (71,1,'2024-01-02 03:04:05'),(72,0,NULL);
CREATE TABLE settings (id INT PRIMARY KEY, word VARCHAR(20));
INSERT INTO settings VALUES (1,'mine'),(2,'both');
CREATE TABLE notes (id INT PRIMARY KEY, setting INT, CONSTRAINT n_s FOREIGN KEY (setting) REFERENCES settings (id));
INSERT INTO notes VALUES (1,1);
"""
_TARGET = """
CREATE TABLE schema_version (version bigint PRIMARY KEY, upgraded boolean NOT NULL, at timestamp);
INSERT INTO schema_version VALUES (72,false,NULL),(71,true,'2024-01-02 03:04:05');
CREATE TABLE settings (id int PRIMARY KEY, word text);
INSERT INTO settings VALUES (2,'both'),(3,'seeded');
CREATE TABLE notes (id int PRIMARY KEY, setting int REFERENCES settings (id));
CREATE TABLE others (id int PRIMARY KEY, setting int REFERENCES settings (id));
"""


def _move(maria: MariaDb, pg: PostgreSql, fresh: str, *decided_tables: TableDecision, everywhere: str | None = None) -> run.Move:
    maria.sql(_SOURCE, maria.database(fresh))
    options = replace(FILL, mode=Mode.DATA_ONLY, tables=decided_tables, policies=Policies(existing_rows=everywhere))
    return run.Move(run.mariadb(maria, fresh), filling.target(pg, fresh, _TARGET), options)


def _told(plan: Plan) -> dict[str, tuple[str, Severity]]:
    kinds = {"RowsEqual", "RowsSetAside", "RowsDiffer", "TargetNotEmpty"}
    return {r.affected: (r.kind, r.severity) for r in plan.risks if r.kind in kinds}


def test_equal_rows_stop_nothing_and_others_name_the_setting(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    plan = _move(maria, pg15, fresh).plan()
    assert _told(plan) == {"schema_version": ("RowsEqual", Severity.INFO), "settings": ("TargetNotEmpty", Severity.BLOCKER)}
    assert "existingRows: SetAside" in plan.blockers[0].mitigation


@pytest.mark.parametrize("everywhere", [None, "SetAside"])
def test_rows_are_set_aside_and_a_rollback_restores_them(
    maria: MariaDb, pg15: PostgreSql, fresh: str, everywhere: str | None
) -> None:
    decided_tables = () if everywhere else (TableDecision(fresh, "settings", existing_rows="SetAside"),)
    move = _move(maria, pg15, fresh, *decided_tables, everywhere=everywhere)
    before = pg15.dump(fresh)
    plan = move.plan()
    assert not plan.blockers, plan.blockers
    assert _told(plan)["settings"] == ("RowsSetAside", Severity.MEDIUM)
    assert move.run().rows == 5
    with pg15.connect(fresh) as target_connection:
        assert target_connection.execute(b"SELECT id,word FROM settings ORDER BY 1").fetchall() == [(1, "mine"), (2, "both")]
        assert target_connection.execute(b"SELECT version,upgraded FROM schema_version ORDER BY 1").fetchall() == [
            (71, True),
            (72, False),
        ]
    roll_back(move.source, move.target, move.options, run_key(move.source, move.target, move.options))
    assert pg15.dump(fresh) == before


def test_rows_to_keep_that_differ_stop_the_plan_with_numbers(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    plan = _move(maria, pg15, fresh, TableDecision("", "settings", existing_rows="Keep")).plan()
    (differ,) = [r for r in plan.blockers if r.kind == "RowsDiffer"]
    assert "2 rows in the source, 2 in the target" in differ.description


def test_rows_that_were_equal_and_change_before_the_cutover_are_not_replaced(
    maria: MariaDb, pg15: PostgreSql, fresh: str
) -> None:
    move = _move(maria, pg15, fresh, everywhere="SetAside")
    move.options = replace(move.options, policies=Policies(), exclude_tables=("settings", "notes"))

    def write() -> None:
        with pg15.connect(fresh) as target_connection:
            target_connection.execute(b"UPDATE schema_version SET upgraded=true")

    move.at = {"comparing": write}
    with pytest.raises(TargetInTheWayError, match="held the same rows when the plan was made"):
        move.run()


def test_rows_are_not_equal_where_the_target_has_a_column_more(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    move = _move(maria, pg15, fresh)
    with pg15.connect(fresh) as target_connection:
        target_connection.execute(b"ALTER TABLE schema_version ADD note text")
    assert _told(move.plan())["schema_version"] == ("TargetNotEmpty", Severity.BLOCKER)
