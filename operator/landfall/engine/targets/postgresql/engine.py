"""PostgreSQL as a target engine."""

from __future__ import annotations

from landfall.engine.clients.postgresql import PgSession
from landfall.engine.model.options import Endpoint
from landfall.engine.model.plan import Plan
from landfall.engine.model.table_shape import Shape
from landfall.engine.targets.engine import DryRun, TargetDatabase, TargetEngine
from landfall.engine.targets.postgresql import ddl, dry_run, types
from landfall.engine.targets.postgresql.existing import PostgresqlCatalog
from landfall.engine.targets.postgresql.ledger import PostgresqlLedger
from landfall.engine.targets.postgresql.loader import PostgresqlLoader
from landfall.engine.targets.postgresql.plan_names import plan_search_path
from landfall.engine.targets.postgresql.queries import PostgresqlQueries
from landfall.engine.targets.postgresql.stage import PostgresqlStage
from landfall.engine.targets.postgresql.swap import PostgresqlSwap
from landfall.engine.targets.shapes import shape_of


class _Database:
    def __init__(self, endpoint: Endpoint, ledger_schema: str) -> None:
        self._endpoint = endpoint
        self.session = PgSession(endpoint, "target")
        self.ledger = PostgresqlLedger(self.session, ledger_schema)
        self.swap = PostgresqlSwap(self.ledger)
        self.catalog = PostgresqlCatalog(self.session, endpoint.port)

    def clock(self) -> str:
        return str(self.session.value("SELECT clock_timestamp()::text"))

    def stage(self, plan: Plan, schema: str, target_schema: str = "") -> PostgresqlStage:
        return PostgresqlStage(self.session, plan, schema, target_schema)

    def loader(self, plan: Plan, schema: str) -> PostgresqlLoader:
        return PostgresqlLoader(self._endpoint, self.ledger, plan_search_path(plan, schema))

    def dry_run(self, plan: Plan) -> DryRun:
        return dry_run.dry_run(self.session, plan, lambda t, schema: PostgresqlQueries(shape_of(plan, t, POSTGRESQL), schema))

    def close(self) -> None:
        self.session.close()


class _Engine(TargetEngine):
    name = "PostgreSQL"
    max_name_bytes = 63
    types = types
    ddl = ddl

    def queries(self, shape: Shape, schema: str) -> PostgresqlQueries:
        return PostgresqlQueries(shape, schema)

    def connect(self, endpoint: Endpoint, ledger_schema: str) -> TargetDatabase:
        return _Database(endpoint, ledger_schema)


POSTGRESQL = _Engine()
