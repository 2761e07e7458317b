"""Schemas of PostgreSQL that keep their names, are migrated into one, or not at all: what fails because of it the plan reports."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from landfall.engine.errors import TargetInTheWayError, WrittenSinceError
from landfall.engine.model.fingerprint import fingerprint, table_digest
from landfall.engine.model.options import OnExisting, Options, TargetSchemas
from landfall.engine.model.plan import Plan
from landfall.engine.planning.planner import changed_objects
from landfall.engine.run.rollback import roll_back, tidy
from landfall.engine.sources.registry import engine_of
from landfall.engine.sources.run_key import run_key
from tests.support import engine as run
from tests.support.servers import PostgreSql


def _plan(
    server: PostgreSql,
    fresh: str,
    script: str,
    *schemas: str,
    target: str = "public",
    into: TargetSchemas = TargetSchemas.MERGE,
) -> Plan:
    with server.connect(server.database(f"{fresh}s")) as connection:
        connection.execute(script.encode())
    with server.connect(server.database(fresh)) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {target}".encode())
    move = run.Move(run.postgresql(server, f"{fresh}s"), run.postgresql(server, fresh))
    return replace(move, options=replace(move.options, schemas=schemas, target_schema=target, target_schemas=into)).plan()


def _risks(plan: Plan) -> set[tuple[str, str, str]]:
    left_out = {"Superuser", "NoRowKey"}
    return {(r.severity.value, r.kind, r.affected) for r in plan.risks if r.kind not in left_out}


_TWO = """
    CREATE SCHEMA a; CREATE SCHEMA b;
    CREATE TABLE a.t (id serial PRIMARY KEY, n text); CREATE TABLE b.u (id serial PRIMARY KEY, t_id integer REFERENCES a.t (id));
    CREATE FUNCTION b.f() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM a.t'; CREATE VIEW b.v AS SELECT b.f() AS n FROM a.t;
    CREATE FUNCTION b.parsed() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM a.t; END;
    CREATE VIEW b.quoting AS SELECT 'SELECT 1 FROM A.t' AS q;
    CREATE FUNCTION b.trg() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM 1 FROM a.t; RETURN new; END';
    CREATE TRIGGER x BEFORE INSERT ON b.u FOR EACH ROW EXECUTE FUNCTION b.trg();
