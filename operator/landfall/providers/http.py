"""One question to a provider, and what its answers mean: refused, missing, limited, away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from landfall.providers.errors import ProviderError

_TIMEOUT = aiohttp.ClientTimeout(total=15)
_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A question. `what` is what it is about, for messages."""

    method: str
    path: str
    what: str
    body: Mapping[str, Any] | None = None


async def asked(session: aiohttp.ClientSession, provider: str, base: str, headers: Mapping[str, str], question: Asked) -> Any:  # noqa: ANN401  as the contract has it
    """The answer. Raises ProviderError: DatabaseRefused, DatabaseMissing, DatabaseConflict, RateLimited, DatabaseUnreachable."""
    try:
        async with session.request(
            question.method,
            f"{base}{question.path}",
            headers={"User-Agent": "landfall", **headers},
            json=question.body,
            timeout=_TIMEOUT,
            allow_redirects=False,  # neither a credential nor a question goes where an answer sends them
        ) as answer:
            told = await answer.read()
            if answer.status < 300:
                return json.loads(told or b"null")
            raise _error(provider, question, answer, told)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        message = f"{provider} cannot be asked for {question.what}: {type(error).__name__}. It is tried again."
        raise ProviderError("DatabaseUnreachable", message) from error


def _error(provider: str, question: Asked, answer: aiohttp.ClientResponse, told: bytes) -> ProviderError:
    try:
        said = str(json.loads(told).get("message", ""))[:200]
    except (ValueError, AttributeError):
        said = ""
    more = f" ({said})" if said else ""
    if answer.status == 429:
        after = answer.headers.get("Retry-After", "")
        wait = float(after) if after.isdigit() else _MINUTE
        return ProviderError(
            "RateLimited", f"{provider}'s rate limit is used up; asked again in {wait:.0f} s.", after_seconds=wait
        )
    if answer.status in {401, 403}:
        message = f"{provider} refuses {question.what}{more}: renew the credential, or give it the right to."
        return ProviderError("DatabaseRefused", message)
    if answer.status == 404:
        return ProviderError("DatabaseMissing", f"{provider} knows nothing of {question.what}{more}. Correct it.")
    if answer.status == 409:
        return ProviderError("DatabaseConflict", f"{provider} has {question.what} already{more}.")
    if answer.status in {400, 402, 422}:
        return ProviderError("DatabaseRefused", f"{provider} does not take {question.what}{more}. Correct it.")
    return ProviderError(
        "DatabaseUnreachable", f"{provider} answered {answer.status} for {question.what}{more}. It is tried again."
    )
