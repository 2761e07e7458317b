"""Whom the target lets create what the engine might run there.

PostgreSQL looks for a function by name and by the types of its arguments in every schema of the search path, and one whose types fit
exactly wins, wherever its schema stands: a `public.length(varchar)` is preferred to `pg_catalog.length(text)` for a varchar. So a
schema may be on the path only while no other role has created such a thing there.
"""

from __future__ import annotations

from landfall.engine.clients.postgresql import PgSession
from landfall.engine.errors import TargetInTheWayError
from landfall.engine.model.identifiers import quoted

_POWERFUL = (
    "(r.rolsuper OR r.oid=current_user::regrole"
    " OR pg_has_role(current_user,r.oid,'MEMBER') AND NOT (SELECT m.rolsuper FROM pg_roles m WHERE m.rolname=current_user)"
    " OR r.oid=(SELECT datdba FROM pg_database WHERE datname=current_database()))"
)
_TRUSTED = f"({_POWERFUL} OR r.oid=n.nspowner)"
_STRANGERS = (
    "SELECT DISTINCT r.rolname FROM (SELECT nspowner AS owner FROM pg_namespace WHERE oid=to_regnamespace(%s)"
    " UNION SELECT relowner FROM pg_class WHERE relnamespace=to_regnamespace(%s)) o"
    f" JOIN pg_roles r ON r.oid=o.owner WHERE NOT {_POWERFUL} ORDER BY 1"
)
_SHADOWS = (
    "SELECT format('%%I.%%I(%%s)',n.nspname,p.proname,pg_get_function_identity_arguments(p.oid)),r.rolname FROM pg_proc p JOIN pg_namespace n ON n.oid=p.pronamespace"
    " JOIN pg_roles r ON r.oid=p.proowner WHERE n.oid=to_regnamespace(%s)"
    " AND EXISTS (SELECT 1 FROM pg_proc s WHERE s.pronamespace='pg_catalog'::regnamespace AND s.proname=p.proname)"
    " AND NOT EXISTS (SELECT 1 FROM pg_proc s WHERE s.pronamespace='pg_catalog'::regnamespace AND s.proname=p.proname"
    " AND s.proargtypes=p.proargtypes)"
    " AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid='pg_proc'::regclass AND d.objid=p.oid AND d.deptype='e')"
    f" AND NOT {_TRUSTED} UNION ALL"
    " SELECT format('%%I.%%s(%%s,%%s)',n.nspname,o.oprname,o.oprleft::regtype,o.oprright::regtype),r.rolname FROM pg_operator o JOIN pg_namespace n ON n.oid=o.oprnamespace"
    " JOIN pg_roles r ON r.oid=o.oprowner WHERE n.oid=to_regnamespace(%s)"
    " AND EXISTS (SELECT 1 FROM pg_operator s WHERE s.oprnamespace='pg_catalog'::regnamespace AND s.oprname=o.oprname)"
    " AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid='pg_operator'::regclass AND d.objid=o.oid AND d.deptype='e')"
    f" AND NOT {_TRUSTED} ORDER BY 1"
)
_CREATORS = (
    "SELECT DISTINCT CASE WHEN a.grantee=0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END FROM pg_namespace n"
    " CROSS JOIN LATERAL aclexplode(n.nspacl) a LEFT JOIN pg_roles r ON r.oid=a.grantee"
    " WHERE n.oid=to_regnamespace(%s) AND a.privilege_type='CREATE' AND a.grantee<>n.nspowner"
    " AND (a.grantee=0 OR NOT r.rolsuper AND a.grantee<>current_user::regrole) ORDER BY 1"
)
_POWERS = (
    "SELECT CASE WHEN r.rolsuper THEN 'a superuser' ELSE 'a member of '||m.rolname END FROM pg_roles r LEFT JOIN pg_roles m"
    " ON m.rolname IN ('pg_execute_server_program','pg_read_server_files','pg_write_server_files')"
    " AND pg_has_role(r.oid,m.oid,'MEMBER') WHERE r.rolname=current_user AND (r.rolsuper OR m.oid IS NOT NULL) ORDER BY 1 LIMIT 1"
)


def shadows(control: PgSession, schema: str) -> tuple[tuple[str, str], ...]:
    """Functions and operators in a schema that could be run in place of the system's own: (signature, owner).

    Those of roles that could do as they like anyway are left out: superusers, the schema's and the database's owner, roles of
    which the credential is a member; and so are those that belong to an extension.
    """
    return tuple((name, owner) for name, owner in control.rows(_SHADOWS, quoted(schema), quoted(schema)))


def creators(control: PgSession, schema: str) -> tuple[str, ...]:
    """Who besides the schema's owner, superusers and the credential may create in a schema; `PUBLIC` where everybody may."""
    return tuple(row[0] for row in control.rows(_CREATORS, quoted(schema)))


def powers(control: PgSession) -> str:
    """What the credential is, where it may reach the server's own files and programs; otherwise nothing."""
    return control.value(_POWERS) or ""


def refuse_shadows(control: PgSession, schema: str) -> None:
    """Stop before a statement could run a stranger's function. Raises TargetInTheWayError that names it and its owner."""
    for name, owner in shadows(control, schema):
        message = f"target: {name} belongs to {owner} and could be run in place of the system's own"
        raise TargetInTheWayError(
            message, advice=f"Drop it or move it to another schema, and REVOKE CREATE ON SCHEMA {quoted(schema)} FROM {owner}."
        )


def check_ledger(control: PgSession, schema: str) -> None:
    """Check that the ledger belongs to this user, or to a role that can do everything anyway. `schema`: quoted.

    A plan that is read from the ledger is executed, and what it records is dropped at a rollback.

    Raises:
        TargetInTheWayError: The schema or a table in it belongs to another role.
    """
    strangers = [str(name) for (name,) in control.rows(_STRANGERS, schema, schema)]
    if strangers:
        user = control.value("SELECT quote_ident(current_user)")
        message = f"target: the schema {schema} of the ledger belongs to {', '.join(strangers)}, who could change what the target's user executes"
        advice = f"If it is a ledger of yours: ALTER SCHEMA {schema} OWNER TO {user}, and likewise its tables. Otherwise drop or rename it."
        raise TargetInTheWayError(message, advice=advice)
