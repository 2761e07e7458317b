"""The check that the schema of the source is still the one of the plan.

Reading the catalog takes a second for each thousand tables. Under the write lock it is therefore read again only if the source's
schema version differs from that of the last catalog that was equal to the plan.
"""

from __future__ import annotations

from collections.abc import Callable

from landfall.engine.copy.run_context import Work
from landfall.engine.errors import SourceChangedError
from landfall.engine.model.catalog import Catalog
from landfall.engine.model.options import Endpoint, Options
from landfall.engine.planning.planner import changed_objects
from landfall.engine.planning.schemas import schemas_as_planned
from landfall.engine.prepare.make_plan import read_catalog
from landfall.engine.sources.engine import SourceEngine, VersionedSchema


class SourceCheck:
    """Compares the source's schema with the plan of a run.

    Args:
        engine: The engine of the source.
        endpoint: The source.
        options: The options of the run.
        read: Reads the catalog of the source.
    """

    def __init__(
        self,
        engine: SourceEngine,
        endpoint: Endpoint,
        options: Options,
        read: Callable[[Endpoint, Options], Catalog] = read_catalog,
    ) -> None:
        self._read = read
        self._engine = engine
        self._endpoint = endpoint
        self._options = options
        self._version = ""

    def __call__(self, work: Work) -> None:
        """Check the source. Raises SourceChangedError with the names of the objects that differ from the plan."""
        options = schemas_as_planned(self._options, work.plan)
        if self._version and self._current(options) == self._version:
            return
        catalog = self._read(self._endpoint, options)
        changed = changed_objects(work.plan, catalog, self._options)
        if changed:
            message = f"the source's schema has changed since the plan was created: {', '.join(changed[:10])}"
            raise SourceChangedError(
                message, advice="Run `landfall rollback` to drop the staged tables, then plan again with a new rerunToken."
            )
        self._version = catalog.schema_version

    def _current(self, options: Options) -> str:
        return self._engine.schema_version(self._endpoint, options) if isinstance(self._engine, VersionedSchema) else ""
