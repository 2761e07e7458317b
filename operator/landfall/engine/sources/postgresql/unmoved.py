"""What of a PostgreSQL database is not migrated, by name.

Every class of the system's catalog is in `CLASSES`: its objects are migrated, are a part of something that is, or become a risk. A class
that is missing there is reported as well, for what hangs on the migrated schemas is read from `pg_depend`, whatever its class.
"""

from __future__ import annotations

from landfall.engine.clients.postgresql import PgSession
from landfall.engine.model.catalog import SourceObject
from landfall.engine.model.object_class import Fate
from landfall.engine.sources.postgresql.object_classes import OBJECT_CLASSES
from landfall.lib.text import counted, enumerated

CLASSES = {catalog: one for one in OBJECT_CLASSES for catalog in one.catalogs}
"""By class of the catalog: what becomes of its objects. The name of one that is not carried is the kind of the risk."""

_ADVICE = {
    "event trigger": ("medium", "Create it on the target after the cutover: its statements would fire during the migration."),
    "publication": ("medium", "Create it on the target after the cutover, and create the slots of its subscribers again."),
    "subscription": ("high", "Its tables stop following their publisher. Create it on the target after the cutover."),
    "foreign table": ("medium", "Create its server and user mapping on the target, then the table: IMPORT FOREIGN SCHEMA."),
    "user mapping": ("low", "Create it on the target if a foreign table needs it. It holds a credential, which is not read."),
}
_SHOWN = 20


