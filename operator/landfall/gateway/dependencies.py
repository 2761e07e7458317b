"""What every route depends on: the caller, the journal, and the current time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from landfall.gateway.auth import CALLER, Caller, Callers
from landfall.gateway.journal_client import JournalClient

_BEARER = HTTPBearer(auto_error=False, description="An API key: `landfall keys create`.")


async def _caller(request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> Caller:
    if CALLER in request.scope:
        return cast("Caller", request.scope[CALLER])
    callers = cast("Callers", request.app.state.callers)
    address = request.client.host if request.client else ""
    return await callers.authenticate(f"{credentials.scheme} {credentials.credentials}" if credentials else "", address)


async def _journal(request: Request) -> JournalClient:
    return cast("JournalClient", request.app.state.journal)


async def _now(request: Request) -> datetime:
    return cast("Callers", request.app.state.callers).clock()


CallerDep = Annotated[Caller, Depends(_caller)]
JournalDep = Annotated[JournalClient, Depends(_journal)]
Now = Annotated[datetime, Depends(_now)]
