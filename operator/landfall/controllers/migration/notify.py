"""Delivery of notifications: one worker for each, with the Secrets of the receivers. No run waits for a notification."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from landfall.api.migration import Migration, Notice
from landfall.api.notifications import EventName
from landfall.api.webhook import Webhook
from landfall.api.worker_protocol import Task
from landfall.controllers import jobs
from landfall.controllers.context import Context, log_write
from landfall.controllers.deployment import pod_diagnosis
from landfall.controllers.migration.notifications import targets
from landfall.controllers.objects import invalid, to_model_input
from landfall.kube.client import Object
from landfall.lib.digest import digest
from landfall.lib.redact import redacted

_MESSAGE = 500


async def webhooks(context: Context, namespace: str, events: Collection[EventName]) -> tuple[Webhook, ...]:
    """The Webhooks of a namespace that subscribe to one of these events. One whose Secret is missing reports that itself and is left out."""
    listed = [raw for raw in await context.kube.listed("Webhook", namespace) if "deletionTimestamp" not in raw["metadata"]]
    valid = [Webhook.model_validate(to_model_input(raw)) for raw in listed if not invalid(Webhook, raw)]
    subscribed = [webhook for webhook in valid if not set(events).isdisjoint(webhook.spec.on_events)]
    secrets = await context.secrets(namespace, [webhook.spec.secret_ref.name for webhook in subscribed])
    return tuple(webhook for webhook in subscribed if secrets[webhook.spec.secret_ref.name])


async def deliver(
    context: Context, raw: Object, migration: Migration, notices: Sequence[Notice], hooks: Sequence[Webhook]
) -> tuple[Notice, ...]:
    """The notifications with their delivery state. Starts a worker for each pending one; drops one that has no receiver left."""
    delivered = [await _delivered(context, raw, migration, n, hooks) if n.state == "Pending" else n for n in notices]
    return tuple(n for n in delivered if n)


async def _delivered(
    context: Context, raw: Object, migration: Migration, notice: Notice, hooks: Sequence[Webhook]
) -> Notice | None:
    metadata = raw["metadata"]
    name = f"{metadata['name'][:40].rstrip('-.')}-notify-{digest(metadata['uid'], notice.id)[:10]}"
    raw_job = await context.kube.get("Job", metadata["namespace"], name)
    if raw_job is None:
        return await _started(context, raw, migration, notice, hooks, name)
    job = jobs.observed_jobs([raw_job], metadata["uid"], context.clock())[0]
    if not job.over:
        return notice
    report = context.reports.of(metadata["namespace"], name)
    context.reports.forget(metadata["namespace"], name)
    if job.complete:
        return notice.model_copy(update={"state": "Sent"})
    found_pods = await context.kube.listed("Pod", metadata["namespace"], f"job-name={name}") if report is None else []
    report = report or pod_diagnosis.final_report(found_pods)
    lost_message = f"worker {name} exited without a report: {pod_diagnosis.lost_reason(found_pods)}"
    text = report.failure.message if report and report.failure else lost_message
    return notice.model_copy(update={"state": "Failed", "text": redacted(text)[:_MESSAGE]})


async def _started(
    context: Context, raw: Object, migration: Migration, notice: Notice, hooks: Sequence[Webhook], name: str
) -> Notice | None:
    receivers = targets(migration, notice.event, hooks)
    if not receivers.secrets:
        return None
    secrets = await context.secrets(raw["metadata"]["namespace"], receivers.secrets)
    missing = [secret for secret in receivers.secrets if secrets[secret] is None]
    if missing:
        text = f"notification {notice.event} was not sent: Secret {missing[0]!r} not found in this namespace. Create it."
        return notice.model_copy(update={"state": "Failed", "text": text})
    spec = migration.spec.model_copy(update={"notifications": receivers})
    whole = migration.model_copy(update={"status": None, "spec": spec})
    task = Task(verb="notify", intake=context.intake_url, migration=whole, notice=notice)
    await jobs.start(context, jobs.WorkerJob(name, raw, "notify", 1, name, context.image, task, secrets=receivers.secrets))
    log_write(raw, "create_job", job=name, event=notice.event)
    return notice
