"""The loop of a Migration: look at it, its ends, its Run and its Jobs; take in reports; decide; act once; report once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

from landfall.api import pieces
from landfall.api.connection import Connection
from landfall.api.fields import Model
from landfall.api.migration import DataSpec, Migration, Notice
from landfall.api.pieces import LABEL_RUN
from landfall.api.progress import AppMove
from landfall.api.report import Dials, Report, Task, Verb
from landfall.api.request import ANNOTATION, requested
from landfall.api.run import DECLARED_SOURCE, DECLARED_TARGET, Run, RunStatus
from landfall.core.job import JobSeen
from landfall.core.migration import joint, reported, sharing
from landfall.core.migration.approval import approval, open_points
from landfall.core.migration.decide import decide, kept_until
from landfall.core.migration.dials import dials
from landfall.core.migration.notices import facts as notice_facts
from landfall.core.migration.notices import news, noted
from landfall.core.migration.observed import ENDED, Observed
from landfall.core.migration.requests import handled
from landfall.core.migration.steps import steps
from landfall.core.outcome import Act, Decision
from landfall.kit.digest import digest
from landfall.kube.client import Kube, Object
from landfall.kube.errors import NotFoundError
from landfall.manifests.job import LABEL_VERB
from landfall.manifests.run import plan_maps, run, run_name
from landfall.metrics import loop as metrics
from landfall.reconcile import apps, jobs, notices, pods, tableplans
from landfall.reconcile.hands import Hands, bare, invalid, now, owned_by, plain, secret_names, since, told
from landfall.runspec import Declared, changed, declared

FINALIZER = "landfall.dev/cleanup"
HOLD = "landfall.dev/hold"
QUIESCED = "landfall.dev/quiesced"
_NOTICE_SECONDS = 10
_LAST_REPORT_SECONDS = 30
_ENDS = ("source", "target")


class Look:
    """One look at a Migration: the raw objects, and what is seen in them."""

    def __init__(self, hands: Hands, raw: Object) -> None:
        self.hands = hands
        self.raw = raw
        self.namespace: str = raw["metadata"]["namespace"]
        self.migration = Migration.model_validate(plain(raw))
        self.connections: dict[str, Connection | None] = {}
        self.plans: tuple[tableplans.Held, ...] = ()
        self.run: Object | None = None
        self.name = ""
        self.declared: Declared | None = None
        self.lost: dict[str, str] = {}
        self.seen = Observed(now=hands.clock(), generation=0)

    async def take(self) -> Observed:
        """Look at everything."""
        hands, metadata, data = self.hands, self.raw["metadata"], self.migration.spec.data
        now = hands.clock()
        for reference in (data.source.connection_ref, data.target.connection_ref) if data else ():
            found = await hands.kube.get("Connection", self.namespace, reference.name)
            self.connections[reference.name] = Connection.model_validate(plain(found)) if found else None
        secrets = await hands.secrets(self.namespace, [n for c in self.connections.values() if c for n in secret_names(c)])
        self.plans = await tableplans.held(hands, self.namespace, metadata["name"])
        differs = await self._find_run()
        name = self.name
        mine = self._mine(self.run)
        listed = await jobs.jobs_of(hands, self.namespace, "Run", name) if mine else []
        await self._fold(listed)
        status = Run.model_validate(plain(self.run)).status if mine and self.run else None
        inputs = self._inputs(secrets)
        request, problem = requested(metadata.get("annotations", {}).get(ANNOTATION, ""))
        self.seen = Observed(
            now=now,
            generation=metadata["generation"],
            uid=metadata["uid"],
            deleting="deletionTimestamp" in metadata,
            conditions=self.migration.status.conditions if self.migration.status else (),
            migration=self.migration,
            finalizer=FINALIZER in metadata.get("finalizers", []),
            hold=str(metadata.get("annotations", {}).get(HOLD, "")),
            namespace_ends=await self._namespace_ends() if "deletionTimestamp" in metadata else False,
            deleting_seconds=since(now, metadata.get("deletionTimestamp")),
            connections=self.connections,
            missing_secrets=tuple(n for n, version in secrets.items() if version is None),
            inputs=inputs,
            run_name=name,
            run=(status or RunStatus()) if mine else None,
            run_foreign=self.run is not None and not mine,
            run_differs=differs,
            changed=self._changed() if differs else (),
            request=request,
            request_problem=problem,
            plan_stored=await self._plan_stored(name, status),
            app=await apps.seen(hands, self.raw, self.migration),
            jobs=self._jobs(listed) if mine else (),
        )
        return self.seen

    def _declared(self) -> Declared | None:
        """What the spec declares; None while a Connection is missing or of a type that is not supported."""
        data = self.migration.spec.data
        ends = (data.source.connection_ref.name, data.target.connection_ref.name) if data else ()
        found = [c for c in (self.connections[name] for name in ends) if c]
        return declared(data, *found) if data and len(found) == len(_ENDS) else None

    async def _find_run(self) -> bool:
        """Find the Run that the spec declares; or the one that has begun, where another is declared now. Whether it is another."""
        before = self.migration.status.run if self.migration.status else ""
        known = await self.hands.kube.get("Run", self.namespace, before) if before else None
        found = self.declared = self._declared()
        if found is None:
            self.run, self.name = known, before
            return False
        names = [run_name(self.migration.metadata.name, key) for key in (found.key, *found.former)]
        if known and self._mine(known) and (before in names or known.get("status", {}).get("ledgerKey") == found.key):
            self.run, self.name = known, before
            return False
        self.run, self.name = await self._named(names)
        if known is None or not self._mine(known) or before == self.name:
            return False
        state = known.get("status", {}).get("state", "")
        started = self.migration.status and self.migration.status.start_time
        under_way = state not in ENDED | {"cut_over"} and bool(state or started)
        if not (under_way or await self._going_back(known)):
            return False
        self.run, self.name = known, before
        return True

    async def _named(self, names: list[str]) -> tuple[Object | None, str]:
        """The Run of the first name, or else one of ours under a name that version 0.1 gave to the same spec."""
        for name in names:
            found = await self.hands.kube.get("Run", self.namespace, name)
            if found and (name == names[0] or self._mine(found)):
                return found, name
        return None, names[0]

    def _changed(self) -> tuple[str, ...]:
        """The fields because of which the spec declares another run than the one that has begun."""
        data = self.migration.spec.data
        if self.run is None or data is None or self.declared is None:
            return ()
        said = self.run["metadata"].get("annotations", {})
        identities = (said.get(DECLARED_SOURCE, ""), said.get(DECLARED_TARGET, ""))
        return changed(DataSpec.model_validate(self.run["spec"]["data"]), identities, data, self.declared)

    async def _going_back(self, run: Object) -> bool:
        """Whether a worker goes back from that run at this moment: it is let finish before another run begins."""
        listed = await jobs.jobs_of(self.hands, self.namespace, "Run", run["metadata"]["name"])
        seen = jobs.seen_jobs(listed, run["metadata"]["uid"], self.hands.clock())
        return any(job.verb == "back" and not job.over for job in seen)

    def _mine(self, run: Object | None) -> bool:
        return run is not None and owned_by(run, self.raw["metadata"]["uid"])

    def _inputs(self, secrets: dict[str, str | None]) -> str:
        """A name for all that a worker is made from: where it changes, what failed is tried again."""
        data = self.migration.spec.data
        specs = {n: c.spec.model_dump(mode="json") for n, c in self.connections.items() if c}
        wanted = (
            data.model_dump(mode="json", exclude={"approval", "parallelism", "limits", "workers", "batch_size"}) if data else {}
        )
        decisions = [p.says for p in self.plans if p.says]
        annotations = self.raw["metadata"].get("annotations", {})
        quiesced = annotations.get(QUIESCED, "")
        rollback = self.migration.spec.rollback.model_dump(mode="json")
        asked, _ = requested(annotations.get(ANNOTATION, ""))
        anew = asked.id if asked and asked.verb == "plan" else ""
        return f"{digest(specs, wanted, decisions, anew)}.{digest(secrets, quiesced, rollback, asked.id if asked else '')}"

    async def _namespace_ends(self) -> bool:
        found = await self.hands.kube.get("Namespace", "", self.namespace)
        return found is None or "deletionTimestamp" in found["metadata"]

    async def _plan_stored(self, name: str, status: RunStatus | None) -> bool:
        return bool(status and status.plan and await self.plan_pieces(name, status.plan.digest))

    async def plan_pieces(self, name: str, wanted: str) -> list[str]:
        """The ConfigMaps of a plan, all of them or none."""
        listed = await self.hands.kube.listed("ConfigMap", self.namespace, f"{LABEL_RUN}={name}")
        return [one["metadata"]["name"] for one in pieces.of(listed, wanted)]

    # -- reports ------------------------------------------------------------------------------------------------------

    def _jobs(self, listed: list[Object]) -> tuple[JobSeen, ...]:
        """The Run's Jobs, with why one ended that left no report."""
        found = jobs.seen_jobs(listed, self.run["metadata"]["uid"], self.hands.clock()) if self.run else ()
        return tuple(replace(job, reason=self.lost.get(job.name, "")) for job in found)

    async def _told(self, raw: Object, before: RunStatus, *, newest: bool) -> Report | None:
        """What a Job's worker told last: to the intake, or in its pod's termination message where nobody heard it end."""
        job = raw["metadata"]["name"]
        report = self.hands.reports.of(self.namespace, job)
        if not newest or not jobs.ended(raw) or before.finished == job or (report and report.final):
            return report
        found = await self.hands.kube.listed("Pod", self.namespace, f"job-name={job}")
        words = pods.last_words(found)
        if words is None:
            self.lost[job] = pods.lost_words(found)
        return words or report

    async def _fold(self, listed: list[Object]) -> None:
        """Take the newest report of each worker into the Run's status."""
        if self.run is None:
            return
        before = Run.model_validate(plain(self.run)).status or RunStatus()
        leading = [raw for raw in listed if raw["metadata"]["labels"].get(LABEL_VERB) != "help"]
        for raw in listed:
            job = raw["metadata"]["name"]
            if raw not in leading:
                self.hands.reports.forget(self.namespace, job)  # the leader tells for all
                continue
            report = await self._told(raw, before, newest=raw is max(leading, key=_created))
            if report is None:
                continue
            if reported.stale(before, job, report):
                if report.final or report.pod != before.reported_by_pod:
                    self.hands.reports.forget(self.namespace, job)
            elif not reported.waits(before, job, report, self.hands.clock()):
                before = await self._record(self.run, before, job, report)

    async def _record(self, run: Object, before: RunStatus, job: str, report: Report) -> RunStatus:
        """Write a report into the Run's status, its plan first; the status as it is then."""
        if report.plan_bytes and report.plan:
            for piece in plan_maps(run, report.plan_bytes, report.plan.digest):
                await self.hands.created("ConfigMap", piece)
            await tableplans.propose(self.hands, self.raw, self.plans, report)
            self.plans = await tableplans.held(self.hands, self.namespace, self.raw["metadata"]["name"])
        moved = before.progress.rows if before.progress else 0
        found = reported.folded(before, job, report, self.hands.clock())
        metrics.ROWS.inc(max(0, found.progress.rows - moved) if found.progress else 0)
        status = found.model_dump(mode="json", by_alias=True, exclude_none=True)
        status |= {"reportedAt": told(found.reported_at), "podCreated": told(found.pod_created)}
        self.run = await self.hands.kube.replace_status("Run", {**run, "status": _without_nothing(status)})
        if report.final:
            self.hands.reports.forget(self.namespace, job)
        return found


