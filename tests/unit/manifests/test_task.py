"""What a worker of an earlier version, which ends the run that it began, reads of a task: it refuses fields that it does not know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from landfall.api.migration import Migration
from landfall.api.worker_protocol import Task
from landfall.manifests.job import WorkerPod, task_map

_ENDS = {"source": {"connectionRef": {"name": "old"}}, "target": {"connectionRef": {"name": "new"}}}
# The fields of version 0.1 that have a default. A field that came later has none: it is left out unless somebody sets it.
_KNOWN = {
    *("connections", "digest", "force", "forget", "intake", "plans", "quiesced", "request", "verb"),
    *("migration.apiVersion", "migration.kind"),
    *(f"migration.metadata.{name}" for name in ("annotations", "labels", "name", "namespace")),
    *("migration.spec.deletionPolicy", "migration.spec.keep.logs", "migration.spec.keep.metrics"),
    *("migration.spec.rollback.discardWrites", "migration.spec.rollback.retainSeconds"),
    *(f"migration.spec.data.limits.{name}" for name in ("bytesPerSecond", "memoryBytes", "rowsPerSecond")),
    *(f"migration.spec.data.source.{name}" for name in ("connectionRef.name", "excludeTables", "schemas")),
    *(f"migration.spec.data.target.{name}" for name in ("connectionRef.name", "identifiers", "onExisting")),
    *(f"migration.spec.data.{name}" for name in ("batchSize", "generateRollback", "mode", "parallelism", "policies")),
    *("migration.spec.data.approval.autoApproveAbovePercent", "migration.spec.data.rerunToken", "migration.spec.data.workers"),
}


def _fields(document: dict[str, Any], before: str = "") -> Iterator[str]:
    for name, value in document.items():
        if isinstance(value, dict) and value:
            yield from _fields(value, f"{before}{name}.")
        else:
            yield f"{before}{name}"


def test_a_task_has_no_field_that_version_0_1_does_not_know_unless_somebody_sets_it() -> None:
    migration = Migration.model_validate({"metadata": {"name": "shop", "namespace": "shop"}, "spec": {"data": _ENDS}})
    owner = {"apiVersion": "v1", "kind": "Run", "metadata": {"name": "shop-1", "uid": "u"}}
    pod = WorkerPod("shop-1", "shop", owner, "Run", "shop-1", 1, "x", "landfall:0.1.0", 1, ())
    task_text = task_map(pod, Task(verb="run", intake="http://intake", migration=migration))["data"]["task.json"]
    assert set(_fields(json.loads(task_text))) == _KNOWN
