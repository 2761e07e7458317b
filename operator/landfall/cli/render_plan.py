"""Renders plans and results: risks first, then conversions, then numbers."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from landfall.cli.progress import lasting, sized
from landfall.engine.model.plan import Decision, Plan, Severity, TablePlan
from landfall.engine.model.run_state import RunRecord, State
from landfall.engine.run.rehearsal import RehearsalResult
from landfall.engine.run.runner import Outcome
from landfall.lib.text import counted

_REHEARSED = (
    ("schema", "schemaSeconds", "schema"),
    ("copying", "copySeconds", "copy"),
    ("indexing", "indexSeconds", "indexes"),
    ("comparing", "validationSeconds", "verification and keys"),
)
_STYLES = {
    Severity.BLOCKER: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "dim",
}


def plan(console: Console, made: Plan, *, every_column: bool = False) -> None:
    """Print a plan."""
    numbers = made.estimates
    console.print(f"[bold]Plan[/] {escape(made.source)} → {escape(made.target)} schema {escape(made.target_schema)}")
    console.print(
        f"  {made.engine} {escape(made.source_version)} → PostgreSQL {escape(made.target_version)}; {counted(numbers['tables'], 'table')},"
        f" {counted(numbers['columns'], 'column')}, {counted(numbers['relationships'], 'foreign key')}, {_rows(numbers['rows'])},"
        f" {sized(numbers['bytes'])}"
    )
    seconds = sum(numbers[k] for k in ("schemaSeconds", "copySeconds", "indexSeconds", "validationSeconds", "cutoverSeconds"))
    freeze = (
        f"; write lock on the source for about {lasting(made.freeze_seconds)}, at most cutover.maxPause at a time"
        if made.quiesce == "Engine"
        else ""
    )
    console.print(f"  about {lasting(seconds)}{freeze}; quiesce: {made.quiesce}; onExisting: {made.on_existing}")
    _risks(console, made)
    _tables(console, made, every_column=every_column)
    console.print(f"  digest {made.digest()}")


def _risks(console: Console, made: Plan) -> None:
    if not made.risks:
        console.print("  [green]no risks found[/]")
        return
    grid = Table(title=counted(len(made.risks), "risk"), title_justify="left", box=None, pad_edge=False, show_header=False)
    grid.add_column(no_wrap=True)
    grid.add_column()
    for risk in made.risks:
        style = _STYLES[risk.severity]
        grid.add_row(
            f"  [{style}]{risk.severity}[/]",
            f"[bold]{escape(risk.affected)}[/] {escape(risk.description)}. [dim]{escape(risk.mitigation)}[/]",
        )
    console.print(grid)


def _tables(console: Console, made: Plan, *, every_column: bool) -> None:
    grid = Table(title="mappings to review", title_justify="left", box=None, pad_edge=False)
    for title in ("source", "type", "target", "type", "conf.", "decision", "transformation"):
        grid.add_column(title, justify="right" if title == "conf." else "left", overflow="fold")
    shown = 0
    for table in made.tables:
        for column in table.columns:
            renamed = column.source.casefold() != column.arrives[0].casefold()
            telling = column.transformation or column.converted or renamed or column.decision is not Decision.AUTO
            if not (every_column or telling):
                continue
            shown += 1
            note = column.transformation
            if column.converted:
                note += " " + "; ".join(f"{_rows(c.rows)} {c.kind} → {c.rule}" for c in column.converted)
            target, kind = column.arrives
            grid.add_row(
                escape(f"{table.label}.{column.source}"),
                escape(column.source_type),
                escape(f"{table.target}.{target}") if target else "",
                escape(kind),
                str(column.confidence),
                _decided(column.decision),
                escape(note.strip()),
            )
    if shown:
        console.print(grid)
    hidden = sum(len(t.columns) for t in made.tables) - shown
    if hidden:
        console.print(f"  [dim]{counted(hidden, 'column')} without a conversion not shown (show all: --all)[/]")


def _decided(decision: Decision) -> str:
    style = "red" if decision in {Decision.NEEDS_REVIEW, Decision.REJECTED} else "green"
    return f"[{style}]{decision}[/]"


def outcome(console: Console, name: str, done: Outcome, made: Plan) -> None:
    """Print the result of a run: the verification and what was cut over."""
    if done.already:
        console.print(f"[green]{escape(name)}: already completed[/]; nothing was copied. To run it again, change rerunToken.")
        return
    console.print(
        f"[bold green]{escape(name)}: completed[/] in {lasting(done.seconds)}: {counted(done.tables, 'table')}, {_rows(done.rows)}"
    )
    if made.moves_rows:
        console.print("  verification: [green]equal[/], every chunk of every table compared")
    if done.frozen_seconds and made.quiesce == "Engine":
        earlier = f"; released {counted(done.locks_given_back, 'time')} before that" if done.locks_given_back else ""
        console.print(f"  write lock on the source: {done.frozen_seconds:.1f} s{earlier}")
    for line in done.corrected:
        console.print(f"  repaired: {escape(line)}")
    for line in done.converted:
        console.print(f"  converted by an approved rule: {escape(line)}")
    if done.recovered:
        console.print(f"  {counted(done.recovered, 'lost connection', 'were')} recovered")
    for line in done.unvalidated:
        console.print(f"  [red]not validated: {escape(line)}[/]; correct the rows, then run VALIDATE CONSTRAINT")
    views = [s for s in made.statements if s.kind in {"view", "materialized view"}]
    console.print(
        f"  cut over into {escape(made.target_schema)}: {', '.join(escape(_named(t)) for t in made.tables[:12])}"
        f"{' …' if len(made.tables) > 12 else ''}{f' and {len(views)} views' if views else ''}"
    )
    if made.replaced:
        console.print(
            f"  {counted(len(made.replaced), 'replaced object', 'are')} retained; to undo the cutover: landfall rollback"
        )
    if made.quiesce == "None":
        console.print(f"  [yellow]consistent as of {escape(done.consistent_as_of)}; later writes were not migrated[/]")


def rehearsed(console: Console, name: str, done: RehearsalResult, made: Plan) -> None:
    """Print the measurements of a rehearsal, with the estimates of the plan."""
    console.print(f"[bold green]{escape(name)}: rehearsed[/]: {_rows(done.rows)} copied and verified; everything was cleaned up")
    grid = Table(box=None, pad_edge=False)
    for title in ("  step", "measured", "estimated"):
        grid.add_column(title, justify="left" if "step" in title else "right")
    for state, key, title in _REHEARSED:
        grid.add_row(f"  {title}", f"{done.seconds.get(state, 0.0):.1f} s", f"{made.estimates[key]} s")
    console.print(grid)
    if done.redone_rows:
        console.print(f"  {_rows(done.redone_rows)} changed in the source meanwhile and were repaired")
    if made.quiesce == "Engine":
        console.print("  the write lock would last about as long as the verification")


def _named(table: TablePlan) -> str:
    return table.target


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
