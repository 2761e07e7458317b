"""Which commit the spec means: looked up once for each change of the spec, and now and then where a branch is followed."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

from landfall.api.deployment import Deployment, GitHubSource, Resolved
from landfall.core.deployment.wanted import identity, source_key
from landfall.kit.redact import redacted
from landfall.providers.errors import ProviderError
from landfall.reconcile.builders import TOKEN_KEY
from landfall.reconcile.hands import Hands

Problem = tuple[str, str]
_WHOLE = 40


async def resolved(
    hands: Hands, namespace: str, deployment: Deployment, follow_seconds: int
) -> tuple[Resolved | None, Problem | None]:
    """What the source is resolved to, as far as that is known, and why it cannot be looked up where it should be."""
    spec, now = deployment.spec, hands.clock()
    key = source_key(spec)
    before = deployment.status.resolved if deployment.status else None
    known = before if before and before.key == key else None
    if spec.source.github is None:
        return known or Resolved(key=key, commit=identity(spec.source, "").removeprefix("sha256:"), resolved_at=now), None
    follows = spec.rollout.follow and spec.source.github.commit is None and spec.rollback_to is None
    place = f"{namespace}/{deployment.metadata.name}"
    last = hands.checked.get(place)
    last = last if last and last[3] == key else None
    due = (last[1] if last else known) is None or (
        follows and (last is None or now - last[0] >= timedelta(seconds=follow_seconds))
    )
    if not due and last:  # what was found, be it in status by now or not: a write may have failed meanwhile
        return last[1], last[2] if follows else None
    if not due:
        return known, None
    found, problem = await _looked_up(hands, namespace, spec.source.github, last[1] if last else known, key)
    hands.checked[place] = (now, found, problem, key)
    return found, problem


async def _looked_up(
    hands: Hands, namespace: str, github: GitHubSource, known: Resolved | None, key: str
) -> tuple[Resolved | None, Problem | None]:
    token, problem = await token_of(hands, namespace, github)
    if problem:
        return known, problem
    try:
        found = await hands.commit(github.repository, github.commit or github.branch or "", token)
    except ProviderError as error:
        if github.commit and len(github.commit) == _WHOLE and not error.stands:
            return _made(key, github.commit, "", hands.clock()), None  # it needs nobody to say what it means
        return known, (error.reason, redacted(error.message, token))
    branch = "" if github.commit else found.branch
    if known and (known.commit, known.branch) == (found.sha, branch):
        return known, None
    return _made(key, found.sha, found.message, hands.clock(), branch), None


def _made(key: str, commit: str, message: str, now: datetime, branch: str = "") -> Resolved:
    return Resolved(key=key, commit=commit, message=message, branch=branch, resolved_at=now)


async def token_of(hands: Hands, namespace: str, github: GitHubSource) -> tuple[str, Problem | None]:
    """The token that may read a repository, or what is missing."""
    reference = github.token_secret_ref
    if reference is None:
        return "", None
    held = await hands.kube.get("Secret", namespace, reference.name)
    data = (held or {}).get("data") or {}
    key = reference.key or TOKEN_KEY
    if key not in data:
        return "", ("SecretMissing", f"there is no Secret {reference.name!r} with the key {key!r} in this namespace. Create it.")
    return base64.b64decode(data[key]).decode("utf-8", "replace").strip(), None
