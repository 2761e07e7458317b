"""`landfall`: plan, run, roll back and clean up migrations without a cluster, and work with objects in a cluster.

Exit status: 0 completed, 1 failed, 2 wrong usage or spec, 3 approval required, 130 interrupted and resumable.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn, assert_never

import typer
from rich.console import Console

from landfall.cli import actions, cluster_client, inspect, keys, render_plan, resource_names
from landfall.cli.build import build
from landfall.cli.manifests import Bundle, read, request
from landfall.cli.progress import JsonView, LiveView, PlainView, RunView
from landfall.engine.errors import (
    ApprovalRequiredError,
    ConnectionLostError,
    EngineError,
    InterruptedRunError,
    PlanBlockedError,
    RunEndedError,
    SpecError,
)
from landfall.engine.model.plan import Plan
from landfall.engine.model.plan_codec import as_json
from landfall.engine.prepare.make_plan import make_plan
from landfall.engine.run.rehearsal import Rehearsal
from landfall.engine.run.rollback import roll_back, tidy
from landfall.engine.run.runner import MigrationRun
from landfall.engine.targets.registry import opened
from landfall.ledger_states import State
from landfall.lib.signals import stop_signals
from landfall.lib.text import counted
from landfall.lifecycle import Desired, desired_of
from landfall.runspec import ResolvedRun

_PIPE_WIDTH = 160

app = typer.Typer(
    name="landfall",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Migrate databases to PostgreSQL, build apps, and manage both in a cluster. Also available as `kubectl landfall`.\n\n"
    "Manifests are the same as in a cluster (Connection, Secret, Migration, TablePlan). Secrets can also be set in the"
    " environment: LANDFALL_SECRET_{NAME}_USERNAME, _PASSWORD or _URL, with the name in capitals and underscores.\n\n"
    "Exit status: 0 completed, 1 failed, 2 wrong usage or spec, 3 approval required, 130 interrupted and resumable.",
)


class Output(StrEnum):
    """Output format."""

    TEXT = "text"
    JSON = "json"


def _version(print_version: bool) -> None:
    if print_version:
        try:
            typer.echo(f"landfall {importlib.metadata.version('landfall')}")
        except importlib.metadata.PackageNotFoundError:
            typer.echo("landfall (version unknown: not installed as a package)")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options that are valid without a command."""


app.command()(build)
app.add_typer(keys.app, name="keys")
for _title, _command in {**inspect.COMMANDS, **actions.COMMANDS}.items():
    app.command(_title, rich_help_panel="In a cluster")(_command)
