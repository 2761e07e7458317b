"""Renders objects of a cluster: lists, details, progress of a run. Pure: the output depends on the objects and the time only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from landfall.api.annotations import ANNOTATION
from landfall.cli.progress import lasting, sized
from landfall.lib.text import counted

Object = dict[str, Any]
_MARKS = {"Pending": "·", "Running": "▶", "Done": "✓", "Failed": "✗"}
_STYLES = {"Running": "bold", "Done": "green", "Failed": "bold red", "Pending": "dim"}
_SEVERITIES = {"Blocker": "bold red", "High": "red", "Medium": "yellow", "Low": "cyan"}
_SHOWN_TABLES = 12


def condition(raw: Object, kind: str) -> Mapping[str, Any]:
    """One condition of an object; empty if it is absent."""
    return next((entry for entry in (raw.get("status") or {}).get("conditions", []) if entry["type"] == kind), {})


def holds(raw: Object, kind: str, status: str = "True") -> bool:
    """Whether a condition has this status for the current generation of the spec."""
    entry = condition(raw, kind)
    generation = entry.get("observedGeneration", raw["metadata"].get("generation"))
    return entry.get("status") == status and generation == raw["metadata"].get("generation")


def rests(raw: Object) -> bool:
    """Whether no more change is expected: the object is ready, stalled, or waits for approval, and no request is pending."""
    if _requested(raw) not in {"", (raw.get("status") or {}).get("lastHandledRequest", "")}:
        return False
    return holds(raw, "Ready") or holds(raw, "Stalled") or waits_for_approval(raw)


def _requested(raw: Object) -> str:
    """ID of the last request; empty if there is none, or an invalid one (reported as a condition)."""
    try:
        requests = json.loads(raw["metadata"].get("annotations", {}).get(ANNOTATION, "") or "{}")
    except ValueError:
        return ""
    last = requests[-1] if isinstance(requests, list) and requests else requests  # of several deploys the last one ends the wait
    return str(last.get("id", "")) if isinstance(last, dict) else ""


def waits_for_approval(raw: Object) -> bool:
    """Whether the plan waits for approval."""
    return holds(raw, "Approved", "False")


def _status(*path: str) -> Callable[[Object], object]:
    def read(raw: Object) -> object:
        value: Any = raw.get("status") or {}
        for name in path:
            value = (value or {}).get(name)
        return value

    return read


def _spec(*path: str) -> Callable[[Object], object]:
    def read(raw: Object) -> object:
        value: Any = raw["spec"]
        for name in path:
            value = (value or {}).get(name)
        return value

    return read


def _commit(raw: Object) -> object:
    return str((raw.get("status") or {}).get("commit") or (raw["spec"].get("source") or {}).get("commit") or "")[:10]


def _location(raw: Object) -> object:
    spec = raw["spec"]
    return spec.get("host") or (spec.get("file") or {}).get("path") or "(in its Secret)"


_Column = tuple[str, Callable[[Object], object]]
_READY: _Column = ("READY", lambda raw: condition(raw, "Ready").get("status", ""))
_REASON: _Column = ("REASON", lambda raw: condition(raw, "Ready").get("reason", ""))
_MESSAGE: _Column = ("MESSAGE", lambda raw: condition(raw, "Ready").get("message", ""))
# Columns by kind: (always shown, shown with `-o wide`).
COLUMNS: dict[str, tuple[tuple[_Column, ...], tuple[_Column, ...]]] = {
    "Migration": (
        (
            ("PHASE", _status("phase")),
            ("PERCENT", _status("progress", "percent")),
            ("ROWS", _status("progress", "rows")),
            _READY,
            _REASON,
        ),
        (("RUN", _status("run")), ("VERDICT", _status("verdict")), _MESSAGE),
    ),
    "Deployment": (
        (
            ("LIVE", _status("live")),
            ("COMMIT", _commit),
            ("REPLICAS", _status("replicas")),
            _READY,
            _REASON,
            ("URL", _status("url")),
        ),
        (("PREVIOUS", _status("previous")), _MESSAGE),
    ),
    "Release": (
        (
            ("DEPLOYMENT", _spec("deploymentRef", "name")),
            ("REVISION", _spec("revision")),
            ("PHASE", _status("phase")),
            ("LIVE SINCE", _status("liveAt")),
        ),
        (("IMAGE", _status("image")), ("FAILURE", _status("failure", "message"))),
    ),
    "Connection": (
        (("TYPE", _spec("type")), ("HOST", _location), _READY, _REASON),
        (("VERSION", _status("version")), ("LATENCY", _status("latencyMilliseconds")), _MESSAGE),
    ),
    "Webhook": ((("HOST", _status("host")), _READY, _REASON), (_MESSAGE,)),
}


def age(since: str, now: datetime) -> str:
    """Age of an object, formatted as in kubectl."""
    seconds = int((now - datetime.fromisoformat(since)).total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{max(0, seconds)}s"


def listed(kind: str, objects: Sequence[Object], now: datetime, *, wide: bool, namespaced: bool) -> Table:
    """Table of objects of one kind."""
    usual, more = COLUMNS[kind]
    columns = (*usual, *more) if wide else usual
    grid = Table(box=None, pad_edge=False)
    for title in (*(("NAMESPACE",) if namespaced else ()), "NAME", *(title for title, _ in columns), "AGE"):
        grid.add_column(title, overflow="fold")
    for raw in objects:
        metadata = raw["metadata"]
        cells = ["" if value is None else str(value) for value in (read(raw) for _, read in columns)]
        first = [metadata["namespace"]] if namespaced else []
        grid.add_row(*map(escape, [*first, metadata["name"], *cells, age(metadata["creationTimestamp"], now)]))
    return grid


def described(kind: str, raw: Object, events: Sequence[Object], now: datetime) -> Group:
    """Details of one object: conditions, plan, progress and events."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    parts: list[RenderableType] = [
        Text.assemble((f"{kind} {metadata['namespace']}/{metadata['name']}", "bold"), f"  {status.get('phase', '')}")
    ]
    grid = Table(box=None, pad_edge=False, show_header=False)
    for item in status.get("conditions", []):
        style = "green" if item["status"] == "True" else "yellow"
        row = (item["type"], f"[{style}]{item['status']}[/]", item.get("reason", ""), escape(item.get("message", "")))
        grid.add_row(*row, age(item["lastTransitionTime"], now))
    parts.append(grid)
    if status.get("plan"):
        parts += plan_summary(status["plan"])
    if status.get("progress") or status.get("steps"):
        parts.append(working(raw))
    if events:
        happened = Table(title="events", title_justify="left", box=None, pad_edge=False, show_header=False)
        for event in sorted(events, key=lambda item: str(item.get("lastTimestamp") or item.get("eventTime") or "")):
            at = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
            happened.add_row(age(at, now), event.get("type", ""), event.get("reason", ""), escape(event.get("message", "")))
        parts.append(happened)
    return Group(*parts)


