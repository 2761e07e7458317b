"""Assembles the plan, and revises it after the dry run of its statements."""

from __future__ import annotations

import json
from collections.abc import Mapping as Counts
from dataclasses import dataclass, field, replace

from landfall.engine.model.catalog import Catalog, SourceObject
from landfall.engine.model.fingerprint import differing, excluded, fingerprint, former_digests, selected
from landfall.engine.model.options import Endpoint, Mode, Options, Quiesce
from landfall.engine.model.plan import Decision, Plan, Risk, Severity
from landfall.engine.model.target_facts import TargetFacts
from landfall.engine.planning import existing_decisions, existing_tables, privileges, schema_objects
from landfall.engine.planning.estimates import _with_estimates
from landfall.engine.planning.extensions import extensions
from landfall.engine.planning.fence_gaps import fence_gaps
from landfall.engine.planning.in_place import in_place
from landfall.engine.planning.names import add_name_risks
from landfall.engine.planning.own_schema import report_own_schema
from landfall.engine.planning.preflight import _column_risks, _preflight
from landfall.engine.planning.schemas import add_schemas
from landfall.engine.planning.source_code import leave_code
from landfall.engine.planning.tables import Counterpart, Draft, SourceProfile
from landfall.engine.planning.views import views
from landfall.engine.sources.registry import engine_of, identity
from landfall.engine.targets.engine import TargetEngine
from landfall.engine.targets.registry import target_of
from landfall.lib.plan_code import PLAN_FORMAT


@dataclass(frozen=True, slots=True)
class PlanningContext:
    """Additional input of planning: the unchanged catalog of the source, the catalog of the target, and the matching tables."""

    plain: Catalog
    existing: Catalog | None = None
    counterparts: Counts[tuple[str, str], Counterpart] = field(default_factory=dict)


def draft_plan(
    catalog: Catalog,
    profile: SourceProfile,
    options: Options,
    target: TargetFacts,
    ends: tuple[Endpoint, Endpoint],
    context: PlanningContext,
) -> Plan:
    """Return the plan before its dry run."""
    draft = Draft(catalog, options, profile, target_of(ends[1]), existing=context.existing, counterparts=context.counterparts)
    existing_tables.reduced(draft)
    leave_code(draft)
    catalog = draft.catalog
    if catalog.apart:
        draft.made_schemas = tuple(s for s in catalog.schemas if s in target.missing_schemas)
        add_schemas(draft)
    replacing = {r.name for r in target.in_the_way}
    draft.relations = draft.name_space(() if draft.native else target.relations - replacing)
    draft.types = draft.name_space(target.types)
    draft.routines = draft.name_space(target.routines)
    draft.facts = target
    draft.in_place = in_place(draft)
    extensions(draft, target)
    schema_objects.objects(draft, before=True)
    tables = existing_tables.plan_tables(draft)
    if context.existing:
        draft.risks += existing_decisions.unknown_names(options, catalog, context.existing, context.counterparts)
    schema_objects.objects(draft, before=False)
    compared = views(draft, tables)
    draft.risks += privileges.risks(draft)
    _preflight(draft, target, tables)
    _column_risks(draft, tables)
    report_own_schema(draft)
    add_name_risks(draft, tables)
    statements = tuple(replace(s, number=n) for n, s in enumerate(draft.statements))
    plan = Plan(
        engine=catalog.engine,
        source=identity(ends[0]),
        target=identity(ends[1]),
        source_version=catalog.version,
        target_version=target.version,
        target_version_number=target.version_number,
        target_schema=catalog.schemas[0] if catalog.apart else options.target_schema,
        on_existing=options.on_existing.value,
        mode=options.mode.value,
        quiesce="",
        tables=tables,
        statements=statements,
        risks=(),
        replaced=target.in_the_way,
        sequences=tuple((o.detail, o.name) for o in _sequences(catalog)),
        sequence_schemas=tuple(o.within for o in _sequences(catalog) if o.within),
        schemas=catalog.schemas if catalog.apart else (),
        format=PLAN_FORMAT if catalog.apart else 1,
        made_schemas=draft.made_schemas,
        qualified=catalog.qualified,
        filled=existing_tables.digests(context.existing, context.counterparts) if context.existing else (),
        followed=tuple(draft.followed),
        aside=existing_decisions.set_aside(options, context.counterparts),
        fingerprint=_fingerprint_digest(context.plain, options),
        packet_bytes=catalog.packet_bytes,
        views=compared,
    )
    plan = _with_estimates(plan, options)
    plan, risks = _with_quiesce(plan, options, catalog)
    return plan.with_risks((*draft.risks, *risks, *(fence_gaps(catalog, options) if plan.fence else ())))


