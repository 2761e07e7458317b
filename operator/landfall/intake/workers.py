"""Identifies the worker that sent a request: from its token to its pod, Job, and the Run, Release, Connection or Webhook that owns the Job.

A token is bound to its pod and to our audience, so it is of no use elsewhere. Each step compares names and uids. A worker reports every
two seconds; its identity is kept for ten, so that a report costs no API calls.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from starlette.requests import Request

from landfall.api.worker_protocol import Verb, verb_of
from landfall.intake.token_review import POD, POD_UID, Holder, TokenVerifier, holder
from landfall.journal.store import LogSource
from landfall.kube.client import Object
from landfall.manifests.job import LABEL_VERB
from landfall.manifests.parts import LABEL_KIND, LABEL_OWNER

_ACCOUNT = "system:serviceaccount:"
_KEPT_SECONDS = 10.0
_OWNER_KINDS = frozenset({"Run", "Connection", "Migration", "Release", "Webhook"})


class Reads(Protocol):
    """What the identification needs of the API server."""

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """The object; None if it does not exist. Raises KubeError."""


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """A pod of a Job of ours.

    Attributes:
        job: Name of the Job.
        verb: What the Job does, as its label says; None for a verb that this version does not know.
        owner_kind: Kind of the object that is to be reconciled after a report: a Migration for a Job of a Run.
        owner: Name of that object.
        source: The same for the journal.
        pod_created: Creation time of the pod.
    """

    job: str
    verb: Verb | None
    owner_kind: str
    owner: str
    source: LogSource
    pod_created: datetime


class Workers:
    """Identities of workers by their tokens."""

    def __init__(self, judge: TokenVerifier, kube: Reads, ticks: Callable[[], float] = time.monotonic) -> None:
        self._judge = judge
        self._kube = kube
        self._ticks = ticks
        self._kept: dict[bytes, tuple[float, WorkerIdentity]] = {}

    async def identify(self, request: Request) -> WorkerIdentity | None:
        """The worker; None for any other client. Raises KubeError."""
        key = hashlib.sha256(request.headers.get("Authorization", "").encode()).digest()
        until, cached = self._kept.get(key, (0.0, None))
        if cached and self._ticks() < until:
            return cached
        sender = await holder(self._judge, request)
        worker = await self._worker(sender) if sender else None
        moment = self._ticks()
        self._kept = {other_key: row for other_key, row in self._kept.items() if row[0] > moment and other_key != key}
        if worker:
            self._kept[key] = (moment + _KEPT_SECONDS, worker)
        return worker

    async def _worker(self, sender: Holder) -> WorkerIdentity | None:
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
        return await self._of_job(job, pod)

    async def _of_job(self, job: Object, pod: Object) -> WorkerIdentity | None:
        metadata, labels = job["metadata"], job["metadata"].get("labels", {})
        kind, name = labels.get(LABEL_KIND, ""), labels.get(LABEL_OWNER, "")
        parent = await self._kube.get(kind, metadata["namespace"], name) if kind in _OWNER_KINDS and name else None
        if parent is None or parent["metadata"]["uid"] not in {r["uid"] for r in metadata.get("ownerReferences", [])}:
            return None
        if kind == "Run":
            kind, name = "Migration", parent["spec"]["migrationRef"]["name"]
        if kind == "Release":
            kind, name = "Deployment", parent["spec"]["deploymentRef"]["name"]
        source = LogSource(metadata["namespace"], kind, name, metadata["name"], pod["metadata"]["uid"])
        created = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
        return WorkerIdentity(metadata["name"], verb_of(labels.get(LABEL_VERB)), kind, name, source, created)
