"""Renders plans and results: risks first, then conversions, then numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from landfall.cli.progress import lasting, sized
from landfall.engine.model.plan import ColumnPlan, Decision, Plan, Severity, Statement
from landfall.engine.model.run_state import RunRecord
from landfall.engine.planning.grouping import MappingGroup, RiskGroup, mapping_groups, not_migrated, risk_groups
from landfall.engine.run.rehearsal import RehearsalResult
from landfall.engine.run.runner import Outcome
from landfall.ledger_states import STATES, WORK, State
from landfall.lib.plan_code import code_digest, is_code
from landfall.lib.text import counted

_RISK_LINES = 56  # a plan's text fits within 120 lines at any size, unless --all is set
_MAPPING_LINES = 24  # of the mappings to review, and of the others
_MARGIN = 12
_NAMES_OF_CODE = 3
_DEFINER = re.compile(r"^ .*\bSECURITY DEFINER\b", re.MULTILINE)  # a line of the header, as the server prints it
_STYLES = {
    Severity.BLOCKER: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "dim",
}


def plan(console: Console, migration_plan: Plan, *, every_column: bool = False) -> None:
    """Print a plan."""
    numbers = migration_plan.estimates
    console.print(
        f"[bold]Plan[/] {escape(migration_plan.source)} → {escape(migration_plan.target)} schema {escape(migration_plan.target_label)}"
    )
    console.print(
        f"  {migration_plan.engine} {escape(migration_plan.source_version)} → PostgreSQL {escape(migration_plan.target_version)}; {counted(numbers['tables'], 'table')},"
        f" {counted(numbers['columns'], 'column')}, {counted(numbers['relationships'], 'foreign key')}, {_rows(numbers['rows'])},"
        f" {sized(numbers['bytes'])}"
    )
    seconds = sum(numbers[k] for k in ("schemaSeconds", "copySeconds", "indexSeconds", "validationSeconds", "cutoverSeconds"))
    freeze = (
        f"; write lock on the source for about {lasting(migration_plan.freeze_seconds)}, at most cutover.maxPause at a time"
        if migration_plan.quiesce == "Engine"
        else ""
    )
    freeze += "; afterwards the source refuses writers, until a rollback" if migration_plan.fence else ""
    console.print(
        f"  about {lasting(seconds)}{freeze}; quiesce: {migration_plan.quiesce}; onExisting: {migration_plan.on_existing}"
    )
    _risks(console, migration_plan, every=every_column)
    _tables(console, migration_plan, every=every_column)
    _code(console, migration_plan, every=every_column)
    console.print(f"  digest {migration_plan.digest()}")


def _risks(console: Console, migration_plan: Plan, *, every: bool) -> None:
    if not migration_plan.risks:
        console.print("  [green]no risks found[/]")
        return
    groups = [RiskGroup((r,)) for r in migration_plan.risks] if every else risk_groups(migration_plan)
    title = counted(len(migration_plan.risks), "risk")
    causes = f" of {counted(len(groups), 'cause')}" if len(groups) < len(migration_plan.risks) else ""
    grid = Table(title=title + causes, title_justify="left", box=None, pad_edge=False, show_header=False)
    grid.add_column(no_wrap=True)
    grid.add_column()
    lines = [_risk_line(g) for g in groups]
    visible = len(lines) if every else _fitting(console, [text for _, text in lines], _RISK_LINES)
    for line in lines[:visible]:
        grid.add_row(*line)
    console.print(grid)
    _about_others(console, [len(g.risks) for g in groups[visible:]], "risk")


def _code(console: Console, migration_plan: Plan, *, every: bool) -> None:
    """What the target will execute later: one line for each kind, or each statement with its digest."""
    statements = [s for s in migration_plan.statements if is_code(s.kind)]
    if not statements:
        return
    console.print("code that is created on the target" + ("" if every else " [dim](digests: --all; SQL: -o json)[/]"))
    for kind in sorted({s.kind for s in statements}):
        some = [s for s in statements if s.kind == kind]
        if every:
            for statement in some:
                console.print(
                    f"  {escape(kind)} [bold]{escape(statement.name)}[/] sha256:{code_digest(statement.sql)}{_rights(statement)}"
                )
            continue
        names = ", ".join(escape(statement.name) + _rights(statement) for statement in some[:_NAMES_OF_CODE])
        more = f" and {len(some) - _NAMES_OF_CODE:,} more" if len(some) > _NAMES_OF_CODE else ""
        total = code_digest("".join(sorted(statement.sql for statement in some)))
        console.print(f"  {counted(len(some), kind)}: {names}{more} [dim]sha256:{total}[/]")


def _rights(statement: Statement) -> str:
    """That a function is executed with the privileges of its owner."""
    return " (SECURITY DEFINER)" if statement.kind == "function" and _DEFINER.search(statement.sql) else ""


def _risk_line(group: RiskGroup) -> tuple[str, str]:
    """One cause: how often, one example, and what settles it."""
    risk, more = group.first, len(group.risks) - 1
    more_text = f" [bold]and {more:,} more[/] like it" if more else ""
    text = f"[bold]{escape(risk.affected)}[/]{more_text}: {escape(risk.description)}. [dim]{escape(risk.mitigation)}[/]"
    return f"  [{_STYLES[risk.severity]}]{risk.severity}[/]", text


def _fitting(console: Console, texts: Sequence[str], lines: int) -> int:
    """How many of the texts fit in so many lines of the console."""
    remaining, width = lines, console.width - _MARGIN
    for at, text in enumerate(texts):
        remaining -= len(console.render_lines(Text.from_markup(text), console.options.update(width=width), pad=False))
        if remaining < 0:
            return at
    return len(texts)


def _about_others(console: Console, hidden: Sequence[int], noun: str) -> None:
    if hidden:
        total = f"{counted(sum(hidden), noun)} of {counted(len(hidden), 'cause')}"
        console.print(f"  [dim]and {total} (show all: --all)[/]")


def _tables(console: Console, migration_plan: Plan, *, every: bool) -> None:
    groups = mapping_groups(migration_plan, every=every)
    waiting, settled = [g for g in groups if g.waits], [g for g in groups if not g.waits]
    parts = [("mappings", groups)] if every else [("mappings to review", waiting), ("other mappings", settled)]
    for title, some in parts:
        if some:
            _mappings(console, migration_plan, title, some, every=every)
    hidden = sum(len(t.columns) for t in migration_plan.tables) - sum(len(g.columns) for g in groups)
    if hidden:
        console.print(f"  [dim]{counted(hidden, 'column')} without a conversion not shown (show all: --all)[/]")


def _mappings(console: Console, migration_plan: Plan, title: str, groups: Sequence[MappingGroup], *, every: bool) -> None:
    visible = len(groups) if every else min(len(groups), _MAPPING_LINES)
    grid = _mapping_grid(migration_plan, title, groups[:visible])
    while not every and visible > 1 and len(console.render_lines(grid, pad=False)) > _MAPPING_LINES:
        visible -= 1
        grid = _mapping_grid(migration_plan, title, groups[:visible])
    console.print(grid)
    _about_others(console, [len(g.columns) for g in groups[visible:]], "column")


def _mapping_grid(migration_plan: Plan, title: str, groups: Sequence[MappingGroup]) -> Table:
    grid = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("source", "type", "target", "type", "conf.", "decision", "why"):
        grid.add_column(name, justify="right" if name == "conf." else "left", overflow="fold")
    for group in groups:
        (table, column), more = group.columns[0], len(group.columns) - 1
        target, kind = column.arrives
        grid.add_row(
            escape(f"{table.label}.{column.source}") + (f" and {more:,} more" if more else ""),
            escape(column.source_type),
            escape(f"{migration_plan.named(table)}.{target}") if target else "",
            escape(kind),
            str(column.confidence),
            _decided(column.decision),
            escape(_explanation(column)),
        )
    return grid


def _explanation(column: ColumnPlan) -> str:
    """What is done to the values, and for what waits, the reasons of its confidence."""
    words = [column.transformation] if column.transformation else []
    words += [f"{_rows(c.rows)} {c.kind} → {c.rule}" for c in column.converted]
    if column.decision in {Decision.NEEDS_REVIEW, Decision.REJECTED} or not words:
        words += column.reasons
    return "; ".join(words)


def _decided(decision: Decision) -> str:
    style = "red" if decision in {Decision.NEEDS_REVIEW, Decision.REJECTED} else "green"
    return f"[{style}]{decision}[/]"


def outcome(console: Console, name: str, result: Outcome, migration_plan: Plan) -> None:
    """Print the result of a run: the verification and what was cut over."""
    if result.already:
        console.print(f"[green]{escape(name)}: already completed[/]; nothing was copied. To run it again, change rerunToken.")
        return
    console.print(
        f"[bold green]{escape(name)}: completed[/] in {lasting(result.seconds)}: {counted(result.tables, 'table')}, {_rows(result.rows)}"
    )
    if migration_plan.moves_rows:
        console.print("  verification: [green]equal[/], every chunk of every table compared")
    if result.frozen_seconds and migration_plan.quiesce == "Engine":
        earlier = f"; released {counted(result.locks_given_back, 'time')} before that" if result.locks_given_back else ""
        refused = f"; since then its writers are refused, by triggers {result.fence}…, until a rollback" if result.fence else ""
        console.print(f"  write lock on the source: {result.frozen_seconds:.1f} s{earlier}{refused}")
    _remarks(console, result)
    views = [s for s in migration_plan.statements if s.kind in {"view", "materialized view"}]
    console.print(
        f"  cut over into {escape(migration_plan.target_label)}: {', '.join(escape(migration_plan.named(t)) for t in migration_plan.tables[:12])}"
        f"{' …' if len(migration_plan.tables) > 12 else ''}{f' and {len(views)} views' if views else ''}"
    )
    for line in not_migrated(migration_plan):
        console.print(f"  [yellow]not migrated: {escape(line)}[/]")
    if migration_plan.replaced:
        console.print(
            f"  {counted(len(migration_plan.replaced), 'replaced object', 'are')} retained; to undo the cutover: landfall rollback"
        )
    if migration_plan.quiesce == "None":
        console.print(f"  [yellow]consistent as of {escape(result.consistent_as_of)}; later writes were not migrated[/]")


def _remarks(console: Console, result: Outcome) -> None:
    for line in result.corrected:
        console.print(f"  repaired: {escape(line)}")
    for line in result.converted:
        console.print(f"  converted by an approved rule: {escape(line)}")
    if result.recovered:
        console.print(f"  {counted(result.recovered, 'lost connection', 'were')} recovered")
    for line in result.unvalidated:
        console.print(f"  [red]not validated: {escape(line)}[/]; correct the rows, then run VALIDATE CONSTRAINT")


def rehearsed(console: Console, name: str, result: RehearsalResult, migration_plan: Plan) -> None:
    """Print the measurements of a rehearsal, with the estimates of the plan."""
    console.print(
        f"[bold green]{escape(name)}: rehearsed[/]: {_rows(result.rows)} copied and verified; everything was cleaned up"
    )
    grid = Table(box=None, pad_edge=False)
    for title in ("  step", "measured", "estimated"):
        grid.add_column(title, justify="left" if "step" in title else "right")
    for state in WORK:
        row = STATES[state]
        estimated = migration_plan.estimates[row.estimates[0]]
        grid.add_row(f"  {row.duration}", f"{result.seconds.get(state, 0.0):.1f} s", f"{estimated} s")
    console.print(grid)
    if result.redone_rows:
        console.print(f"  {_rows(result.redone_rows)} changed in the source meanwhile and were repaired")
    if migration_plan.quiesce == "Engine":
        console.print("  the write lock would last about as long as the verification")


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def status(console: Console, records: list[RunRecord]) -> None:
    """Print the runs in the target's ledger."""
    if not records:
        console.print("no runs found in the target's ledger")
        return
    grid = Table(box=None, pad_edge=False)
    for title in ("migration", "state", "attempt", "target schema", "rows", "started", "finished", "retained until"):
        grid.add_column(title)
    for record in records:
        words = {State.CUT_OVER: "Completed", State.CANCELLED: "Cancelled", State.ROLLED_BACK: "RolledBack"}
        grid.add_row(
            escape(record.name),
            words.get(record.state, f"unfinished ({record.state.value})"),
            str(record.attempt),
            escape(record.target_schema),
            f"{record.result.get('rows', '')}",
            f"{record.started_at:%Y-%m-%d %H:%M}",
            f"{record.finished_at:%Y-%m-%d %H:%M}" if record.finished_at else "",
            f"{record.retain_until:%Y-%m-%d %H:%M}" if record.retain_until else "",
        )
    console.print(grid)
