"""`landfall`: plan, run, watch, go back and tidy up, from the manifests that a cluster would take.

Exit status: 0 completed, 1 failed, 2 wrong usage or spec, 3 approval required, 130 interrupted and resumable.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from landfall.cli import actions, cluster_client, inspect, keys, render_plan, resource_names
from landfall.cli.build import build
from landfall.cli.manifests import Bundle, read, request
from landfall.cli.progress import JsonView, LiveView, PlainView, View
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
from landfall.engine.run.runner import Migration
from landfall.engine.targets.postgresql.ledger import opened
from landfall.lib.signals import stop_signals
from landfall.lib.text import counted
from landfall.runspec import ResolvedRun

_PIPE_WIDTH = 160

app = typer.Typer(
    name="landfall",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Brings databases ashore: **plan**, **run**, **status**, **rollback**, **gc**; builds apps: **build**; makes **keys** for the gateway;"
    " and looks at and steers what is in a cluster, also as `kubectl landfall`.\n\n"
    "The manifests are those that a cluster takes (Connection, Secret, Migration, TablePlan). Secrets can also come from the"
    " environment: LANDFALL_SECRET_{NAME}_USERNAME, _PASSWORD or _URL, with the name in capitals and underscores.\n\n"
    "Exit status: 0 completed, 1 failed, 2 wrong usage or spec, 3 approval required, 130 interrupted and resumable.",
)


class Output(StrEnum):
    """How results are printed."""

    TEXT = "text"
    JSON = "json"


app.command()(build)
app.add_typer(keys.app, name="keys")
for _title, _command in {**inspect.COMMANDS, **actions.COMMANDS}.items():
    app.command(_title, rich_help_panel="In a cluster")(_command)
Files = Annotated[list[Path], typer.Argument(metavar="FILE|FOLDER…", help="Manifests, or folders of them.")]
Meant = Annotated[
    list[Path],
    typer.Argument(metavar="FILE|FOLDER…|NAME", help="Manifests, or folders of them; or the name of what is in a cluster."),
]
Name = Annotated[str | None, typer.Option("--name", help="The Migration, where the manifests hold several.")]
Format = Annotated[Output, typer.Option("--output", "-o", help="text for people, json for machines.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Approve the plan as it is.")]
Takeover = Annotated[
    int,
    typer.Option(
        "--takeover-after",
        metavar="SECONDS",
        min=0,
        help="How long a silent process keeps its run before this one takes it over.",
    ),
]


@app.command()
def run(
    files: Files,
    name: Name = None,
    output: Format = Output.TEXT,
    yes: Yes = False,
    quiesced: Annotated[
        bool, typer.Option("--quiesced", help="With quiesce: Confirm: the source's writers have stopped.")
    ] = False,
    takeover: Takeover = 30,
) -> None:
    """Plan, ask where the plan needs it, move, compare and cut over. Run it again to go on after an interruption."""
    with _reported(output):
        bundle = read(files)
        wanted = _refined(request(bundle, name), takeover_seconds=takeover, quiesced=quiesced)
        state = bundle.migrations[wanted.name].spec.desired_state or "Completed"
        _notices(output, wanted)
        if state in {"RolledBack", "Cancelled"}:
            _go_back(bundle, wanted, output, discard=False)
        elif state == "Planned":
            _print_plan(output, make_plan(wanted.source, wanted.target, wanted.options), every=False)
        elif state == "Paused":
            message = f"Migration {wanted.name} says desiredState: Paused"
            raise SpecError(message, advice="Set it to Completed, or leave it out, to run.")
        else:
            _run(wanted, output, yes=yes)


@app.command()
def plan(
    files: Meant,
    name: Name = None,
    output: Format = Output.TEXT,
    every: Annotated[bool, typer.Option("--all", help="Show every column, also those that go over as they are.")] = False,
    namespace: cluster_client.Namespace = "",
    context: cluster_client.Context = "",
    kubeconfig: cluster_client.Kubeconfig = "",
) -> None:
    """Show what a run would do, proven on the target in a transaction that is rolled back. Changes nothing.

    With the name of a Migration in a cluster: show its plan.
    """
    if there := resource_names.meant(files):
        where = cluster_client.Where(namespace, context, kubeconfig)
        cluster_client.carried_out(inspect.plan, where, name=there, every=every, as_document=output is Output.JSON)
        return
    with _reported(output):
        wanted = request(read(files), name)
        _notices(output, wanted)
        made = make_plan(wanted.source, wanted.target, wanted.options)
        _print_plan(output, made, every=every)
        if made.blockers:
            raise typer.Exit(1)
        if made.to_review and wanted.approved_digest != made.digest():
            raise typer.Exit(3)


@app.command()
def rehearse(files: Files, name: Name = None, output: Format = Output.TEXT) -> None:
    """Do everything but the cutover, with real rows and real checks in a scratch schema, and leave nothing. Locks nobody out."""
    with _reported(output):
        wanted = request(read(files), name)
        _notices(output, wanted)
        made = make_plan(wanted.source, wanted.target, wanted.options)
        view = _view(output)
        rehearsal = Rehearsal(wanted.source, wanted.target, wanted.options, view.event)
        with _stoppable(rehearsal.migration, output):
            view.start(made)
            try:
                done = rehearsal.run(wanted.name, made)
            finally:
                view.stop()
        if isinstance(view, JsonView):
            view.line(
                {"type": "result", "state": "Rehearsed", "rows": done.rows, "redone": done.redone_rows, "seconds": done.seconds}
            )
        else:
            render_plan.rehearsed(_console(), wanted.name, done, made)


@app.command()
def status(files: Files, name: Name = None, output: Format = Output.TEXT) -> None:
    """Show the runs that the target's ledger knows."""
    with _reported(output):
        wanted = request(read(files), name)
        with opened(wanted.target, wanted.options.ledger_schema) as ledger:
            records = ledger.every()
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
        bool, typer.Option("--discard-writes", help="Go back even if rows were written to the new tables since the cutover.")
    ] = False,
    takeover: Takeover = 30,
    to: Annotated[str, typer.Option("--to", help="In a cluster: the Release that a Deployment goes back to.")] = "",
    namespace: cluster_client.Namespace = "",
    context: cluster_client.Context = "",
    kubeconfig: cluster_client.Kubeconfig = "",
    force: cluster_client.Force = False,
) -> None:
    """Go back: drop what was staged, or after the cutover move the new tables aside and the old ones back.

    With the name of a Migration, or deployment/NAME, in a cluster: have it go back.
    """
    if there := resource_names.meant(files):
        where = cluster_client.Where(namespace, context, kubeconfig, force)
        cluster_client.carried_out(actions.rollback, where, name=there, to=to, discard_writes=discard_writes)
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
        bool, typer.Option("--all", help="Also what is still within its retention. There is no way back afterwards.")
    ] = False,
) -> None:
    """Drop what cutovers and rollbacks kept, where the retention has ended."""
    with _reported(output):
        wanted = request(read(files), name)
        gone = tidy(wanted.target, wanted.options.ledger_schema, everything=everything)
        if output is Output.JSON:
            JsonView().line({"type": "result", "dropped": gone})
        else:
            _console().print(f"dropped {counted(len(gone), 'schema')}{': ' if gone else ''}{', '.join(gone)}")


