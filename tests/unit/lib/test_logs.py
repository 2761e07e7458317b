"""Lines of the log: events with fields, one for each action and each failure, and no secret in any."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import logging
from pathlib import Path
from typing import Any, cast, get_args

import pytest

from landfall.api.apikey import Key
from landfall.controllers.connection.actions import ProbeAction
from landfall.controllers.context import log_action
from landfall.controllers.deployment.actions import DeploymentAction
from landfall.controllers.migration.actions import CreateJob, MigrationAction
from landfall.gateway.auth import Caller
from landfall.handlers import workqueue
from landfall.handlers.factory import build
from landfall.kube.errors import KubeError
from landfall.lib.logs import JsonLines, event
from landfall.settings import OperatorSettings

Object = dict[str, Any]
_PRODUCT = Path(__file__).parents[3] / "operator" / "landfall"
_CALLS = {"debug", "info", "warning", "error", "exception", "critical", "log", "event"}


def lines(caplog: pytest.LogCaptureFixture) -> list[Object]:
    """What was logged, as it is written."""
    return [json.loads(JsonLines().format(record)) for record in caplog.records if record.name == "landfall"]


@pytest.fixture(autouse=True)
def _everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="landfall")


def test_fields_are_kept_and_empty_ones_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    event(
        logging.WARNING,
        "event_write_failed",
        kind="Migration",
        namespace="shop",
        name="orders",
        reason="",
        error="409",
        more=None,
    )
    (line,) = lines(caplog)
    assert line.pop("time")
    assert line == {
        "level": "warning",
        "logger": "landfall",
        "event": "event_write_failed",
        "kind": "Migration",
        "namespace": "shop",
        "name": "orders",
        "error": "409",
    }


def test_extra_fields_of_a_library_are_kept_where_they_are_plain() -> None:
    record = logging.makeLogRecord({"name": "kopf", "msg": "seen %s", "args": ("it",), "attempt": 3, "settings": object()})
    line = json.loads(JsonLines().format(record))
    assert (line["event"], line["attempt"], "settings" in line) == ("seen it", 3, False)


def test_secrets_are_in_no_field_and_in_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("postgresql://u:s3cret@h/d")  # noqa: TRY301
    except ValueError as error:
        event(logging.ERROR, "reconcile_failed", trace=error, error=str(error))
    (line,) = lines(caplog)
    assert line["error"] == "postgresql://u:***@h/d"
    assert "ValueError" in line["trace"]
    assert "s3cret" not in json.dumps(line)


def test_an_action_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    raw = {"kind": "Migration", "metadata": {"namespace": "shop", "name": "orders"}}
    log_action(raw, CreateJob("run", 2))
    (line,) = lines(caplog)
    fields = {name: line[name] for name in ("event", "kind", "namespace", "name", "action", "object", "attempt")}
    assert fields == {
        "event": "action_applied",
        "kind": "Migration",
        "namespace": "shop",
        "name": "orders",
        "action": "job",
        "object": "run",
        "attempt": 2,
    }


def test_the_log_names_of_actions_are_stable() -> None:
    of_kinds = [{action.log_name for action in get_args(union)} for union in (MigrationAction, DeploymentAction, ProbeAction)]
    assert of_kinds == [
        {"finalize", "release", "run", "job", "deployment", "delete_job", "scale", "suspend", "resume"},
        {"release", "rollback", "build", "fail", "supersede", "forget", "delete_job"}
        | {"workload", "scale", "cool", "refresh", "preview", "switch", "route", "unroute"},
        {"probe", "delete_job"},
    ]


@pytest.mark.parametrize(
    ("error", "level", "message", "traced"),
    [(KubeError(500, "away"), "warning", "500: away", False), (RuntimeError("a fault"), "error", "RuntimeError: a fault", True)],
)
def test_a_reconcile_that_fails_is_one_line(
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    level: str,
    message: str,
    traced: bool,  # noqa: FBT001
) -> None:
    class Kube:
        namespaces: tuple[str, ...] = ()
        scopes = ("",)

        async def get(self, *_: str) -> Object:
            raise error

    operator = build(cast("Any", Kube()), OperatorSettings(image="i", intake_url="u", journal_url="sqlite://")).operator

    async def work() -> None:
        operator.queue.add(workqueue.ObjectKey("Migration", "shop", "orders"))
        worker = asyncio.create_task(operator._worker())  # noqa: SLF001
        while not lines(caplog):
            await asyncio.sleep(0.01)
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker

    asyncio.run(work())
    line = lines(caplog)[0]
    assert (line["event"], line["kind"], line["namespace"], line["name"]) == ("reconcile_failed", "Migration", "shop", "orders")
    assert (line["level"], line["error"], "trace" in line) == (level, message, traced)
    assert line["retry_in_seconds"] > 0


def test_a_change_through_the_gateway_is_one_audit_line(caplog: pytest.LogCaptureFixture) -> None:
    caller = Caller(Key("key_1", "digest", "shop", "ci", "editor"), cast("Any", None))
    caller.audit("rollback", "web", "dep_web-2")
    (line,) = [json.loads(JsonLines().format(record)) for record in caplog.records]
    assert line.pop("time")
    assert line == {
        "level": "info",
        "logger": "landfall.audit",
        "event": "change_made",
        "action": "rollback",
        "namespace": "shop",
        "name": "web",
        "id": "dep_web-2",
        "key": "key_1",
        "user": "system:serviceaccount:shop:ci",
    }


def _sentences(source: str) -> list[str]:
    """Texts with blanks that a module gives to a logger as the message, or to `event` as the name of an event."""
    sentences = []
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call):
            continue
        function = call.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        owner = ast.unparse(function.value).lower() if isinstance(function, ast.Attribute) else ""
        if name in _CALLS and (name == "event" or "log" in owner):
            parts = [node for argument in call.args[:2] for node in ast.walk(argument) if isinstance(node, ast.Constant)]
            sentences += [part.value for part in parts if isinstance(part.value, str) and " " in part.value]
    return sentences


def test_no_event_is_a_sentence() -> None:
    modules = sorted(_PRODUCT.rglob("*.py"))
    assert len(modules) > 100
    by_module = {str(module.relative_to(_PRODUCT)): _sentences(module.read_text(encoding="utf-8")) for module in modules}
    assert {module: texts for module, texts in by_module.items() if texts} == {}


def test_a_sentence_is_found_in_each_way_to_log() -> None:
    ways = """
_LOG.warning("it went wrong: %s", error)
logging.getLogger("landfall").error(f"{name} went wrong")
event(logging.INFO, "it went well", name="some text")
logs.event(logging.INFO, "action_applied", error="may have blanks")
"""
    assert _sentences(ways) == ["it went wrong: %s", " went wrong", "it went well"]