Files = Annotated[list[Path], typer.Argument(metavar="FILE|FOLDER…", help="Manifest files, or directories of manifests.")]
Meant = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE|FOLDER…|NAME", help="Manifest files, or directories of manifests; or the name of an object in a cluster."
    ),
]
Name = Annotated[str | None, typer.Option("--name", help="Name of the Migration, if the manifests contain several.")]
Format = Annotated[Output, typer.Option("--output", "-o", help="Output format: text, or json (one object per line).")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Approve the plan without a prompt.")]
Takeover = Annotated[
    int,
    typer.Option(
        "--takeover-after",
        metavar="SECONDS",
        min=0,
        help="Take over a run whose process sent no heartbeat for SECONDS.",
    ),
]


@app.command()
def run(
    files: Files,
    name: Name = None,
    output: Format = Output.TEXT,
    yes: Yes = False,
    quiesced: Annotated[
        bool, typer.Option("--quiesced", help="Confirm that all writers of the source have stopped (quiesce: Confirm).")
    ] = False,
    takeover: Takeover = 30,
) -> None:
    """Plan, ask for approval, copy, verify and cut over. Run the command again to resume after an interruption."""
    with _reported(output):
        bundle = read(files)
        resolved = _refined(request(bundle, name), takeover_seconds=takeover, quiesced=quiesced)
        desired = desired_of(bundle.migrations[resolved.name].spec.desired_state)
        _notices(output, resolved)
        match desired:
            case Desired.ROLLED_BACK | Desired.CANCELLED:
                _go_back(bundle, resolved, output, discard=False)
            case Desired.PLANNED:
                _print_plan(output, make_plan(resolved.source, resolved.target, resolved.options), every=False)
            case Desired.PAUSED:
                message = f"Migration {resolved.name} has desiredState: Paused"
                raise SpecError(message, advice="Set desiredState to Completed, or remove it, to run the migration.")
            case Desired.COMPLETED:
                _run(resolved, output, yes=yes)
            case _:
                assert_never(desired)


@app.command()
def plan(
    files: Meant,
    name: Name = None,
    output: Format = Output.TEXT,
    every: Annotated[bool, typer.Option("--all", help="Show all columns, including those without a conversion.")] = False,
    namespace: cluster_client.Namespace = "",
    context: cluster_client.Context = "",
    kubeconfig: cluster_client.Kubeconfig = "",
) -> None:
    """Show what a run would do. Read-only: all DDL is executed on the target in a transaction that is rolled back.

    With the name of a Migration in a cluster: show its plan.
    """
    if object_name := resource_names.object_name(files):
        options = cluster_client.ClusterOptions(namespace, context, kubeconfig)
        cluster_client.carried_out(inspect.plan, options, name=object_name, every=every, as_document=output is Output.JSON)
        return
    with _reported(output):
        resolved = request(read(files), name)
        _notices(output, resolved)
        migration_plan = make_plan(resolved.source, resolved.target, resolved.options)
        _print_plan(output, migration_plan, every=every)
        if migration_plan.blockers:
            raise typer.Exit(1)
        if migration_plan.to_review and resolved.approved_digest != migration_plan.digest():
            raise typer.Exit(3)


@app.command()
def rehearse(files: Files, name: Name = None, output: Format = Output.TEXT) -> None:
    """Copy and verify everything in a scratch schema, without write lock and cutover, and clean up."""
    with _reported(output):
        resolved = request(read(files), name)
        _notices(output, resolved)
        migration_plan = make_plan(resolved.source, resolved.target, resolved.options)
        view = _view(output)
        rehearsal = Rehearsal(resolved.source, resolved.target, resolved.options, view.event)
        with _stoppable(rehearsal.migration, output):
            view.start(migration_plan)
            try:
                result = rehearsal.run(resolved.name, migration_plan)
            finally:
                view.stop()
        if isinstance(view, JsonView):
            view.line(
                {
                    "type": "result",
                    "state": "Rehearsed",
                    "rows": result.rows,
                    "redone": result.redone_rows,
                    "seconds": result.seconds,
                }
            )
        else:
            render_plan.rehearsed(_console(), resolved.name, result, migration_plan)


@app.command()
def status(files: Files, name: Name = None, output: Format = Output.TEXT) -> None:
    """Show the runs in the target's ledger."""
    with _reported(output):
        resolved = request(read(files), name)
        with opened(resolved.target, resolved.options.ledger_schema) as database:
            records = database.ledger.every()
        if output is Output.JSON:
            for record in records:
                fields = {f: getattr(record, f) for f in type(record).__slots__}
                sys.stdout.write(json.dumps(fields, default=str) + "\n")
        else:
            render_plan.status(_console(), records)


@app.command()
def rollback(  # noqa: PLR0913, PLR0917  each is an option
    files: Meant,
    name: Name = None,
    output: Format = Output.TEXT,
    discard_writes: Annotated[
        bool, typer.Option("--discard-writes", help="Roll back even if rows were written to the new tables since the cutover.")
    ] = False,
    takeover: Takeover = 30,
    to: Annotated[str, typer.Option("--to", help="Release to roll a Deployment back to. Default: the previous one.")] = "",
    namespace: cluster_client.Namespace = "",
    context: cluster_client.Context = "",
    kubeconfig: cluster_client.Kubeconfig = "",
    force: cluster_client.Force = False,
) -> None:
    """Undo a cutover, or drop staged tables.

    With the name of a Migration, or deployment/NAME, in a cluster: roll it back.
    """
    if object_name := resource_names.object_name(files):
        options = cluster_client.ClusterOptions(namespace, context, kubeconfig, force)
        cluster_client.carried_out(actions.rollback, options, name=object_name, to=to, discard_writes=discard_writes)
        return
    with _reported(output):
        bundle = read(files)
        _go_back(bundle, _refined(request(bundle, name), takeover_seconds=takeover), output, discard=discard_writes)


@app.command()
def gc(
    files: Files,
    name: Name = None,
    output: Format = Output.TEXT,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Also drop tables whose retention period has not expired. A rollback is then no longer possible."
        ),
    ] = False,
) -> None:
    """Drop retained schemas whose retention period has expired."""
    with _reported(output):
        resolved = request(read(files), name)
        result = tidy(resolved.target, resolved.options.ledger_schema, everything=everything)
        if output is Output.JSON:
            JsonView().line({"type": "result", "dropped": result.dropped, "left": result.left})
            return
        dropped = result.dropped
        _console().print(f"dropped {counted(len(dropped), 'schema')}{': ' if dropped else ''}{', '.join(dropped)}")
        for left in result.left:
            _console().print(f"left: {left}")


