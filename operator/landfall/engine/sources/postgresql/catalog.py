"""The catalog of a PostgreSQL source, in definitions that carry no schema name.

Everything is read with the source's schemas on the search path and in the pretty forms, so that names come out bare
and resolve to the staging schema when they run on the target. If the schemas stay apart, each is read with itself first on the path.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from landfall.engine.clients.postgresql import Cells, PgSession
from landfall.engine.errors import ObjectMissingError
from landfall.engine.model.catalog import (
    Catalog,
    Check,
    Column,
    ColumnType,
    ForeignKey,
    Identity,
    Index,
    IndexPart,
    SourceObject,
    Table,
    View,
)
from landfall.engine.model.fingerprint import excluded
from landfall.engine.model.identifiers import quoted, search_path
from landfall.engine.model.options import Options
from landfall.engine.sources.postgresql.fence import CREATABLE
from landfall.engine.sources.postgresql.objects import objects, objects_within, risks_apart
from landfall.engine.sources.postgresql.own_schema import hidden_names, own_schema
from landfall.engine.sources.postgresql.privileges import privileges_within, schema_objects

_OF_EXTENSION = "EXISTS (SELECT 1 FROM pg_depend x WHERE x.classid='pg_class'::regclass AND x.objid=c.oid AND x.deptype='e')"


def catalog(control: PgSession, options: Options) -> Catalog:
    """Everything of the schemas that the options name."""
    schemas = tuple(dict.fromkeys(options.schemas))
    for schema in schemas:
        if control.value("SELECT to_regnamespace(%s)", quoted(schema)) is None:
            visible = ", ".join(r[0] for r in control.rows("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1"))
            message = f"source: there is no schema {schema!r}"
            raise ObjectMissingError(message, advice=f"Correct spec.data.source.schemas; there are: {visible}.")
    keeps_names = options.several_apart
    with control.transaction():
        parts = [_part(control, (s, *(o for o in schemas if o != s)), [s]) for s in schemas] if keeps_names else []
        control.run(f"SET LOCAL search_path={search_path(*schemas)}")
        reader = _Reader(control, list(schemas))
        tables, views, source_objects = (
            _joined(parts) if keeps_names else (reader.tables(), reader.views(), objects(control, list(schemas)))
        )
        if keeps_names:
            source_objects = (*source_objects, *schema_objects(control, list(schemas)), *risks_apart(control, list(schemas)))
        return Catalog(
            engine="PostgreSQL",
            version=control.value("SELECT current_setting('server_version')"),
            version_number=int(control.value("SELECT current_setting('server_version_num')")),
            database=control.raw.info.dbname,
            schemas=tuple(schemas),
            tables=tables,
            views=views,
            objects=source_objects,
            extensions=reader.extensions(),
            installed_extensions=tuple(control.rows(_INSTALLED)),
            called_extensions=tuple(r[0] for r in control.rows(_CALLED, list(schemas))),
            problems=reader.problems(),
            features=reader.features([t for t in tables if not excluded(t.name, options.exclude_tables)]),
            former=() if keeps_names else tuple(replace(t, parent_schemas=()) for t in tables if t.inherits and t.parent_schemas),
            apart=keeps_names,
            qualified=_qualified(control, list(schemas), tables, views) if keeps_names else (),
        )


_Part = tuple[tuple[Table, ...], tuple[View, ...], tuple[SourceObject, ...]]


def _part(control: PgSession, path: Sequence[str], schemas: list[str]) -> _Part:
    """What schemas hold, in definitions for a search path."""
    control.run(f"SET LOCAL search_path={search_path(*path)}")
    reader = _Reader(control, schemas, keeps_names=True)
    source_objects = (
        replace(o, within=schemas[0]) for o in [*objects_within(control, schemas), *privileges_within(control, schemas)]
    )
    return reader.tables(), reader.views(), tuple(source_objects)


def _joined(parts: Sequence[_Part]) -> _Part:
    tables, views, all_objects = zip(*parts, strict=True)
    return tuple(chain(*tables)), tuple(chain(*views)), tuple(chain(*all_objects))


def _qualified(
    control: PgSession, schemas: list[str], tables: Sequence[Table], views: Sequence[View]
) -> tuple[tuple[str, str], ...]:
    """The names that definitions write with their schema.

    They are those of several schemas, those of parents in another schema, and those that a WITH query of a view hides.
    """
    shared = set(control.rows(_SHARED, *[schemas] * _SHARED.count("%s")))
    parents = {p for t in tables for p in t.parents if p[0] != t.schema}
    indexes = {p for t in tables for i in t.indexes if (p := (i.attach_schema, i.attach_to)) and p[0] not in {"", t.schema}}
    relations = {(t.schema, t.name) for t in tables} | {(v.schema, v.name) for v in views}
    hidden = {name for v in views for name in hidden_names(v.query, schemas)} & relations
    return tuple(sorted(shared | parents | indexes | hidden))


def type_of(control: PgSession, query: str) -> ColumnType:
    """The type of a query's first column."""
    oid, modifier = control.described(query)
    text, base, builtin = control.rows(
        f"SELECT format_type(t.oid,%s),t.typname,{_BUILTIN} FROM pg_type t LEFT JOIN pg_type e ON e.oid=t.typelem WHERE t.oid=%s",
        *(modifier, oid),
    )[0]
    return ColumnType(base, text, builtin=builtin)


