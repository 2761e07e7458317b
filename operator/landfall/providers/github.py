"""GitHub's REST API: commits of branches, and commit statuses. Contract: REST description 2022-11-28.

Conditional requests do not count against the rate limit if nothing has changed, so the ETag of every response is stored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from landfall.lib import outgoing
from landfall.providers.errors import ProviderError

_LIMITS = outgoing.Timeouts(total=10)
_LARGEST = 64 << 20  # the response of a commit contains all of its changes
_VERSION = "2022-11-28"
_MOST_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: its full name, the first line of its message, and the branch that it was looked up by."""

    sha: str
    message: str
    branch: str = ""


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """A commit status: `state` is pending, success, failure or error; `context` names the reporter."""

    repository: str
    sha: str
    state: str
    context: str
    description: str = ""
    url: str = ""


class GitHub:
    """One client for all repositories. `base`: the URL of the API; GitHub Enterprise has its own."""

    def __init__(self, base: str, client: outgoing.Client) -> None:
        self._base = base
        self._client = client
        self._known: dict[tuple[str, str, str], tuple[str, dict[str, Any]]] = {}

    async def commit(self, repository: str, ref: str, token: str) -> Commit:
        """The commit of a branch or of an abbreviated hash; without ref, of the default branch.

        Raises ProviderError: SourceMissing, SourceRefused, RateLimited, SourceUnreachable.
        """
        branch = ref or str((await self._get(f"/repos/{repository}", token, repository))["default_branch"])
        response = await self._get(f"/repos/{repository}/commits/{branch}", token, f"{repository} at {branch}")
        return Commit(str(response["sha"]), str(response["commit"]["message"]).strip().splitlines()[0][:200], branch)

    async def set_commit_status(self, status: CommitStatus, token: str) -> None:
        """Set a commit's status (`POST /repos/{owner}/{repo}/statuses/{sha}`). Raises ProviderError."""
        body = {
            "state": status.state,
            "context": status.context,
            "description": status.description[:140],
            "target_url": status.url or None,
        }
        path = f"/repos/{status.repository}/statuses/{status.sha}"
        try:
            async with outgoing.send(
                self._client,
                "POST",
                f"{self._base}{path}",
                _LIMITS,
                headers={"Content-Type": "application/json", **_headers(token)},
                content=json.dumps(body).encode(),
                redirects=True,
            ) as answer:
                if answer.status_code != 201:
                    raise _refused(answer, f"the status of {status.sha[:12]}", token=True)
        except outgoing.OutgoingError as error:
            raise ProviderError("SourceUnreachable", f"GitHub is not reachable at {self._base}: {error.kind}") from error

    async def _get(self, path: str, token: str, subject: str) -> dict[str, Any]:
        key = (path, token, self._base)
        tag, before = self._known.get(key, ("", {}))
        headers = {**_headers(token), **({"If-None-Match": tag} if tag else {})}
        try:
            async with outgoing.send(
                self._client, "GET", f"{self._base}{path}", _LIMITS, headers=headers, redirects=True
            ) as answer:
                if answer.status_code == 304:
                    return before
                if answer.status_code == 200:
                    commit = _needed(json.loads(await outgoing.body(answer, _LARGEST)))
                    if len(self._known) >= _MOST_KNOWN:
                        self._known.clear()
                    self._known[key] = (answer.headers.get("ETag", ""), commit)
                    return commit
                raise _refused(answer, subject, token=bool(token))
        except (outgoing.OutgoingError, ValueError) as error:
            kind = error.kind if isinstance(error, outgoing.OutgoingError) else type(error).__name__
            message = f"GitHub is not reachable at {self._base}: {kind}. It is retried."
            raise ProviderError("SourceUnreachable", message) from error


def _needed(response: dict[str, Any]) -> dict[str, Any]:
    """The needed part of a response: that of a commit contains all of its changes, possibly megabytes."""
    fields: dict[str, Any] = {name: response[name] for name in ("default_branch", "sha") if name in response}
    if "commit" in response:
        fields["commit"] = {"message": response["commit"]["message"]}
    return fields


def _headers(token: str) -> dict[str, str]:
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": _VERSION, "User-Agent": "landfall"}
    return headers | ({"Authorization": f"Bearer {token}"} if token else {})


def _refused(answer: outgoing.Response, subject: str, *, token: bool) -> ProviderError:
    """The error of a response. A rate limit is a 403 or 429 with its headers; a private repository looks like a missing one."""
    if answer.status_code in {403, 429} and (
        answer.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in answer.headers
    ):
        wait = _waits(answer)
        more = "" if token else " Give a token (source.github.tokenSecretRef): without one, GitHub allows 60 requests per hour."
        return ProviderError(
            "RateLimited", f"GitHub's rate limit is exhausted. Retrying in {wait:.0f} s.{more}", after_seconds=wait
        )
    if answer.status_code in {404, 422}:
        remedy = "correct its name, the branch or the commit" if token else "correct its name, or give a token if it is private"
        return ProviderError("SourceMissing", f"{subject} not found on GitHub: {remedy}.")
    if answer.status_code in {401, 403}:
        message = f"GitHub rejects the token for {subject}: renew it, or give it read access to the repository's contents."
        return ProviderError("SourceRefused", message)
    return ProviderError("SourceUnreachable", f"GitHub returned status {answer.status_code} for {subject}. It is retried.")


def _waits(answer: outgoing.Response) -> float:
    """Seconds until the next request is allowed: `retry-after`, or until `x-ratelimit-reset` by GitHub's clock, or 60."""
    after = answer.headers.get("retry-after", "")
    if after.isdigit():
        return float(after)
    reset, date = answer.headers.get("x-ratelimit-reset", ""), answer.headers.get("date", "")
    if reset.isdigit() and date:
        return max(1.0, float(reset) - parsedate_to_datetime(date).timestamp())
    return 60.0
