"""The classes of objects of MySQL and MariaDB."""

from __future__ import annotations

from landfall.engine.model.object_class import Fate, ObjectClass

_TYPES = "tests/integration/test_exact.py::test_every_type_of_mariadb_arrives_equal"
_RULES = "tests/integration/test_mysql_schema.py::test_rules_defaults_and_values_are_those_of_the_source"
_KEYS = "tests/integration/test_mysql_schema.py::test_related_columns_have_one_type_and_keep_their_foreign_keys"
_COUNTERS = "tests/integration/test_mysql_schema.py::test_counters_past_the_largest_integer_are_counted"
_DAYS = "tests/integration/test_mysql_schema.py::test_days_that_a_month_does_not_have_are_counted_and_follow_the_policy"
_FORMS = "tests/integration/test_mysql_schema.py::test_keys_without_overlaps_are_said_and_other_forms_once_a_type"
_CASE = "tests/integration/test_mysql_schema.py::test_tables_that_differ_only_in_case_keep_their_names"
_DOUBLES = "tests/integration/test_mysql_schema.py::test_random_doubles_arrive_to_the_last_bit"
_NAMED = "tests/integration/test_mysql_catalog.py::test_what_is_not_migrated_is_named"
_STORED = "tests/integration/test_mysql_catalog.py::test_vectors_arrive_and_tables_without_rows_of_their_own_are_said"
_VIEWS = "tests/integration/test_views.py::test_a_view_returns_the_same_rows"
_LINES = "tests/unit/engine/planning/test_planner.py::test_everything_that_is_not_carried_has_a_line"


def _risk(name: str, note: str, *catalogs: str) -> ObjectClass:
    return ObjectClass(name, Fate.RISK, "", note, _NAMED, catalogs)


def _hidden(fate: Fate, *catalogs: str) -> ObjectClass:
    return ObjectClass("", fate, catalogs=catalogs)


