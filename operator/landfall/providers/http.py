"""One question to a provider, and what its answers mean: refused, missing, limited, away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from landfall.lib import outgoing
from landfall.providers.errors import ProviderError

_LIMITS = outgoing.Limits(total=15)
_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A question. `what` is what it is about, for messages."""

    method: str
    path: str
    what: str
    body: Mapping[str, Any] | None = None


async def asked(client: outgoing.Client, provider: str, base: str, headers: Mapping[str, str], question: Asked) -> Any:  # noqa: ANN401  as the contract has it
    """The answer. Raises ProviderError: DatabaseRefused, DatabaseMissing, DatabaseConflict, RateLimited, DatabaseUnreachable."""
    body = None if question.body is None else json.dumps(question.body).encode()
    told = {**({"Content-Type": "application/json"} if body else {}), **headers}
    try:
        # Redirects are not followed: neither a credential nor a question goes where an answer sends them.
        async with outgoing.sent(
            client, question.method, f"{base}{question.path}", _LIMITS, headers=told, content=body
        ) as answer:
            found = await outgoing.body(answer)
            if answer.status_code < 300:
                return json.loads(found or b"null")
            raise _error(provider, question, answer, found)
    except (outgoing.OutgoingError, ValueError) as error:
        kind = error.kind if isinstance(error, outgoing.OutgoingError) else type(error).__name__
        message = f"{provider} cannot be asked for {question.what}: {kind}. It is tried again."
        raise ProviderError("DatabaseUnreachable", message) from error


def _error(provider: str, question: Asked, answer: outgoing.Response, told: bytes) -> ProviderError:
    try:
        said = str(json.loads(told).get("message", ""))[:200]
    except (ValueError, AttributeError):
        said = ""
    more = f" ({said})" if said else ""
    if answer.status_code == 429:
        after = answer.headers.get("Retry-After", "")
        wait = float(after) if after.isdigit() else _MINUTE
        return ProviderError(
            "RateLimited", f"{provider}'s rate limit is used up; asked again in {wait:.0f} s.", after_seconds=wait
        )
    if answer.status_code in {401, 403}:
        message = f"{provider} refuses {question.what}{more}: renew the credential, or give it the right to."
        return ProviderError("DatabaseRefused", message)
    if answer.status_code == 404:
        return ProviderError("DatabaseMissing", f"{provider} knows nothing of {question.what}{more}. Correct it.")
    if answer.status_code == 409:
        return ProviderError("DatabaseConflict", f"{provider} has {question.what} already{more}.")
    if answer.status_code in {400, 402, 422}:
        return ProviderError("DatabaseRefused", f"{provider} does not take {question.what}{more}. Correct it.")
    return ProviderError(
        "DatabaseUnreachable", f"{provider} answered {answer.status_code} for {question.what}{more}. It is tried again."
    )