def unmoved(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    """One risk for each kind of objects that are not migrated, with the names of the first 20."""
    names_by_kind: dict[str, list[str]] = {}
    for kind, name in control.rows(_HANGING, schemas):
        object_class = CLASSES.get(kind)
        if object_class is None or object_class.fate is Fate.RISK:
            names_by_kind.setdefault(object_class.name if object_class else f"object of {kind}", []).append(name)
    for kind, name in control.rows(_OTHERS, *[schemas] * _OTHERS.count("%s")):
        names_by_kind.setdefault(kind, []).append(name)
    risks = [_risk(kind, sorted(set(names))) for kind, names in sorted(names_by_kind.items())]
    return [*risks, *_large_objects(control, schemas), *_lesser(control, schemas)]


def _risk(kind: str, names: list[str]) -> SourceObject:
    severity, advice = _ADVICE.get(kind, ("medium", "Create it on the target before the migration if something needs it."))
    listed = enumerated(names, _SHOWN)
    text = f"{counted(len(names), 'object')} of the kind {kind} {'is' if len(names) == 1 else 'are'} not migrated: {listed}"
    return SourceObject(kind, names[0], detail=text, severity=severity, advice=advice)


def _large_objects(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    count = int(control.value("SELECT count(*) FROM pg_largeobject_metadata"))
    if not count:
        return []
    columns = [r[0] for r in control.rows(_POINTERS, schemas)]
    listed = ", ".join(columns[:_SHOWN]) or "none"
    text = (
        f"{counted(count, 'large object', 'are')} not migrated; columns of the types oid and lo, which may hold"
        f" their numbers, are migrated as they are and would refer to nothing: {listed}"
    )
    advice = (
        "Store the data in a bytea column on the source first (UPDATE … SET data = lo_get(column)), or copy the large objects"
        " to the target under the same numbers (lo_from_bytea(number, data)) before the application starts."
    )
    return [SourceObject("large object", "pg_largeobject", detail=text, severity="high" if columns else "medium", advice=advice)]


def _lesser(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    risks = []
    for kind, severity, name, detail, advice in control.rows(_LESSER, *[schemas] * _LESSER.count("%s")):
        risks.append(SourceObject(kind, name, detail=detail, severity=severity, advice=advice))
    return risks


_NOT_OF_EXTENSION = "NOT EXISTS (SELECT 1 FROM pg_depend x WHERE x.classid={0}.classid AND x.objid={0}.objid AND x.deptype='e')"
# What stands in the schemas, then what hangs on it: both by the server's own record of dependencies.
_HANGING = (
    "WITH inside AS (SELECT d.classid,d.objid FROM pg_depend d JOIN pg_namespace n ON d.refclassid='pg_namespace'::regclass"
    f" AND d.refobjid=n.oid WHERE n.nspname=ANY(%s) AND {_NOT_OF_EXTENSION.format('d')}),"
    " near AS (SELECT * FROM inside UNION SELECT d.classid,d.objid FROM pg_depend d JOIN inside i ON d.refclassid=i.classid"
    f" AND d.refobjid=i.objid WHERE d.deptype IN ('n','a') AND {_NOT_OF_EXTENSION.format('d')})"
    " SELECT classid::regclass::text,coalesce((SELECT p.pubname FROM pg_publication_rel r JOIN pg_publication p ON p.oid=r.prpubid"
    " WHERE near.classid='pg_publication_rel'::regclass AND r.oid=near.objid),(pg_identify_object(classid,objid,0)).identity)"
    " FROM near WHERE classid NOT IN ('pg_class'::regclass,'pg_proc'::regclass,'pg_type'::regclass,'pg_constraint'::regclass,"
    "'pg_trigger'::regclass,'pg_policy'::regclass,'pg_rewrite'::regclass,'pg_attrdef'::regclass,'pg_collation'::regclass,"
    "'pg_statistic_ext'::regclass,'pg_amop'::regclass,'pg_amproc'::regclass,'pg_extension'::regclass,'pg_default_acl'::regclass)"
)
_OTHERS = (
    "SELECT 'foreign table',c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname=ANY(%s)"
    " AND c.relkind='f' UNION ALL SELECT 'event trigger',e.evtname::text FROM pg_event_trigger e WHERE NOT EXISTS (SELECT 1 FROM"
    " pg_depend x WHERE x.classid='pg_event_trigger'::regclass AND x.objid=e.oid AND x.deptype='e') UNION ALL"
    " SELECT 'publication',pubname::text FROM pg_publication WHERE puballtables UNION ALL"
    " SELECT 'subscription',subname::text FROM pg_subscription WHERE subdbid=(SELECT oid FROM pg_database"
    " WHERE datname=current_database()) UNION ALL"
    " SELECT 'foreign server',s.srvname::text FROM pg_foreign_server s UNION ALL"
    " SELECT 'user mapping',coalesce(u.usename,'public')||' on '||u.srvname FROM pg_user_mappings u UNION ALL"
    " SELECT 'security label',l.label||' on '||(pg_identify_object(l.classoid,l.objoid,0)).identity FROM pg_seclabel l UNION ALL"
    " SELECT 'language',l.lanname::text FROM pg_language l WHERE l.oid>16383 AND NOT EXISTS (SELECT 1 FROM pg_depend x"
    " WHERE x.classid='pg_language'::regclass AND x.objid=l.oid AND x.deptype='e')"
)
_POINTERS = (
    "SELECT c.oid::regclass::text||'.'||a.attname FROM pg_attribute a JOIN pg_class c ON c.oid=a.attrelid JOIN pg_namespace n"
    " ON n.oid=c.relnamespace JOIN pg_type t ON t.oid=a.atttypid WHERE n.nspname=ANY(%s) AND c.relkind IN ('r','p')"
    " AND NOT c.relispartition AND a.attnum>0 AND NOT a.attisdropped AND (t.typname='lo' OR t.oid='oid'::regtype OR t.typbasetype='oid'::regtype)"
    " ORDER BY 1"
)
_LESSER = (
    "SELECT 'index','low',x.relname::text,'the index '||x.relname||' of '||c.relname||' is invalid on the source and is not migrated',"
    "'Run REINDEX INDEX on the source first if it is needed.' FROM pg_index i JOIN pg_class x ON x.oid=i.indexrelid"
    " JOIN pg_class c ON c.oid=i.indrelid JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname=ANY(%s) AND NOT i.indisvalid"
    " AND c.relkind='r' UNION ALL"
    " SELECT 'tablespace','low',s.spcname::text,'what lies in the tablespace '||s.spcname||' is created in the default"
    " tablespace of the target: '||string_agg(c.relname,', ' ORDER BY c.relname),'Move them with ALTER TABLE … SET TABLESPACE if it matters.'"
    " FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace JOIN pg_tablespace s ON s.oid=c.reltablespace"
    " WHERE n.nspname=ANY(%s) GROUP BY s.spcname UNION ALL"
    " SELECT 'access method','medium',m.amname::text,'tables that use the access method '||m.amname||' are created with"
    " that of the target: '||string_agg(c.relname,', ' ORDER BY c.relname),'Set default_table_access_method for the target''s user.'"
    " FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace JOIN pg_am m ON m.oid=c.relam AND m.amtype='t' AND m.amname<>'heap'"
    " WHERE n.nspname=ANY(%s) AND c.relkind IN ('r','m') GROUP BY m.amname UNION ALL"
    " SELECT 'database setting','low',coalesce(r.rolname,'all roles'),'settings of '||coalesce('role '||r.rolname,'the database')||"
    "' are not migrated: '||(SELECT string_agg(split_part(g,'=',1),', ') FROM unnest(s.setconfig) g),'Run ALTER DATABASE … SET or ALTER ROLE … IN DATABASE … SET on the target.'"
    " FROM pg_db_role_setting s JOIN pg_database d ON d.oid=s.setdatabase LEFT JOIN pg_roles r ON r.oid=s.setrole"
    " WHERE d.datname=current_database() UNION ALL"
    " SELECT 'inheritance','info',c.relname::text,'columns that '||c.relname||' inherits become its own columns as well','No action is required.'"
    " FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname=ANY(%s) AND c.relkind='r' AND NOT c.relispartition"
    " AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid=c.oid AND a.attinhcount>0 AND NOT a.attislocal AND NOT a.attisdropped)"
    " UNION ALL SELECT 'schema comment','info',n.nspname::text,'the comment on schema '||n.nspname||' is not migrated','No action is required.'"
    " FROM pg_namespace n JOIN pg_description d ON d.classoid='pg_namespace'::regclass AND d.objoid=n.oid WHERE n.nspname=ANY(%s)"
    " AND n.nspname<>'public' UNION ALL"
    " SELECT 'disabled foreign key','medium',c.relname::text,'the triggers of a foreign key of '||c.relname||' are disabled on the source;"
    " on the target the key is enforced','Run ALTER TABLE … DISABLE TRIGGER ALL on the target if it must not be.'"
    " FROM pg_trigger g JOIN pg_class c ON c.oid=g.tgrelid JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname=ANY(%s)"
    " AND g.tgisinternal AND g.tgenabled<>'O' AND g.tgconstraint<>0 GROUP BY c.relname"
)
