"""Which commit the spec means: looked up once for each change of the spec, and periodically if a branch is followed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from landfall.api.deployment import Deployment, GitHubSource, GitSource, Resolved
from landfall.controllers.context import Context
from landfall.controllers.deployment.build_jobs import TOKEN_KEY
from landfall.controllers.deployment.desired_release import identity, source_key
from landfall.controllers.deployment.environment import content
from landfall.controllers.deployment.observed import DeploymentProblem
from landfall.controllers.source_lookups import SourceLookup
from landfall.lib.redact import redacted
from landfall.providers.errors import ProviderError
from landfall.providers.git import Remote, head
from landfall.providers.github import Commit

_WHOLE = 40


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials of a repository: a token, and the user name that some hosts require."""

    token: str = ""
    username: str = ""


async def resolved(
    context: Context, namespace: str, deployment: Deployment, follow_seconds: int, request: str = ""
) -> tuple[Resolved | None, DeploymentProblem | None]:
    """Resolve the source.

    Args:
        context: Clients, clock and earlier lookups.
        namespace: The Deployment's namespace.
        deployment: The Deployment.
        follow_seconds: Seconds between lookups of a followed branch.
        request: A request for the newest commit, which needs a new lookup; empty for none.

    Returns:
        The resolved source, if known; and why it cannot be looked up, if it should be.
    """
    spec, now = deployment.spec, context.clock()
    key = source_key(spec)
    before = deployment.status.resolved if deployment.status else None
    previous = before if before and before.key == key else None
    repository = spec.source.repository
    if repository is None:
        return previous or Resolved(key=key, commit=identity(spec.source, "").removeprefix("sha256:"), resolved_at=now), None
    follows = spec.rollout.follow and repository.commit is None and spec.rollback_to is None
    name, question = deployment.metadata.name, f"{key}/{request}" if request else key
    last = context.lookups.of(namespace, name, question)
    if last is None:
        due = follows or bool(request) or previous is None
    else:
        again = follows or (bool(request) and last.problem is not None)
        due = last.found is None or (again and now - last.at >= timedelta(seconds=follow_seconds))
    if not due and last:  # what was found, even if writing it to the status has failed since
        return last.found, last.problem if follows or request else None
    if not due:
        return previous, None
    resolved_source, problem = await _looked_up(context, namespace, repository, last.found if last else previous, key)
    context.lookups.record(namespace, name, SourceLookup(now, question, resolved_source, problem))
    return resolved_source, problem


async def _looked_up(
    context: Context, namespace: str, repository: GitHubSource | GitSource, previous: Resolved | None, key: str
) -> tuple[Resolved | None, DeploymentProblem | None]:
    opens, problem = await credentials_of(context, namespace, repository)
    if problem:
        return previous, problem
    try:
        commit = await _look_up_commit(context, repository, opens)
    except ProviderError as error:
        if repository.commit and len(repository.commit) == _WHOLE and error.retry.by_itself:
            return _resolved_commit(key, repository.commit, "", context.clock()), None  # a full commit hash needs no lookup
        return previous, (error.reason, redacted(error.message, opens.token))
    branch = "" if repository.commit else commit.branch
    if previous and (previous.commit, previous.branch) == (commit.sha, branch):
        return previous, None
    return _resolved_commit(key, commit.sha, commit.message, context.clock(), branch), None


def _resolved_commit(key: str, commit: str, message: str, now: datetime, branch: str = "") -> Resolved:
    return Resolved(key=key, commit=commit, message=message, branch=branch, resolved_at=now)


async def _look_up_commit(context: Context, repository: GitHubSource | GitSource, opens: Credentials) -> Commit:
    """Look up the commit. Only GitHub gives its message; other hosts give none before the sources are fetched."""
    if isinstance(repository, GitHubSource):
        return await context.providers.github.commit(
            repository.repository, repository.commit or repository.branch or "", opens.token
        )
    if repository.commit:
        return Commit(repository.commit, "")
    remote = Remote(repository.url, opens.token, opens.username)
    sha, branch = await head(context.providers.user_client, remote, repository.branch or "")
    return Commit(sha, "", branch)


async def credentials_of(
    context: Context, namespace: str, repository: GitHubSource | GitSource
) -> tuple[Credentials, DeploymentProblem | None]:
    """The credentials of a repository, or why they are missing."""
    reference = repository.token_secret_ref
    if reference is None:
        return Credentials(), None
    secret = await content(context, namespace, reference.name) or {}
    key = reference.key or TOKEN_KEY
    if key not in secret:
        return Credentials(), (
            "SecretMissing",
            f"Secret {reference.name!r} with the key {key!r} not found in this namespace. Create it.",
        )
    return Credentials(secret[key].strip(), secret.get("username", "").strip()), None
