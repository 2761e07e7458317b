"""Several schemas of a source: each becomes the one of the same name in the target, or all become one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from landfall.engine.errors import SpecError
from landfall.engine.model.options import OnExisting, Options, TargetSchemas
from landfall.engine.model.plan import Plan, Severity, Stage
from landfall.engine.planning.tables import Draft
from landfall.engine.sources.engine import SourceEngine


def settled_schemas(options: Options, engine: SourceEngine, default: Sequence[str]) -> Options:
    """Return the options with `target_schemas` decided.

    Args:
        options: The options of the migration.
        engine: The source's engine.
        default: The schemas that are read if the options name none.

    Raises:
        SpecError: The schemas cannot keep their names.
    """
    if not engine.capabilities.speaks_target_sql:
        if options.target_schemas is TargetSchemas.PRESERVE:
            message = f"spec.data.target.schemas: Preserve is not possible for a source of the type {engine.name}"
            raise SpecError(message, advice="Remove it, and set spec.data.target.schema to the schema of the migrated tables.")
        return replace(options, target_schemas=TargetSchemas.MERGE)
    keeps_names, schemas = options.several_apart, tuple(dict.fromkeys(options.schemas or default))
    if keeps_names and options.on_existing is OnExisting.FILL and len(schemas) > 1:
        message = f"onExisting: Fill fills the tables of one schema, and the source has {len(schemas)}: {', '.join(schemas)}"
        advice = "Create a Migration for each schema, with that schema in spec.data.source.schemas and spec.data.target.schema."
        raise SpecError(message, advice=advice)
    if keeps_names and options.on_existing is OnExisting.FILL and schemas:
        return replace(options, target_schemas=TargetSchemas.MERGE, target_schema=schemas[0])
    return replace(options, target_schemas=TargetSchemas.PRESERVE if keeps_names else TargetSchemas.MERGE)


def schemas_as_planned(options: Options, plan: Plan) -> Options:
    """Return the options under which the catalog of the source is read as it was for the plan."""
    return replace(options, target_schemas=TargetSchemas.PRESERVE if plan.schemas else TargetSchemas.MERGE)


def add_schemas(draft: Draft) -> None:
    """Add the statements that create the schemas that the target lacks, as a part of the cutover."""
    for schema in draft.made_schemas:
        draft.enter(schema)
        draft.add_statement(
            Stage.SWAP, "schema", schema, "", draft.target.ddl.create_schema(schema), describes=schema, essential=True
        )
    draft.enter("")


def report_merged(draft: Draft) -> None:
    """Add a risk that names with a schema, in the application, mean nothing on the target."""
    schemas, target = draft.catalog.schemas, draft.options.target_schema
    if draft.native and len(schemas) > 1 and not draft.catalog.apart:
        text = f"{len(schemas)} schemas become one, {target}: statements of the application that name another schema fail"
        advice = "Set spec.data.target.schemas: Preserve, with which each keeps its name, or approve the plan."
        draft.add_risk(Severity.HIGH, "SchemasMerged", ", ".join(schemas), text, advice)
