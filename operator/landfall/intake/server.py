"""The intake: identifies the worker that sent a report, stores the report, and enqueues the object that it is about."""

from __future__ import annotations

import logging
from dataclasses import fields

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from landfall import metrics
from landfall.api.worker_protocol import Dials, Report, Taken
from landfall.controllers.intake_parts import IntakeParts
from landfall.intake.answers import application, body, refused
from landfall.intake.github_webhook import GitHubWebhook
from landfall.intake.journal_api import Reading
from landfall.intake.jwks_tokens import PublishedKeys
from landfall.intake.token_review import Gateway, TokenReviews
from landfall.intake.uploads import Uploads
from landfall.intake.workers import Workers
from landfall.journal.store import LogSource, Sample, StoredLine
from landfall.kube.errors import KubeError
from landfall.lib.logs import event
from landfall.lib.redact import redacted

_LARGEST = 64 * 1024 * 1024
_ACCOUNT = "system:serviceaccount:"


class Intake:
    """The web application."""

    def __init__(self, parts: IntakeParts) -> None:
        self._webhook = GitHubWebhook(parts.webhook_secret, parts.on_push)
        judge = PublishedKeys(parts.kube) if parts.kube.namespaces else TokenReviews(parts.kube)
        self._workers = Workers(judge, parts.kube)
        gateway = Gateway(judge, parts.gateway)
        self._reading = Reading(gateway, parts.keeper)
        self._uploads = Uploads(parts.kube, gateway, parts.builds)
        self._parts = parts

    def application(self) -> Starlette:
        """The routes of workers, of GitHub, and of the gateway."""
        reports = Route("/v1/reports", self._report, methods=["POST"])
        return application(reports, *self._webhook.routes(), *self._reading.routes(), *self._uploads.routes())

    async def _report(self, request: Request) -> Response:
        try:
            worker = await self._workers.identify(request)
        except KubeError as error:
            event(logging.WARNING, "token_review_failed", error=str(error))
            return refused(503, "the token cannot be verified now")
        if worker is None:
            return refused(401, "this token does not belong to a known worker")
        try:
            report = Report.model_validate_json(await body(request, _LARGEST))
        except ValidationError:
            return refused(400, "invalid report")
        source = worker.source
        kept_report = report.model_copy(update={"lines": (), "pod": source.pod, "pod_created": worker.pod_created})
        if self._parts.reports.take(source.namespace, worker.job, kept_report):
            metrics.REPORTS.inc()
            self._parts.on_owned_change(worker.owner_kind, source.namespace, worker.owner)
        is_stored = await self._parts.keeper.append(source, _lines(report), _samples(report))
        last = report.lines[-1].number if is_stored and report.lines else -1
        dials = await self._dials(source) if not report.final and worker.verb in {"run", "help"} else None
        answer = Taken(taken=report.sequence, lines=last, dials=dials)
        return Response(answer.model_dump_json(by_alias=True), media_type="application/json")

    async def _dials(self, source: LogSource) -> Dials | None:
        """The current live settings of the spec. If they cannot be read, the worker keeps its last ones."""
        try:
            raw = await self._parts.kube.get(source.kind, source.namespace, source.name)
        except KubeError:
            return None
        return self._parts.live_settings_of(raw) if raw else None


def _lines(report: Report) -> list[StoredLine]:
    """The lines for the journal, redacted once more, because more people can read the journal than a pod's log."""
    return [StoredLine(line.number, line.at, line.level, line.phase, redacted(line.message)) for line in report.lines]


def _samples(report: Report) -> list[Sample]:
    progress = report.progress
    if progress is None or report.at is None:
        return []
    numbers = {f.name: getattr(progress, f.name) for f in fields(Sample) if f.name not in {"number", "at"}}
    return [Sample(report.sequence, report.at, **numbers)]
