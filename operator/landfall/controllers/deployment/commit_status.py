"""Reports the state of a release to its commit on GitHub, as a commit status, if the token may set one.

A status is reported at least once, and no release waits for it. After a refusal it is not sent again; after an outage it is retried.
"""

from __future__ import annotations

import logging

from landfall.api.deployment import GitHubSource
from landfall.controllers.context import Context, log_write
from landfall.controllers.deployment.observed import ObservedDeployment, ObservedRelease
from landfall.controllers.deployment.resolve_source import credentials_of
from landfall.controllers.deployment.status import REFUSED, state_to_report
from landfall.kube.client import Object
from landfall.kube.errors import KubeError
from landfall.lib import logs
from landfall.providers.errors import ProviderError
from landfall.providers.github import CommitStatus


async def report_next(
    context: Context, namespace: str, observed: ObservedDeployment, releases: dict[str, Object], url: str
) -> None:
    """Report the first new state and record that it was reported."""
    for release in reversed(observed.releases):
        state, github = state_to_report(release), release.spec.source.github if release.spec.source else None
        if state and github and release.name in releases:
            report = CommitStatus(
                repository=github.repository,
                sha=release.spec.commit,
                state=state,
                context=f"landfall/{namespace}/{release.spec.deployment_ref.name}",
                description=_description(release),
                url=url if state == "success" and url.startswith("https://") else "",
            )
            await _send(context, namespace, github, releases[release.name], report)
            return


def _description(release: ObservedRelease) -> str:
    failure = release.status.failure
    return (
        f"{release.name}: {failure.message.splitlines()[0]}" if failure else f"{release.name} is {release.status.phase.lower()}"
    )


async def _send(context: Context, namespace: str, github: GitHubSource, raw: Object, report: CommitStatus) -> None:
    opens, problem = await credentials_of(context, namespace, github)
    if problem:
        return
    recorded = report.state
    try:
        await context.providers.github.set_commit_status(report, opens.token)
        log_write({**raw, "kind": "Release"}, "set_commit_status", state=report.state)
    except ProviderError as error:
        if error.retry.by_itself:
            logs.event(logging.WARNING, "commit_status_failed", **_about(raw), error=error.reason)
            return
        recorded = REFUSED
    try:
        await context.kube.replace_status("Release", {**raw, "status": {**raw.get("status", {}), "reported": recorded}})
    except KubeError as error:
        logs.event(logging.WARNING, "commit_status_not_recorded", **_about(raw), error=str(error))


def _about(raw: Object) -> Object:
    """The fields of a log line about a Release."""
    return {"kind": "Release", "namespace": raw["metadata"]["namespace"], "name": raw["metadata"]["name"]}