def revoke_changed_approvals(plan: Plan, options: Options) -> Plan:
    """Return the plan without approvals whose digest does not match the mapping any more; these mappings need review again."""
    tables = []
    for table in plan.tables:
        columns = []
        for column in table.columns:
            decided = options.decided(table.schema, table.name, column.source)
            if decided and decided.digest and decided.decision == "Approve" and decided.digest != column.digest():
                reason = f"it was approved as {decided.digest} and has changed since"
                columns.append(replace(column, decision=Decision.NEEDS_REVIEW, reasons=(*column.reasons, reason)))
            else:
                columns.append(column)
        tables.append(replace(table, columns=tuple(columns)))
    return replace(plan, tables=tuple(tables))


def _sequences(catalog: Catalog) -> list[SourceObject]:
    return [o for o in catalog.objects if o.kind == "sequence" and o.detail]


def wanted_names(catalog: Catalog, options: Options, target: TargetEngine) -> frozenset[tuple[str, str]]:
    """Return the tables and views that the migration creates, as (schema of the target, name)."""
    draft = Draft(catalog, options, SourceProfile(), target)
    things = [(t.schema, t.name) for t in selected(catalog, options)]
    things += [(v.schema, v.name) for v in catalog.views if not excluded(v.name, options.exclude_tables)]
    return frozenset((schema if catalog.apart else options.target_schema, draft.spelled(name)) for schema, name in things)


def _fingerprint_digest(catalog: Catalog, options: Options) -> str:
    return json.dumps(fingerprint(catalog, options), sort_keys=True)


def changed_objects(plan: Plan, catalog: Catalog, options: Options) -> tuple[str, ...]:
    """Return the names of the source objects that have changed since the plan."""
    return differing(json.loads(plan.fingerprint), fingerprint(catalog, options), former_digests(catalog))


# -- estimates --------------------------------------------------------------------------------------------------------


def _with_quiesce(plan: Plan, options: Options, catalog: Catalog) -> tuple[Plan, tuple[Risk, ...]]:
    risks: list[Risk] = []
    quiesce = options.quiesce or Quiesce.ENGINE
    seconds, most = plan.freeze_seconds, options.max_pause_seconds
    if quiesce is Quiesce.ENGINE and most and seconds > most:
        text = f"writers would be locked out for about {seconds} s, and cutover.maxPause is {most} s: the run would not finish"
        advice = "Raise spec.data.cutover.maxPause, or set spec.data.source.quiesce to Confirm or None."
        risks.append(Risk(Severity.HIGH, "Freeze", "source", text, advice))
    elif options.quiesce is None and seconds > options.freeze_limit_seconds:
        text = f"writers would be locked out for about {seconds} s, which is over {options.freeze_limit_seconds} s"
        advice = "Approve it, or set spec.data.source.quiesce to Engine, Confirm or None."
        risks.append(Risk(Severity.HIGH, "Freeze", "source", text, advice))
    if quiesce is Quiesce.ENGINE and "freeze" not in catalog.features and options.mode is not Mode.SCHEMA_ONLY:
        advice = "Grant the privilege, or set spec.data.source.quiesce to Confirm or None."
        grants = engine_of(catalog.engine).write_lock_grants
        risks.append(Risk(Severity.BLOCKER, "Privilege", "freeze", f"quiesce: Engine needs {grants} on the source", advice))
    if quiesce is Quiesce.NONE:
        text = "nothing keeps writers away: rows written after the last snapshot stay behind"
        risks.append(Risk(Severity.HIGH, "NotQuiesced", "source", text, "Approve it, or use quiesce: Engine."))
    unfenced = _unfenced(options, catalog)
    is_wanted = quiesce is Quiesce.ENGINE and options.fence and options.mode is not Mode.SCHEMA_ONLY
    if is_wanted and unfenced:
        text = f"writers that still use the source after the cutover are not refused, and what they write is missing in the target: {unfenced}"
        advice = "Stop the source's writers before the cutover, or grant it; spec.data.cutover.fence: None removes this risk."
        risks.append(Risk(Severity.MEDIUM, "NotFenced", "source", text, advice))
    return replace(plan, quiesce=quiesce.value, fence=is_wanted and not unfenced), tuple(risks)


def _unfenced(options: Options, catalog: Catalog) -> str:
    """Why the source cannot refuse writers after the cutover; empty if it can."""
    engine = engine_of(catalog.engine)
    count, most = len(selected(catalog, options)), engine.capabilities.most_fenced_tables
    if not most:
        return f"{catalog.engine} has no means for it"
    if count > most:
        return f"triggers are created in at most {most} tables of {catalog.engine}, and {count} are migrated"
    return "" if "fence" in catalog.features else f"they would be refused with {engine.fence_grants}"