def plan_summary(plan: Object) -> list[RenderableType]:
    """Summary of a plan and its most severe risks."""
    review = f", {counted(plan['toReview'], 'item', 'require')} approval" if plan.get("toReview") else ""
    text = (
        f"plan: {counted(plan.get('tables', 0), 'table')}, {counted(plan.get('columns', 0), 'column')}, {plan.get('rows', 0):,} rows,"
        f" about {lasting(plan.get('estimatedSeconds', 0))}{review}\n  digest {plan['digest']}"
    )
    parts: list[RenderableType] = [Text(text)]
    if plan.get("risks"):
        grid = Table(box=None, pad_edge=False, show_header=False)
        for risk in plan["risks"]:
            style = _SEVERITIES.get(risk["severity"], "dim")
            words = f"{escape(risk['description'])}. [dim]{escape(risk.get('mitigation', ''))}[/]"
            grid.add_row(f"  [{style}]{risk['severity']}[/]", f"[bold]{escape(risk['affected'])}[/] {words}")
        parts.append(grid)
    return parts


def working(raw: Object) -> Group:
    """Progress of a run: steps, tables and rates."""
    status = raw.get("status") or {}
    progress = status.get("progress") or {}
    steps = Text("  ").join(
        Text(f"{_MARKS[item['status']]} {item['name'].replace('_', ' ')}", style=_STYLES[item["status"]])
        for item in status.get("steps", [])
    )
    grid = Table(box=None, pad_edge=False)
    for title in ("table", "rows", "of", "bytes", ""):
        grid.add_column(title, justify="left" if title in {"table", ""} else "right")
    for item in progress.get("tables", [])[:_SHOWN_TABLES]:
        cells = (f"{item.get('rows', 0):,}", f"{item.get('totalRows', 0):,}", sized(item.get("bytes", 0)), item["state"].lower())
        grid.add_row(escape(item["table"]), *cells)
    rates = ""
    if progress:
        rates = f"{progress.get('rows', 0):,} of {progress.get('totalRows', 0):,} rows, {sized(progress.get('bytes', 0))}"
        rates += f", {progress.get('rowsPerSecond', 0):,} rows/s, {lasting(progress.get('remainingSeconds'))} left"
    head = Text("  ".join(_standing(raw)), style="bold")
    return Group(head, steps, grid, Text(rates))


def line(raw: Object) -> str:
    """Progress in one line, for output without a terminal."""
    *words, message = _standing(raw)
    return f"{' '.join(words)}: {message}"


def _standing(raw: Object) -> list[str]:
    """Phase, percentage if known, and the message of the condition Ready."""
    status = raw.get("status") or {}
    percent = [f"{status['progress'].get('percent', 0)} %"] if status.get("progress") else []
    return [status.get("phase", "Pending"), *percent, str(condition(raw, "Ready").get("message") or "not yet reconciled")]


def today() -> datetime:
    """Current time of this machine."""
    return datetime.now(UTC)  # noqa: TID251  ages are shown by the clock of this machine