class _Reader:
    """Reads each catalog once for all schemas."""

    def __init__(self, control: PgSession, schemas: list[str], *, keeps_names: bool = False) -> None:
        self._control = control
        self._schemas = schemas
        self._keeps_names = keeps_names

    def _by_table(self, query: str) -> dict[int, list[Cells]]:
        rows_of: dict[int, list[Cells]] = defaultdict(list)
        for row in self._control.rows(query, self._schemas):
            rows_of[row[0]].append(row[1:])
        return rows_of

    def tables(self) -> tuple[Table, ...]:
        """Ordinary and partitioned tables, and partitions."""
        columns, indexes = self._by_table(_COLUMNS), self._by_table(_INDEXES)
        constraints, parents = self._by_table(_CONSTRAINTS), self._by_table(_PARENTS)
        sequences = {(r[0], r[1]): r[2:] for r in self._control.rows(_IDENTITIES, self._schemas)}
        tables = []
        for oid, schema, name, kind, rows, size, comment, by, bound, options, persistence in self._control.rows(
            _TABLES.replace("{ext}", _OF_EXTENSION), self._schemas
        ):
            above = parents.get(oid, [])
            partition_of = above[0][0] if bound and above else ""
            elsewhere = any(a[1] != schema for a in above)
            tables.append(
                Table(
                    schema=schema,
                    name=name,
                    columns=tuple(self._column(c, sequences.get((oid, c[0])), bool(bound)) for c in columns[oid]),
                    indexes=tuple(_index(i, keeps_names=self._keeps_names) for i in indexes.get(oid, [])),
                    foreign_keys=tuple(_foreign_key(c) for c in constraints.get(oid, []) if c[1] == "f"),
                    checks=tuple(Check(c[0], "", c[2]) for c in constraints.get(oid, []) if c[1] in "cn"),
                    comment=comment or "",
                    rows=max(int(rows), 0),
                    bytes=int(size or 0),
                    kind="partitioned" if kind == "p" else "table",
                    partition_by=by or "",
                    partition_of=partition_of,
                    bound=bound or "",
                    inherits=() if bound else tuple(a[0] for a in above),
                    options=options or "",
                    notes=("the table is unlogged on the source and becomes an ordinary one",) if persistence == "u" else (),
                    note_severity="low",
                    unlogged=persistence == "u",
                    parent_schemas=tuple(a[1] for a in above) if elsewhere else (),
                )
            )
        return tuple(tables)

    def _column(self, row: Cells, sequence: Cells | None, partition: bool) -> Column:  # noqa: FBT001
        name, text, base, required, expression, generated, identity, comment, collate, builtin, labels, underlying = row
        counter = None
        if identity and sequence and not partition:
            start, increment, low, high, cache, cycle = sequence
            counter = Identity(identity == "a", start, increment, low, high, cache, cycle)
        return Column(
            name=name,
            type=ColumnType(base, text, labels=tuple(labels), builtin=builtin, underlying=underlying or ""),
            nullable=not required,
            default=expression if expression and not generated else None,
            generated=expression if generated else None,
            stored=generated != "v",
            identity=counter,
            comment=comment or "",
            collate=f"COLLATE {collate}" if collate else "",
        )

    def views(self) -> tuple[View, ...]:
        """Views and materialized views, in the order in which they were made."""
        rows = self._control.rows(_VIEWS.replace("{ext}", _OF_EXTENSION), self._schemas)
        return tuple(
            View(
                schema,
                name,
                query if self._keeps_names else own_schema(query, self._schemas),
                materialized=kind == "m",
                comment=comment or "",
                options=options or "",
            )
            for schema, name, kind, query, comment, options in rows
        )

    def extensions(self) -> tuple[str, ...]:
        """The extensions that objects of these schemas depend on."""
        return tuple(r[0] for r in self._control.rows(_EXTENSIONS, self._schemas))

    def problems(self) -> tuple[str, ...]:
        """What the credential cannot read, by name."""
        problems = [
            f"the credential lacks USAGE on schema {schema}"
            for schema in self._schemas
            if not self._control.value("SELECT has_schema_privilege(%s,'USAGE')", schema)
        ]
        rows = self._control.rows(_UNREADABLE, self._schemas)
        problems += [f"the credential lacks SELECT on {name}" for name, readable, _ in rows if not readable]
        problems += [
            f"row security on {name} would hide rows from the credential (it needs BYPASSRLS or ownership)"
            for name, _, hidden in rows
            if hidden
        ]
        return tuple(problems)

    def features(self, tables: Sequence[Table]) -> frozenset[str]:
        """Whether the credential may take the write lock on these tables, and create the fence."""
        schemas, names = [t.schema for t in tables], [t.name for t in tables]
        features = () if self._control.rows(_UNLOCKABLE, schemas, names) else ("freeze",)
        fenced = not self._control.rows(_UNFENCEABLE, schemas, names) and bool(self._control.rows(CREATABLE, schemas))
        return frozenset((*features, "fence") if fenced else features)


