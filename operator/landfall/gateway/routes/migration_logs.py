"""The log of a migration, whole, filtered or followed, and its measurements."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from landfall.gateway.auth import Caller, Callers
from landfall.gateway.dependencies import CallerDep, JournalDep, Now
from landfall.gateway.errors import ProblemError
from landfall.gateway.journal_client import JournalClient, Lines, LogOwner, line_time
from landfall.gateway.requests import Body, MaybeTime
from landfall.gateway.routes.migrations import get_migration
from landfall.gateway.views import app as apps
from landfall.gateway.views import metrics as measures
from landfall.gateway.views import migration as moves
from landfall.kube.errors import KubeError
from landfall.ledger_states import LOG_TAGS, LogPart
from landfall.lifecycle import ENDED

_LEVELS = ("debug", "info", "warning", "error")
_NAMED = {inner: name for name, inners in LOG_TAGS.items() for inner in inners}
_WAIT_SECONDS, _BEAT_SECONDS = 0.5, 15
_KEY_ROUNDS, _PATIENCE_ROUNDS = 20, 60  # rounds between checks of the key, and rounds to tolerate an unavailable journal
Object = dict[str, Any]
ROUTER = APIRouter(prefix="/v1/migrations/{migration_id}", tags=["migrations"])


class Entry(BaseModel):
    """One line."""

    timestamp: str
    level: str
    message: str
    phase: str | None = Field(default=None, description="Phase of the run in which the line was written.")


class Log(BaseModel):
    """Lines, oldest first."""

    logs: list[Entry]


class LogAnswer(BaseModel):
    """A log."""

    data: Log


class Choice(Body):
    """Filters of the log."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="debug", description="Minimum level.")
    phase: Literal["", LogPart] = Field(default="", description="Only lines of this phase.")
    since: MaybeTime = Field(default=None, description="Only lines from this time on.")
    follow: bool = Field(
        default=False, description="Follow as server-sent events, `log` and `progress`, until the migration has ended."
    )
    limit: int = Field(default=100, ge=1, le=5000, description="Maximum number of lines; the latest are returned.")

    def query(self) -> dict[str, str]:
        """The filters as a query of the journal."""
        query = {
            "levels": ",".join(_LEVELS[_LEVELS.index(self.level) :]),
            "phases": ",".join(LOG_TAGS[self.phase]) if self.phase else "",
        }
        return query | ({"since": self.since.isoformat()} if self.since else {})


