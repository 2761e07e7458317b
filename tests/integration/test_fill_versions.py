"""Filling the tables of an application whose schema is of another version, or says the same in other types."""

from __future__ import annotations

from dataclasses import replace

from landfall.engine.model.options import Mode
from landfall.engine.model.plan import Decision, Plan, Severity
from landfall.engine.run.rehearsal import Rehearsal
from tests.support import engine as run
from tests.support import filling
from tests.support.filling import FILL
from tests.support.servers import MariaDb, PostgreSql

_SOURCE = """
CREATE TABLE rel (id INT PRIMARY KEY, group_id INT, other_group_id INT, other_group_code TEXT, other_group_kind TEXT, group_code VARCHAR(40));
INSERT INTO rel VALUES (1,1,2,'o-1','k','g-1');
CREATE TABLE host (id BINARY(20) PRIMARY KEY, active ENUM('n','y') NOT NULL, level SMALLINT NOT NULL, ratio INT, token CHAR(36) NOT NULL,
  state VARCHAR(9) NOT NULL, weight SMALLINT NOT NULL, seen DATETIME NOT NULL, changed DATETIME, tall BINARY(8));
INSERT INTO host VALUES (REPEAT('a',20),'y',1,7,UUID(),'up',3,'2024-01-02 03:04:05',NULL,'12345678'),
  (REPEAT('b',20),'n',0,NULL,UUID(),'down',4,'2024-07-02 03:04:05','2024-07-02 03:04:05',NULL);
CREATE TABLE access_refusals (id INT PRIMARY KEY, code VARCHAR(40), created DATETIME, owner VARCHAR(80), note TEXT);
CREATE TABLE quota (id INT PRIMARY KEY, label VARCHAR(40));
"""
_TARGET = """
CREATE DOMAIN key20 AS bytea CONSTRAINT exactly_20 CHECK (VALUE IS NULL OR octet_length(VALUE) = 20);
CREATE DOMAIN key9 AS bytea CHECK (octet_length(VALUE) = 9);
CREATE TYPE yes_no AS ENUM ('n','y');
CREATE TYPE states AS ENUM ('up','down','gone');
CREATE TABLE rel (id bigint PRIMARY KEY, group_id bigint, other_group_id bigint, other_group_code varchar(255), other_group_kind text,
  other_group_value text);
CREATE TABLE host (id key20 PRIMARY KEY, active yes_no NOT NULL, level boolean NOT NULL, ratio numeric(9,2), token uuid NOT NULL,
  state states NOT NULL, weight text NOT NULL, seen timestamptz NOT NULL, changed timestamptz, tall key9);
CREATE TABLE access_denials (id bigint PRIMARY KEY, code varchar(40), created timestamp, owner varchar(80), note text);
CREATE TABLE limits (id bigint PRIMARY KEY, label text);
"""


def _pairs(plan: Plan, table: str) -> dict[str, str]:
    return {c.source: c.arrives[0] for t in plan.tables if t.name == table for c in t.columns}


