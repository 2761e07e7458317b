"""No value of a row is told by a plan, an event or an error, whatever a server says."""

from __future__ import annotations

import pytest

from landfall.engine.clients.postgresql import PgSession
from landfall.engine.clients.postgresql_wire import PgWireConnection
from landfall.engine.errors import EngineError
from landfall.engine.model.options import ColumnDecision, Options
from landfall.engine.sources.mysql.session import MySqlSession
from tests.support import engine as run
from tests.support import row_markers
from tests.support.row_markers import MARKER, NUMBER
from tests.support.servers import MariaDb, PostgreSql

_ROWS = f"""
CREATE TABLE cards (id int PRIMARY KEY, number text, iban text);
INSERT INTO cards VALUES (1,'{NUMBER}','{MARKER}'),(2,'2','{MARKER}');
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no %', OLD.iban USING DETAIL=OLD.iban, HINT=OLD.iban; END $$;
CREATE TRIGGER tell BEFORE UPDATE ON cards FOR EACH ROW EXECUTE FUNCTION tell();
CREATE TABLE copies (id int CHECK (id < 0), iban text NOT NULL);
"""
_REFUSED = (
    "SELECT number::int FROM cards",
    "SELECT iban::int FROM cards",
    "SELECT to_date(iban,'YYYY') FROM cards",
    "SELECT (iban||'!')::regclass FROM cards",
    "SELECT (iban||'.a')::regclass FROM cards",
    "SELECT iban::regtype FROM cards",
    "SELECT iban::json FROM cards",
    "SELECT current_setting(iban) FROM cards",
    "SELECT query_to_xml(iban,true,true,'') FROM cards",
    "SELECT 1/(length(iban)-7) FROM cards",
    "UPDATE cards SET id=id+10",
    "CREATE UNIQUE INDEX ON cards (iban)",
    "ALTER TABLE cards ADD CHECK (iban='')",
    "ALTER TABLE cards ALTER number TYPE int USING number::int",
    "INSERT INTO copies SELECT id,iban FROM cards",
    "INSERT INTO copies SELECT -id,nullif(iban,iban) FROM cards",
    "INSERT INTO cards SELECT id,iban FROM cards",
    f"SELECT * FROM cards WHERE iban='{MARKER}",
    f"SELECT '{MARKER}' FROM cards WHERE '{MARKER}' '{MARKER}'",
)


def _copied(wire: PgWireConnection) -> None:
    """The server may refuse the row at once, or at the end."""
    wire.copy_data(f"{MARKER}\n".encode())
    wire.copy_end()


def test_postgresql_refuses_without_values(pg15: PostgreSql, fresh: str) -> None:
    with pg15.connect(pg15.database(fresh)) as source_connection:
        source_connection.execute(_ROWS.encode())
    endpoint = run.postgresql(pg15, fresh)
    control, wire = PgSession(endpoint, "target"), PgWireConnection(endpoint, "target")
    for sql in _REFUSED:
        for refuses in (control.run, wire.rows):
            with pytest.raises(EngineError) as refused:
                refuses(sql)
            assert row_markers.rows_in(row_markers.chain(refused.value)) == [], sql
            assert refused.value.code, sql
    wire.copy_in("COPY copies (id) FROM STDIN")
    with pytest.raises(EngineError, match=r"table copies\.id") as refused:
        _copied(wire)
    assert row_markers.rows_in(row_markers.chain(refused.value)) == []
    wire.close()
    control.close()


_MYSQL_ROWS = (
    "CREATE TABLE cards (id int PRIMARY KEY, number text, iban varchar(40))",
    f"INSERT INTO cards VALUES (1,'{NUMBER}','{MARKER}'),(2,'2','{MARKER}')",
    "CREATE TABLE copies (id int, iban varchar(3) UNIQUE)",
)
_MYSQL_REFUSED = (
    "ALTER TABLE cards ADD UNIQUE (iban)",
    "ALTER TABLE cards MODIFY iban int",
    "ALTER TABLE cards MODIFY iban varchar(2)",
    "INSERT INTO copies SELECT number,iban FROM cards",
    "SELECT EXTRACTVALUE('<a/>',CONCAT('~',iban)) FROM cards",
    "SELECT JSON_EXTRACT('{}',iban) FROM cards",
    "SELECT ST_GEOMFROMTEXT(iban) FROM cards",
    f"SELECT * FROM cards WHERE iban='{MARKER}' '{MARKER}' x y",
)


def test_mysql_and_mariadb_refuse_without_values(either: MariaDb, fresh: str) -> None:
    session = MySqlSession(run.mariadb(either, either.database(fresh)))
    for sql in _MYSQL_ROWS:
        session.rows(sql)
    texts: list[str] = []
    for sql in _MYSQL_REFUSED:
        try:
            session.rows(sql)
        except EngineError as error:
            texts.extend(row_markers.chain(error))
    assert len(texts) >= 5, "either server accepts some of them"
    assert row_markers.rows_in(texts) == []
    session.close()


def test_a_migration_tells_no_row(pg15: PostgreSql, fresh: str) -> None:
    """An expression that fails on some rows, in the plan; then rows that the target refuses, in the run."""
    with pg15.connect(pg15.database(f"{fresh}s")) as connection:
        connection.execute(_ROWS.encode())
    source, target = run.postgresql(pg15, f"{fresh}s"), run.postgresql(pg15, pg15.database(fresh))
    wrong = ColumnDecision("public", "cards", "number", "Override", "number::int")
    move = run.Move(source, target, Options(decisions=(wrong,)))
    assert "22003" in " ".join(r.description for r in move.plan().risks)

    def in_the_way() -> None:
        with pg15.connect(fresh) as connection:
            (stage,) = connection.execute(
                b"SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname='cards'"
            ).fetchone() or ("",)
            connection.execute(f"ALTER TABLE {stage}.cards ADD CHECK (iban='')".encode())

    with pytest.raises(EngineError, match="a row violates a check"):
        run.Move(source, target, at={"copying": in_the_way}).run()
