"""Plans views: the query of each in the target's SQL, and a risk for each view that is not carried.

A view may read tables and other views. A view is translated after those that it reads, for its expressions depend on their types.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from landfall.engine.model.catalog import View
from landfall.engine.model.fingerprint import excluded
from landfall.engine.model.options import Mode
from landfall.engine.model.plan import ColumnPlan, Decision, Severity, Stage, TablePlan, ViewPlan
from landfall.engine.planning.tables import Draft, ignores_case
from landfall.engine.sources.translate import UntranslatableError
from landfall.engine.sources.view_relations import Relation, RelationColumn, Relations, WrittenView
from landfall.lib.text import enumerated

_UTF8 = frozenset({"", "utf8mb4", "utf8mb3", "utf8", "ascii"})
_NAMED = 5  # columns in a reason
_REWRITE = "Rewrite it for PostgreSQL, or exclude the view (excludeTables) if nothing needs it."

_Key = tuple[str, str]


def views(draft: Draft, tables: Iterable[TablePlan]) -> tuple[ViewPlan, ...]:
    """Add every view; the dry run finds their order. Return the translated ones as they are compared."""
    waiting = [(v, draft.relation(draft.spelled(v.name), v.schema)) for v in _selected_views(draft)]
    if draft.native:
        for view, name in waiting:
            _add(draft, view, name, view.query)
        return ()
    planned_views: list[ViewPlan] = []
    relations = Relations.from_list(_relations(draft, tables), draft.catalog.schemas)
    while waiting:
        problems: dict[_Key, str] = {}
        view_plans = {_key(v): _translated(draft, v, name, relations, problems) for v, name in waiting}
        planned_views += [view for view in view_plans.values() if view]
        remaining = [(v, name) for v, name in waiting if not view_plans[_key(v)]]
        if len(remaining) == len(waiting):
            for view, _ in remaining:
                _report_lost(draft, view, problems[_key(view)])
            break
        waiting = remaining
    return tuple(planned_views)


def _key(view: View) -> _Key:
    return view.schema, view.name


def _label(draft: Draft, view: View) -> str:
    """How a view is called in messages: with its schema only if another one has the same name."""
    names = [v.name for v in draft.catalog.views]
    return f"{view.schema}.{view.name}" if names.count(view.name) > 1 else view.name


def _selected_views(draft: Draft) -> Iterator[View]:
    return (v for v in draft.catalog.views if not excluded(v.name, draft.options.exclude_tables))


def _relations(draft: Draft, tables: Iterable[TablePlan]) -> Iterator[Relation]:
    by_name = {(t.schema, t.name): t for t in draft.catalog.tables}
    for table_plan in tables:
        table = by_name[(table_plan.schema, table_plan.name)]
        loose = {c.name for c in table.columns if ignores_case(c) or c.folded}
        charsets = {c.name: c.type.charset for c in table.columns}
        columns = tuple(_column(c, charsets[c.source], exact=c.source not in loose) for c in table_plan.columns if c.compared)
        yield Relation(table_plan.schema, table_plan.name, table_plan.target, columns, changed=_changed(draft, table_plan))


def _changed(draft: Draft, table_plan: TablePlan) -> str:
    """Why the rows of a table in the target are by plan not those of the source; empty where they are."""
    if (table_plan.schema, table_plan.name) in draft.counterparts:
        return "which fills an existing table, whose columns may have other types"
    names = [c.source for c in table_plan.columns if c.compared and (c.converted or c.mapping.operand)]
    if not names:
        return "" if table_plan.moved else "whose rows are not copied"
    return f"in which a rule or an override changes the values of {enumerated(names, _NAMED)}"


def _column(column: ColumnPlan, charset: str, *, exact: bool) -> RelationColumn:
    name, kind = column.arrives
    return RelationColumn(column.source, name, kind, exact, foreign=charset not in _UTF8)


def _translated(draft: Draft, view: View, name: str, relations: Relations, problems: dict[_Key, str]) -> ViewPlan | None:
    """Add the view if its query is translated, and return how it is compared; else say why not."""
    try:
        translated = draft.target.ddl.translated_query(draft.catalog.engine, view.query, draft.spelled, relations)
    except UntranslatableError as error:
        problems[_key(view)] = " ".join(str(error).split())
        return None
    relations.add(Relation(view.schema, view.name, name, translated.columns, translated.unread))
    view_plan = _compared(draft, view, name, translated)
    draft.add_risk(
        Severity.MEDIUM,
        "ViewTranslated",
        _label(draft, view),
        _description(translated, view_plan),
        "Review the query in the plan.",
    )
    _add(draft, view, name, translated.sql)
    return view_plan


def _compared(draft: Draft, view: View, name: str, translated: WrittenView) -> ViewPlan:
    """The view as a table whose columns are compared, as far as their values have one form on both sides."""
    columns, unread = [], []
    for column in translated.columns:
        source_mapping = None if column.unread else draft.engine.dialect.view_column(column)
        if source_mapping is None:
            unread.append(f"{column.source}: {column.unread or 'its values have no common form'}")
            continue
        mapped = draft.target.types.of_view(source_mapping)
        columns.append(
            ColumnPlan(column.source, column.target, "", mapped.target_type, mapped, True, Decision.AUTO, 100, ())  # noqa: FBT003  nullable
        )
    table = TablePlan(-1, view.schema, view.name, name, tuple(columns), (), "none", (), "", "", moved=False)
    copied = "" if draft.options.mode is not Mode.SCHEMA_ONLY else "mode SchemaOnly copies no rows"
    reason = copied or translated.unread or ("" if columns else "its values have no common form on both sides")
    return ViewPlan(table, tuple(unread), reason)


def _description(translated: WrittenView, view_plan: ViewPlan) -> str:
    text = "the query was translated; the dry run checks that it is valid on the target"
    if view_plan.reason:
        text += f", and nothing checks that it returns the same rows: {view_plan.reason}"
    else:
        text += ", and before the cutover the run compares its rows on both sides"
    if view_plan.unread and not view_plan.reason:
        text += f", but not the columns {'; '.join(view_plan.unread)}"
    if translated.lower:
        text += (
            "; it compares texts without case by lower(…): texts that differ in accents or in spaces at their end are different texts"
            " in the target"
        )
    return text


def _add(draft: Draft, view: View, name: str, query: str) -> None:
    kind = "materialized view" if view.materialized else "view"
    several = draft.catalog.apart and len(draft.catalog.schemas) > 1
    label = f"{view.schema}.{view.name}" if several else view.name if draft.native else _label(draft, view)
    draft.enter(view.schema)
    sql = draft.target.ddl.create_view(name, query, materialized=view.materialized, options=view.options)
    draft.add_statement(Stage.LAST, kind, name, "", sql, describes=label)
    if view.comment:
        draft.add_statement(Stage.LAST, "comment", name, "", draft.target.ddl.comment(kind.upper(), name, view.comment))
    draft.enter("")


def _report_lost(draft: Draft, view: View, problem: str) -> None:
    draft.add_risk(Severity.HIGH, "View", _label(draft, view), f"the view is not carried: {problem}", _REWRITE)