def _without_nothing(status: Object) -> Object:
    return {name: value for name, value in status.items() if value is not None}


def _created(raw: Object) -> str:
    return str(raw["metadata"].get("creationTimestamp", ""))


def dialled(raw: Object) -> Dials | None:
    """How the worker of a Migration is to go on; nothing where its spec cannot be read."""
    return None if invalid(Migration, raw) else dials(Migration.model_validate(plain(raw)), now())


def settled(raw: Object) -> bool:
    """Whether it is completed for good as far as its own words go: thousands of such are looked at after every start.

    What it keeps, it keeps until its time has come.
    """
    metadata, spec, status = raw["metadata"], raw["spec"], raw.get("status", {})
    ready: dict[str, Any] = next((c for c in status.get("conditions", []) if c["type"] == "Ready"), {})
    return (
        "deletionTimestamp" not in metadata
        and FINALIZER in metadata.get("finalizers", [])
        and spec.get("desiredState", "Completed") == "Completed"
        and status.get("observedGeneration") == metadata["generation"] == ready.get("observedGeneration")
        and ready.get("status") == "True"
        and not _letting_go(status)
        and not (status.get("keptUntil") and datetime.fromisoformat(status["keptUntil"]) <= now())
        and not any(n["state"] == "Pending" for n in status.get("notices", []))
        and ready.get("reason") in {"Completed", "AlreadyCompleted"}
    )


