"""What is in the target already: versions, names, objects of the same names, and all that depends on them.

A dependant that is not listed here would silently stay on the replaced table; so the list is complete or
the plan is blocked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from landfall.engine.clients.postgresql import PgSession
from landfall.engine.errors import EngineError, ObjectMissingError, PrivilegeMissingError, SpecError
from landfall.engine.model.identifiers import quoted, search_path
from landfall.engine.model.options import OnExisting, Options
from landfall.engine.model.plan import Dependant, Replaced
from landfall.engine.model.target_facts import XML_MISSING, TargetFacts
from landfall.engine.sources.postgresql.objects import TRIGGER_STATES, free_objects
from landfall.engine.targets.postgresql import trust

_OLDEST = 130000
_BARE_INDEXES = 170000
_SET_OPTION = 160000
_POOLER_PORT = 6543
_KINDS = {"r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "f": "foreign table", "S": "sequence"}


def facts(
    control: PgSession, options: Options, relations: frozenset[tuple[str, str]], port: int, schemas: tuple[str, ...] = ()
) -> TargetFacts:
    """Everything that planning asks of the target. `schemas`: those of the source, if they keep their names."""
    number = int(control.value("SELECT current_setting('server_version_num')"))
    if number < _OLDEST:
        message = f"target: PostgreSQL {number // 10000} is too old"
        raise SpecError(message, advice="PostgreSQL 13 to 18 can be a target.")
    if port == _POOLER_PORT:
        message = "target: port 6543 is a transaction pooler, which cannot hold a session"
        raise SpecError(message, advice="Use the direct connection or the session pooler (port 5432).")
    if not schemas:
        check_schema(control, options.target_schema)
    if control.value("SELECT current_setting('server_encoding')") != "UTF8":
        message = "target: the database's encoding is not UTF8, so it cannot hold every text"
        raise SpecError(message, advice="Create the target database with ENCODING 'UTF8'.")
    in_the_way = _in_the_way(control, relations, filled=options.on_existing is OnExisting.FILL)
    in_the_way = in_the_way if len(schemas) > 1 else [replace(r, schema="") for r in in_the_way]
    if not schemas:
        return _of_schema(control, number, options.target_schema, (options.target_schema,), in_the_way)
    each = [
        replace(
            _of_schema(control, number, s, (s, *(o for o in schemas if o != s)), [r for r in in_the_way if r.schema in {"", s}]),
            schema=s,
        )
        for s in schemas
    ]
    return replace(
        each[0],
        schema="",
        each=tuple(each),
        in_the_way=tuple(in_the_way),
        missing_schemas=frozenset(s for s in schemas if _is_missing(control, s)),
        problems=tuple(dict.fromkeys(p for f in each for p in f.problems)),
    )


def _of_schema(control: PgSession, number: int, schema: str, path: tuple[str, ...], in_the_way: list[Replaced]) -> TargetFacts:
    """What is known of the target and one of its schemas. `path`: where its definitions find names."""
    return TargetFacts(
        version=control.value("SELECT current_setting('server_version')"),
        version_number=number,
        relations=_names(control, "SELECT relname FROM pg_class WHERE relnamespace=to_regnamespace(%s)", schema),
        types=_names(control, "SELECT typname FROM pg_type WHERE typnamespace=to_regnamespace(%s)", schema),
        routines=_names(control, "SELECT proname FROM pg_proc WHERE pronamespace=to_regnamespace(%s)", schema),
        in_the_way=tuple(in_the_way),
        extensions=frozenset(r[0] for r in control.rows("SELECT extname FROM pg_extension")),
        available_extensions=frozenset(r[0] for r in control.rows("SELECT name FROM pg_available_extensions")),
        problems=tuple(_problems(control, schema)),
        lock_slots=int(control.value(_LOCK_SLOTS)),
        shadows=trust.shadows(control, schema),
        creators=trust.creators(control, schema),
        powers=trust.powers(control),
        bare_indexes=number >= _BARE_INDEXES,
        trusted_extensions=frozenset(r[0] for r in control.rows(_CREATABLE)),
        extension_schemas=dict(control.rows("SELECT extname::text,extnamespace::regnamespace::text FROM pg_extension")),
        objects=_objects(control, schema, path),
        user=str(control.value("SELECT current_user")),
        roles=frozenset(r[0] for r in control.rows("SELECT rolname FROM pg_roles")),
        owners=frozenset(r[0] for r in control.rows(_possible_owners(number), quoted(schema))),
        membership=" WITH INHERIT TRUE, SET TRUE" if number >= _SET_OPTION else "",
        superuser=bool(control.value(_SUPERUSER)),
        schema_rights=frozenset((r[0], r[1]) for r in control.rows(_SCHEMA_RIGHTS, quoted(schema), quoted(schema))),
    )


def _possible_owners(number: int) -> str:
    """Since version 16 a membership says apart whether its privileges are inherited, and whether the role can be set."""
    return _POSSIBLE_OWNERS.format(set=_MAY_SET if number >= _SET_OPTION else "true")


def _objects(control: PgSession, schema: str, path: tuple[str, ...]) -> dict[str, str]:
    with control.transaction():
        control.run(f"SET LOCAL search_path={search_path(*path)}")
        return {o.label: o.definition for o in free_objects(control, [schema]) if not o.of and not o.table}


def check_schema(control: PgSession, schema: str) -> None:
    """Raises ObjectMissingError where the target's schema is not there."""
    if _is_missing(control, schema):
        message = f"target: there is no schema {schema!r}"
        raise ObjectMissingError(message, advice=f"CREATE SCHEMA {quoted(schema)}, or correct spec.data.target.schema.")


