"""Reads everything that the rules of a Migration need, as one value. Nothing is written while it reads."""

from __future__ import annotations

from dataclasses import replace

from landfall.api import plan_storage
from landfall.api.annotations import ANNOTATION, requested
from landfall.api.connection import Connection
from landfall.api.migration import DataSpec, Migration
from landfall.api.plan_storage import LABEL_RUN
from landfall.api.run import DECLARED_SOURCE, DECLARED_TARGET, Run, RunStatus
from landfall.api.worker_protocol import Report
from landfall.controllers import app_deployment, jobs
from landfall.controllers.context import Context
from landfall.controllers.deployment import pod_diagnosis
from landfall.controllers.job_state import ObservedJob
from landfall.controllers.migration import table_plans
from landfall.controllers.migration.annotations import FINALIZER, HOLD, QUIESCED
from landfall.controllers.migration.observed import ObservedMigration
from landfall.controllers.migration.reported_progress import ReportFold
from landfall.controllers.objects import owned_by, secret_names, since, to_model_input
from landfall.kube.client import Object
from landfall.lib.digest import digest
from landfall.manifests.job import LABEL_VERB
from landfall.manifests.run import run_name
from landfall.runspec import DeclaredRun, changed_fields, declared_run

_ENDS = ("source", "target")