def _letting_go(status: dict[str, Any]) -> bool:
    """Whether a worker still keeps writers out of the source, for the app's sake; and a moment for its last report."""
    drained: str | None = (status.get("app") or {}).get("drainedAt")
    return drained is not None and datetime.fromisoformat(drained) + timedelta(seconds=_LAST_REPORT_SECONDS) > now()


# -- acting -----------------------------------------------------------------------------------------------------------


async def reconcile(hands: Hands, raw: Object) -> float | None:
    """Look, decide, act, report; when to look again, in seconds."""
    if settled(raw):
        until = raw["status"].get("keptUntil")
        return max((datetime.fromisoformat(until) - now()).total_seconds(), 1.0) if until else None
    problem = invalid(Migration, raw)
    if problem:
        await hands.report(raw, bare(raw, hands), problem, {})
        return None
    look = Look(hands, raw)
    seen = await look.take()
    decision = decide(seen)
    if decision.act:
        await _act(look, decision.act)
        if decision.act.verb in {"finalize", "release"}:
            return None  # the object has another version now, and its change brings it back here
    await tableplans.tell(hands, look.plans, approved=not open_points(seen), begun=bool(seen.state))
    told = await _noted(look, decision)
    decided = replace(decision, facts=(*decision.facts, *notice_facts(told)))
    app = joint.move(seen)
    await _logged(look, app)
    await hands.report(raw, seen, decided, {**_status(look, decision, app), "notices": [_plainly(n) for n in told]})
    waiting = any(n.state == "Pending" for n in told)
    return min(decision.again_seconds or _NOTICE_SECONDS, _NOTICE_SECONDS) if waiting else decision.again_seconds