def _is_missing(control: PgSession, schema: str) -> bool:
    return control.value("SELECT to_regnamespace(%s)", quoted(schema)) is None


def _names(control: PgSession, query: str, schema: str) -> frozenset[str]:
    return frozenset(r[0] for r in control.rows(query, quoted(schema)))


def _problems(control: PgSession, schema: str) -> Iterable[str]:
    if not control.value("SELECT coalesce(has_schema_privilege(to_regnamespace(%s)::oid,'CREATE, USAGE'),true)", quoted(schema)):
        yield f"the target's credential lacks CREATE on schema {schema}"
    try:
        with control.transaction(undo=True):
            control.rows("SELECT '<a/>'::xml")
    except EngineError:
        yield XML_MISSING
    if not control.value("SELECT has_database_privilege(current_database(), 'CREATE')"):
        yield f"the target's credential lacks CREATE on database {control.raw.info.dbname} (for staging and the ledger)"


def _in_the_way(control: PgSession, relations: frozenset[tuple[str, str]], *, filled: bool) -> list[Replaced]:
    pairs = sorted(relations)
    rows = control.rows(
        "SELECT c.oid,n.nspname,c.relname,c.relkind::text,pg_has_role(c.relowner,'USAGE') FROM pg_class c"
        " JOIN pg_namespace n ON n.oid=c.relnamespace JOIN unnest(%s::text[],%s::text[]) w(schema,name) ON w.schema=n.nspname"
        " AND w.name=c.relname WHERE c.relkind IN ('r','p','v','m','f','S')"
        " AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid='pg_class'::regclass AND d.objid=c.oid"
        " AND d.deptype IN ('a','i') AND c.relkind='S') ORDER BY n.nspname,c.relname",
        *([s for s, _ in pairs], [n for _, n in pairs]),
    )
    oids = [r[0] for r in rows]
    replaced = []
    for oid, schema, name, kind, owned in rows:
        if not owned:
            message = f"target: {schema}.{name} belongs to a role that the credential is not a member of"
            raise PrivilegeMissingError(message, advice="Connect as its owner, or GRANT that role.")
        all_dependants = [*dependants(control, oid, oids), *(_sequence_grants(control, oid) if filled else ())]
        replaced.append(Replaced(_KINDS[kind], name, tuple(all_dependants), schema))
    return replaced


def dependants(control: PgSession, oid: int, moving: list[int]) -> Iterable[Dependant]:
    """All that hangs on a relation and does not move with it."""
    with control.transaction():
        control.run("SET LOCAL search_path=pg_temp")
        name = control.value("SELECT %s::oid::regclass::text", oid)
        yield from _views(control, oid, name, moving)
        yield from _foreign_keys(control, oid, name, moving)
        yield from _publications(control, oid, name)
        yield from _functions(control, oid, name)
        yield from _attached(control, oid, name)
        yield from _unsupported(control, oid, name)


