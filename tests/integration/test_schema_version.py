"""The version of a source's schema: it differs after every statement after which the catalog differs, and not after writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from landfall.engine.model.fingerprint import fingerprint
from landfall.engine.model.options import Endpoint, Options, TargetSchemas
from landfall.engine.sources.engine import VersionedSchema
from landfall.engine.sources.registry import engine_of
from tests.support import engine as run
from tests.support.mysql import MySql
from tests.support.servers import MariaDb, PostgreSql

_Execute = Callable[[str], object]

_POSTGRESQL = (
    "CREATE TABLE extra (id int)",
    "ALTER TABLE item ADD COLUMN more int",
    "ALTER TABLE item RENAME COLUMN more TO less",
    "ALTER TABLE item ALTER COLUMN less TYPE bigint",
    "ALTER TABLE item ALTER COLUMN less SET DEFAULT 3",
    "ALTER TABLE item ALTER COLUMN less SET DEFAULT 4",
    "ALTER TABLE item ALTER COLUMN name SET NOT NULL",
    "ALTER TABLE item DROP COLUMN less",
    "ALTER TABLE item ALTER COLUMN name SET STATISTICS 500",
    "ALTER TABLE item ALTER COLUMN name SET STORAGE EXTERNAL",
    "ALTER TABLE item SET (fillfactor=70)",
    "ALTER TABLE extra RENAME TO more",
    "ALTER TABLE more SET UNLOGGED",
    "DROP TABLE more",
    "COMMENT ON TABLE item IS 'things'",
    "COMMENT ON COLUMN item.name IS 'the name'",
    "CREATE INDEX by_name ON item (name)",
    "ALTER INDEX by_name RENAME TO of_name",
    "DROP INDEX of_name",
    "CREATE UNIQUE INDEX one_name ON item (name) WHERE id > 3",
    "ALTER TABLE item ADD CONSTRAINT positive CHECK (id > 0)",
    "ALTER TABLE item DROP CONSTRAINT positive",
    "ALTER TABLE item ADD CONSTRAINT positive CHECK (id >= 0) NOT VALID",
    "ALTER TABLE item VALIDATE CONSTRAINT positive",
    "ALTER TABLE item ADD FOREIGN KEY (parent) REFERENCES item (id) ON DELETE CASCADE",
    "CREATE OR REPLACE VIEW names AS SELECT id, name FROM item WHERE id > 7",
    "ALTER VIEW names ALTER COLUMN name SET DEFAULT 'x'",
    "CREATE OR REPLACE FUNCTION twice(x int) RETURNS int LANGUAGE sql AS 'SELECT x + x + 0'",
    "ALTER FUNCTION twice(int) STRICT",
    "CREATE OR REPLACE TRIGGER watch BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION nothing()",
    "ALTER TABLE item DISABLE TRIGGER watch",
    "DROP TRIGGER watch ON item",
    "ALTER TYPE mood ADD VALUE 'calm'",
    "ALTER TYPE mood RENAME VALUE 'calm' TO 'quiet'",
    "ALTER DOMAIN short SET DEFAULT 'a'",
    "ALTER DOMAIN short ADD CONSTRAINT long CHECK (length(value) < 9)",
    "ALTER SEQUENCE counter INCREMENT BY 7",
    "ALTER SEQUENCE counter OWNED BY item.id",
    "ALTER TABLE item ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY own ON item USING (id < 100)",
    "ALTER POLICY own ON item USING (id < 101)",
    "CREATE RULE calm AS ON DELETE TO item DO INSTEAD NOTHING",
    "CREATE STATISTICS both_of ON id, parent FROM item",
    "CREATE TYPE pair AS (a int, b text)",
    "ALTER TYPE pair ADD ATTRIBUTE c int",
    "ALTER EXTENSION citext DROP FUNCTION citext_eq(citext, citext)",
    "CREATE TABLE parts (id int) PARTITION BY RANGE (id)",
    "CREATE TABLE part PARTITION OF parts FOR VALUES FROM (1) TO (9)",
    "ALTER TABLE parts DETACH PARTITION part",
    "CREATE COLLATION plain (provider=libc, locale='C')",
    "ALTER ROLE {role} RENAME TO {role}b",
)
_POSTGRESQL_START = (
    "CREATE TYPE mood AS ENUM ('glad','sad')",
    "CREATE DOMAIN short AS text",
    "CREATE SEQUENCE counter",
    "CREATE TABLE item (id int PRIMARY KEY, name text, parent int)",
    "CREATE VIEW names AS SELECT id, name FROM item",
    "CREATE FUNCTION twice(x int) RETURNS int LANGUAGE sql AS 'SELECT x + x'",
    "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE TRIGGER watch AFTER INSERT ON item FOR EACH ROW EXECUTE FUNCTION nothing()",
    "CREATE EXTENSION citext",
    "CREATE ROLE {role}",
    "CREATE TABLE given (id int)",
    "ALTER TABLE given ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY own ON given TO {role} USING (true)",
)
_POSTGRESQL_WRITES = (
    "INSERT INTO item SELECT i, i FROM generate_series(1,3000) i",
    "UPDATE item SET name = name || 'x'",
    "SELECT nextval('counter')",
    "SELECT setval('counter', 700)",
    "VACUUM ANALYZE item",
    "ANALYZE",
    "SELECT lo_create(0)",
    "CREATE TEMPORARY TABLE draft (id serial PRIMARY KEY, name text DEFAULT 'x' CHECK (name <> ''), parent int)",
    "CREATE INDEX ON draft (name)",
    "DROP TABLE draft",
    "BEGIN; LOCK TABLE item IN SHARE ROW EXCLUSIVE MODE; COMMIT",
)

_MYSQL_START = (
    "CREATE TABLE item (id int PRIMARY KEY AUTO_INCREMENT, name varchar(40), parent int, raw varbinary(9) DEFAULT 0xff)",
    "CREATE VIEW names AS SELECT id, name, raw FROM item",
    "CREATE FUNCTION twice(x int) RETURNS int DETERMINISTIC NO SQL RETURN x + x",
    "CREATE TRIGGER watch BEFORE INSERT ON item FOR EACH ROW SET NEW.parent = 1",
)
_MYSQL = (
    "CREATE TABLE extra (id int)",
    "ALTER TABLE item ADD COLUMN more int",
    "ALTER TABLE item RENAME COLUMN more TO less",
    "ALTER TABLE item MODIFY less bigint",
    "ALTER TABLE item ALTER COLUMN less SET DEFAULT 3",
    "ALTER TABLE item ALTER COLUMN less SET DEFAULT 4",
    "ALTER TABLE item MODIFY name varchar(40) NOT NULL",
    "ALTER TABLE item ADD COLUMN longer varchar(50) AS (concat(name, 'y'))",
    "ALTER TABLE item DROP COLUMN less",
    "ALTER TABLE item MODIFY raw varbinary(9) DEFAULT 0xfe",
    "ALTER TABLE item MODIFY name varchar(40) CHARACTER SET latin1",
    "ALTER TABLE item ADD COLUMN mood enum('glad','sad')",
    "ALTER TABLE item MODIFY mood enum('glad','sad','calm')",
    "RENAME TABLE extra TO more",
    "DROP TABLE more",
    "ALTER TABLE item COMMENT 'things'",
    "ALTER TABLE item MODIFY name varchar(40) COMMENT 'the name'",
    "CREATE INDEX by_name ON item (name)",
    "ALTER TABLE item RENAME INDEX by_name TO of_name",
    "DROP INDEX of_name ON item",
    "CREATE UNIQUE INDEX one_name ON item (name, parent)",
    "ALTER TABLE item ADD CONSTRAINT positive CHECK (name <> '')",
    "ALTER TABLE item DROP CONSTRAINT positive",
    "ALTER TABLE item ADD CONSTRAINT positive CHECK (name <> 'z')",
    "ALTER TABLE item ADD CONSTRAINT above FOREIGN KEY (parent) REFERENCES item (id)",
    "ALTER TABLE item DROP FOREIGN KEY above",
    "ALTER TABLE item ADD CONSTRAINT above FOREIGN KEY (parent) REFERENCES item (id) ON DELETE CASCADE",
    "CREATE OR REPLACE VIEW names AS SELECT id, name FROM item WHERE id > 7",
    "DROP VIEW names",
    "DROP TRIGGER watch",
    "DROP FUNCTION twice",
    "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM item WHERE id < 0",
    "CREATE TABLE parts (id int PRIMARY KEY)",
    "ALTER TABLE parts PARTITION BY HASH (id) PARTITIONS 2",
)
_MYSQL_WRITES = (
    "INSERT INTO item (name) VALUES ('a'), ('b'), ('c')",
    "UPDATE item SET name = concat(name, 'x')",
    "ANALYZE TABLE item",
    "FLUSH TABLES",
)
_SEQUENCES = (
    "CREATE SEQUENCE numbers",
    "ALTER SEQUENCE numbers INCREMENT BY 7",
    "DROP SEQUENCE numbers",
)
_SQLITE_START = (
    "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, parent INT)",
    "CREATE VIEW names AS SELECT id, name FROM item",
    "CREATE TRIGGER watch AFTER INSERT ON item BEGIN SELECT 1; END",
)
_SQLITE = (
    "CREATE TABLE extra (id INT)",
    "ALTER TABLE item ADD COLUMN more INT DEFAULT 3",
    "ALTER TABLE item RENAME COLUMN more TO less",
    "ALTER TABLE item DROP COLUMN less",
    "ALTER TABLE extra RENAME TO more",
    "DROP TABLE more",
    "CREATE INDEX by_name ON item (name)",
    "DROP INDEX by_name",
    "CREATE UNIQUE INDEX one_name ON item (name) WHERE id > 3",
    "DROP VIEW names",
    "CREATE VIEW names AS SELECT id, name FROM item WHERE id > 7",
    "DROP TRIGGER watch",
    "CREATE TABLE other (id INT PRIMARY KEY, item INT REFERENCES item (id) ON DELETE CASCADE, CHECK (id > 0)) WITHOUT ROWID",
)
_SQLITE_WRITES = (
    "INSERT INTO item (name) VALUES ('a'), ('b')",
    "UPDATE item SET name = name || 'x'",
    "CREATE TEMPORARY TABLE draft (id INT)",
)


class _Versioned:
    """A source of a test, with what is compared after each statement."""

    def __init__(self, endpoint: Endpoint, options: Options = Options()) -> None:  # noqa: B008  frozen
        self._engine, self._endpoint, self._options = engine_of(endpoint.engine), endpoint, options

    def version(self) -> str:
        assert isinstance(self._engine, VersionedSchema)
        return self._engine.schema_version(self._endpoint, self._options)

    def compared(self) -> tuple[dict[str, str], str]:
        """The fingerprint of the whole catalog, and the version in it."""
        catalog = self._engine.catalog(self._endpoint, self._options)
        return fingerprint(catalog, self._options), catalog.schema_version

    def check(self, statements: tuple[str, ...], execute: _Execute) -> None:
        """Each statement changes the version, and most of them the fingerprint."""
        before, version = self.compared()
        unseen = []
        for statement in statements:
            execute(statement)
            now, found = self.compared()
            assert found == self.version(), statement
            assert found != version, statement
            unseen += [statement] if now == before else []
            before, version = now, found
        assert len(unseen) < len(statements) / 4, unseen  # most of the list tests what it is made for

    def check_writes(self, statements: tuple[str, ...], execute: _Execute) -> None:
        """No statement changes the version."""
        version = self.version()
        assert version
        for statement in statements:
            execute(statement)
            assert self.version() == version, statement


@pytest.mark.parametrize("server", ["pg15", "pg18"])
def test_every_change_of_a_postgresql_schema_changes_its_version(server: str, fresh: str, request: pytest.FixtureRequest) -> None:
    pg: PostgreSql = request.getfixturevalue(server)
    with pg.connect(pg.database(fresh)) as there:

        def execute(statement: str) -> None:
            there.execute(statement.replace("{role}", f"role_{fresh}").encode())

        for statement in _POSTGRESQL_START:
            execute(statement)
        source = _Versioned(run.postgresql(pg, fresh), Options(target_schemas=TargetSchemas.PRESERVE))
        source.check_writes(_POSTGRESQL_WRITES, execute)
        source.check(_POSTGRESQL, execute)
        execute(f"DROP TABLE given; DROP ROLE role_{fresh}b")


@pytest.mark.parametrize("server", ["maria", "mysql"])
def test_every_change_of_a_schema_of_mysql_and_mariadb_changes_its_version(
    server: str, fresh: str, request: pytest.FixtureRequest
) -> None:
    there: MariaDb = request.getfixturevalue(server)
    database = there.database(fresh)
    there.sql(";".join(_MYSQL_START), database)
    source = _Versioned(run.mariadb(there, fresh))
    source.check_writes(_MYSQL_WRITES, lambda sql: there.sql(sql, database))
    more = ("ALTER TABLE item ALTER CHECK positive NOT ENFORCED",) if isinstance(there, MySql) else _SEQUENCES
    source.check((*_MYSQL, *more), lambda sql: there.sql(sql, database))


def test_every_change_of_a_sqlite_schema_changes_its_version(tmp_path: Path) -> None:
    path = tmp_path / "source.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as there:
        for statement in _SQLITE_START:
            there.execute(statement)
        source = _Versioned(run.sqlite(path))
        source.check_writes(_SQLITE_WRITES, there.execute)
        source.check(_SQLITE, there.execute)
