"""The fence of PostgreSQL: one function that raises an error, and a statement trigger on every table, in the lock's own transaction."""

from __future__ import annotations

from landfall.engine.clients.postgresql_wire import PgWireConnection
from landfall.engine.errors import PrivilegeMissingError
from landfall.engine.model.fence import Fence
from landfall.engine.model.identifiers import literal, quoted
from landfall.engine.sources.base import FenceableLock

# Where the function of a fence can be, of the schemas of its tables: planning asks the same as the cutover.
CREATABLE = "SELECT nspname FROM pg_namespace WHERE nspname=ANY(%s) AND has_schema_privilege(oid,'CREATE') ORDER BY 1 LIMIT 1"
_READ_ONLY = "25006"  # read_only_sql_transaction: applications know it


class PostgresqlLock(FenceableLock):
    """The write lock: a transaction that holds table locks in the mode SHARE ROW EXCLUSIVE."""

    def __init__(self, wire: PgWireConnection) -> None:
        super().__init__(wire, backends=(str(wire.pid),))
        self._wire = wire

    def _create(self, fence: Fence) -> None:
        """Commit function and triggers with the transaction of the lock: a writer that waits for it meets the trigger."""
        function = f"{quoted(self._schema(fence))}.{quoted(fence.name)}"
        error = f"ERRCODE='{_READ_ONLY}', MESSAGE={literal(fence.message)}"
        body = literal(f"BEGIN RAISE EXCEPTION USING {error}; END")
        self._wire.rows(
            f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SET search_path=pg_catalog AS {body}"
        )
        existing = _fenced(self._wire, fence.name)
        for schema, table in fence.tables:
            if (schema, table) not in existing:
                self._wire.rows(
                    f"CREATE TRIGGER {quoted(fence.name)} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE"
                    f" ON {quoted(schema)}.{quoted(table)} FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
                )
        self._wire.rows("COMMIT")

    def _schema(self, fence: Fence) -> str:
        names = ",".join(literal(schema) for schema in sorted({schema for schema, _ in fence.tables}))
        rows = self._wire.rows(CREATABLE.replace("%s", f"ARRAY[{names}]::text[]"))
        if not rows:
            message = f"source: no function can be created in the schemas {names}, so writers cannot be refused after the cutover"
            advice = "Grant CREATE on one of them, or set spec.data.cutover.fence: None and plan again."
            raise PrivilegeMissingError(message, advice=advice)
        return rows[0][0] or ""


def remove_fence(wire: PgWireConnection, name: str) -> int:
    """Remove a fence. First the function lets writers through, which needs no lock on a table; then the triggers are dropped, one by one.

    TRIGGER is enough to create a trigger, and not to drop it: on a table of another owner it stays, with the function that does nothing.
    """
    functions = wire.rows(
        "SELECT n.nspname FROM pg_proc p JOIN pg_namespace n ON n.oid=p.pronamespace"
        f" WHERE p.proname={literal(name)} AND p.pronargs=0 AND p.prorettype='trigger'::regtype"
    )
    schemas = [row[0] or "" for row in functions]
    for schema in schemas:
        wire.rows(
            f"CREATE OR REPLACE FUNCTION {quoted(schema)}.{quoted(name)}() RETURNS trigger LANGUAGE plpgsql"
            " SET search_path=pg_catalog AS 'BEGIN RETURN NULL; END'"
        )
    tables = _fenced(wire, name)
    remaining = 0
    for schema, table in tables:
        try:
            wire.rows(f"DROP TRIGGER IF EXISTS {quoted(name)} ON {quoted(schema)}.{quoted(table)}")
        except PrivilegeMissingError:
            remaining += 1
    for schema in schemas if not remaining else ():
        wire.rows(f"DROP FUNCTION {quoted(schema)}.{quoted(name)}()")
    return len(tables)


def _fenced(wire: PgWireConnection, name: str) -> list[tuple[str, str]]:
    """The tables that have the trigger of a fence, as (schema, name)."""
    rows = wire.rows(
        "SELECT n.nspname,c.relname FROM pg_trigger t JOIN pg_class c ON c.oid=t.tgrelid"
        f" JOIN pg_namespace n ON n.oid=c.relnamespace WHERE t.tgname={literal(name)} AND NOT t.tgisinternal ORDER BY 1,2"
    )
    return [(schema or "", table or "") for schema, table in rows]