def _views(control: PgSession, oid: int, name: str, moving: list[int]) -> Iterable[Dependant]:
    rows = control.rows(
        "WITH RECURSIVE up(oid,depth) AS (SELECT %s::oid,0 UNION SELECT r.ev_class,up.depth+1 FROM up"
        " JOIN pg_depend d ON d.refclassid='pg_class'::regclass AND d.refobjid=up.oid AND d.classid='pg_rewrite'::regclass"
        " JOIN pg_rewrite r ON r.oid=d.objid AND r.ev_class<>up.oid WHERE up.depth<50)"
        " SELECT c.oid::regclass::text,c.relkind::text,pg_get_viewdef(c.oid),max(depth),"
        " array_to_string(c.reloptions,', ') FROM up JOIN pg_class c ON c.oid=up.oid WHERE depth>0"
        " AND NOT c.oid=ANY(%s) GROUP BY c.oid,c.relkind,c.reloptions ORDER BY max(depth),1",
        *(oid, moving),
    )
    for view, kind, definition, _, options in rows:
        if kind == "m":
            yield Dependant("materialized view", view, name, "", "", supported=False)
            continue
        how = f" WITH ({options})" if options else ""
        yield Dependant("view", view, name, "", f"CREATE OR REPLACE VIEW {view}{how} AS {definition}")


def _foreign_keys(control: PgSession, oid: int, name: str, moving: list[int]) -> Iterable[Dependant]:
    rows = control.rows(
        "SELECT conrelid::regclass::text,conname,pg_get_constraintdef(oid) FROM pg_constraint WHERE contype='f'"
        " AND confrelid=%s AND NOT conrelid=ANY(%s) AND conparentid=0 ORDER BY 1,2",
        *(oid, moving),
    )
    for table, key, definition in rows:
        drop = f"ALTER TABLE {table} DROP CONSTRAINT {quoted(key)}"
        clause = definition.replace(" NOT VALID", "")
        add = f"ALTER TABLE {table} ADD CONSTRAINT {quoted(key)} {clause} NOT VALID"
        yield Dependant("foreign key", f"{table}.{key}", name, drop, add)


def _publications(control: PgSession, oid: int, name: str) -> Iterable[Dependant]:
    rows = control.rows(
        "SELECT pubname FROM pg_publication_rel r JOIN pg_publication p ON p.oid=r.prpubid WHERE r.prrelid=%s ORDER BY 1", oid
    )
    for (publication,) in rows:
        drop = f"ALTER PUBLICATION {quoted(publication)} DROP TABLE {name}"
        add = f"ALTER PUBLICATION {quoted(publication)} ADD TABLE {name}"
        yield Dependant("publication", publication, name, drop, add)


def _attached(control: PgSession, oid: int, name: str) -> Iterable[Dependant]:
    """What belongs to the table itself and is put on the new one: triggers, policies, row security, rights, owner."""
    for trigger, definition, state in control.rows(
        "SELECT tgname,pg_get_triggerdef(oid),tgenabled::text FROM pg_trigger WHERE tgrelid=%s AND NOT tgisinternal ORDER BY 1",
        oid,
    ):
        yield Dependant("trigger", trigger, name, "", definition)
        if word := TRIGGER_STATES.get(state):
            yield Dependant("trigger state", trigger, name, "", f"ALTER TABLE {name} {word} TRIGGER {quoted(trigger)}")
    for policy, sql in control.rows(_POLICIES, oid):
        yield Dependant("policy", policy, name, "", sql)
    for rule, sql in control.rows(
        "SELECT rulename,pg_get_ruledef(oid) FROM pg_rewrite WHERE ev_class=%s AND rulename<>'_RETURN' ORDER BY 1", oid
    ):
        yield Dependant("rule", rule, name, "", sql.rstrip(";"))
    identity = control.value("SELECT relreplident::text FROM pg_class WHERE oid=%s", oid)
    if word := {"f": "FULL", "n": "NOTHING"}.get(identity):
        yield Dependant("replica identity", word.lower(), name, "", f"ALTER TABLE {name} REPLICA IDENTITY {word}")
    security = control.rows("SELECT relrowsecurity,relforcerowsecurity FROM pg_class WHERE oid=%s", oid)[0]
    for on, word in zip(security, ("ENABLE", "FORCE"), strict=True):
        if on:
            yield Dependant("row security", word.lower(), name, "", f"ALTER TABLE {name} {word} ROW LEVEL SECURITY")
    owner = control.value(
        "SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_class WHERE oid=%s AND relowner<>current_user::regrole", oid
    )
    if owner:
        yield Dependant("owner", owner, name, "", f"ALTER TABLE {name} OWNER TO {owner}")
    for grantee, privilege, column, option in control.rows(_GRANTS, oid, oid):
        to = "PUBLIC" if grantee == "-" else grantee
        columns = f" ({quoted(column)})" if column else ""
        tail = " WITH GRANT OPTION" if option else ""
        sql = f"GRANT {privilege}{columns} ON {name} TO {to}{tail}"
        yield Dependant("grant", f"{privilege}{columns} to {to}", name, "", sql)


