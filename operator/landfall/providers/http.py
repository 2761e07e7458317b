"""A request to a provider, and the errors of its responses: denied, missing, rate limited, unreachable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from landfall.lib import outgoing
from landfall.providers.errors import ProviderConflictError, ProviderError

_LIMITS = outgoing.Timeouts(total=15)
_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """A request. `what` is its subject in messages."""

    method: str
    path: str
    subject: str
    body: Mapping[str, Any] | None = None


async def send_request(
    client: outgoing.Client, provider: str, base: str, headers: Mapping[str, str], question: ProviderRequest
) -> Any:  # noqa: ANN401  as the contract has it
    """The response. Raises ProviderError: DatabaseRefused, DatabaseMissing, DatabaseConflict, RateLimited, DatabaseUnreachable."""
    body = None if question.body is None else json.dumps(question.body).encode()
    sent_headers = {**({"Content-Type": "application/json"} if body else {}), **headers}
    try:
        # Redirects are not followed, so that credentials stay with their host.
        async with outgoing.send(
            client, question.method, f"{base}{question.path}", _LIMITS, headers=sent_headers, content=body
        ) as answer:
            content = await outgoing.body(answer)
            if answer.status_code < 300:
                return json.loads(content or b"null")
            raise _error(provider, question, answer, content)
    except (outgoing.OutgoingError, ValueError) as error:
        kind = error.kind if isinstance(error, outgoing.OutgoingError) else type(error).__name__
        message = f"{provider} is not reachable for {question.subject}: {kind}. It is retried."
        raise ProviderError("DatabaseUnreachable", message) from error


def _error(provider: str, question: ProviderRequest, answer: outgoing.Response, content: bytes) -> ProviderError:
    try:
        detail = str(json.loads(content).get("message", ""))[:200]
    except (ValueError, AttributeError):
        detail = ""
    more = f" ({detail})" if detail else ""
    if answer.status_code == 429:
        after = answer.headers.get("Retry-After", "")
        wait = float(after) if after.isdigit() else _MINUTE
        return ProviderError(
            "RateLimited", f"{provider}'s rate limit is exhausted. Retrying in {wait:.0f} s.", after_seconds=wait
        )
    if answer.status_code in {401, 403}:
        message = f"{provider} denies access to {question.subject}{more}: renew the credential, or extend its rights."
        return ProviderError("DatabaseRefused", message)
    if answer.status_code == 404:
        return ProviderError("DatabaseMissing", f"{question.subject} not found at {provider}{more}. Correct its identifier.")
    if answer.status_code == 409:
        return ProviderConflictError(f"{provider} already has {question.subject}{more}.")
    if answer.status_code in {400, 402, 422}:
        return ProviderError("DatabaseRefused", f"{provider} rejects {question.subject}{more}. Correct it.")
    return ProviderError(
        "DatabaseUnreachable", f"{provider} returned status {answer.status_code} for {question.subject}{more}. It is retried."
    )
