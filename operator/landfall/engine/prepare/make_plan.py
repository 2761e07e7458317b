"""Creating a plan: read both catalogs, profile the source, build the plan, dry run. Nothing is changed on either side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from landfall.engine.errors import SpecError
from landfall.engine.model.catalog import Catalog
from landfall.engine.model.fence import PREFIX
from landfall.engine.model.fingerprint import selected
from landfall.engine.model.options import Endpoint, OnExisting, Options
from landfall.engine.model.plan import Plan
from landfall.engine.planning.existing_tables import as_read
from landfall.engine.planning.planner import PlanningContext, draft_plan, revoke_changed_approvals, wanted_names
from landfall.engine.planning.schemas import settled_schemas
from landfall.engine.prepare import dry_run, match_tables, profiling
from landfall.engine.prepare.existing_rows import BothSides, compare_existing_rows
from landfall.engine.prepare.probe_overrides import probe_overrides
from landfall.engine.prepare.prove_queries import prove_queries
from landfall.engine.prepare.row_size import with_row_sizes
from landfall.engine.sources.registry import default_schemas, engine_of, source_of
from landfall.engine.targets.engine import TargetCatalog
from landfall.engine.targets.registry import target_of


def read_catalog(endpoint: Endpoint, options: Options) -> Catalog:
    """Read the catalog of the source, without the fence of an earlier cutover."""
    catalog = engine_of(endpoint.engine).catalog(endpoint, options)
    return replace(catalog, objects=tuple(o for o in catalog.objects if PREFIX not in o.name))


def make_plan(source: Endpoint, target: Endpoint, options: Options, report: Callable[[str], None] = lambda _: None) -> Plan:
    """Create a complete plan.

    Args:
        source: The source.
        target: The target.
        options: The options of the migration.
        report: Called with a line of progress.

    Raises:
        EngineError: A side cannot be read.
    """
    source = replace(source, schemas=options.schemas)
    options = settled_schemas(options, engine_of(source.engine), default_schemas(source))
    engine = target_of(target)
    database = engine.connect(target, options.ledger_schema)
    try:
        read = read_catalog(source, options)
        catalog, overrides = probe_overrides(source, read, options)
        if not selected(catalog, options):
            message = f"source: no table to migrate in schema {', '.join(catalog.schemas)}"
            raise SpecError(message, advice="Correct spec.data.source.schemas or excludeTables.")
        context, more = PlanningContext(read), {}
        names = wanted_names(catalog, options, engine)
        if options.on_existing is OnExisting.FILL:
            context = _matched(source, catalog, database.catalog, options, read)
            catalog = as_read(catalog, context.counterparts)
            more = match_tables.probes_by_table(catalog, context.counterparts)
            names = frozenset((c.table.schema, c.table.name) for c in context.counterparts.values())
        facts = database.catalog.facts(options, names, catalog.schemas if catalog.apart else ())
        counted = replace(profiling.profile(source_of(source), catalog, options, report, more), overrides=overrides)
        plan = draft_plan(catalog, counted, options, facts, (source, target), context)
        plan = with_row_sizes(plan, source_of(source), engine)
        sides = BothSides(source_of(source), database, engine)
        plan = compare_existing_rows(plan, context.counterparts, options, sides)
        blocked = {r.kind for r in plan.blockers} & {"Privilege", "Extension", "Shadowed", "SameName"}
        if blocked:
            return revoke_changed_approvals(plan, options)
        plan = prove_queries(dry_run.dry_run(engine, database, plan), source_of(source), engine)
        return revoke_changed_approvals(plan, options)
    finally:
        database.close()


def _matched(source: Endpoint, catalog: Catalog, target: TargetCatalog, options: Options, read: Catalog) -> PlanningContext:
    existing = target.existing(options.target_schema)
    return PlanningContext(read, existing, match_tables.counterparts(source, catalog, target, existing, options))