# -- shared by the commands -------------------------------------------------------------------------------------------


def _refined(resolved: ResolvedRun, *, takeover_seconds: int, quiesced: bool = False) -> ResolvedRun:
    options = replace(resolved.options, takeover_seconds=takeover_seconds, quiesced=quiesced)
    return replace(resolved, options=options)


def _console(*, error: bool = False) -> Console:
    stream = sys.stderr if error else sys.stdout
    return Console(stderr=error, highlight=False, width=None if stream.isatty() else _PIPE_WIDTH, soft_wrap=error)


def _notices(output: Output, resolved: ResolvedRun) -> None:
    if output is Output.TEXT:
        for notice in resolved.notices:
            _console(error=True).print(f"note: {notice}")


@contextmanager
def _reported(output: Output) -> Iterator[None]:
    """Turn an error into a message and an exit status."""
    try:
        yield
    except KeyboardInterrupt:
        _exit(output, InterruptedRunError("stopped on request; nothing was started"), 130)
    except EngineError as error:
        _exit(output, error, _status_of(error))


def _status_of(error: EngineError) -> int:
    if isinstance(error, SpecError):
        return 2
    if isinstance(error, ApprovalRequiredError):
        return 3
    return 130 if isinstance(error, InterruptedRunError) else 1


def _exit(output: Output, error: EngineError, code: int) -> NoReturn:
    if output is Output.JSON:
        JsonView().line({"type": "error", "reason": error.reason, "message": error.message, "advice": error.advice})
    else:
        console = _console(error=True)
        style = "yellow" if code in {3, 130} else "bold red"
        console.print(f"{error.reason}: ", style=style, end="")
        console.print(error.message, markup=False)
        if error.advice:
            console.print(f"  {error.advice}", markup=False)
    raise typer.Exit(code)


def _print_plan(output: Output, migration_plan: Plan, *, every: bool) -> None:
    if output is Output.JSON:
        document = json.loads(as_json(migration_plan))
        document["digest"] = migration_plan.digest()
        document["toReview"] = migration_plan.to_review
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        render_plan.plan(_console(), migration_plan, every_column=every)


