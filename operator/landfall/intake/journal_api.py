"""The journal, readable only by the gateway's service account, with the same kind of token that workers use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from landfall.intake.answers import refused
from landfall.intake.token_review import Gateway
from landfall.journal.store import KINDS, LineFilter
from landfall.journal.writer import JournalWriter

_MOST = 5000


class Reading:
    """The routes for the gateway."""

    def __init__(self, gateway: Gateway, keeper: JournalWriter) -> None:
        self._gateway = gateway
        self._keeper = keeper

    def routes(self) -> list[Route]:
        """The routes."""
        return [Route("/v1/lines", self._lines), Route("/v1/samples", self._samples)]

    async def _refused(self, request: Request) -> Response | None:
        """The error response for any other caller, and for an invalid query."""
        wrong = await self._gateway.refused(request)
        return wrong or (None if request.query_params.get("kind") in KINDS else refused(400, "objects of this kind have no log"))

    async def _lines(self, request: Request) -> Response:
        wrong = await self._refused(request)
        if wrong:
            return wrong
        try:
            line_filter = _line_filter(request.query_params)
        except ValueError as error:
            return refused(400, f"invalid filter: {error}")
        lines = await self._keeper.lines(*_owner_of(request.query_params), line_filter)
        if lines is None:
            return refused(503, "the journal is not available")
        documents = [
            {"position": position, "at": line.at.isoformat(), "level": line.level, "phase": line.phase, "message": line.message}
            for position, line in lines
        ]
        return JSONResponse({"lines": documents})

    async def _samples(self, request: Request) -> Response:
        wrong = await self._refused(request)
        if wrong:
            return wrong
        samples = await self._keeper.samples(*_owner_of(request.query_params), _MOST)
        if samples is None:
            return refused(503, "the journal is not available")
        return JSONResponse({"samples": [{**asdict(sample), "at": sample.at.isoformat()} for sample in samples]})


def _owner_of(query: Mapping[str, str]) -> tuple[str, str, str]:
    return query.get("namespace", ""), query["kind"], query.get("name", "")


def _line_filter(query: Mapping[str, str]) -> LineFilter:
    since = datetime.fromisoformat(query["since"]) if query.get("since") else None
    return LineFilter(
        job=query.get("job", ""),
        after=int(query.get("after", "0")),
        levels=tuple(filter(None, query.get("levels", "").split(","))),
        phases=tuple(filter(None, query.get("phases", "").split(","))),
        since=since if since is None or since.tzinfo else since.replace(tzinfo=UTC),
        limit=min(max(int(query.get("limit", "1000")), 1), _MOST),
        newest=query.get("newest", "") == "true",
    )