def test_names_are_kept_and_what_is_proven_is_not_asked(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    maria.sql(_SOURCE, maria.database(fresh))
    options = replace(FILL, mode=Mode.DATA_ONLY)
    move = run.Move(run.mariadb(maria, fresh), filling.target(pg15, fresh, _TARGET), options)
    plan = move.plan()
    names = _pairs(plan, "rel")
    assert names.pop("group_code") == ""
    assert all(source == target for source, target in names.items())
    blocked = [r for r in plan.blockers if r.affected == f"{fresh}.rel.group_code"]
    assert "unused columns: other_group_value" in blocked[0].description

    host = {c.source: c for t in plan.tables if t.name == "host" for c in t.columns}
    assert {n for n, c in host.items() if c.confidence == 100} == {*host} - {"weight", "tall"}
    assert {n for n, c in host.items() if c.decision is Decision.NEEDS_REVIEW} <= {"weight", "tall"}
    assert "all values have the length 20" in "; ".join(host["id"].reasons)
    assert "yes_no lists the same values" in "; ".join(host["active"].reasons)
    assert "all values of 2 rows are among those that states lists" in "; ".join(host["state"].reasons)
    assert "all values of 2 rows are 0 or 1" in "; ".join(host["level"].reasons)
    (zone,) = [r for r in plan.risks if r.kind == "ZonelessTimes"]
    assert (zone.severity, zone.affected) == (Severity.HIGH, "2 columns")
    assert f"{fresh}.host.seen, {fresh}.host.changed" in zone.description

    assert {t.name: t.target for t in plan.tables if t.name != "quota"} == {
        "access_refusals": "access_denials",
        "host": "host",
        "rel": "rel",
    }
    risk_of = {r.affected: r for r in plan.risks if r.kind == "Counterpart"}
    assert "exactly the same columns" in risk_of[f"{fresh}.access_refusals"].description
    assert "taken for access_denials at 9" in risk_of[f"{fresh}.access_refusals"].description
    assert {f"{fresh}.host", f"{fresh}.rel"}.isdisjoint(risk_of)


def test_one_value_that_does_not_fit_is_no_proof(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    more = "INSERT INTO host VALUES (REPEAT('c',20),'y',2,NULL,'no uuid','odd',3,'2024-01-02 03:04:05',NULL,NULL)"
    maria.sql(_SOURCE + more, maria.database(fresh))
    plan = run.Move(run.mariadb(maria, fresh), filling.target(pg15, fresh, _TARGET), FILL).plan()
    host = {c.source: c for t in plan.tables if t.name == "host" for c in t.columns}
    assert {n for n in ("level", "token", "state") if host[n].confidence == 100} == set()
    assert {r.kind for r in plan.blockers if ".host." in r.affected} >= {"NotBoolean", "NotListed", "NotSoWritten"}


_FREE = """
CREATE TABLE locks (id INT PRIMARY KEY, name TEXT);
CREATE TABLE ev (id BIGINT PRIMARY KEY, name TEXT);
CREATE TABLE state_groups (id BIGINT PRIMARY KEY, name TEXT);
CREATE TABLE events (stream_position BIGINT NOT NULL, event_id VARCHAR(9) PRIMARY KEY, depth BIGINT);
CREATE TABLE jobs (id BIGINT PRIMARY KEY, rank_no INT);
INSERT INTO locks VALUES (1,'x');
INSERT INTO ev VALUES (500,'y'),(7,'z');
INSERT INTO events VALUES (41,'a',3),(42,'b',90);
INSERT INTO jobs VALUES (3,1);
"""
_FREE_TARGET = """
CREATE UNLOGGED TABLE locks (id int PRIMARY KEY, name text);
CREATE SEQUENCE ev_seq; CREATE SEQUENCE state_group_id_seq; CREATE SEQUENCE events_stream_seq; CREATE SEQUENCE job_numbers;
CREATE SEQUENCE "Jobs_seq" START 77; CREATE SEQUENCE events_other_seq; CREATE SEQUENCE unrelated;
SELECT nextval('"Jobs_seq"');
CREATE TABLE ev (id bigint PRIMARY KEY, name text);
CREATE TABLE state_groups (id bigint PRIMARY KEY, name text);
CREATE TABLE events (stream_position bigint NOT NULL, event_id text PRIMARY KEY, depth bigint);
CREATE TABLE jobs (id bigint PRIMARY KEY DEFAULT nextval('job_numbers'), rank_no int);
"""


def test_free_sequences_pass_the_rows_and_unlogged_tables_stay_unlogged(maria: MariaDb, pg15: PostgreSql, fresh: str) -> None:
    maria.sql(_FREE, maria.database(fresh))
    target = filling.target(pg15, fresh, _FREE_TARGET)
    move = run.Move(run.mariadb(maria, fresh), target, replace(FILL, mode=Mode.DATA_ONLY))
    plan = move.plan()
    assert not plan.blockers, plan.blockers
    severities = {r.affected: r.severity for r in plan.risks if r.kind == "Sequence"}
    assert severities == {"events_other_seq": Severity.HIGH, "unrelated": Severity.LOW}
    assert "setval('events_other_seq'" in next(r.mitigation for r in plan.risks if r.affected == "events_other_seq")
    assert not [r for r in plan.risks if r.kind == "TableFeature"]
    with pg15.connect(fresh) as target_connection:
        assert target_connection.execute(b"SELECT last_value,is_called FROM job_numbers").fetchone() == (1, False)
    assert move.run().rows == 6
    with pg15.connect(fresh) as target_connection:
        assert target_connection.execute(b"SELECT relpersistence FROM pg_class WHERE relname='locks'").fetchone() == ("u",)
        numbers = "SELECT nextval('ev_seq'),nextval('state_group_id_seq'),nextval('events_stream_seq'),nextval('job_numbers'),nextval('\"Jobs_seq\"')"
        assert target_connection.execute(numbers.encode()).fetchone() == (501, 1, 43, 4, 78)


def test_a_free_sequence_that_both_sides_have_is_set_as_far_as_that_of_the_source(pg15: PostgreSql, fresh: str) -> None:
    sequences = (
        "CREATE TABLE ev (id bigint PRIMARY KEY); CREATE SEQUENCE ev_seq; CREATE SEQUENCE down INCREMENT -1; CREATE SEQUENCE ahead;"
        " CREATE UNLOGGED TABLE cache (id bigint PRIMARY KEY);"
    )
    rows = "INSERT INTO ev VALUES (500); SELECT setval('ev_seq',900); SELECT nextval('down'),nextval('down'); SELECT nextval('ahead');"
    source = filling.target(pg15, f"{fresh}s", sequences.replace("UNLOGGED ", "") + rows)
    move = run.Move(source, filling.target(pg15, fresh, sequences + "SELECT setval('ahead',44)"), FILL)
    plan = move.plan()
    assert not plan.blockers, plan.blockers
    assert {r.affected for r in plan.risks if r.kind == "SequenceSet"} == {"ev_seq", "down", "ahead"}
    assert Rehearsal(move.source, move.target, FILL, lambda _: None).run("test", plan).rows == 1
    with pg15.connect(fresh) as target_connection:
        assert target_connection.execute(b"SELECT last_value,is_called FROM ev_seq").fetchone() == (1, False)
    assert move.run().rows == 1
    with pg15.connect(fresh) as target_connection:
        assert target_connection.execute(b"SELECT nextval('ev_seq'),nextval('down'),nextval('ahead')").fetchone() == (901, -3, 45)
        assert target_connection.execute(b"SELECT relpersistence FROM pg_class WHERE relname='cache'").fetchone() == ("u",)