class MigrationObserver:
    """One observation of a Migration: the raw objects, and the value for the rules."""

    def __init__(self, context: Context, raw: Object) -> None:
        self.context = context
        self.raw = raw
        self.namespace: str = raw["metadata"]["namespace"]
        self.migration = Migration.model_validate(to_model_input(raw))
        self.connections: dict[str, Connection | None] = {}
        self.plans: tuple[table_plans.StoredTablePlan, ...] = ()
        self.run: Object | None = None
        self.name = ""
        self.declared: DeclaredRun | None = None
        self.lost: dict[str, str] = {}
        self.reported = ReportFold(RunStatus())
        self.observed = ObservedMigration(now=context.clock(), generation=0)

    async def observe(self) -> ObservedMigration:
        """Read everything. Raises KubeError."""
        context, metadata = self.context, self.raw["metadata"]
        now = context.clock()
        await self._read_connections()
        secrets = await context.secrets(self.namespace, [n for c in self.connections.values() if c for n in secret_names(c)])
        self.plans = await table_plans.stored_table_plans(context, self.namespace, metadata["name"])
        differs = await self._find_run()
        name = self.name
        is_own = self._is_own(self.run)
        listed = await jobs.jobs_of(context, self.namespace, "Run", name) if is_own else []
        self.reported = await self._fold(listed) if is_own else ReportFold(RunStatus())
        status = self.reported.status
        inputs = self._inputs(secrets)
        request, problem = requested(metadata.get("annotations", {}).get(ANNOTATION, ""))
        self.observed = ObservedMigration(
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
            run=status if is_own else None,
            run_foreign=self.run is not None and not is_own,
            run_differs=differs,
            changed=self._changed() if differs else (),
            request=request,
            request_problem=problem,
            plan_stored=await self._plan_stored(name),
            app=await app_deployment.observe(context, self.raw, self.migration),
            jobs=self._jobs(listed) if is_own else (),
        )
        return self.observed

    async def _read_connections(self) -> None:
        data = self.migration.spec.data
        for reference in (data.source.connection_ref, data.target.connection_ref) if data else ():
            raw = await self.context.kube.get("Connection", self.namespace, reference.name)
            self.connections[reference.name] = Connection.model_validate(to_model_input(raw)) if raw else None

    def _declared(self) -> DeclaredRun | None:
        """What the spec declares; None if a Connection is missing or of an unsupported type."""
        data = self.migration.spec.data
        ends = (data.source.connection_ref.name, data.target.connection_ref.name) if data else ()
        found = [c for c in (self.connections[name] for name in ends) if c]
        return declared_run(data, *found) if data and len(found) == len(_ENDS) else None

    async def _find_run(self) -> bool:
        """Find the Run of the spec, or the Run in progress if the spec now declares another one; returns whether it does."""
        before = self.migration.status.run if self.migration.status else ""
        previous_run = await self.context.kube.get("Run", self.namespace, before) if before else None
        declared = self.declared = self._declared()
        if declared is None:
            self.run, self.name = previous_run, before
            return False
        names = [run_name(self.migration.metadata.name, key) for key in (declared.key, *declared.former_keys)]
        if (
            previous_run
            and self._is_own(previous_run)
            and (before in names or previous_run.get("status", {}).get("ledgerKey") == declared.key)
        ):
            self.run, self.name = previous_run, before
            return False
        self.run, self.name = await self._find_named(names)
        if previous_run is None or not self._is_own(previous_run) or before == self.name:
            return False
        state = _run_status(previous_run).state
        started = self.migration.status is not None and self.migration.status.start_time is not None
        under_way = state.staged if state else started
        if not (under_way or await self._rollback_active(previous_run)):
            return False
        self.run, self.name = previous_run, before
        return True

    async def _find_named(self, names: list[str]) -> tuple[Object | None, str]:
        """The Run of the first name, or else this Migration's Run under a name that version 0.1 gave to the same spec."""
        for name in names:
            raw_run = await self.context.kube.get("Run", self.namespace, name)
            if raw_run and (name == names[0] or self._is_own(raw_run)):
                return raw_run, name
        return None, names[0]

    def _changed(self) -> tuple[str, ...]:
        """The changed fields because of which the spec declares another run than the one in progress."""
        data = self.migration.spec.data
        if self.run is None or data is None or self.declared is None:
            return ()
        annotations = self.run["metadata"].get("annotations", {})
        identities = (annotations.get(DECLARED_SOURCE, ""), annotations.get(DECLARED_TARGET, ""))
        return changed_fields(DataSpec.model_validate(self.run["spec"]["data"]), identities, data, self.declared)

    async def _rollback_active(self, run: Object) -> bool:
        """Whether a worker is rolling that run back now: it finishes before another run begins."""
        listed = await jobs.jobs_of(self.context, self.namespace, "Run", run["metadata"]["name"])
        observed = jobs.observed_jobs(listed, run["metadata"]["uid"], self.context.clock())
        return any(job.verb == "back" and not job.over for job in observed)

    def _is_own(self, run: Object | None) -> bool:
        return run is not None and owned_by(run, self.raw["metadata"]["uid"])

    def _inputs(self, secrets: dict[str, str | None]) -> str:
        """A digest of everything that a worker is created from. When it changes, a failed step is tried again."""
        data = self.migration.spec.data
        specs = {n: c.spec.model_dump(mode="json") for n, c in self.connections.items() if c}
        unsaid = {"cutover"} if data and data.cutover is None else set()
        passed_over = {"approval", "parallelism", "limits", "workers", "batch_size", *unsaid}
        spec_fields = data.model_dump(mode="json", exclude=passed_over) if data else {}
        decisions = [p.decisions_for_plan for p in self.plans if p.decisions_for_plan]
        annotations = self.raw["metadata"].get("annotations", {})
        quiesced = annotations.get(QUIESCED, "")
        rollback = self.migration.spec.rollback.model_dump(mode="json")
        request, _ = requested(annotations.get(ANNOTATION, ""))
        anew = request.id if request and request.verb == "plan" else ""
        return (
            f"{digest(specs, spec_fields, decisions, anew)}.{digest(secrets, quiesced, rollback, request.id if request else '')}"
        )

    async def _namespace_ends(self) -> bool:
        raw = await self.context.kube.get("Namespace", "", self.namespace)
        return raw is None or "deletionTimestamp" in raw["metadata"]

    async def _plan_stored(self, name: str) -> bool:
        """Whether the plan is stored in ConfigMaps, or is about to be: reports are recorded before an action is executed."""
        plan = self.reported.status.plan
        return plan is not None and (self.reported.brings(plan.digest) or bool(await self.plan_pieces(name, plan.digest)))

    async def plan_pieces(self, name: str, digest: str) -> list[str]:
        """The names of the ConfigMaps of a plan: all of them, or none if one is missing."""
        listed = await self.context.kube.listed("ConfigMap", self.namespace, f"{LABEL_RUN}={name}")
        return [config_map["metadata"]["name"] for config_map in plan_storage.maps_of_plan(listed, digest)]

    # -- reports ------------------------------------------------------------------------------------------------------

    def _jobs(self, listed: list[Object]) -> tuple[ObservedJob, ...]:
        """The Run's Jobs, each with the reason if it ended without a report."""
        observed_jobs = jobs.observed_jobs(listed, self.run["metadata"]["uid"], self.context.clock()) if self.run else ()
        return tuple(replace(job, reason=self.lost.get(job.name, "")) for job in observed_jobs)

    async def _last_report(self, raw: Object, before: RunStatus, *, newest: bool) -> Report | None:
        """The last report of a Job's worker: from the intake, or from the pod's termination message if the intake did not get it."""
        job = raw["metadata"]["name"]
        report = self.context.reports.of(self.namespace, job)
        if not newest or not jobs.is_ended(raw) or before.finished == job or (report and report.final):
            return report
        pods = await self.context.kube.listed("Pod", self.namespace, f"job-name={job}")
        words = pod_diagnosis.final_report(pods)
        if words is None:
            self.lost[job] = pod_diagnosis.lost_reason(pods)
        return words or report

    async def _fold(self, listed: list[Object]) -> ReportFold:
        """The Run's status with the latest report of each worker. Nothing is written here: see `record_reports`."""
        fold = ReportFold(_run_status(self.run))
        leading = [raw for raw in listed if raw["metadata"]["labels"].get(LABEL_VERB) != "help"]
        for raw in listed:
            job = raw["metadata"]["name"]
            if raw not in leading:
                fold = fold.without(job)  # the leader reports for all
                continue
            report = await self._last_report(raw, fold.status, newest=raw is max(leading, key=_created))
            fold = fold.add(job, report, self.context.clock()) if report else fold
        return fold


def _run_status(run: Object | None) -> RunStatus:
    return (Run.model_validate(to_model_input(run)).status if run else None) or RunStatus()


def _created(raw: Object) -> str:
    return str(raw["metadata"].get("creationTimestamp", ""))
