"""The intake: checks whose token it is, keeps the report, and wakes the loop.

The token is bound to the pod and to our audience, so it opens nothing else; it is worth what its pod is worth: from the
pod to its Job, by name and uid, and from the Job to the Run, Release or Connection that owns it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

from aiohttp import web
from pydantic import ValidationError

from landfall.api.report import Dials, Report, Taken
from landfall.intake.webhook import Pushed, Webhook
from landfall.journal.store import Line, Sample, Teller
from landfall.kit.redact import redacted
from landfall.kube.client import Kube, Object
from landfall.kube.errors import KubeError
from landfall.manifests.job import AUDIENCE, LABEL_KIND, LABEL_OWNER, LABEL_VERB
from landfall.reconcile.keeper import Keeper
from landfall.reconcile.reports import Reports

_LARGEST = 64 * 1024 * 1024
_POD = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"
_ACCOUNT = "system:serviceaccount:"
Changed = Callable[[str, str, str], None]
Dialled = Callable[[Object], Dials | None]


class Intake:
    """The web application. `changed` is called with kind, namespace and name of the owner of a Job that reported.

    `dialled` says of a Migration how its worker is to go on; `secret` signs GitHub's webhook, and `pushed` is told of pushes.
    """

    def __init__(
        self, kube: Kube, reports: Reports, keeper: Keeper, changed: Changed, dialled: Dialled, secret: str, pushed: Pushed
    ) -> None:
        self._webhook = Webhook(secret, pushed)
        self._kube = kube
        self._reports = reports
        self._keeper = keeper
        self._changed = changed
        self._dialled = dialled

    def application(self) -> web.Application:
        """Its paths: of workers, and of GitHub."""
        made = web.Application(client_max_size=_LARGEST)
        made.router.add_post("/v1/reports", self._report)
        self._webhook.add_to(made)
        return made

    async def _report(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        try:
            found = await self._teller(token)
        except KubeError:
            return _refused(503, "the token cannot be checked now")
        if found is None:
            return _refused(401, "this token is not of a worker that is known here")
        try:
            report = Report.model_validate_json(await request.read())
        except ValidationError:
            return _refused(400, "this is not a report")
        job, teller = found
        metadata = job["metadata"]
        if self._reports.take(metadata["namespace"], metadata["name"], report.model_copy(update={"lines": ()})):
            labels = metadata["labels"]
            self._changed(labels[LABEL_KIND], metadata["namespace"], labels[LABEL_OWNER])
        kept = await self._keeper.keep(teller, _lines(report), _samples(report))
        last = report.lines[-1].number if kept and report.lines else -1
        dials = await self._dials(teller) if not report.final and metadata["labels"].get(LABEL_VERB) in {"run", "help"} else None
        return web.json_response(Taken(taken=report.sequence, lines=last, dials=dials).model_dump(by_alias=True))

    async def _dials(self, teller: Teller) -> Dials | None:
        """As the spec has them now. Where it cannot be read, the worker goes on as before."""
        try:
            found = await self._kube.get(teller.kind, teller.namespace, teller.name)
        except KubeError:
            return None
        return self._dialled(found) if found else None

    async def _teller(self, token: str) -> tuple[Object, Teller] | None:
        """The Job whose pod holds the token, if it is one of ours, and how the journal names them; None for anybody else's."""
        if not token:
            return None
        review = await self._kube.create(
            "TokenReview",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token, "audiences": [AUDIENCE]}},
        )
        status = review.get("status", {})
        user = status.get("user", {})
        extra = user.get("extra", {})
        if not status.get("authenticated") or AUDIENCE not in status.get("audiences", []) or not extra.get(_POD):
            return None
        namespace = user.get("username", "").removeprefix(_ACCOUNT).partition(":")[0]
        pod = await self._kube.get("Pod", namespace, extra[_POD][0])
        if pod is None or pod["metadata"]["uid"] != extra[_POD_UID][0]:
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
        return job, Teller(namespace, kind, name, job["metadata"]["name"], extra[_POD_UID][0])


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
    return labels.get(LABEL_KIND) in {"Run", "Connection", "Migration", "Release"} and LABEL_OWNER in labels


def _refused(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)
