"""Every write of a controller has one log line: that of its action, or one of its own where no rule chose the write."""

from __future__ import annotations

import ast
import asyncio
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import landfall.controllers
from landfall.controllers.deployment import environment, record
from landfall.controllers.deployment.provider_database import _Own

_ROOM = Path(landfall.controllers.__file__).parent
_WRITES = {"create", "created", "patch", "apply", "delete", "start", "set_commit_status", "create_project", "create_database"}
_OF = ("kube", "context", "api", "Appwrite", "github", "jobs")
_LOGS = ("log_write", "log_action", "._log", "logs.event")
# Functions that carry out an action, which the loop logs.
_OF_AN_ACTION = {
    "app_deployment.py:create",
    "connection/reconcile.py:_act",
    "context.py:created",
    "deployment/build_jobs.py:start",
    "deployment/environment.py:store",
    "jobs.py:start",
    "jobs.py:delete",
    "jobs.py:suspend",
    "jobs.py:scale",
}


def _called(node: ast.AST) -> list[tuple[str, str]]:
    """Each call of a method as (receiver, name)."""
    calls = [log_record.func for log_record in ast.walk(node) if isinstance(log_record, ast.Call)]
    return [(ast.unparse(f.value), f.attr) if isinstance(f, ast.Attribute) else ("", ast.unparse(f)) for f in calls]


def _silent() -> set[str]:
    """Functions that write and log nothing, outside `act.py`."""
    silent = set()
    for file in (path for path in _ROOM.rglob("*.py") if path.name != "act.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.AsyncFunctionDef):
                calls = _called(node)
                writes = any(name in _WRITES and any(word in receiver for word in _OF) for receiver, name in calls)
                if writes and not any(f"{receiver}.{name}".endswith(_LOGS) for receiver, name in calls):
                    silent.add(f"{file.relative_to(_ROOM)}:{node.name}")
    return silent


def test_a_write_outside_an_action_is_logged() -> None:
    assert _silent() == _OF_AN_ACTION


class _Kube:
    """Counts writes; every object is absent."""

    def __init__(self) -> None:
        self.writes = 0

    async def get(self, *_: str) -> None:
        """Nothing."""

    async def _written(self, *_: object) -> None:
        self.writes += 1

    create = patch = _written


def test_as_many_lines_as_writes_and_no_secret_in_them(caplog: pytest.LogCaptureFixture) -> None:
    kube = _Kube()
    raw = {"kind": "Deployment", "metadata": {"name": "shop", "namespace": "store", "uid": "u"}}

    async def created(kind: str, body: object) -> None:
        await kube.create(kind, body)

    context = cast("Any", SimpleNamespace(kube=kube, created=created))
    orphan = SimpleNamespace(resource_version="1", owner={}, kind="Service", name="shop")
    observer = SimpleNamespace(orphans={"shop": orphan}, context=context, namespace="store", raw=raw, key_missing=True)

    async def steps() -> None:
        await record.prepare(cast("Any", observer))
        await environment.make_key(context, raw)
        own_project = _Own(context, raw, None)
        await own_project.begin(**{"landfall-password": "s3cret"})
        await own_project.add(APPWRITE_API_KEY="s3cret")

    with caplog.at_level(logging.INFO):
        asyncio.run(steps())
    lines: list[dict[str, Any]] = [
        log_record.__dict__["fields"] for log_record in caplog.records if log_record.message == "action_applied"
    ]
    assert len(lines) == kube.writes == 5
    assert [log_record["action"] for log_record in lines] == [
        "adopt",
        "create_environment_key",
        "create_environment_key",
        "create_database_secret",
        "add_to_database_secret",
    ]
    assert all(
        (log_record["kind"], log_record["namespace"], log_record["name"]) == ("Deployment", "store", "shop")
        for log_record in lines
    )
    assert "s3cret" not in str(lines)
