"""Every object of a PostgreSQL schema is migrated, migrated with a change, or named in a risk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from landfall.engine.model.options import Options
from landfall.engine.model.plan import Plan, Severity
from landfall.engine.sources.postgresql.unmoved import CLASSES
from tests.support import engine as run
from tests.support.servers import PostgreSql

_FIXTURES = Path(__file__).parent / "fixtures"
_ROLES = ("t_owner", "t_reader", "t_stranger")


def _role(server: PostgreSql, *roles: str) -> None:
    with server.connect() as connection:
        existing_roles = {r[0] for r in connection.execute("SELECT rolname FROM pg_roles").fetchall()}
        for role in set(roles) - existing_roles:
            connection.execute(f"CREATE ROLE {role} LOGIN".encode())


def _filled(server: PostgreSql, database: str, script: str) -> str:
    _role(server, *_ROLES)
    with server.connect(server.database(database)) as connection:
        connection.execute(script.encode())
    return database


def _move(source: PostgreSql, target: PostgreSql, fresh: str, user: str = "postgres") -> run.Move:
    return run.Move(run.postgresql(source, f"{fresh}s"), run.postgresql(target, fresh, user), Options(fence=False))


def _statements(dump: str) -> set[str]:
    return {" ".join(s.split()) for s in re.split(r";\n", re.sub(r"(?m)^(--|SET|\\).*$", "", dump))}


def _risk_text(plan: Plan) -> str:
    return "\n".join(f"{r.severity.value} {r.kind} {r.affected}: {r.description} {r.mitigation}" for r in plan.risks)


@pytest.fixture(params=["pg15", "pg18"])
def server(request: pytest.FixtureRequest) -> Iterator[PostgreSql]:
    """The oldest and the newest server."""
    postgresql_server = request.getfixturevalue(request.param)
    assert isinstance(postgresql_server, PostgreSql)
    return postgresql_server


def test_every_class_of_the_catalog_is_accounted_for(server: PostgreSql) -> None:
    with server.connect() as connection:
        rows = connection.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid=c.oid AND a.attname='oid' AND a.attnum>0"
            " WHERE c.relnamespace='pg_catalog'::regnamespace AND c.relkind='r' ORDER BY 1"
        ).fetchall()
    assert len(rows) > 30
    assert not {r[0] for r in rows} - CLASSES.keys()


def test_objects_arrive_with_owners_rights_settings_and_comments(server: PostgreSql, fresh: str) -> None:
    script = (_FIXTURES / "postgresql_objects.sql").read_text()
    with server.connect() as connection:
        if not connection.execute("SELECT 1 FROM pg_collation WHERE collname='de-x-icu'").fetchone():  # built without ICU
            script = re.sub(r"(?m)^(CREATE COLLATION ci) .*$", r"\1 (provider = builtin, locale = 'C.UTF-8');", script)
    _filled(server, f"{fresh}s", script)
    move = _move(server, server, server.database(fresh))
    plan = move.plan()
    assert not [r for r in plan.risks if r.severity not in {Severity.LOW, Severity.INFO}], _risk_text(plan)
    move.run()
    before, after = (_statements(server.dump(name)) for name in (f"{fresh}s", fresh))
    assert not [s for s in before ^ after if "setval" not in s]
    with server.connect(fresh) as target:
        assert target.execute("SELECT has_function_privilege('t_stranger','guarded()','EXECUTE')").fetchone() == (False,)


def test_what_is_not_migrated_is_named(server: PostgreSql, fresh: str) -> None:
    script = (_FIXTURES / "postgresql_unmoved.sql").read_text()
    _role(server, *_ROLES)
    with server.connect(server.database(f"{fresh}s")) as connection:
        for statement in script.split(";\n"):  # CREATE SUBSCRIPTION wants no transaction block
            connection.execute(statement.encode())
    move = _move(server, server, server.database(fresh))
    plan, risk_text = move.plan(), _risk_text(move.plan())
    move.run()
    with server.connect(f"{fresh}s") as source, server.connect(fresh) as target:
        source_objects, target_objects = (
            {(kind, name) for kind, name in c.execute(_OBJECTS.encode()).fetchall()} for c in (source, target)
        )
        source.execute("ALTER SUBSCRIPTION follower DISABLE; DROP SUBSCRIPTION follower")
    missing = {(kind, name) for kind, name in source_objects - target_objects if kind not in {"default value", "view column"}}
    assert len({kind for kind, _ in missing}) > 10
    missing_names = {(kind, name.replace("public.", "").split(" on ")[0].split(" in publication ")[-1]) for kind, name in missing}
    assert not {(kind, name) for kind, name in missing_names if not _is_named(name, risk_text.replace("public.", ""))}, risk_text
    for words in (
        "pg_largeobject",
        "t.blob",
        "unlogged",
        "heir",
        "follower",
        "default privileges",
        "stored",
        "elsewhere",
        "everything",
    ):
        assert words in risk_text, words
    assert {r.severity for r in plan.risks if r.kind == "LargeObject"} == {Severity.HIGH}
    extensions = {
        (r.severity, r.affected, r.description.rpartition(": ")[2])
        for r in plan.risks
        if r.kind in {"ExtensionData", "ExtensionPrivilege"}
    }
    assert extensions == {
        (Severity.HIGH, "citext", "2 rows in elsewhere_kept.jobs"),
        (Severity.MEDIUM, "citext", "elsewhere_kept.citextin(pg_catalog.cstring)"),
    }


def _is_named(name: str, risk_text: str) -> bool:
    """Whether a risk has the name, or that of the object of which it is a part."""
    return any(part and part in risk_text for part in {name, re.sub(r"^\((.*) AS .*$", r"\1", name), re.split(r"[ (]", name)[-1]})


# Whatever depends on the schema or on what is in it, by the server's own names; and what no schema has.
_OBJECTS = """
WITH RECURSIVE inside(classid, objid) AS (
 SELECT d.classid, d.objid FROM pg_depend d WHERE d.refclassid='pg_namespace'::regclass AND d.refobjid='public'::regnamespace
 UNION SELECT d.classid, d.objid FROM pg_depend d JOIN inside i ON d.refclassid=i.classid AND d.refobjid=i.objid AND d.deptype IN ('n','a')
) SELECT DISTINCT (o).type, (o).identity FROM (SELECT pg_identify_object(classid, objid, 0) o FROM inside) x
UNION ALL SELECT 'event trigger', evtname FROM pg_event_trigger UNION ALL SELECT 'server', srvname FROM pg_foreign_server
UNION ALL SELECT 'publication', pubname FROM pg_publication UNION ALL SELECT 'subscription', subname FROM pg_subscription
 WHERE subdbid=(SELECT oid FROM pg_database WHERE datname=current_database())