async def _logged(look: Look, app: AppMove | None) -> None:
    """A line of the Migration's own for each step of its app; its builders' lines are the Deployment's."""
    before = look.migration.status.app if look.migration.status else None
    if app is None or look.seen.deleting or (before and (before.state, before.message) == (app.state, app.message)):
        return
    told = f"{app.release} is live{f' at {app.url}' if app.url else ''}" if app.state == "Live" else app.message
    level = "error" if app.state == "Failed" else "info"
    await look.hands.keeper.note(look.raw, level, "app", told or f"the Deployment {app.deployment} is next")


async def _noted(look: Look, decision: Decision) -> tuple[Notice, ...]:
    """The notices. Only what status has already is sent, so that nothing is sent that would be forgotten and sent again."""
    before = look.migration.status.notices if look.migration.status else ()
    if look.seen.deleting:
        return before
    new = news(look.seen, decision, before)
    events = {n.event for n in (*new, *before) if n.state == "Pending"}
    hooks = await notices.webhooks(look.hands, look.namespace, events) if events else ()
    sent = await notices.delivered(look.hands, look.raw, look.migration, before, hooks)
    return noted(look.migration, sent, new, hooks)


async def _act(look: Look, act: Act) -> None:
    hands, name = look.hands, look.raw["metadata"]["name"]
    if act.verb == "finalize":
        await _finalizers(hands.kube, look.raw, [*look.raw["metadata"].get("finalizers", []), FINALIZER])
    elif act.verb == "release":
        keep = look.migration.spec.keep
        if not (keep.logs and keep.metrics):
            await hands.keeper.forget(look.namespace, name, lines=not keep.logs, samples=not keep.metrics)
        await let_go(hands.kube, look.raw)
    elif act.verb == "run":
        await _begin(look)
    elif act.verb == "job":
        await _job(look, act)
    elif act.verb == "deployment":
        await apps.make(hands, look.raw, act.name)
    elif act.verb == "delete-job":
        await jobs.end(hands, look.namespace, act.name)
    elif act.verb == "scale":
        await jobs.scale(hands, look.namespace, act.name, act.attempt)
    elif act.verb in {"suspend", "resume"}:
        await jobs.suspend(hands, look.namespace, act.name, suspended=act.verb == "suspend")
    else:
        message = f"nobody knows how to {act.verb} {name}"
        raise ValueError(message)


async def _begin(look: Look) -> None:
    """Record the Run that the spec declares."""
    if look.declared:
        ends = (look.declared.source, look.declared.target)
        made = run(look.migration, look.raw["metadata"]["uid"], look.declared.key, look.hands.image, ends)
        await look.hands.created("Run", made)


