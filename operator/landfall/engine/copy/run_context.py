"""The context that all streams of a run share: plan, ledger, reporting and stop request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from landfall.engine.copy.cancellation import CancellationToken
from landfall.engine.model.events import Event
from landfall.engine.model.options import Endpoint, Options
from landfall.engine.model.plan import Plan, TablePlan
from landfall.engine.model.run_settings import Dials
from landfall.engine.model.table_shape import Shape
from landfall.engine.sources.base import Source
from landfall.engine.sources.engine import SourceEngine
from landfall.engine.sources.registry import engine_of
from landfall.engine.targets.engine import Loader, StagingSchema, TargetDatabase, TargetEngine, TargetQueries
from landfall.engine.targets.ledger import Lease, Ledger
from landfall.engine.targets.registry import target_of
from landfall.engine.targets.shapes import shape_of


class Limit(CancellationToken):
    """A time limit for one operation within a run.

    When the limit has passed, everything registered is ended at once, in the order of registration, so that no statement lasts longer.
    The run itself is not stopped.

    Args:
        run: The stop of the whole run; a request to it ends this operation as well.
        seconds: The limit in seconds.
        timer: Creates a timer that calls a function after some seconds, such as threading.Timer.
    """

    def __init__(
        self,
        run: CancellationToken,
        seconds: float,
        timer: Callable[[float, Callable[[], None]], threading.Timer] = threading.Timer,
    ) -> None:
        super().__init__()
        self._run = run
        self._settled = threading.Lock()
        self._over = False
        self._timer = timer(seconds, self._pass)
        self._timer.daemon = True
        self.passed = False

    @property
    def requested(self) -> bool:
        """Whether the limit has passed, or a stop of the run was requested."""
        return super().requested or self._run.requested

    def start(self) -> None:
        """Start the timer."""
        self._run.register(self, self.abort)
        self._timer.start()

    def end(self) -> bool:
        """Stop the timer. Return whether the operation was in time; after True the limit interrupts nothing."""
        with self._settled:
            self._over = True
        self._timer.cancel()
        if self._timer.is_alive():
            self._timer.join()
        self._run.forget(self)
        return not self.passed

    def _pass(self) -> None:
        with self._settled:
            if self._over:
                return
            self.passed = True
        self.abort()


@dataclass(frozen=True, slots=True)
class Work:
    """One run in progress."""

    plan: Plan
    options: Options
    source_endpoint: Endpoint
    target_endpoint: Endpoint
    source: Source
    database: TargetDatabase
    lease: Lease
    stage: str
    report: Callable[[Event], None]
    stop: CancellationToken
    dials: Dials

    @property
    def engine(self) -> SourceEngine:
        """The source's engine."""
        return engine_of(self.plan.engine)

    @property
    def target(self) -> TargetEngine:
        """The target's engine."""
        return target_of(self.target_endpoint)

    @property
    def ledger(self) -> Ledger:
        """The record of the run."""
        return self.database.ledger

    @property
    def staging(self) -> StagingSchema:
        """The staging schema, in the control connection."""
        return self.staging_of("")

    def staging_of(self, target_schema: str) -> StagingSchema:
        """The staging schema of a target schema, in the control connection. `target_schema`: as `Statement.schema`."""
        return self.database.stage(self.plan, self.stage, target_schema)

    @contextmanager
    def loader(self) -> Iterator[Loader]:
        """A new session that moves or compares rows, ended by a stop of the run and closed at the end."""
        loader = self.open_loader()
        try:
            yield loader
        finally:
            self.stop.forget(loader)
            loader.close()

    def open_loader(self) -> Loader:
        """The same for a caller that closes it, and has the stop forget it."""
        loader = self.database.loader(self.plan, self.stage)
        self.stop.register(loader, loader.abort)
        try:
            self.ledger.register_backend(self.lease, "target", loader.backend)
        except BaseException:
            self.stop.forget(loader)
            loader.close()
            raise
        return loader

    def queries(self, table: TablePlan) -> TargetQueries:
        """The target's queries over a staged table."""
        return self.target.queries(self.shape(table), self.plan.place(self.stage, self.plan.within(table)))

    def shape(self, table: TablePlan) -> Shape:
        """The table in the form that the query builders use."""
        return shape_of(self.plan, table, self.target)

    def weight(self, table: TablePlan) -> int:
        """Maximum memory of one row in transfer, in bytes."""
        return table.largest_row * 4

    @property
    def readers(self) -> int:
        """Number of concurrent sessions on the source."""
        return min(self.threads, self.source.most_readers)

    @property
    def threads(self) -> int:
        """Number of concurrent streams."""
        return max(1, self.dials.parallelism)
