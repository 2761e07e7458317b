"""Notices on their way: a worker for each, which holds the Secrets of those to tell. No run waits for one."""

from __future__ import annotations

from collections.abc import Sequence

from landfall.api.migration import Migration, Notice
from landfall.api.report import Task
from landfall.kit.digest import digest
from landfall.kit.redact import redacted
from landfall.kube.client import Object
from landfall.reconcile import jobs
from landfall.reconcile.hands import Hands

_MESSAGE = 500


async def delivered(hands: Hands, raw: Object, migration: Migration, notices: Sequence[Notice]) -> tuple[Notice, ...]:
    """The notices with what became of those that are on their way; a worker is started for each that has none."""
    return tuple([await _delivered(hands, raw, migration, n) if n.state == "Pending" else n for n in notices])


async def _delivered(hands: Hands, raw: Object, migration: Migration, notice: Notice) -> Notice:
    metadata, spec = raw["metadata"], migration.spec.notifications
    name = f"{metadata['name'][:40].rstrip('-.')}-notify-{digest(metadata['uid'], notice.id)[:10]}"
    found = await hands.kube.get("Job", metadata["namespace"], name)
    if found is None:
        return await _started(hands, raw, migration, notice, name) if spec else notice
    job = jobs.seen_jobs([found], metadata["uid"], hands.clock())[0]
    if not job.over:
        return notice
    report = hands.reports.of(metadata["namespace"], name)
    hands.reports.forget(metadata["namespace"], name)
    if job.complete:
        return notice.model_copy(update={"state": "Sent"})
    told = report.failure.message if report and report.failure else f"the worker {name} ended without a word"
    return notice.model_copy(update={"state": "Failed", "text": redacted(told)[:_MESSAGE]})


async def _started(hands: Hands, raw: Object, migration: Migration, notice: Notice, name: str) -> Notice:
    spec = migration.spec.notifications
    wanted = spec.secrets if spec else ()
    held = await hands.secrets(raw["metadata"]["namespace"], wanted)
    missing = [secret for secret in wanted if held[secret] is None]
    if missing:
        text = f"not told of {notice.event}: there is no Secret {missing[0]!r} in this namespace"
        return notice.model_copy(update={"state": "Failed", "text": text})
    task = Task(verb="notify", intake=hands.intake_url, migration=migration.model_copy(update={"status": None}), notice=notice)
    await jobs.start(hands, jobs.Order(name, raw, "notify", 1, name, hands.image, task, secrets=tuple(wanted)))
    return notice
