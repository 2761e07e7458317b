"""What becomes of a commit, said where it comes from: a status beside it on GitHub, for a token that may set one.

It is said at least once, and nothing waits for it: a token that may not is told nothing twice, and a GitHub that is away is asked again later.
"""

from __future__ import annotations

import logging

from landfall.api.deployment import GitHubSource
from landfall.controllers.context import Context
from landfall.controllers.deployment.observed import ObservedDeployment, ObservedRelease
from landfall.controllers.deployment.resolve_source import opened
from landfall.controllers.deployment.status import REFUSED, saying
from landfall.kube.client import Object
from landfall.kube.errors import KubeError
from landfall.lib import logs
from landfall.providers.errors import ProviderError
from landfall.providers.github import CommitStatus


async def said(context: Context, namespace: str, seen: ObservedDeployment, releases: dict[str, Object], url: str) -> None:
    """Say the first thing that is new, and write down that it was."""
    for release in reversed(seen.releases):
        word, github = saying(release), release.spec.source.github if release.spec.source else None
        if word and github and release.name in releases:
            told = CommitStatus(
                repository=github.repository,
                sha=release.spec.commit,
                state=word,
                context=f"landfall/{namespace}/{release.spec.deployment_ref.name}",
                description=_description(release),
                url=url if word == "success" and url.startswith("https://") else "",
            )
            await _say(context, namespace, github, releases[release.name], told)
            return


def _description(release: ObservedRelease) -> str:
    failure = release.status.failure
    return (
        f"{release.name}: {failure.message.splitlines()[0]}" if failure else f"{release.name} is {release.status.phase.lower()}"
    )


async def _say(context: Context, namespace: str, github: GitHubSource, raw: Object, told: CommitStatus) -> None:
    opens, problem = await opened(context, namespace, github)
    if problem:
        return
    word = told.state
    try:
        await context.providers.github.tell(told, opens.token)
    except ProviderError as error:
        if error.retry.by_itself:
            logs.event(logging.WARNING, "commit_status_failed", **_about(raw), error=error.reason)
            return
        word = REFUSED
    try:
        await context.kube.replace_status("Release", {**raw, "status": {**raw.get("status", {}), "reported": word}})
    except KubeError as error:
        logs.event(logging.WARNING, "commit_status_not_recorded", **_about(raw), error=str(error))


def _about(raw: Object) -> Object:
    """The fields of a log line about a Release."""
    return {"kind": "Release", "namespace": raw["metadata"]["namespace"], "name": raw["metadata"]["name"]}