_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Lines; with `follow` a stream of events.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@ROUTER.get("/logs", response_model=LogAnswer, responses=_STREAM)
async def logs(
    caller: CallerDep,
    journal: JournalDep,
    migration_id: str,
    choice: Annotated[Choice, Query()],
    request: Request,
    last_event_id: Annotated[str, Header(max_length=20)] = "",
) -> Any:  # noqa: ANN401  one of two
    """Get the log of a migration."""
    raw = await get_migration(caller, migration_id)
    if not choice.follow:
        lines = await _lines(journal, raw, {**choice.query(), "limit": str(choice.limit), "newest": "true"})
        return LogAnswer(data=Log(logs=[_entry(line) for line in lines]))
    after = int(last_event_id) if last_event_id.isdecimal() else None
    return StreamingResponse(
        LogStream(request, caller, journal, choice).events(raw, after),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


class Period(Body):
    """The requested period."""

    since: MaybeTime = Field(default=None, description="Start of the period. Default: start of the run.")
    until: MaybeTime = Field(default=None, description="End of the period. Default: now.")

    def takes(self, moment: datetime) -> bool:
        """Whether a time is within it."""
        return (self.since is None or moment >= self.since) and (self.until is None or moment <= self.until)


@ROUTER.get("/metrics")
async def metrics(
    caller: CallerDep, journal: JournalDep, now: Now, migration_id: str, period: Annotated[Period, Query()]
) -> measures.MetricsAnswer:
    """Get throughput, quality and resource metrics of a migration."""
    raw = await get_migration(caller, migration_id)
    samples = await journal.samples(LogOwner(caller.key.namespace, "Migration", raw["metadata"]["name"]))
    selected = [s for s in samples if period.takes(moves.at(s["at"]))]
    return measures.metrics_of(raw, selected, now)


class LogStream:
    """Follows a log until the migration has ended, the key is revoked, or the client disconnects."""

    def __init__(self, request: Request, caller: Caller, journal: JournalClient, choice: Choice) -> None:
        self._request = request
        self._caller = caller
        self._journal = journal
        self._choice = choice

    async def events(self, raw: Object, after: int | None) -> AsyncIterator[str]:
        """Server-sent events. `after`: the last event that the client received; without it, the newest lines come first."""
        query, quiet, rounds, failures = self._choice.query(), 0.0, 0, 0
        last_progress: Object = {}
        now: Object | None = raw
        while now is not None and failures < _PATIENCE_ROUNDS:
            try:
                lines = await _lines(self._journal, now, {**query, **self._from(after, now)})
                failures = 0
            except ProblemError:
                lines, failures = [], failures + 1
                await asyncio.sleep(_WAIT_SECONDS)
            after = max([after or 0, *(line["position"] for line in lines)])
            if lines:
                yield _events(lines)
            progress = _progress(now)
            if progress and progress != last_progress:
                last_progress = progress
                yield _event("progress", progress)
            if not lines and moves.status_of(now) in ENDED:
                return
            quiet = 0.0 if lines else quiet + _WAIT_SECONDS
            if quiet >= _BEAT_SECONDS:
                quiet = 0.0
                yield ": keep-alive\n\n"
            rounds += 1
            now = await self._again(now, rounds)

    def _from(self, after: int | None, now: Object) -> dict[str, str]:
        """The newest lines, or those after a position, waited for. After the end the query differs, so that no earlier response is shared."""
        if after is None:
            return {"limit": str(self._choice.limit), "newest": "true"}
        return {
            "after": str(after),
            **({"limit": "5000"} if moves.status_of(now) in ENDED else {"wait": f"{_WAIT_SECONDS}"}),
        }

    async def _again(self, raw: Object, rounds: int) -> Object | None:
        """The current Migration; None if it or the key was deleted. If it cannot be read now, the last known one."""
        try:
            if rounds % _KEY_ROUNDS == 0:
                callers = cast("Callers", self._request.app.state.callers)
                self._caller = await callers.authenticate(self._request.headers.get("authorization", ""), "")
            return await self._caller.get("Migration", raw["metadata"]["name"])
        except ProblemError as error:
            return None if error.status == 401 else raw
        except KubeError as error:
            return None if error.status in {401, 403} else raw


async def _lines(journal: JournalClient, raw: Object, query: dict[str, str]) -> list[Object]:
    """Lines of a migration and of the builds of its app since it was created, in order."""
    namespace = raw["metadata"]["namespace"]
    own_lines = journal.lines(LogOwner(namespace, "Migration", raw["metadata"]["name"]), **query)
    if not raw["spec"].get("app"):
        return await own_lines
    began: datetime = moves.at(raw["metadata"]["creationTimestamp"])
    since = max(began, moves.at(query["since"])) if "since" in query else began
    builds = {**query, "since": since.isoformat()}
    both = await asyncio.gather(own_lines, journal.lines(LogOwner(namespace, "Deployment", apps.deployment_of(raw)), **builds))
    merged = sorted((line for lines in both for line in lines), key=lambda line: int(line["position"]))
    return merged[-int(query.get("limit", "5000")) :]


def _events(lines: list[Object]) -> str:
    """Lines as events, serialized once for all followers."""
    text = lines.serialized if isinstance(lines, Lines) else ""
    text = text or "".join(_event("log", _entry(line).model_dump(exclude_none=True), line["position"]) for line in lines)
    if isinstance(lines, Lines):
        lines.serialized = text
    return text


def _entry(line: Object) -> Entry:
    phase = line.get("phase") or ""
    return Entry(timestamp=line_time(line), level=line["level"], message=line["message"], phase=_NAMED.get(phase, phase) or None)


def _progress(raw: Object) -> Object:
    """The numbers that followers get when they have changed."""
    progress = (raw.get("status") or {}).get("progress")
    if not progress:
        return {}
    return {"phase": moves.step_of(raw), "percent": progress.get("percent", 0), "records_processed": progress.get("rows", 0)}


def _event(kind: str, data: Object, position: int | None = None) -> str:
    identifier = f"id: {position}\n" if position is not None else ""
    return f"{identifier}event: {kind}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