def _approve(resolved: ResolvedRun, migration_plan: Plan, output: Output, *, yes: bool) -> None:
    """Return if the plan may run. Raises PlanBlockedError or ApprovalRequiredError."""
    if migration_plan.blockers:
        first = migration_plan.blockers[0]
        more = f" (and {len(migration_plan.blockers) - 1} more)" if len(migration_plan.blockers) > 1 else ""
        message = f"{first.affected}: {first.description}{more}"
        raise PlanBlockedError(message, advice=first.mitigation)
    if yes or not migration_plan.to_review or resolved.approved_digest == migration_plan.digest():
        return
    if (
        output is Output.TEXT
        and sys.stdin.isatty()
        and typer.confirm(f"{counted(len(migration_plan.to_review), 'item', 'require')} approval. Approve and run this plan?")
    ):
        return
    distinct = tuple(dict.fromkeys(migration_plan.to_review))
    items = ", ".join(distinct[:5]) + (" …" if len(distinct) > 5 else "")
    message = f"{counted(len(migration_plan.to_review), 'item', 'require')} approval: {items}"
    advice = f"Review the plan with `landfall plan`, then run with --yes, or set spec.data.approval.planDigest: {migration_plan.digest()}"
    raise ApprovalRequiredError(message, advice=advice)


def _view(output: Output) -> RunView:
    if output is Output.JSON:
        return JsonView()
    console = _console()
    return LiveView(console) if console.is_terminal else PlainView(typer.echo)


def _run(resolved: ResolvedRun, output: Output, *, yes: bool) -> None:
    view = _view(output)
    migration = MigrationRun(resolved.source, resolved.target, resolved.options, view.event)
    try:
        record = migration.existing()
        new_plan: Plan | None = None
        if record is None:
            new_plan = make_plan(resolved.source, resolved.target, resolved.options)
            if output is Output.TEXT:
                render_plan.plan(_console(), new_plan)
            _approve(resolved, new_plan, output, yes=yes)
        migration_plan = new_plan or migration.ledger.plan(migration.key)
        with _stoppable(migration, output):
            view.start(migration_plan, migration.moved(migration_plan))
            try:
                outcome = migration.run(resolved.name, new_plan)
            finally:
                view.stop()
        if isinstance(view, JsonView):
            view.line({"type": "result", "state": "AlreadyCompleted" if outcome.already else "Completed", **outcome.as_dict()})
        else:
            render_plan.outcome(_console(), resolved.name, outcome, migration_plan)
    except ConnectionLostError as error:
        if migration.stop.requested:
            raise InterruptedRunError("stopped on request", advice=error.advice) from error
        raise
    finally:
        migration.close()


@contextmanager
def _stoppable(migration: MigrationRun, output: Output) -> Iterator[None]:
    """The first Ctrl-C stops at the next checkpoint, the second immediately."""

    def request_stop(*_: object) -> None:
        if migration.stop.requested:
            migration.stop.abort()
            return
        migration.stop.request()
        if output is Output.TEXT:
            typer.echo("stopping at the next checkpoint; press Ctrl-C again to stop immediately", err=True)

    with stop_signals(request_stop):
        yield


def _go_back(bundle: Bundle, resolved: ResolvedRun, output: Output, *, discard: bool) -> None:
    migration = MigrationRun(resolved.source, resolved.target, resolved.options, lambda _: None)
    key = migration.key
    record = migration.ledger.find(key)
    migration.close()
    if record is None:
        message = f"no run of {resolved.name} found in the target's ledger"
        raise RunEndedError(message, advice="There is nothing to roll back.")
    discard_writes = bundle.migrations[resolved.name].spec.rollback.discard_writes
    result = roll_back(resolved.source, resolved.target, resolved.options, key, discard_writes=discard or discard_writes)
    if output is Output.JSON:
        fields = {f: getattr(result, f) for f in type(result).__slots__}
        JsonView().line({"type": "result", **fields})
        return
    console = _console()
    if result.restored or result.state is State.ROLLED_BACK:
        console.print(f"[green]{resolved.name}: rolled back[/]; {counted(result.restored, 'replaced object', 'were')} restored")
    else:
        console.print(f"[green]{resolved.name}: cancelled[/]; {counted(result.dropped, 'staged object', 'were')} dropped")
    if result.discarded_rows:
        console.print(
            f"  {counted(result.discarded_rows, 'row')} written since the cutover: moved to the retained schema with the new tables"
        )


def main() -> None:
    """The entry point."""
    app()