# -- what the commands share ------------------------------------------------------------------------------------------


def _refined(wanted: ResolvedRun, *, takeover_seconds: int, quiesced: bool = False) -> ResolvedRun:
    options = replace(wanted.options, takeover_seconds=takeover_seconds, quiesced=quiesced)
    return replace(wanted, options=options)


def _console(*, error: bool = False) -> Console:
    stream = sys.stderr if error else sys.stdout
    return Console(stderr=error, highlight=False, width=None if stream.isatty() else _PIPE_WIDTH, soft_wrap=error)


def _notices(output: Output, wanted: ResolvedRun) -> None:
    if output is Output.TEXT:
        for notice in wanted.notices:
            _console(error=True).print(f"note: {notice}")


@contextmanager
def _reported(output: Output) -> Iterator[None]:
    """Turn an error into a message and an exit status."""
    try:
        yield
    except KeyboardInterrupt:
        _ended(output, InterruptedRunError("stopped on request; nothing was begun"), 130)
    except EngineError as error:
        _ended(output, error, _status_of(error))


def _status_of(error: EngineError) -> int:
    if isinstance(error, SpecError):
        return 2
    if isinstance(error, ApprovalRequiredError):
        return 3
    return 130 if isinstance(error, InterruptedRunError) else 1


def _ended(output: Output, error: EngineError, code: int) -> NoReturn:
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