async def let_go(kube: Kube, raw: Object) -> None:
    """Take our finalizer away, of exactly the version that was read. Raises KubeError."""
    await _finalizers(kube, raw, [one for one in raw["metadata"].get("finalizers", []) if one != FINALIZER])


async def _finalizers(kube: Kube, raw: Object, wanted: list[str]) -> None:
    metadata = raw["metadata"]
    test = {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}
    try:
        operations = [test, {"op": "add", "path": "/metadata/finalizers", "value": wanted}]
        await kube.patch("Migration", metadata["namespace"], metadata["name"], operations)
    except NotFoundError:
        return


async def _job(look: Look, act: Act) -> None:
    seen, data = look.seen, look.migration.spec.data
    if look.run is None or data is None:
        return
    plan = seen.run.plan if seen.run else None
    task = Task(
        verb=cast("Verb", act.name),
        intake=look.hands.intake_url,
        migration=_as_begun(look),
        connections={n: c.model_copy(update={"status": None}) for n, c in look.connections.items() if c},
        plans=tuple(p.plan.model_copy(update={"status": None}) for p in look.plans),
        digest=plan.digest if plan else "",
        quiesced=look.raw["metadata"].get("annotations", {}).get(QUIESCED) == "true",
        dials=dials(look.migration, look.hands.clock()),
        request=seen.request.id if seen.request else "",
        forget=seen.deleting,
        force=bool(look.migration.spec.cancel and look.migration.spec.cancel.force),
    )
    pieces = await look.plan_pieces(seen.run_name, plan.digest) if plan and act.name in {"run", "rehearse"} else []
    order = jobs.Order(
        name=f"{seen.run_name}-{act.name}-{act.attempt}",
        owner={**look.run, "apiVersion": look.raw["apiVersion"], "kind": "Run"},
        verb=act.name,
        attempt=act.attempt,
        inputs=seen.inputs,
        image=str(look.run["spec"]["image"]),
        task=task,
        memory_bytes=data.limits.memory_bytes,
        parallelism=sharing.wanted(seen) if act.name == "help" else 1,
        plans=tuple(pieces),
    )
    await jobs.start(look.hands, order)


def _as_begun(look: Look) -> Migration:
    """The Migration as a worker takes it: what it does to a Run that the spec no longer asks for, it does as that was asked for."""
    spec = look.migration.spec
    if look.run is not None and look.seen.run_differs:
        spec = spec.model_copy(update={"data": DataSpec.model_validate(look.run["spec"]["data"])})
    if joint.discards(look.seen):
        spec = spec.model_copy(update={"rollback": spec.rollback.model_copy(update={"discard_writes": True})})
    return look.migration.model_copy(update={"status": None, "spec": spec})


def _plainly(model: Model | None) -> dict[str, Any] | None:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True) if model else None


def _status(look: Look, decision: Decision, app: AppMove | None) -> dict[str, Any]:
    seen, before = look.seen, look.migration.status
    run_status = seen.run
    same = before if before and before.run == seen.run_name else None
    started = same.start_time if same else None
    made = decision.act is not None and decision.act.verb == "deployment"
    if started is None and (decision.starts or seen.state or made):
        started = seen.now
    ended = same.completion_time if same else None
    if ended is None and (decision.phase == "Completed" if app else seen.state == "cut_over"):
        ended = seen.now
    plan = run_status.plan if run_status else None
    kept = run_status is not None and run_status.kept and not run_status.expired and seen.state == "cut_over"
    until = kept_until(ended, look.migration) if kept and ended else None
    progress = run_status.progress if run_status else None
    return {
        "runKey": run_status.ledger_key if run_status else None,
        "run": seen.run_name,
        "startTime": told(started),
        "completionTime": told(ended),
        "keptUntil": told(until),
        "plan": plan.model_dump(mode="json", by_alias=True) if plan else None,
        "approval": _plainly(approval(seen)),
        "progress": _plainly(progress),
        "app": _plainly(app),
        "steps": [
            s.model_dump(mode="json", by_alias=True, exclude_none=True) for s in steps(seen, decision, same.steps if same else ())
        ],
        "verdict": run_status.verdict if run_status else None,
        "rehearsal": _plainly(run_status.rehearsal if run_status else None),
        "lastHandledRequest": handled(seen) or None,
    }