"""


def test_roles_that_the_target_lacks_are_named_and_a_guarded_function_stays_guarded(
    pg15: PostgreSql, pg18: PostgreSql, fresh: str
) -> None:
    """The target's user owns its schema and is no superuser; of the source's roles the target has the reader only."""
    _role(pg15, "t_gone", *_ROLES)
    _role(pg18, "t_reader", "t_mover", "t_member")
    _filled(pg15, f"{fresh}s", _SHARED)
    with pg18.connect(pg18.database(fresh)) as target:
        target.execute(f'GRANT CREATE ON DATABASE "{fresh}" TO t_mover'.encode())
        target.execute("GRANT ALL ON SCHEMA public TO t_mover; ALTER SCHEMA public OWNER TO t_mover; GRANT t_member TO t_mover")
        target.execute("ALTER DEFAULT PRIVILEGES FOR ROLE t_mover IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO PUBLIC")
        target.execute("GRANT CREATE ON SCHEMA public TO t_member")
    move = _move(pg15, pg18, fresh, "t_mover")
    plan = move.plan()
    risk_text = _risk_text(plan)
    assert "medium Grant t_gone: the target has no role t_gone: 1 grant is not migrated" in risk_text
    assert "high SecurityDefiner t_gone: 1 object belongs to t_gone on the source and to t_mover on the target" in risk_text
    assert "medium Owner t_gone" in risk_text
    assert "CREATE ROLE" in risk_text
    move.run()
    with pg18.connect(fresh) as target:
        query = "SELECT has_function_privilege(%s,'guarded()','EXECUTE'),has_table_privilege(%s,'a','SELECT')"
        assert target.execute(query, ("t_reader", "t_reader")).fetchone() == (True, True)
        assert target.execute(query, ("t_member", "t_member")).fetchone() == (False, True)
        owners = dict(
            target.execute("SELECT relname,pg_get_userbyid(relowner) FROM pg_class WHERE relname IN ('a','b')").fetchall()
        )
        assert owners == {"a": "t_member", "b": "t_mover"}


_SHARED = """
DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname='t_member') THEN CREATE ROLE t_member; END IF; END $$;
CREATE TABLE a (id integer PRIMARY KEY); CREATE TABLE b (id integer PRIMARY KEY);
GRANT SELECT ON a TO t_reader, t_gone; GRANT SELECT, INSERT ON b TO t_gone;
CREATE FUNCTION guarded() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text';
REVOKE ALL ON FUNCTION guarded() FROM PUBLIC; GRANT EXECUTE ON FUNCTION guarded() TO t_reader;
ALTER TABLE a OWNER TO t_member; ALTER TABLE b OWNER TO t_gone; ALTER FUNCTION guarded() OWNER TO t_gone;
"""