def _print_plan(output: Output, made: Plan, *, every: bool) -> None:
    if output is Output.JSON:
        document = json.loads(as_json(made))
        document["digest"] = made.digest()
        document["toReview"] = made.to_review
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        render_plan.plan(_console(), made, every_column=every)


def _approve(wanted: ResolvedRun, made: Plan, output: Output, *, yes: bool) -> None:
    """Return when the plan may run. Raises PlanBlockedError or ApprovalRequiredError."""
    if made.blockers:
        first = made.blockers[0]
        more = f" (and {len(made.blockers) - 1} more)" if len(made.blockers) > 1 else ""
        message = f"{first.affected}: {first.description}{more}"
        raise PlanBlockedError(message, advice=first.mitigation)
    if yes or not made.to_review or wanted.approved_digest == made.digest():
        return
    if (
        output is Output.TEXT
        and sys.stdin.isatty()
        and typer.confirm(f"{counted(len(made.to_review), 'point', 'need')} your word. Run this plan?")
    ):
        return
    points = ", ".join(made.to_review[:5]) + (" …" if len(made.to_review) > 5 else "")
    message = f"the plan needs a person's word on {counted(len(made.to_review), 'point')}: {points}"
    advice = f"Read it with `landfall plan`, then run with --yes, or commit spec.data.approval.planDigest: {made.digest()}"
    raise ApprovalRequiredError(message, advice=advice)


def _view(output: Output) -> View:
    if output is Output.JSON:
        return JsonView()
    console = _console()
    return LiveView(console) if console.is_terminal else PlainView(typer.echo)


def _run(wanted: ResolvedRun, output: Output, *, yes: bool) -> None:
    view = _view(output)
    migration = Migration(wanted.source, wanted.target, wanted.options, view.event)
    try:
        record = migration.existing()
        made: Plan | None = None
        if record is None:
            made = make_plan(wanted.source, wanted.target, wanted.options)
            if output is Output.TEXT:
                render_plan.plan(_console(), made)
            _approve(wanted, made, output, yes=yes)
        planned = made or migration.ledger.plan(migration.key)
        with _stoppable(migration, output):
            view.start(planned, migration.moved(planned))
            try:
                outcome = migration.run(wanted.name, made)
            finally:
                view.stop()
        if isinstance(view, JsonView):
            view.line({"type": "result", "state": "AlreadyCompleted" if outcome.already else "Completed", **outcome.as_dict()})
        else:
            render_plan.outcome(_console(), wanted.name, outcome, planned)
    except ConnectionLostError as error:
        if migration.stop.asked:
            raise InterruptedRunError("stopped on request", advice=error.advice) from error
        raise
    finally:
        migration.close()


@contextmanager
def _stoppable(migration: Migration, output: Output) -> Iterator[None]:
    """The first Ctrl-C stops at the next checkpoint, the second at once."""

    def asked(*_: object) -> None:
        if migration.stop.asked:
            migration.stop.now()
            return
        migration.stop.gently()
        if output is Output.TEXT:
            typer.echo("stopping at the next checkpoint; press Ctrl-C again to stop at once", err=True)

    with stop_signals(asked):
        yield


def _go_back(bundle: Bundle, wanted: ResolvedRun, output: Output, *, discard: bool) -> None:
    migration = Migration(wanted.source, wanted.target, wanted.options, lambda _: None)
    key = migration.key
    record = migration.ledger.find(key)
    migration.close()
    if record is None:
        message = f"the target's ledger knows no run of {wanted.name}"
        raise RunEndedError(message, advice="There is nothing to roll back.")
    told = bundle.migrations[wanted.name].spec.rollback.discard_writes
    done = roll_back(wanted.target, wanted.options, key, discard_writes=discard or told)
    if output is Output.JSON:
        fields = {f: getattr(done, f) for f in type(done).__slots__}
        JsonView().line({"type": "result", **fields})
        return
    console = _console()
    if done.restored or done.state.value == "rolled_back":
        console.print(f"[green]{wanted.name}: rolled back[/]; {counted(done.restored, 'replaced object', 'are')} back in place")
    else:
        console.print(f"[green]{wanted.name}: cancelled[/]; {done.dropped} staged objects were dropped")
    if done.discarded_rows:
        console.print(f"  {counted(done.discarded_rows, 'row')} written since the cutover went aside with the new tables")


def main() -> None:
    """The entry point."""
    app()
