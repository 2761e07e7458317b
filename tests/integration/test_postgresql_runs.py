"""What PostgreSQL evaluates only over rows: a plan without blockers is a run that ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from landfall.engine.errors import ConnectionLostError
from landfall.engine.model.options import OnExisting, Options, Policies, TargetSchemas
from landfall.engine.model.plan import Plan
from landfall.engine.sources.base import Reader
from landfall.engine.sources.registry import engine_of
from tests.support import engine as run
from tests.support.servers import PostgreSql

_FIXTURES = Path(__file__).parent / "fixtures"
_NESTED = """
CREATE FUNCTION {0}.padded(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 <> btrim($1)';
CREATE FUNCTION {0}.clean(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN NOT padded($1); END';
CREATE FUNCTION {0}.inlined(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT ''x'' <> $1 || clean($1)::text';
CREATE TABLE {0}.t (id integer PRIMARY KEY, name text, plain boolean GENERATED ALWAYS AS ({0}.inlined(name)) STORED,
  CHECK ({0}.clean(name)), CHECK ({0}.inlined(name)));
CREATE UNIQUE INDEX by_clean ON {0}.t ({0}.clean(name)) WHERE {0}.inlined(name);
CREATE MATERIALIZED VIEW {0}.cleaned AS SELECT id, {0}.clean(name) AS c FROM {0}.t;
INSERT INTO {0}.t VALUES (1, 'x');
REFRESH MATERIALIZED VIEW {0}.cleaned;
"""


def _filled(server: PostgreSql, database: str, script: str) -> str:
    with server.connect(server.database(database)) as connection:
        connection.execute(script.encode())
    return database


def _blockers(plan: Plan) -> list[tuple[str, str]]:
    return [(r.kind, r.affected) for r in plan.blockers]


def test_rows_pass_what_their_source_lets_them_pass(pg15: PostgreSql, fresh: str) -> None:
    _filled(pg15, f"{fresh}s", (_FIXTURES / "postgresql_runs.sql").read_text())
    run.Move(run.postgresql(pg15, f"{fresh}s"), run.postgresql(pg15, pg15.database(fresh)), Options(fence=False)).run()
    before, after = ({*pg15.dump(name).splitlines()} for name in (f"{fresh}s", fresh))
    assert not before ^ after
    with pg15.connect(fresh) as target:
        count = "SELECT (SELECT count(*) FROM columnless),(SELECT count(*) FROM only_generated)"
        assert target.execute(count).fetchone() == (2500, 1)
        assert target.execute("SELECT c::oid='hub'::regclass::oid FROM names WHERE id=1").fetchone() == (True,)


def test_a_query_ends_with_the_reader_that_is_gone(pg15: PostgreSql) -> None:
    endpoint = run.postgresql(pg15, "postgres")
    readers = [engine_of("PostgreSQL").connect(endpoint).reader() for _ in range(2)]
    threads = [threading.Thread(target=_ended, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT count(*) FROM pg_sleep(60)%' AND state='active'"
    with pg15.connect() as connection:
        for reader, count in zip(readers, (2, 1), strict=True):
            assert _settles(lambda count=count: connection.execute(running).fetchone() == (count,))
            reader.abort()
        assert _settles(lambda: connection.execute(running).fetchone() == (0,))
    for thread in threads:
        thread.join()


def _ended(reader: Reader) -> None:
    with pytest.raises(ConnectionLostError):
        reader.rows("SELECT count(*) FROM pg_sleep(60)")


def _settles(holds: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.parametrize("schema", ["public", "m"])
def test_functions_find_others_by_the_search_path(pg15: PostgreSql, fresh: str, schema: str) -> None:
    script = f"CREATE SCHEMA IF NOT EXISTS {schema}; SET search_path={schema};{_NESTED.format(schema)}"
    _filled(pg15, f"{fresh}s", script)
    move = run.Move(run.postgresql(pg15, f"{fresh}s"), run.postgresql(pg15, pg15.database(fresh)))
    replace(move, options=replace(move.options, schemas=(schema,))).run()
    with pg15.connect(fresh) as target:
        assert target.execute("SELECT id,name,plain,(SELECT c FROM cleaned) FROM t").fetchall() == [(1, "x", True, True)]


_ORPHANS = """
CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext;
CREATE TABLE parent (id integer PRIMARY KEY, a integer, b integer, word ext.citext UNIQUE, UNIQUE (a, b));
CREATE TABLE heir () INHERITS (parent);
CREATE TABLE split (id integer PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE split_1 PARTITION OF split FOR VALUES FROM (0) TO (9);
CREATE TABLE parts (id integer, up integer CONSTRAINT of_partitions REFERENCES parent) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (9);
CREATE TABLE child (
  id integer PRIMARY KEY, up bigint CONSTRAINT plain REFERENCES parent, self integer CONSTRAINT self REFERENCES child,
  a integer, b integer, CONSTRAINT whole FOREIGN KEY (a, b) REFERENCES parent (a, b) MATCH FULL,
  word ext.citext CONSTRAINT word REFERENCES parent (word), part integer CONSTRAINT to_partitions REFERENCES split,
  old integer, c integer, d integer, CONSTRAINT partly FOREIGN KEY (c, d) REFERENCES parent (a, b));
SET session_replication_role = replica;
INSERT INTO parent VALUES (1, 1, 1, 'Word'); INSERT INTO heir VALUES (2, 2, 2, 'heir'); INSERT INTO split VALUES (3); INSERT INTO parts VALUES (1, 1), (2, 7);
INSERT INTO child VALUES (1, 1, 1, 1, 1, 'wORD', 3, 1, 1, 1), (2, 2, 9, 1, NULL, NULL, NULL, 7, 1, NULL), (3, 3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1);
ALTER TABLE child ADD CONSTRAINT old FOREIGN KEY (old) REFERENCES parent NOT VALID;
"""


def test_rows_without_a_parent_are_found_though_their_key_is_valid(pg15: PostgreSql, fresh: str) -> None:
    _filled(pg15, f"{fresh}s", _ORPHANS)
    _filled(pg15, fresh, "CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext")
    move = run.Move(run.postgresql(pg15, f"{fresh}s"), run.postgresql(pg15, fresh), Options(schemas=("public",)))
    blocked = {r.affected: r.description for r in move.plan().blockers}
    assert blocked == {
        "public.child.plain": "2 rows have no parent in parent",
        "public.child.self": "1 row has no parent in child",
        "public.child.whole": "1 row has no parent in parent",
        "public.parts.of_partitions": "1 row has no parent in parent",
    }
    kept = replace(move, options=replace(move.options, policies=Policies(orphans="NotValid"))).plan()
    assert _blockers(kept) == [("Orphans", "public.parts.of_partitions")]
    replace(move, options=replace(move.options, policies=Policies(orphans="NotValid"), exclude_tables=("parts*",))).run()
    with pg15.connect(fresh) as target:
        unvalidated = "SELECT conname FROM pg_constraint WHERE contype='f' AND conparentid=0 AND NOT convalidated ORDER BY 1"
        assert [name for (name,) in target.execute(unvalidated)] == ["old", "plain", "self", "whole"]


_UNLIKE = """
CREATE TABLE parent (code text PRIMARY KEY, name text COLLATE "C" UNIQUE);
CREATE TABLE child (id integer PRIMARY KEY, code text COLLATE "C" CONSTRAINT by_code REFERENCES parent, name varchar(9) CONSTRAINT by_name REFERENCES parent (name));
INSERT INTO parent VALUES ('a', 'b'); INSERT INTO child VALUES (1, 'a', 'b');
SET session_replication_role = replica; INSERT INTO child VALUES (2, 'none', 'b');
CREATE SCHEMA kept; CREATE EXTENSION citext SCHEMA kept; CREATE TABLE kept.jobs (id integer); INSERT INTO kept.jobs VALUES (1);
ALTER EXTENSION citext ADD TABLE kept.jobs; ALTER TABLE kept.jobs ENABLE ROW LEVEL SECURITY; GRANT SELECT ON kept.jobs TO PUBLIC;
UPDATE pg_extension SET extconfig = ARRAY['kept.jobs'::regclass::oid], extcondition = ARRAY[''] WHERE extname = 'citext';
CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA kept TO {role}; GRANT SELECT ON parent, child TO {role}; GRANT CREATE ON DATABASE {base} TO {role};
"""


def test_keys_between_collations_are_counted_and_row_security_of_an_extension_stops_no_plan(pg15: PostgreSql, fresh: str) -> None:
    role = f"{fresh}_reader"
    _filled(pg15, f"{fresh}s", _UNLIKE.replace("{role}", role).replace("{base}", f"{fresh}s"))
    source = replace(run.postgresql(pg15, f"{fresh}s"), username=role)
    plan = run.Move(source, run.postgresql(pg15, pg15.database(fresh))).plan()
    told = {r.affected: r.description for r in plan.risks if r.kind in {"Orphans", "ExtensionData"}}
    assert told["public.child.by_code"] == "1 row has no parent in parent"
    assert "public.child.by_name" not in told
    assert "rows that the credential cannot read in kept.jobs" in told["citext"]


@pytest.mark.parametrize(("into", "at", "of"), [(TargetSchemas.MERGE, "public", "public"), (TargetSchemas.PRESERVE, "a", "B")])
def test_views_that_hide_a_table_behind_a_query_of_its_name_read_the_new_table(
    pg15: PostgreSql, fresh: str, into: TargetSchemas, at: str, of: str
) -> None:
    query = f"WITH t AS (SELECT id FROM {at}.t WHERE id < 3), w AS (SELECT id FROM {at}.t) SELECT t.id, 'it''s {at}.t \\ ' AS n FROM t, w"
    schemas = (
        f'CREATE SCHEMA IF NOT EXISTS {at}; CREATE SCHEMA IF NOT EXISTS "{of}"; CREATE TABLE {at}.t (id integer PRIMARY KEY);'
    )
    views = f'CREATE VIEW "{of}".v AS {query}; CREATE MATERIALIZED VIEW "{of}".m AS {query}'
    _filled(pg15, f"{fresh}s", f"{schemas} INSERT INTO {at}.t VALUES (1), (2), (3); {views}")
    _filled(pg15, fresh, f"{schemas} INSERT INTO {at}.t VALUES (7)")
    move = run.Move(run.postgresql(pg15, f"{fresh}s"), run.postgresql(pg15, fresh))
    replaced = replace(move.options, on_existing=OnExisting.REPLACE, schemas=tuple(dict.fromkeys((at, of))), target_schemas=into)
    replace(move, options=replaced).run()
    with pg15.connect(f"{fresh}s") as source, pg15.connect(fresh) as target:
        target.execute(f'REFRESH MATERIALIZED VIEW "{of}".m'.encode())
        for name in (f'"{of}".v', f'"{of}".m'):
            rows = f"SELECT id, n FROM {name} ORDER BY 1"
            assert target.execute(rows.encode()).fetchall() == source.execute(rows.encode()).fetchall()
            printed = f"SELECT pg_get_viewdef('{name}'::regclass)".encode()
            assert target.execute(printed).fetchone() == source.execute(printed).fetchone()


def test_an_index_over_a_function_without_schemas_is_refused_where_it_cannot_be_built(
    pg15: PostgreSql, pg18: PostgreSql, fresh: str
) -> None:
    _filled(pg15, f"{fresh}s", _NESTED.format("public"))
    move = run.Move(run.postgresql(pg15, f"{fresh}s"), run.postgresql(pg18, pg18.database(fresh)))
    plan = move.plan()
    assert _blockers(plan) == [("BareName", "clean"), ("BareName", "inlined")]
    assert plan.blockers[0].mitigation.startswith('Run on the source: ALTER FUNCTION clean(text) SET search_path = "public"')
    with pg15.connect(f"{fresh}s") as source:
        for blocker in plan.blockers:
            source.execute(blocker.mitigation.removeprefix("Run on the source: ").removesuffix(".").encode())
    move.run()


def test_a_function_that_names_the_schema_in_an_index_is_refused(pg15: PostgreSql, fresh: str) -> None:
    script = """
        CREATE FUNCTION padded(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 <> btrim($1)';
        CREATE FUNCTION clean(text) RETURNS boolean LANGUAGE sql IMMUTABLE SET search_path = '' AS 'SELECT NOT public.padded($1)';
        CREATE TABLE t (id integer PRIMARY KEY, name text); CREATE INDEX by_clean ON t (id) WHERE clean(name);
    """
    _filled(pg15, f"{fresh}s", script)
    plan = run.Move(run.postgresql(pg15, f"{fresh}s"), run.postgresql(pg15, pg15.database(fresh))).plan()
    assert _blockers(plan) == [("QualifiedName", "clean")]


def test_what_only_looks_like_a_name_stops_nothing_and_what_may_be_one_can_be_approved(
    pg15: PostgreSql, pg18: PostgreSql, fresh: str
) -> None:
    script = """
        CREATE TABLE padded (id integer); CREATE FUNCTION padded(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
        CREATE FUNCTION said(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'padded($1) from padded' /* public.padded( */ -- padded(
          || $1$$;
        CREATE FUNCTION column_only(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT padded.x FROM (SELECT $1 AS x) padded';
        CREATE FUNCTION maybe(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
          'BEGIN IF $1 IS NULL THEN RETURN padded($1); END IF; RETURN true; END';
        CREATE FUNCTION gone(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT padded($1)';
        CREATE FUNCTION "Odd"(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
        CREATE FUNCTION quoted(text) RETURNS boolean LANGUAGE sql IMMUTABLE SET search_path='' AS 'SELECT public."Odd"($1)';
        CREATE TABLE t (id integer PRIMARY KEY, name text, CHECK (quoted(name)));
        CREATE INDEX ON t (said(name)); CREATE INDEX ON t (column_only(name)); CREATE INDEX ON t (id) WHERE maybe(name);
        CREATE TABLE excluded (name text); CREATE INDEX ON excluded (gone(name)); INSERT INTO t VALUES (1, 'x');
    """
    _filled(pg15, f"{fresh}s", script)
    ends = run.postgresql(pg15, f"{fresh}s"), run.postgresql(pg18, pg18.database(fresh))
    move = run.Move(*ends, Options(exclude_tables=("excluded",)))
    plan = move.plan()
    assert _blockers(plan) == [("QualifiedName", "quoted")]
    assert {p for p in plan.to_review if "Name" in p} == {"BareName: maybe"}
    with pg15.connect(f"{fresh}s") as source:
        source.execute(b"CREATE OR REPLACE FUNCTION quoted(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'")
    assert move.run().rows == 1


def test_names_of_objects_that_are_not_there_in_time_are_refused(pg15: PostgreSql, fresh: str) -> None:
    script = """
        CREATE TABLE t (id integer PRIMARY KEY); CREATE VIEW v AS SELECT 1 AS a; CREATE SCHEMA other; CREATE TABLE other.t ();
        CREATE TABLE names (id integer PRIMARY KEY, c regclass, p regprocedure, r regrole);
        INSERT INTO names VALUES (1, 'v'), (2, 't_pkey'), (3, 't'), (4, 99999), (5, 'other.t'); UPDATE names SET r='postgres' WHERE id=1;
    """
    _filled(pg15, f"{fresh}s", script)
    plan = run.Move(run.postgresql(pg15, f"{fresh}s"), run.postgresql(pg15, pg15.database(fresh))).plan()
    assert {(r.kind, r.affected, r.description.split()[0]) for r in plan.blockers} == {
        ("Unresolved", "public.names.c", "4"),
        ("Unresolved", "public.names.r", "1"),
    }


def test_constraints_that_version_18_has(pg18: PostgreSql, fresh: str) -> None:
    script = """
        CREATE EXTENSION btree_gist;
        CREATE TABLE nullable (id integer PRIMARY KEY, a integer, b integer CONSTRAINT named NOT NULL);
        INSERT INTO nullable VALUES (1, NULL, 2); ALTER TABLE nullable ADD CONSTRAINT later NOT NULL a NOT VALID;
        CREATE TABLE periods (id integer, valid daterange, PRIMARY KEY (id, valid WITHOUT OVERLAPS));
        INSERT INTO periods VALUES (1, '[2024-01-01,2024-02-01)');
        CREATE TABLE within (id integer, valid daterange, FOREIGN KEY (id, PERIOD valid) REFERENCES periods (id, PERIOD valid),
          CONSTRAINT apart UNIQUE (id, valid WITHOUT OVERLAPS));
        INSERT INTO within VALUES (1, '[2024-01-02,2024-01-20)');
        CREATE TABLE parent (id integer PRIMARY KEY);
        CREATE TABLE unenforced (p integer CONSTRAINT ne REFERENCES parent NOT ENFORCED, c integer CHECK (c > 0) NOT ENFORCED);
        INSERT INTO unenforced VALUES (5, -1);
        CREATE TABLE parted (id integer, at date NOT NULL) PARTITION BY RANGE (at);
        CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
        INSERT INTO parted VALUES (1, '2024-02-02'); ALTER TABLE parted ADD CONSTRAINT nv FOREIGN KEY (id) REFERENCES parent NOT VALID;
        CREATE TABLE virtual (id integer PRIMARY KEY, twice integer GENERATED ALWAYS AS (id * 2) VIRTUAL); INSERT INTO virtual VALUES (1);
    """
    _filled(pg18, f"{fresh}s", script)
    _filled(pg18, fresh, "CREATE EXTENSION btree_gist")
    run.Move(run.postgresql(pg18, f"{fresh}s"), run.postgresql(pg18, fresh), Options(fence=False)).run()
    before, after = ({*pg18.dump(name).splitlines()} for name in (f"{fresh}s", fresh))
    assert not before ^ after
