"""The classes of objects of PostgreSQL, by the classes of the system's catalog."""

from __future__ import annotations

from landfall.engine.model.object_class import Fate, ObjectClass

_ARRIVE = "tests/integration/test_postgresql_objects.py::test_objects_arrive_with_owners_rights_settings_and_comments"
_SAME = "tests/integration/test_exact.py::test_a_schema_of_postgresql_dumps_the_same"
_NAMED = "tests/integration/test_postgresql_objects.py::test_what_is_not_migrated_is_named"
_ACCOUNTED = "tests/integration/test_postgresql_objects.py::test_every_class_of_the_catalog_is_accounted_for"
_ROLES = "tests/integration/test_postgresql_objects.py::test_roles_that_the_target_lacks_are_named_and_a_guarded_function_stays_guarded"
_EXTENSIONS = "tests/integration/test_postgresql_schemas.py::test_extensions_that_are_needed_are_created"
_RUNS = "tests/integration/test_postgresql_runs.py::test_rows_pass_what_their_source_lets_them_pass"
_LATEST = "tests/integration/test_postgresql_runs.py::test_constraints_that_version_18_has"


def _risk(name: str, note: str, *catalogs: str) -> ObjectClass:
    return ObjectClass(name, Fate.RISK, "", note, _NAMED, catalogs)


def _hidden(fate: Fate, *catalogs: str) -> ObjectClass:
    return ObjectClass("", fate, catalogs=catalogs)


OBJECT_CLASSES = (
    ObjectClass("tables, partitions, typed tables", Fate.CARRIED, shown_by=_SAME, catalogs=("pg_class",)),
    ObjectClass("inherited tables", Fate.CHANGED, "the same", "inherited columns become columns of the table as well", _NAMED),
    ObjectClass("unlogged tables", Fate.CHANGED, "ordinary tables", "with onExisting: Fill they stay as they are", _NAMED),
    ObjectClass(
        "indexes, unique and primary keys", Fate.CARRIED, note="an index that is invalid on the source: risk", shown_by=_SAME
    ),
    ObjectClass(
        "checks, foreign and exclusion keys, NOT VALID, NOT ENFORCED", Fate.CARRIED, shown_by=_LATEST, catalogs=("pg_constraint",)
    ),
    ObjectClass("defaults, identity and generated columns", Fate.CARRIED, shown_by=_SAME, catalogs=("pg_attrdef",)),
    ObjectClass("sequences", Fate.CARRIED, note="set as far as on the source, under the write lock", shown_by=_SAME),
    ObjectClass("enumerated, composite, range types, domains", Fate.CARRIED, shown_by=_ARRIVE, catalogs=("pg_type",)),
    ObjectClass("collations", Fate.CARRIED, shown_by=_ARRIVE, catalogs=("pg_collation",)),
    ObjectClass(
        "functions, procedures, aggregates",
        Fate.CARRIED,
        note="those in C: risk; those whose text names objects without the search path that they need: risk, or a blocker",
        shown_by=_ARRIVE,
        catalogs=("pg_proc",),
    ),
    ObjectClass("views, materialized views, rules", Fate.CARRIED, shown_by=_SAME, catalogs=("pg_rewrite",)),
    ObjectClass("triggers", Fate.CARRIED, shown_by=_SAME, catalogs=("pg_trigger",)),
    ObjectClass("policies and row security", Fate.CARRIED, shown_by=_RUNS, catalogs=("pg_policy",)),
    ObjectClass("extended statistics", Fate.CARRIED, shown_by=_ARRIVE, catalogs=("pg_statistic_ext",)),
    ObjectClass("comments; settings of columns, tables, indexes", Fate.CARRIED, shown_by=_ARRIVE),
    ObjectClass(
        "grants, REVOKE … FROM PUBLIC",
        Fate.CARRIED,
        "",
        "for roles that the target has, others: risk; rights on a schema: if the run creates it, otherwise risk",
        _ROLES,
    ),
    ObjectClass(
        "owners",
        Fate.CARRIED,
        note="where the target's user is a member of the role, and the role may create objects in the schema, or the cutover creates it; others belong to the target's user: risk",
        shown_by=_ROLES,
    ),
    ObjectClass(
        "extensions that are needed",
        Fate.CARRIED,
        note="trusted ones are created, others are checked before anything starts; a rollback does not drop them",
        shown_by=_EXTENSIONS,
        catalogs=("pg_extension",),
    ),
    _risk("large object", "convert them to bytea first", "pg_largeobject_metadata"),
    _risk("operator", "", "pg_operator"),
    _risk("operator class", "", "pg_opclass"),
    _risk("operator family", "", "pg_opfamily"),
    _risk("cast", "", "pg_cast"),
    _risk("conversion", "", "pg_conversion"),
    ObjectClass("text search parser", Fate.RISK, shown_by=_ACCOUNTED, catalogs=("pg_ts_parser",)),
    _risk("text search dictionary", "", "pg_ts_dict"),
    ObjectClass("text search template", Fate.RISK, shown_by=_ACCOUNTED, catalogs=("pg_ts_template",)),
    _risk("text search configuration", "", "pg_ts_config"),
    _risk("access method", "tables that use one are created with that of the target", "pg_am"),
    ObjectClass("language", Fate.RISK, shown_by=_ACCOUNTED, catalogs=("pg_language",)),
    ObjectClass("transform", Fate.RISK, shown_by=_ACCOUNTED, catalogs=("pg_transform",)),
    _risk("event trigger", "create it after the cutover", "pg_event_trigger"),
    _risk("publication", "create it after the cutover", "pg_publication", "pg_publication_rel", "pg_publication_namespace"),
    _risk("subscription", "create it after the cutover", "pg_subscription"),
    _risk("foreign data wrapper", "", "pg_foreign_data_wrapper"),
    _risk("foreign server", "", "pg_foreign_server"),
    _risk("user mapping", "it holds a credential, which is not read", "pg_user_mapping"),
    _risk("foreign table", "create its server first, then IMPORT FOREIGN SCHEMA"),
    _risk("default privileges", "", "pg_default_acl"),
    _hidden(Fate.PART, "pg_enum", "pg_amop", "pg_amproc"),
    _hidden(Fate.SERVER, "pg_authid", "pg_auth_members", "pg_database", "pg_tablespace", "pg_parameter_acl", "pg_namespace"),
)