"""


def test_schemas_that_become_one_ask_and_name_the_functions_that_name_them(pg15: PostgreSql, fresh: str) -> None:
    plan = _plan(pg15, fresh, _TWO, "a", "b")
    assert _risks(plan) == {("high", "SchemasMerged", "a, b"), ("high", "SchemaName", "a")}
    risk = next(r for r in plan.risks if r.kind == "SchemaName")
    assert risk.description.startswith("function f, function trg, view quoting name schema a in a text")


def test_a_schema_that_keeps_its_name_asks_nothing(pg15: PostgreSql, fresh: str) -> None:
    schema_text = "CREATE SCHEMA a; CREATE TABLE a.t (id integer PRIMARY KEY);" + _TWO.split(";")[4].replace(
        "b.f", "a.f"
    ).replace(" b;", "")
    assert _risks(_plan(pg15, fresh, schema_text, "a", target="a")) == set()
    assert _risks(_plan(pg15, fresh, schema_text, "a")) == {("high", "SchemaName", "a")}


def test_names_that_two_schemas_have_block(pg15: PostgreSql, fresh: str) -> None:
    script = """
        CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.t (id integer PRIMARY KEY); CREATE TABLE b.t (id integer PRIMARY KEY);
        CREATE TABLE a.x (id integer); CREATE TABLE b.y (id integer); CREATE INDEX same ON a.x (id); CREATE INDEX same ON b.y (id);
        CREATE TYPE a.kind AS ENUM ('a'); CREATE DOMAIN b.kind AS text; CREATE SEQUENCE a.s; CREATE SEQUENCE b.s;
        CREATE FUNCTION a.f(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION b.f(text) RETURNS integer LANGUAGE sql AS 'SELECT 1';
        CREATE FUNCTION a.g(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION b.g(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
    """
    plan = _plan(pg15, fresh, script, "a", "b")
    assert {r.affected for r in plan.blockers} == {"t (table)", "same (index)", "kind (type)", "s (sequence)", "g (function)"}


def test_objects_that_the_target_has_are_used_or_in_the_way(pg15: PostgreSql, fresh: str) -> None:
    with pg15.connect(pg15.database(f"{fresh}s")) as source, pg15.connect(pg15.database(fresh)) as target:
        for connection in (source, target):
            connection.execute(
                "CREATE TYPE mood AS ENUM ('a'); CREATE FUNCTION same() RETURNS integer LANGUAGE sql AS 'SELECT 1'"
            )
        source.execute("COMMENT ON TYPE mood IS 'of the source'; REVOKE ALL ON FUNCTION same() FROM PUBLIC")
        source.execute("CREATE TABLE t (id integer PRIMARY KEY, m mood DEFAULT 'a'); INSERT INTO t VALUES (1)")
    move = run.Move(run.postgresql(pg15, f"{fresh}s"), run.postgresql(pg15, fresh))
    assert _risks(move.plan()) == {
        ("info", "ObjectKept", "mood"),
        ("info", "ObjectKept", "same()"),
        ("medium", "ObjectKept", "FUNCTION same()"),
    }
    move.run()
    again = replace(move, options=replace(move.options, on_existing=OnExisting.REPLACE, rerun_token="2"))  # noqa: S106  no secret
    again.run()
    with pg15.connect(f"{fresh}s") as source, pg15.connect(fresh) as target:
        assert target.execute("SELECT m::text,obj_description('mood'::regtype) FROM t").fetchall() == [("a", None)]
        target.execute("DROP TABLE t; ALTER TYPE mood ADD VALUE 'b'; CREATE SEQUENCE s; CREATE DOMAIN d AS text")
        target.execute("CREATE OR REPLACE FUNCTION same() RETURNS integer LANGUAGE sql AS 'SELECT 2'")
        source.execute("CREATE SEQUENCE s; CREATE TYPE d AS ENUM ('a')")
    plan = replace(move, options=replace(move.options, rerun_token="3")).plan()  # noqa: S106  no secret
    assert {r.affected for r in plan.blockers} == {"mood", "same()", "s", "d"}


def test_extensions_that_are_needed_are_created(pg15: PostgreSql, fresh: str) -> None:
    script = """
        CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; CREATE EXTENSION pg_trgm SCHEMA ext; CREATE EXTENSION unaccent SCHEMA ext;
        CREATE EXTENSION btree_gist; CREATE EXTENSION hstore; CREATE EXTENSION tablefunc; CREATE EXTENSION pg_stat_statements;
        CREATE FUNCTION plain(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT ext.unaccent('ext.unaccent', $1) $$;
        CREATE TABLE t (id integer PRIMARY KEY, mail ext.citext UNIQUE, x text, hs hstore[], r int4range, EXCLUDE USING gist (id WITH =, r WITH &&));
        CREATE INDEX ON t USING gin (x ext.gin_trgm_ops); CREATE INDEX ON t (plain(x)); INSERT INTO t VALUES (1, 'A', 'É', NULL, '[1,2)');
    """
    plan = _plan(pg15, fresh, script)
    assert {(r.severity.value, r.kind) for r in plan.risks if r.affected != "credential"} == {("info", "Extension")}
    run.Move(run.postgresql(pg15, f"{fresh}s"), run.postgresql(pg15, fresh)).run()
    with pg15.connect(fresh) as target:
        query = "SELECT extname::text,extnamespace::regnamespace::text FROM pg_extension WHERE extname<>'plpgsql'"
        schemas_of = dict(target.execute(query).fetchall())
        assert schemas_of == {"citext": "ext", "pg_trgm": "ext", "unaccent": "ext", "btree_gist": "public", "hstore": "public"}
        target.execute("DROP TABLE t; DROP FUNCTION plain(text); ALTER EXTENSION citext SET SCHEMA public")
    move = run.Move(run.postgresql(pg15, f"{fresh}s"), run.postgresql(pg15, fresh))
    plan = replace(move, options=replace(move.options, rerun_token="2")).plan()  # noqa: S106  no secret
    assert [(r.kind, r.affected) for r in plan.blockers] == [("Extension", "citext")]


def test_objects_of_a_schema_that_is_not_migrated_are_one_cause(pg15: PostgreSql, fresh: str) -> None:
    script = """
        CREATE DOMAIN "Name" AS varchar(50); CREATE TYPE mood AS ENUM ('a', 'b'); CREATE SCHEMA person;
        CREATE FUNCTION public.f() RETURNS integer LANGUAGE sql AS 'SELECT 1';
        CREATE TABLE person.p (id serial PRIMARY KEY, n "Name" NOT NULL, m mood, d integer DEFAULT public.f());
        CREATE TABLE person.q (a "Name"[], b mood DEFAULT 'a');
    """
    plan = _plan(pg15, fresh, script, "person")
    assert [(r.kind, r.affected) for r in plan.blockers] == [("OtherSchema", "public")]
    (blocker,) = plan.blockers
    assert 'type public."Name"' in blocker.description
    assert "function public.f()" in blocker.description
    assert blocker.mitigation.startswith("Add public to spec.data.source.schemas")


_FOUR = ("core", "Sales", "public", "empty")
_EXISTING = """
    CREATE SCHEMA core; CREATE TABLE core.cust (id integer PRIMARY KEY, was text); INSERT INTO core.cust VALUES (1, 'old');
    CREATE SCHEMA other; CREATE TABLE other.o (id integer REFERENCES core.cust); CREATE TABLE core.keep (id integer);
    CREATE TABLE public.plain (id integer PRIMARY KEY, x integer REFERENCES core.cust);
"""


def _statements(dump: str) -> set[str]:
    """The statements of a dump without its rows."""
    without_data = re.sub(r"(?ms)^COPY .*?^\\\.$", "", dump)
    return {" ".join(s.split()) for s in re.split(r";\n", re.sub(r"(?m)^(--|SET|\\).*$", "", without_data))}


@dataclass
class _Preserved:
    """A move of several schemas into a target that has one of them, and some of the tables."""

    server: PostgreSql
    move: run.Move
    plan: Plan
    before: str

    def schemas(self) -> set[str]:
        with self.server.connect("apart") as target:
            rows = target.execute("SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^(pg_|landfall)'").fetchall()
        return {r[0] for r in rows} - {"information_schema"}


@pytest.fixture(scope="module")
def preserved(pg15: PostgreSql) -> _Preserved:
    with pg15.connect() as connection:
        existing_roles = {r[0] for r in connection.execute("SELECT rolname FROM pg_roles").fetchall()}
        for role in {"t_owner", "t_reader"} - existing_roles:
            connection.execute(f"CREATE ROLE {role} LOGIN".encode())
    script = (Path(__file__).parent / "fixtures" / "postgresql_schemas.sql").read_text()
    for name, sql in (("aparts", script), ("apart", _EXISTING)):
        with pg15.connect(pg15.database(name)) as connection:
            connection.execute(sql.encode())
    before = pg15.dump("apart")
    options = Options(batch_rows=100, parallelism=2, schemas=_FOUR, on_existing=OnExisting.REPLACE, fence=False)
    move = run.Move(run.postgresql(pg15, "aparts"), run.postgresql(pg15, "apart"), options)
    plan = move.plan()
    move.run()
    return _Preserved(pg15, move, plan, before)


def test_the_plan_of_schemas_that_keep_their_names_says_what_differs(preserved: _Preserved) -> None:
    plan = preserved.plan
    assert (plan.schemas, plan.made_schemas, plan.target_label) == (_FOUR, ("Sales", "empty"), "core, Sales, public, empty")
    assert _risks(plan) == {
        ("medium", "Replaced", "core.cust"),
        ("medium", "Replaced", "public.plain"),
        ("medium", "SchemaPrivilege", "t_reader"),
        ("info", "Inheritance", "base"),
        ("info", "SchemaComment", "core"),
    }
    granted = next(r for r in plan.risks if r.kind == "SchemaPrivilege")
    assert granted.mitigation.startswith('GRANT USAGE ON SCHEMA "core" TO "t_reader"')


def test_schemas_that_keep_their_names_arrive_as_they_were(preserved: _Preserved) -> None:
    before, after = (_statements(preserved.server.dump(name)) for name in ("aparts", "apart"))
    announced = {  # what the plan says of a schema that the target had
        "COMMENT ON SCHEMA core IS 'the core'",
        "GRANT USAGE ON SCHEMA core TO t_reader",
    }
    missing = {s for s in before - after if not s.startswith('CREATE TABLE "Sales".base (')}
    assert missing == announced
    new = {s for s in after - before if " other" not in s and " core.keep " not in s}
    assert {s.split(" (")[0] for s in new} == {'CREATE TABLE "Sales".base'}, new
    with preserved.server.connect("aparts") as source, preserved.server.connect("apart") as target:
        for table in (
            "core.cust",
            '"Sales".ord',
            '"Sales".cust',
            "core.log",
            '"Sales".log',
            '"Sales".v',
            "core.v",
            "ONLY core.base",
        ):
            query = f"SELECT count(*),md5(string_agg(x::text,chr(10) ORDER BY x::text)) FROM {table} x".encode()
            assert source.execute(query).fetchone() == target.execute(query).fetchone(), table
        query = b'SELECT last_value FROM core.tickets UNION ALL SELECT last_value FROM "Sales".tickets'
        assert target.execute(query).fetchall() == [(5,), (50,)]
        target.execute('INSERT INTO "Sales".ord (id, cust, own) VALUES (1000, 1, 1)')
        assert target.execute('SELECT seq > 300, no FROM "Sales".ord WHERE id = 1000').fetchone() == (True, 301)
        assert target.execute('SELECT "Sales".pathed(), core.both()').fetchone() == (300, 6000)
        target.execute('DELETE FROM "Sales".ord WHERE id = 1000')


def test_a_rollback_removes_the_schemas_that_the_run_made_and_no_others(preserved: _Preserved) -> None:
    assert preserved.schemas() == {"core", "Sales", "public", "empty", "other"}
    move = preserved.move
    key = run_key(move.source, move.target, move.options)
    with preserved.server.connect("apart") as target:
        target.execute('INSERT INTO "Sales".cust (core) VALUES (1); CREATE TABLE empty.since (id integer)')
    with pytest.raises(WrittenSinceError, match=r"\(Sales\.cust: 1\)"):
        roll_back(move.source, move.target, move.options, key)
    roll_back(move.source, move.target, move.options, key, discard_writes=True)
    assert preserved.schemas() == {"core", "public", "empty", "other"}, "a schema that somebody uses stays"
    with preserved.server.connect("apart") as target:
        target.execute("DROP SCHEMA empty CASCADE")
    assert preserved.server.dump("apart") == preserved.before
    assert len(tidy(move.target, "landfall", everything=True).dropped) == len(_FOUR)
    with preserved.server.connect("apart") as target:
        query = "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^landfall_'"
        assert target.execute(query).fetchone() == (0,)


def test_aliases_with_the_names_of_schemas_are_no_schemas(pg18: PostgreSql, fresh: str) -> None:
    names = [pg18.database(f"{fresh}{end}") for end in ("s", "t")]
    with pg18.connect(names[0]) as source:
        source.execute((Path(__file__).parent / "fixtures" / "postgresql_aliases.sql").read_text().encode())
    options = Options(schemas=("core", "sales", "new"), fence=False)
    move = run.Move(*(run.postgresql(pg18, name) for name in names), options)
    assert {r.kind for r in move.plan().risks} == {"NoRowKey", "Superuser"}
    move.run()
    before, after = (_statements(pg18.dump(name)) for name in names)
    assert before == {s for s in after if " landfall" not in s}


@pytest.mark.parametrize(("version", "options_of_roles"), [("pg15", ""), ("pg18", " WITH INHERIT TRUE, SET TRUE")])
def test_owners_are_those_that_a_user_without_superuser_may_set(
    request: pytest.FixtureRequest, fresh: str, version: str, options_of_roles: str
) -> None:
    server: PostgreSql = request.getfixturevalue(version)
    roles = ("o_mover", "o_schema", "o_table", "o_other")
    with server.connect() as connection:
        known = {r[0] for r in connection.execute("SELECT rolname FROM pg_roles").fetchall()}
        for role in {*roles} - known:
            connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        connection.execute(b"GRANT o_schema, o_table TO o_mover")
        if options_of_roles:
            connection.execute(b"GRANT o_other TO o_mover WITH SET FALSE")
    script = """
        CREATE SCHEMA a AUTHORIZATION o_schema; CREATE SCHEMA b AUTHORIZATION o_other; GRANT CREATE, USAGE ON SCHEMA b TO o_schema;
        CREATE TABLE a.t (id integer PRIMARY KEY); ALTER TABLE a.t OWNER TO o_schema; INSERT INTO a.t VALUES (1);
        CREATE TYPE a.kind AS ENUM ('x'); ALTER TYPE a.kind OWNER TO o_table; CREATE SEQUENCE a.s; ALTER SEQUENCE a.s OWNER TO o_other;
        CREATE VIEW b.v AS SELECT id FROM a.t; ALTER VIEW b.v OWNER TO o_schema; COMMENT ON SCHEMA a IS 'mine';
        CREATE FUNCTION b.f() RETURNS integer LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION b.f() OWNER TO o_table; GRANT USAGE ON SCHEMA a TO o_other;
    """
    names = [server.database(f"{fresh}{end}") for end in ("s", "t")]
    with server.connect(names[0]) as source, server.connect(names[1]) as target:
        source.execute(script.encode())
        target.execute(f"GRANT CREATE ON DATABASE {names[1]} TO o_mover".encode())
    before = server.dump(names[1])
    here = replace(run.postgresql(server, names[1]), username="o_mover")
    options = Options(batch_rows=100, schemas=("a", "b"), fence=False)
    move = run.Move(run.postgresql(server, names[0]), here, options)
    plan = move.plan()
    assert _risks(plan) >= {("medium", "Owner", "o_other")}
    owners = sorted((r.description, r.mitigation) for r in plan.risks if r.kind == "Owner")
    assert [text for text, _ in owners] == [
        "1 object belongs to o_other on the source and to o_mover on the target, as the target's user is no member of o_other: SEQUENCE s",
        "schema b belongs to o_other on the source and to o_mover on the target",
    ]
    assert all(advice.startswith(f'GRANT "o_other" TO "o_mover"{options_of_roles}; and plan again.') for _, advice in owners)
    move.run()
    lost, new = (
        {s.replace("ALTER SEQUENCE", "ALTER TABLE") for s in here - there if "COMMENT ON" not in s}
        for here, there in itertools.permutations([_statements(server.dump(name)) for name in names])
    )
    assert lost == {"ALTER SCHEMA b OWNER TO o_other", "ALTER TABLE a.s OWNER TO o_other"}
    assert {s for s in new if " landfall" not in s} == {"ALTER SCHEMA b OWNER TO o_mover", "ALTER TABLE a.s OWNER TO o_mover"}
    key = run_key(move.source, move.target, move.options)
    roll_back(move.source, move.target, move.options, key)
    assert server.dump(names[1]) == before


def test_a_schema_that_appears_stops_the_cutover_and_a_cancelled_run_leaves_nothing(pg15: PostgreSql, fresh: str) -> None:
    script = """
        CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.t (id integer PRIMARY KEY); CREATE TABLE b.t (id integer PRIMARY KEY REFERENCES a.t);
        CREATE VIEW b.v AS SELECT a.t.id FROM a.t JOIN b.t USING (id); INSERT INTO a.t VALUES (1); INSERT INTO b.t VALUES (1);
        CREATE TYPE a.kind AS ENUM ('a'); CREATE TYPE b.kind AS ENUM ('b');
    """
    with pg15.connect(pg15.database(f"{fresh}s")) as connection:
        connection.execute(script.encode())
    target = pg15.connect(pg15.database(fresh))
    options = Options(schemas=("a", "b"), fence=False)
    move = run.Move(run.postgresql(pg15, f"{fresh}s"), run.postgresql(pg15, fresh), options)
    move.at["comparing"] = lambda: target.execute("CREATE SCHEMA b") and None
    with pytest.raises(TargetInTheWayError, match="schema b has appeared"):
        move.run()
    roll_back(move.source, move.target, options, run_key(move.source, move.target, options))
    query = "SELECT string_agg(nspname::text,',' ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^(pg_|information)'"
    assert target.execute(query).fetchone() == ("b,landfall,public",)
    target.execute("CREATE TABLE b.t (id integer); CREATE TYPE b.kind AS ENUM ('x')")
    plan = move.again().plan()
    assert {(r.kind, r.affected) for r in plan.blockers} == {("TargetInTheWay", "b.t"), ("TargetInTheWay", "b.kind")}
    target.close()


_SPREAD = """
    CREATE SCHEMA parts; CREATE SCHEMA z;
    CREATE TABLE z.event (id integer, at date, kind text, PRIMARY KEY (id, at, kind)) PARTITION BY RANGE (at); CREATE INDEX by_kind ON z.event (kind);
    CREATE TABLE parts.event_1 PARTITION OF z.event FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
    CREATE TABLE parts.event_2 PARTITION OF z.event FOR VALUES FROM ('2024-02-01') TO ('2024-03-01') PARTITION BY LIST (kind);
    CREATE TABLE z.event_2_x PARTITION OF parts.event_2 FOR VALUES IN ('x');
    CREATE TABLE z.base (id integer PRIMARY KEY); CREATE TABLE parts.heir (more integer) INHERITS (z.base);
    CREATE TABLE z.ref (id integer PRIMARY KEY, e integer, at date, kind text, FOREIGN KEY (e, at, kind) REFERENCES z.event);
    INSERT INTO z.event VALUES (1, '2024-01-05', 'y'), (2, '2024-02-05', 'x'); INSERT INTO z.base VALUES (1); INSERT INTO parts.heir VALUES (2, 3);
    INSERT INTO z.ref VALUES (1, 1, '2024-01-05', 'y'), (2, 2, '2024-02-05', 'x');
"""


@pytest.mark.parametrize(
    ("into", "risks", "parent", "part"),
    [
        (TargetSchemas.MERGE, {("high", "SchemasMerged", "parts, z"), ("info", "Inheritance", "heir")}, "public", "public"),
        (TargetSchemas.PRESERVE, {("info", "Inheritance", "heir")}, "z", "parts"),
    ],
)
def test_partitions_and_heirs_are_attached_to_tables_of_another_schema(
    pg15: PostgreSql, fresh: str, into: TargetSchemas, risks: set[tuple[str, str, str]], parent: str, part: str
) -> None:
    assert _risks(_plan(pg15, fresh, _SPREAD, "parts", "z", into=into)) == risks
    move = run.Move(run.postgresql(pg15, f"{fresh}s"), run.postgresql(pg15, fresh))
    replace(move, options=replace(move.options, schemas=("parts", "z"), target_schemas=into)).run()
    with pg15.connect(fresh) as target:
        target.execute(f"SET search_path={parent}".encode())
        counts = "SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM base), (SELECT count(*) FROM ONLY base), (SELECT count(*) FROM ref)"
        assert target.execute(counts.encode()).fetchone() == (2, 2, 1, 2)
        parents = f"'event'::regclass,'{part}.event_2'::regclass,'base'::regclass,'by_kind'::regclass"
        below = "SELECT count(*) FROM pg_inherits WHERE inhparent IN (" + parents + ")"
        assert target.execute(below.encode()).fetchone() == (6,)


def test_a_stored_plan_with_an_heir_of_another_schema_is_still_that_of_its_source(pg15: PostgreSql, fresh: str) -> None:
    domain = "CREATE TYPE z.mood AS ENUM ('a'); SET search_path = pg_catalog; CREATE DOMAIN z.mooded AS z.mood DEFAULT 'a'; RESET search_path;"
    plan = _plan(pg15, fresh, _SPREAD + domain, "parts", "z")
    options = Options(schemas=("parts", "z"), target_schemas=TargetSchemas.MERGE)
    now = engine_of("PostgreSQL").catalog(run.postgresql(pg15, f"{fresh}s"), options)
    heir = next(t for t in now.tables if t.name == "heir")
    mooded = next(o for o in now.objects if o.kind == "domain")
    assert (mooded.definition, mooded.former) == tuple(
        f"CREATE DOMAIN \"mooded\" AS mood DEFAULT 'a'::{kind}" for kind in ("mood", "z.mood")
    )
    digests = json.loads(plan.fingerprint)
    (named,) = [name for name in digests if name.startswith("domain ")]
    was = replace(now, objects=(replace(mooded, definition=mooded.former, former=""),))
    before = digests | {"parts.heir": table_digest(replace(heir, parent_schemas=())), named: fingerprint(was, options)[named]}
    assert digests[named] != before[named]
    assert changed_objects(plan, now, options) == ()
    assert changed_objects(replace(plan, fingerprint=json.dumps(before)), now, options) == ()


@pytest.mark.parametrize("into", TargetSchemas)
def test_rows_of_a_migrated_table_in_a_schema_that_is_not_migrated_are_named(
    pg15: PostgreSql, fresh: str, into: TargetSchemas
) -> None:
    above = _plan(pg15, fresh, _SPREAD, "z", into=into)
    assert _risks(above) == {
        ("high", "RowsElsewhere", "parts"),
        ("high", "Partition", "z.event_2_x"),
        ("info", "OtherSchema", "parts"),
        ("blocker", "Orphans", "z.ref.ref_e_at_kind_fkey"),
    }
    (told,) = (r.description for r in above.risks if r.kind == "RowsElsewhere")
    assert told.endswith("event_1 (a partition of event), event_2 (a partition of event), heir (inherits from base)")
    below = _plan(pg15, fresh, _SPREAD, "parts", into=into)
    assert _risks(below) == {
        ("high", "Partition", "parts.event_1"),
        ("high", "Partition", "parts.event_2"),
        ("high", "Inheritance", "parts.heir"),
        ("info", "Inheritance", "heir"),
        ("info", "OtherSchema", "z"),
        ("high", "RowsElsewhere", "z"),
    }