def _sequence_grants(control: PgSession, oid: int) -> Iterable[Dependant]:
    """Rights on the sequences that a table owns. A filled table has sequences of the same names; a replacing one may have none."""
    with control.transaction():
        control.run("SET LOCAL search_path=pg_temp")
        rows = control.rows(_SEQUENCE_GRANTS, oid)
    for sequence, table, grantee, privilege, option in rows:
        to = "PUBLIC" if grantee == "-" else grantee
        tail = " WITH GRANT OPTION" if option else ""
        sql = f"GRANT {privilege} ON SEQUENCE {sequence} TO {to}{tail}"
        yield Dependant("grant", f"{privilege} on {sequence} to {to}", table, "", sql)


_SEQUENCE_GRANTS = (
    "SELECT s.oid::regclass::text,d.refobjid::regclass::text,a.grantee::regrole::text,a.privilege_type,a.is_grantable FROM pg_class s"
    " JOIN pg_depend d ON d.classid='pg_class'::regclass AND d.objid=s.oid AND d.deptype='a' AND d.refclassid='pg_class'::regclass,"
    " aclexplode(s.relacl) a WHERE s.relkind='S' AND d.refobjid=%s AND a.grantee<>s.relowner ORDER BY 1,3,4"
)
_CREATABLE = (
    "SELECT DISTINCT v.name FROM pg_available_extension_versions v JOIN pg_available_extensions e ON e.name=v.name"
    " AND e.default_version=v.version WHERE has_database_privilege(current_database(),'CREATE')"
    " AND (v.trusted OR NOT v.superuser)"
)
_SUPERUSER = "SELECT rolsuper FROM pg_roles WHERE rolname=current_user"
# Whom the user may give an object in a schema and still move it at a rollback. A schema that the cutover creates is there for everyone.
_POSSIBLE_OWNERS = (
    f"SELECT rolname FROM pg_roles WHERE ({_SUPERUSER}) OR pg_has_role(current_user,oid,'USAGE') AND {{set}}"
    " AND coalesce(has_schema_privilege(oid,to_regnamespace(%s)::oid,'CREATE'),true)"
)
_MAY_SET = "pg_has_role(current_user,oid,'SET')"
_SCHEMA_RIGHTS = (
    "SELECT r.rolname,p.word FROM pg_roles r, (VALUES ('USAGE'),('CREATE')) p(word), to_regnamespace(%s) n"
    " WHERE has_schema_privilege(r.oid,n.oid,p.word) UNION SELECT 'PUBLIC',a.privilege_type FROM pg_namespace n"
    " CROSS JOIN LATERAL aclexplode(n.nspacl) a WHERE n.oid=to_regnamespace(%s) AND a.grantee=0"
)
_LOCK_SLOTS = (
    "SELECT current_setting('max_locks_per_transaction')::int"
    "*(current_setting('max_connections')::int+current_setting('max_prepared_transactions')::int)"
)
_GRANTS = (
    "SELECT a.grantee::regrole::text,a.privilege_type,NULL,a.is_grantable FROM pg_class c, aclexplode(c.relacl) a"
    " WHERE c.oid=%s AND a.grantee<>c.relowner UNION ALL"
    " SELECT a.grantee::regrole::text,a.privilege_type,t.attname,a.is_grantable FROM pg_attribute t, aclexplode(t.attacl) a"
    " WHERE t.attrelid=%s AND t.attacl IS NOT NULL ORDER BY 1,2,3"
)
_POLICIES = (
    "SELECT polname,'CREATE POLICY '||quote_ident(polname)||' ON '||polrelid::regclass||"
    " CASE WHEN polpermissive THEN '' ELSE ' AS RESTRICTIVE' END||' FOR '||CASE polcmd WHEN 'r' THEN 'SELECT'"
    " WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END||' TO '||"
    " (SELECT string_agg(CASE WHEN r=0 THEN 'PUBLIC' ELSE r::regrole::text END,', ') FROM unnest(polroles) r)||"
    " coalesce(' USING ('||pg_get_expr(polqual,polrelid)||')','')||"
    " coalesce(' WITH CHECK ('||pg_get_expr(polwithcheck,polrelid)||')','')"
    " FROM pg_policy WHERE polrelid=%s ORDER BY 1"
)