OBJECT_CLASSES = (
    ObjectClass("tables, columns, comments", Fate.CARRIED, shown_by=_RULES, catalogs=("TABLES", "COLUMNS")),
    ObjectClass("partitioned tables", Fate.CHANGED, "one plain table", "risk", _NAMED, ("PARTITIONS",)),
    ObjectClass("system-versioned tables (MariaDB)", Fate.CHANGED, "a table with the current rows", "the history: risk", _LINES),
    ObjectClass(
        "tables of the engines MERGE, FEDERATED, SPIDER, CONNECT, S3, BLACKHOLE",
        Fate.CHANGED,
        "a table with rows of its own: what the table returns when it is copied",
        "requires approval",
        _STORED,
    ),
    ObjectClass("TINYINT(1) that holds only 0 and 1", Fate.CHANGED, "boolean", "otherwise smallint", _TYPES),
    ObjectClass(
        "unsigned integers",
        Fate.CHANGED,
        "the next wider type with a check; BIGINT UNSIGNED: numeric(20,0)",
        "keys of BIGINT UNSIGNED: bigint, unless a value uses the 64th bit",
        _COUNTERS,
    ),
    ObjectClass("columns that foreign keys connect", Fate.CHANGED, "one type for all of them", "also TINYINT(1) and ENUM", _KEYS),
    ObjectClass("FLOAT, DOUBLE", Fate.CARRIED, "real, double precision", "the sign of zero is dropped", _DOUBLES),
    ObjectClass("BIT(1), BIT(n)", Fate.CHANGED, "boolean, bit(n)", "", _TYPES),
    ObjectClass(
        "DATETIME, TIMESTAMP",
        Fate.CARRIED,
        "timestamp, timestamp with time zone",
        "zero, partial and impossible dates by policy",
        _DAYS,
    ),
    ObjectClass("TIME", Fate.CHANGED, "interval", "it may be negative or over 24 hours", _TYPES),
    ObjectClass(
        "CHAR, VARCHAR, TEXT family",
        Fate.CARRIED,
        "varchar, text",
        "CHAR is read without the blanks that pad it; NUL bytes and encodings by policy",
        _RULES,
    ),
    ObjectClass("JSON", Fate.CHANGED, "json", "keeps the text; jsonb would reorder keys", _TYPES),
    ObjectClass("BINARY, BLOB family", Fate.CHANGED, "bytea", "", _TYPES),
    ObjectClass("ENUM, SET", Fate.CHANGED, "enumerated type, text[] with a check", "", _FORMS),
    ObjectClass("UUID, INET6", Fate.CARRIED, "uuid, inet", "", _TYPES),
    ObjectClass(
        "spatial types",
        Fate.CHANGED,
        "bytea: SRID, then WKB",
        "requires approval",
        _TYPES,
        ("GEOMETRY_COLUMNS", "ST_GEOMETRY_COLUMNS"),
    ),
    ObjectClass("VECTOR", Fate.CHANGED, "bytea: four bytes for each number", "requires approval", _STORED),
    ObjectClass("AUTO_INCREMENT", Fate.CHANGED, "identity", "set past the largest value and the source's counter", _COUNTERS),
    ObjectClass("sequences (MariaDB)", Fate.CARRIED, "sequences", "", _TYPES, ("SEQUENCES",)),
    ObjectClass("ON UPDATE CURRENT_TIMESTAMP", Fate.CHANGED, "a trigger", "", _TYPES),
    ObjectClass(
        "indexes, unique and primary keys",
        Fate.CARRIED,
        shown_by=_RULES,
        catalogs=("STATISTICS", "TABLE_CONSTRAINTS", "KEY_COLUMN_USAGE"),
    ),
    ObjectClass(
        "prefix indexes",
        Fate.CHANGED,
        "indexes over whole columns, or hash indexes where values may be too long for a B-tree",
        "a unique rule over a prefix stays, as an index over an expression",
        _RULES,
    ),
    ObjectClass("functional, descending indexes", Fate.CARRIED, "expression and descending indexes", "", _RULES),
    ObjectClass("FULLTEXT, SPATIAL and VECTOR indexes", Fate.RISK, shown_by=_LINES),
    ObjectClass(
        "WITHOUT OVERLAPS (MariaDB)",
        Fate.RISK,
        note="the key rejects equal periods",
        shown_by=_FORMS,
        catalogs=("PERIODS", "KEY_PERIOD_USAGE"),
    ),
    ObjectClass(
        "generated columns",
        Fate.CHANGED,
        "stored generated columns",
        "compared; a column whose expression has no counterpart becomes an ordinary one: risk",
        _RULES,
    ),
    ObjectClass("checks", Fate.CARRIED, shown_by=_RULES, catalogs=("CHECK_CONSTRAINTS",)),
    ObjectClass("checks, generated columns over texts that ignore case", Fate.CHANGED, "compare in lower case", "", _RULES),
    ObjectClass(
        "checks that are NOT ENFORCED", Fate.RISK, note="add them manually, with NOT VALID if rows violate them", shown_by=_RULES
    ),
    ObjectClass(
        "foreign keys",
        Fate.CARRIED,
        note="with rows without a parent: NOT VALID, requires approval",
        shown_by=_KEYS,
        catalogs=("REFERENTIAL_CONSTRAINTS",),
    ),
    ObjectClass(
        "views",
        Fate.CHANGED,
        "translated expression by expression, by the types of the values: comparisons and LIKE without case, quotients with the same decimals,"
        " truths as 0 and 1, formats of dates; created in the dry run",
        "an expression whose meaning cannot be kept is a risk that names the view, the expression and the reason; texts without case are"
        " compared by lower(…), so accents and spaces at the end count in the target",
        _VIEWS,
        ("VIEWS",),
    ),
    _risk("JSON duality views (MySQL)", "", "JSON_DUALITY_VIEWS"),
    _risk("trigger", "", "TRIGGERS"),
    _risk("routine", "listed if the credential has EXECUTE", "ROUTINES"),
    _risk("library", "code for routines (MySQL)", "LIBRARIES"),
    _risk("event", "listed if the credential has EVENT", "EVENTS"),
    _risk(
        "privileges of accounts",
        "listed if the credential may read the schema mysql",
        *("SCHEMA_PRIVILEGES", "TABLE_PRIVILEGES", "COLUMN_PRIVILEGES"),
    ),
    ObjectClass(
        "names with capital letters", Fate.CHANGED, "small letters", "tables that differ only in case keep theirs", _CASE
    ),
    _hidden(
        Fate.PART,
        *("COLUMNS_EXTENSIONS", "TABLES_EXTENSIONS", "TABLE_CONSTRAINTS_EXTENSIONS", "COLUMN_STATISTICS"),
        *("PARAMETERS", "ROUTINE_LIBRARIES", "VIEW_ROUTINE_USAGE", "VIEW_TABLE_USAGE"),
        *("JSON_DUALITY_VIEW_COLUMNS", "JSON_DUALITY_VIEW_LINKS", "JSON_DUALITY_VIEW_TABLES"),
    ),
    _hidden(
        Fate.SERVER,
        *("SCHEMATA", "SCHEMATA_EXTENSIONS", "TABLESPACES", "TABLESPACES_EXTENSIONS", "FILES", "ENGINES", "RESOURCE_GROUPS"),
        *(
            "CHARACTER_SETS",
            "COLLATIONS",
            "COLLATION_CHARACTER_SET_APPLICABILITY",
            "KEYWORDS",
            "SQL_FUNCTIONS",
            "SPATIAL_REF_SYS",
        ),
        *("ST_SPATIAL_REFERENCE_SYSTEMS", "ST_UNITS_OF_MEASURE", "PLUGINS", "ALL_PLUGINS", "SYSTEM_VARIABLES"),
        *(
            "USERS",
            "USER_ATTRIBUTES",
            "USER_PRIVILEGES",
            "APPLICABLE_ROLES",
            "ADMINISTRABLE_ROLE_AUTHORIZATIONS",
            "ENABLED_ROLES",
        ),
        *("ROLE_COLUMN_GRANTS", "ROLE_ROUTINE_GRANTS", "ROLE_TABLE_GRANTS", "SLAVE_STATUS"),
        *(
            "GLOBAL_STATUS",
            "GLOBAL_VARIABLES",
            "SESSION_STATUS",
            "SESSION_VARIABLES",
            "USER_VARIABLES",
            "PROCESSLIST",
            "PROFILING",
        ),
        *("OPTIMIZER_TRACE", "OPTIMIZER_COSTS", "KEY_CACHES", "CLIENT_STATISTICS", "INDEX_STATISTICS", "TABLE_STATISTICS"),
        *("USER_STATISTICS", "THREAD_POOL_GROUPS", "THREAD_POOL_QUEUES", "THREAD_POOL_STATS", "THREAD_POOL_WAITS"),
    ),
)