def _index(row: Cells, *, keeps_names: bool) -> Index:
    name, unique, primary, method, definition, constraint, attach, attach_schema, columns, partial, kind = row
    parts = tuple(IndexPart(c) if c else IndexPart(expression="expression") for c in columns)
    return Index(
        name=name,
        parts=parts,
        unique=unique and kind != "x",
        primary=primary,
        method=method,
        where="partial" if partial else "",
        definition=definition,
        constraint=constraint or "",
        attach_to=attach or "",
        attach_schema=(attach_schema or "") if keeps_names else "",
    )


def _foreign_key(row: Cells) -> ForeignKey:
    name, _, definition, schema, table, columns, parent_columns, operators = row
    return ForeignKey(
        name, tuple(columns), schema or "", table or "", tuple(parent_columns), definition=definition, operators=tuple(operators)
    )


_TABLES = (
    "SELECT c.oid,n.nspname,c.relname,c.relkind::text,c.reltuples,pg_table_size(c.oid),obj_description(c.oid,'pg_class'),"
    " pg_get_partkeydef(c.oid),CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound,c.oid) END,"
    " array_to_string(c.reloptions,', '),c.relpersistence::text FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace"
    " WHERE n.nspname=ANY(%s) AND c.relkind IN ('r','p') AND c.relpersistence<>'t' AND NOT {ext} ORDER BY n.nspname,c.oid"
)
_BUILTIN = (
    "t.typnamespace='pg_catalog'::regnamespace AND t.typtype IN ('b','r','m') AND t.typname !~ '^_?(reg|aclitem|pg_node)'"
    " AND (t.typelem=0 OR e.typnamespace='pg_catalog'::regnamespace AND e.typtype<>'c')"
)
_COLUMNS = (
    "SELECT a.attrelid,a.attname,format_type(a.atttypid,a.atttypmod),t.typname,a.attnotnull AND NOT EXISTS (SELECT 1"
    " FROM pg_constraint u WHERE u.conrelid=a.attrelid AND u.contype='n' AND u.conkey[1]=a.attnum AND NOT u.convalidated),pg_get_expr(d.adbin,d.adrelid),"
    " a.attgenerated::text,a.attidentity::text,col_description(a.attrelid,a.attnum),"
    " CASE WHEN a.attcollation<>0 AND a.attcollation<>t.typcollation THEN (SELECT quote_ident(collname) FROM pg_collation"
    " WHERE oid=a.attcollation) END,"
    f" {_BUILTIN},"
    " ARRAY(SELECT l.enumlabel::text FROM pg_enum l WHERE l.enumtypid=t.oid ORDER BY l.enumsortorder),"
    " CASE WHEN t.typtype='d' THEN format_type(t.typbasetype,t.typtypmod) END"
    " FROM pg_attribute a JOIN pg_class c ON c.oid=a.attrelid JOIN pg_namespace n ON n.oid=c.relnamespace"
    " JOIN pg_type t ON t.oid=a.atttypid LEFT JOIN pg_type e ON e.oid=t.typelem"
    " LEFT JOIN pg_attrdef d ON d.adrelid=a.attrelid AND d.adnum=a.attnum"
    " WHERE n.nspname=ANY(%s) AND c.relkind IN ('r','p') AND a.attnum>0 AND NOT a.attisdropped ORDER BY a.attrelid,a.attnum"
)
_INDEXES = (
    "SELECT i.indrelid,x.relname,i.indisunique,i.indisprimary,m.amname,pg_get_indexdef(i.indexrelid,0,true),"
    " (SELECT pg_get_constraintdef(k.oid,true) FROM pg_constraint k WHERE k.conindid=i.indexrelid AND k.conrelid=i.indrelid"
    " AND k.contype IN ('p','u','x')),"
    " (SELECT p.relname FROM pg_inherits h JOIN pg_class p ON p.oid=h.inhparent WHERE h.inhrelid=i.indexrelid),"
    " (SELECT n.nspname FROM pg_inherits h JOIN pg_class p ON p.oid=h.inhparent JOIN pg_namespace n ON n.oid=p.relnamespace WHERE h.inhrelid=i.indexrelid"
    " AND p.relnamespace<>c.relnamespace),"
    " ARRAY(SELECT coalesce(a.attname::text,'') FROM unnest(i.indkey[0:i.indnkeyatts-1]) WITH ORDINALITY u(n,o)"
    " LEFT JOIN pg_attribute a ON a.attrelid=i.indrelid AND a.attnum=u.n AND u.n<>0 ORDER BY o),"
    " i.indpred IS NOT NULL,(SELECT k.contype::text FROM pg_constraint k WHERE k.conindid=i.indexrelid AND k.contype='x')"
    " FROM pg_index i JOIN pg_class x ON x.oid=i.indexrelid JOIN pg_am m ON m.oid=x.relam"
    " JOIN pg_class c ON c.oid=i.indrelid JOIN pg_namespace n ON n.oid=c.relnamespace"
    " WHERE n.nspname=ANY(%s) AND c.relkind IN ('r','p') AND (i.indisvalid OR c.relkind='p')"
    " ORDER BY i.indrelid,i.indisprimary DESC,x.relname"
)
_CONSTRAINTS = (
    "SELECT k.conrelid,k.conname,k.contype::text,pg_get_constraintdef(k.oid,true),fn.nspname,f.relname,"
    " ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(n,o) JOIN pg_attribute a ON a.attrelid=k.conrelid"
    " AND a.attnum=u.n ORDER BY o),ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(n,o) JOIN pg_attribute a"
    " ON a.attrelid=k.confrelid AND a.attnum=u.n ORDER BY o),ARRAY(SELECT CASE WHEN"
    " has_schema_privilege(s.oid,'USAGE') THEN format('OPERATOR(%%I.%%s)',s.nspname,p.oprname) ELSE '' END FROM unnest(k.conpfeqop)"
    " WITH ORDINALITY u(n,o) JOIN pg_operator p ON p.oid=u.n JOIN pg_namespace s ON s.oid=p.oprnamespace ORDER BY o) FROM pg_constraint k"
    " JOIN pg_class c ON c.oid=k.conrelid JOIN pg_namespace n ON n.oid=c.relnamespace LEFT JOIN pg_class f ON f.oid=k.confrelid"
    " LEFT JOIN pg_namespace fn ON fn.oid=f.relnamespace WHERE n.nspname=ANY(%s) AND (k.contype='c' OR k.contype='f'"
    " AND k.conparentid=0 OR k.contype='n' AND NOT k.convalidated) ORDER BY k.conrelid,k.conname"
)
_PARENTS = (
    "SELECT h.inhrelid,p.relname,pn.nspname FROM pg_inherits h JOIN pg_class p ON p.oid=h.inhparent"
    " JOIN pg_namespace pn ON pn.oid=p.relnamespace JOIN pg_class c ON c.oid=h.inhrelid"
    " JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname=ANY(%s) AND c.relkind IN ('r','p') ORDER BY h.inhrelid,h.inhseqno"
)
_IDENTITIES = (
    "SELECT a.attrelid,a.attname,s.seqstart,s.seqincrement,s.seqmin,s.seqmax,s.seqcache,s.seqcycle FROM pg_attribute a"
    " JOIN pg_class c ON c.oid=a.attrelid JOIN pg_namespace n ON n.oid=c.relnamespace"
    " JOIN pg_depend d ON d.refclassid='pg_class'::regclass AND d.refobjid=a.attrelid AND d.refobjsubid=a.attnum AND d.deptype='i'"
    " AND d.classid='pg_class'::regclass JOIN pg_sequence s ON s.seqrelid=d.objid WHERE n.nspname=ANY(%s) AND a.attidentity<>''"
)
_VIEWS = (
    "SELECT n.nspname,c.relname,c.relkind::text,pg_get_viewdef(c.oid,true),obj_description(c.oid,'pg_class'),"
    " array_to_string(c.reloptions,', ') FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace"
    " WHERE n.nspname=ANY(%s) AND c.relkind IN ('v','m') AND NOT {ext} ORDER BY c.oid"
)
_OWN = "NOT EXISTS (SELECT 1 FROM pg_depend x WHERE x.classid='{0}'::regclass AND x.objid=o.oid AND x.deptype='e')"
# Names that several schemas have, or that the system's catalog has as well.
_SHARED = " UNION ".join(
    f"SELECT n.nspname,o.{name}::text FROM {table} o JOIN pg_namespace n ON n.oid=o.{schema} WHERE n.nspname=ANY(%s)"
    f" AND {_OWN.format(table)} AND EXISTS (SELECT 1 FROM {table} p JOIN pg_namespace m ON m.oid=p.{schema}"
    f" WHERE p.{name}=o.{name} AND p.{schema}<>o.{schema} AND (m.nspname=ANY(%s) OR m.nspname='pg_catalog'))"
    for table, name, schema in (
        ("pg_class", "relname", "relnamespace"),
        ("pg_type", "typname", "typnamespace"),
        ("pg_proc", "proname", "pronamespace"),
        ("pg_collation", "collname", "collnamespace"),
    )
)
_EXTENSIONS = (
    "WITH RECURSIVE own AS (SELECT d.classid,d.objid FROM pg_depend d JOIN pg_namespace n ON d.refclassid='pg_namespace'::regclass"
    " AND d.refobjid=n.oid WHERE n.nspname=ANY(%s) AND NOT EXISTS (SELECT 1 FROM pg_depend x WHERE x.classid=d.classid"
    " AND x.objid=d.objid AND x.deptype='e')), mine AS (SELECT * FROM own UNION SELECT d.classid,d.objid FROM pg_depend d"
    " JOIN mine o ON d.refclassid=o.classid AND d.refobjid=o.objid WHERE d.deptype IN ('a','i') AND d.classid IN"
    " ('pg_class'::regclass,'pg_attrdef'::regclass,'pg_constraint'::regclass,'pg_rewrite'::regclass,'pg_trigger'::regclass,"
    "'pg_policy'::regclass))"
    " SELECT DISTINCT e.extname FROM mine JOIN pg_depend d ON d.classid=mine.classid AND d.objid=mine.objid"
    " LEFT JOIN pg_type a ON d.refclassid='pg_type'::regclass AND a.oid=d.refobjid"
    " JOIN pg_depend m ON m.classid=d.refclassid AND m.objid IN (d.refobjid,a.typelem) AND m.deptype='e'"
    " JOIN pg_extension e ON m.refclassid='pg_extension'::regclass AND e.oid=m.refobjid WHERE e.extname<>'plpgsql' ORDER BY 1"
)
_CALLED = (  # by the text of a function, with a name that the system does not have
    "SELECT DISTINCT e.extname::text FROM pg_proc p JOIN pg_namespace n ON n.oid=p.pronamespace CROSS JOIN LATERAL"
    " regexp_matches(p.prosrc,'([A-Za-z_]\\w*)\\s*\\(','g') w JOIN pg_proc x ON x.proname=lower(w[1])"
    " JOIN pg_depend m ON m.classid='pg_proc'::regclass AND m.objid=x.oid AND m.deptype='e' JOIN pg_extension e ON e.oid=m.refobjid"
    " WHERE n.nspname=ANY(%s) AND e.extname<>'plpgsql' AND NOT EXISTS (SELECT 1 FROM pg_depend y WHERE y.classid='pg_proc'::regclass"
    " AND y.objid=p.oid AND y.deptype='e') AND NOT EXISTS (SELECT 1 FROM pg_proc s WHERE s.proname=x.proname"
    " AND s.pronamespace='pg_catalog'::regnamespace) ORDER BY 1"
)
_INSTALLED = (
    "SELECT e.extname::text,n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid=e.extnamespace"
    " WHERE e.extname<>'plpgsql' ORDER BY 1"
)
_UNREADABLE = (
    "SELECT c.oid::regclass::text,has_table_privilege(c.oid,'SELECT'),row_security_active(c.oid) FROM pg_class c"
    " JOIN pg_namespace n ON n.oid=c.relnamespace WHERE n.nspname=ANY(%s) AND c.relkind IN ('r','p','S') ORDER BY 1"
)
_OF_TABLES = (
    "SELECT 1 FROM unnest(%s::text[],%s::text[]) m(schema,name) JOIN pg_namespace n ON n.nspname=m.schema"
    " JOIN pg_class c ON c.relnamespace=n.oid AND c.relname=m.name"
)
_UNFENCEABLE = f"{_OF_TABLES} WHERE NOT has_table_privilege(c.oid,'TRIGGER') LIMIT 1"
_UNLOCKABLE = (
    f"{_OF_TABLES} WHERE NOT (has_table_privilege(c.oid,'UPDATE') OR has_table_privilege(c.oid,'DELETE') OR has_table_privilege(c.oid,'TRUNCATE'))"
    " LIMIT 1"
)