def _functions(control: PgSession, oid: int, name: str) -> Iterable[Dependant]:
    """Functions over the type of the table's rows: taken off and put on again, with their owner and rights.

    Those of which something else depends cannot be taken off. One that means several tables is listed for each.
    """
    for function, definition, kind, owner, used, grants in control.rows(_FUNCTIONS, oid, oid, oid):
        if kind not in {"f", "p"} or used:
            yield Dependant("function", function, name, "", "", supported=False)
            continue
        word = "PROCEDURE" if kind == "p" else "FUNCTION"
        yield Dependant("function", function, name, f"DROP {word} IF EXISTS {function} RESTRICT", definition.rstrip())
        statements = [f"ALTER {word} {function} OWNER TO {owner}"] if owner else []
        statements += [f"REVOKE ALL ON {word} {function} FROM PUBLIC", *grants] if grants is not None else []
        for sql in statements:
            yield Dependant("right on a function", function, name, "SELECT 1", sql)


_FUNCTIONS = (
    "SELECT p.oid::regprocedure::text,CASE WHEN p.prokind IN ('f','p') THEN pg_get_functiondef(p.oid) END,p.prokind::text,"
    " CASE WHEN p.proowner<>current_user::regrole THEN quote_ident(pg_get_userbyid(p.proowner)) END,"
    " EXISTS (SELECT 1 FROM pg_depend u WHERE u.refclassid='pg_proc'::regclass AND u.refobjid=p.oid AND u.deptype<>'e'),"
    " CASE WHEN p.proacl IS NOT NULL THEN ARRAY(SELECT format('GRANT EXECUTE ON %%s %%s TO %%s%%s',"
    "  CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END,p.oid::regprocedure,"
    "  CASE WHEN a.grantee=0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)"
    "  FROM aclexplode(p.proacl) a WHERE a.grantee<>p.proowner ORDER BY 1) END"
    " FROM pg_proc p WHERE p.oid IN (SELECT d.objid FROM pg_depend d WHERE d.classid='pg_proc'::regclass AND ("
    " (d.refclassid='pg_class'::regclass AND d.refobjid=%s) OR (d.refclassid='pg_type'::regclass AND d.refobjid IN"
    " (SELECT reltype FROM pg_class WHERE oid=%s UNION SELECT typarray FROM pg_type WHERE typrelid=%s)))) ORDER BY 1"
)


def _unsupported(control: PgSession, oid: int, name: str) -> Iterable[Dependant]:
    rows = control.rows("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent=%s", oid)
    for (child,) in rows:
        yield Dependant("partition or child table", child, name, "", "", supported=False)
    rows = control.rows(
        "SELECT attrelid::regclass::text||'.'||attname FROM pg_attribute WHERE atttypid=(SELECT reltype FROM pg_class"
        " WHERE oid=%s) AND attrelid<>%s",
        *(oid, oid),
    )
    for (column,) in rows:
        yield Dependant("column of the row type", column, name, "", "", supported=False)
