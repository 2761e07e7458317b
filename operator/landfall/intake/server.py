"""The intake: checks whose token it is, keeps the report, and wakes the loop.

The token is bound to the pod and to our audience, so it opens nothing else; it is worth what its pod is worth: from the
pod to its Job, by name and uid, and from the Job to the Run, Release, Connection or Webhook that owns it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from landfall.api.worker_protocol import Dials, Report, Taken
from landfall.controllers.reports import Reports
from landfall.intake.answers import application, body, refused
from landfall.intake.github_webhook import Pushed, Webhook
from landfall.intake.journal_api import Reading
from landfall.intake.jwks_tokens import Published
from landfall.intake.token_review import POD, POD_UID, Gateway, Holder, Reviews, holder
from landfall.intake.uploads import Uploads
from landfall.journal.store import Line, LogSource, Sample
from landfall.journal.writer import JournalWriter
from landfall.kube.client import Kube, Object
from landfall.kube.errors import KubeError
from landfall.lib.logs import event
from landfall.lib.redact import redacted
from landfall.manifests.job import LABEL_VERB
from landfall.manifests.parts import LABEL_KIND, LABEL_OWNER
from landfall.settings import Settings

_LARGEST = 64 * 1024 * 1024
_ACCOUNT = "system:serviceaccount:"
Changed = Callable[[str, str, str], None]
Dialled = Callable[[Object], Dials | None]


class Intake:
    """The web application. `changed` is called with kind, namespace and name of the owner of a Job that reported.

    `dialled` says of a Migration how its worker is to go on; `pushed` is told of pushes that GitHub tells of.
    """

    def __init__(
        self,
        kube: Kube,
        reports: Reports,
        keeper: JournalWriter,
        changed: Changed,
        dialled: Dialled,
        settings: Settings,
        pushed: Pushed,
    ) -> None:
        self._webhook = Webhook(settings.webhook_secret, pushed)
        self._judge = Published(kube) if kube.namespaces else Reviews(kube)
        gateway = Gateway(self._judge, settings.gateway)
        self._reading = Reading(gateway, keeper)
        self._uploads = Uploads(kube, gateway, settings.builds)
        self._kube = kube
        self._reports = reports
        self._keeper = keeper
        self._changed = changed
        self._dialled = dialled

    def application(self) -> Starlette:
        """Its paths: of workers, of GitHub, and of the gateway."""
        ours = Route("/v1/reports", self._report, methods=["POST"])
        return application(ours, *self._webhook.routes(), *self._reading.routes(), *self._uploads.routes())

    async def _report(self, request: Request) -> Response:
        try:
            sender = await holder(self._judge, request)
            found = await self._teller(sender) if sender else None
        except KubeError as error:
            event(logging.WARNING, "token_review_failed", error=str(error))
            return refused(503, "the token cannot be checked now")
        if found is None:
            return refused(401, "this token is not of a worker that is known here")
        try:
            report = Report.model_validate_json(await body(request, _LARGEST))
        except ValidationError:
            return refused(400, "this is not a report")
        job, teller, created = found
        metadata = job["metadata"]
        kept_report = report.model_copy(update={"lines": (), "pod": teller.pod, "pod_created": created})
        if self._reports.take(metadata["namespace"], metadata["name"], kept_report):
            labels = metadata["labels"]
            self._changed(labels[LABEL_KIND], metadata["namespace"], labels[LABEL_OWNER])
        kept = await self._keeper.append(teller, _lines(report), _samples(report))
        last = report.lines[-1].number if kept and report.lines else -1
        dials = await self._dials(teller) if not report.final and metadata["labels"].get(LABEL_VERB) in {"run", "help"} else None
        answer = Taken(taken=report.sequence, lines=last, dials=dials)
        return Response(answer.model_dump_json(by_alias=True), media_type="application/json")

    async def _dials(self, teller: LogSource) -> Dials | None:
        """As the spec has them now. Where it cannot be read, the worker goes on as before."""
        try:
            found = await self._kube.get(teller.kind, teller.namespace, teller.name)
        except KubeError:
            return None
        return self._dialled(found) if found else None

    async def _teller(self, sender: Holder) -> tuple[Object, LogSource, datetime] | None:
        """The Job whose pod holds the token, if it is one of ours, how the journal names them, and when the pod was created; None for anybody else's."""
        if not sender.bound.get(POD):
            return None
        namespace = sender.user.removeprefix(_ACCOUNT).partition(":")[0]
        pod = await self._kube.get("Pod", namespace, sender.bound[POD][0])
        if pod is None or pod["metadata"]["uid"] != sender.bound[POD_UID][0]:
            return None
        owner = next((r for r in pod["metadata"].get("ownerReferences", []) if r["kind"] == "Job" and r.get("controller")), None)
        job = await self._kube.get("Job", namespace, owner["name"]) if owner else None
        if job is None or owner is None or job["metadata"]["uid"] != owner["uid"]:
            return None
        labels = job["metadata"].get("labels", {})
        parent = await self._kube.get(labels[LABEL_KIND], namespace, labels[LABEL_OWNER]) if _known(labels) else None
        owners = {r["uid"] for r in job["metadata"].get("ownerReferences", [])}
        if parent is None or parent["metadata"]["uid"] not in owners:
            return None
        kind, name = labels[LABEL_KIND], labels[LABEL_OWNER]
        if kind == "Run":
            kind, name = "Migration", parent["spec"]["migrationRef"]["name"]
        if kind == "Release":
            kind, name = "Deployment", parent["spec"]["deploymentRef"]["name"]
        created = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
        return job, LogSource(namespace, kind, name, job["metadata"]["name"], sender.bound[POD_UID][0]), created


def _lines(report: Report) -> list[Line]:
    """As the journal keeps them: redacted once more, for what leaves a worker is seen by more people."""
    return [Line(one.number, one.at, one.level, one.phase, redacted(one.message)) for one in report.lines]


def _samples(report: Report) -> list[Sample]:
    told = report.progress
    if told is None or report.at is None:
        return []
    numbers = {f.name: getattr(told, f.name) for f in fields(Sample) if f.name not in {"number", "at"}}
    return [Sample(report.sequence, report.at, **numbers)]


def _known(labels: dict[str, str]) -> bool:
    return labels.get(LABEL_KIND) in {"Run", "Connection", "Migration", "Release", "Webhook"} and LABEL_OWNER in labels
