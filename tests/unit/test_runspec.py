"""What a spec declares a run to be: the same however it is spelled, and another one only where the data or the result would be."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from landfall.api.connection import SUPPORTED_TYPES, Connection
from landfall.api.crd import structural
from landfall.api.migration import DataSpec, Migration
from landfall.controllers.migration.observe import MigrationObserver
from landfall.controllers.migration.rules import decide
from landfall.controllers.objects import to_model_input
from landfall.engine.errors import SpecError
from landfall.engine.model.options import Endpoint, EngineName, Options
from landfall.engine.model.run_key import digest, key_parts
from landfall.engine.run import runner
from landfall.engine.sources.run_key import run_key, run_keys
from landfall.manifests.run import run, run_name
from landfall.runspec import DeclaredRun, RunInputs, changed_fields, declared_run, endpoint, options
from tests.support.migrations import FRESH, NOW, RUNNING

SOURCE = {"type": "MariaDB", "host": "db.example", "database": "shop", "secretRef": {"name": "s"}}
TARGET = {"type": "PostgreSQL", "host": "pg.example", "database": "w", "secretRef": {"name": "t"}}
DATA = {"source": {"connectionRef": {"name": "s"}}, "target": {"connectionRef": {"name": "t"}}}
PLAIN = {"username": "u", "password": "p"}
_RAW = {
    "apiVersion": "landfall.dev/v1alpha1",
    "kind": "Migration",
    "metadata": {"name": "shop", "namespace": "store", "uid": "u"},
    "spec": {"data": DATA},
}


def connection(name: str, spec: dict[str, Any]) -> Connection:
    return Connection.model_validate({"metadata": {"name": name}, "spec": spec})


def data(**fields: Any) -> DataSpec:
    return DataSpec.model_validate(DATA | fields)


def declares(connected: dict[str, Any], target: dict[str, Any] = TARGET, **fields: Any) -> DeclaredRun:
    declared = declared_run(data(**fields), connection("s", connected), connection("t", target))
    assert declared is not None
    return declared


def ledger_key(source: dict[str, Any], target: dict[str, Any] = TARGET, secret: dict[str, str] | None = None) -> str:
    """What a worker computes, who reads Secrets."""
    secrets = {"s": secret or PLAIN, "t": PLAIN}
    ends = RunInputs(
        {"s": connection("s", source), "t": connection("t", target)},
        lambda name, _: secrets.get(name, PLAIN),
        {"s": Path(), "t": Path()},
    )
    return run_key(endpoint("s", ends, "source"), endpoint("t", ends, "target"), options(data(), (), 0))


@pytest.mark.parametrize(
    ("source", "target"),
    [
        pytest.param(SOURCE, TARGET, id="no port"),
        pytest.param(SOURCE | {"port": 3306}, TARGET, id="the default port of the source"),
        pytest.param(SOURCE, TARGET | {"port": 5432}, id="the default port of the target"),
        pytest.param(SOURCE | {"host": "DB.Example"}, TARGET, id="host in upper case"),
        pytest.param(SOURCE | {"type": "MySQL"}, TARGET, id="the other name of the protocol"),
        pytest.param(SOURCE | {"tls": {"mode": "Require"}}, TARGET | {"secretRef": {"name": "other"}}, id="another way in"),
        pytest.param(SOURCE, TARGET | {"type": "Supabase"}, id="the provider's name for PostgreSQL"),
    ],
)
def test_spelling_does_not_make_another_run(source: dict[str, Any], target: dict[str, Any]) -> None:
    assert declares(source, target).key == declares(SOURCE).key == ledger_key(source, target)


def test_a_default_of_the_migration_may_be_spelled_out() -> None:
    spelled = data(target=DATA["target"] | {"schema": "public", "onExisting": "Fail"}, mode="Full")
    declared = declared_run(spelled, connection("s", SOURCE), connection("t", TARGET))
    assert declared == declares(SOURCE)


_POSTGRESQL = SOURCE | {"type": "PostgreSQL"}
_FILE = {"type": "SQLite", "file": {"persistentVolumeClaim": "p", "path": "shop.db"}}


_BY_URL = {"type": "MariaDB", "secretRef": {"name": "s"}}


@pytest.mark.parametrize(
    ("source", "schemas"),
    [
        (SOURCE, "shop"),
        (SOURCE | {"type": "MySQL"}, "shop"),
        (_POSTGRESQL, "public"),
        (_POSTGRESQL | {"type": "Supabase", "database": "other"}, "public"),
        (_FILE, "main"),
    ],
)
def test_the_default_schemas_may_be_spelled_out(source: dict[str, Any], schemas: str) -> None:
    before, with_schemas = declares(source), DATA["source"] | {"schemas": [schemas]}
    assert declares(source, source=with_schemas) == before
    excluded = data(source=with_schemas | {"excludeTables": ["a_*"]})
    changed = changed_fields(data(), (before.source, before.target), excluded, declares(source, source=with_schemas))
    assert changed == ("spec.data.source.excludeTables",)


@pytest.mark.parametrize(
    ("source", "schemas"),
    [
        (SOURCE, ["public"]),
        (SOURCE, ["Shop"]),
        (SOURCE, ["shop", "audit"]),
        (_POSTGRESQL, ["shop"]),
        (_POSTGRESQL, ["public", "audit"]),
        pytest.param(_BY_URL, ["shop"], id="the operator does not read the database in a Secret's URL"),
    ],
)
def test_other_schemas_make_another_run(source: dict[str, Any], schemas: list[str]) -> None:
    before, with_schemas = declares(source), DATA["source"] | {"schemas": schemas}
    after = declares(source, source=with_schemas)
    assert after.key != before.key
    assert changed_fields(data(), (before.source, before.target), data(source=with_schemas), after) == (
        "spec.data.source.schemas",
    )


def test_a_run_that_an_earlier_version_began_with_the_default_schemas_named_is_continued() -> None:
    """That version hashed them; its Run is found, whether the spec still names them or not."""
    spelled = digest(key_parts("mysql:db.example:3306/shop", "postgresql:pg.example:5432/w", Options(schemas=("shop",))))
    running = begun(spelled, spelled)
    for fields in ({}, {"source": DATA["source"] | {"schemas": ["shop"]}}):
        ends = [connection("s", SOURCE), connection("t", TARGET)]
        assert found(ends, running, **fields) == (running["metadata"]["name"], False, ())


@pytest.mark.parametrize("ledger", [(), (0,), (1,), (0, 1)])
def test_the_ledger_says_which_key_a_run_has(monkeypatch: pytest.MonkeyPatch, ledger: tuple[int, ...]) -> None:
    source, target = Endpoint(EngineName("PostgreSQL"), "db", 5432, "shop"), Endpoint(EngineName("PostgreSQL"), "pg", 5432, "w")
    for variant_options in (Options(), Options(schemas=("public",))):
        keys = run_keys(source, target, variant_options)
        assert len(set(keys)) == 2
        runs = {keys[at]: object() for at in ledger}
        opened = SimpleNamespace(ledger=SimpleNamespace(find=runs.get))
        monkeypatch.setattr(runner, "target_of", lambda _, db=opened: SimpleNamespace(connect=lambda *_: db))
        assert runner.MigrationRun(source, target, variant_options, lambda _: None).key == keys[1 if ledger == (1,) else 0]


def test_what_the_kinds_and_the_engine_take_by_default_is_the_same() -> None:
    """The defaults of the API are what a run gets; those of the engine's own types are for callers without manifests."""
    spec = Migration.model_validate(_RAW).spec
    assert options(data(), (), spec.rollback.retain_seconds) == Options()


def test_keys_of_version_0_1_have_not_changed() -> None:
    """Literals, computed by version 0.1: of the ledger, and of the Run whose Connections name no port."""
    assert ledger_key(SOURCE).startswith("a9ddaa0237")
    assert declares(SOURCE).key.startswith("a9ddaa0237")
    assert any(key.startswith("7231c0da39") for key in declares(SOURCE, TARGET | {"port": 5432}).former_keys)


@pytest.mark.parametrize(
    ("source", "target", "former"),
    [
        pytest.param((0, 3306), (0, 5432), 7, id="either port, and the schema, may have been spelled out"),
        pytest.param((3307,), (0, 5432), 3, id="a port of its own"),
        pytest.param((3307,), (6543,), 1, id="two ports of their own"),
    ],
)
def test_a_run_of_version_0_1_is_known_by_its_name(source: tuple[int, ...], target: tuple[int, ...], former: int) -> None:
    """That version hashed port 0 where the Connection had none, and the default schema where the spec named it."""
    declared = declares(
        SOURCE | ({"port": source[0]} if len(source) == 1 else {}), TARGET | ({"port": target[0]} if len(target) == 1 else {})
    )
    keys = {
        digest(
            key_parts(
                f"mysql:db.example:{a}/shop",
                f"postgresql:pg.example:{b}/w",
                replace(options(data(), (), 0), schemas=schemas),
            )
        )
        for a in source
        for b in target
        for schemas in ((), ("shop",))
    }
    assert {declared.key, *declared.former_keys} == keys
    assert len(declared.former_keys) == former


def test_the_ledger_key_follows_a_secrets_url_and_the_declared_one_does_not_claim_to() -> None:
    by_url = {"type": "MariaDB", "secretRef": {"name": "s"}}
    assert ledger_key(by_url, secret={"url": "mysql://u:p@db.example/shop"}) == ledger_key(SOURCE)
    assert declares(by_url).key != ledger_key(SOURCE)
    assert declares(by_url).source == "mysql:secret/s:3306/"


@pytest.mark.parametrize("kind", ["Oracle", "SQLServer", "Appwrite"])
def test_a_type_that_is_not_supported_is_refused_and_never_taken_for_another(kind: str) -> None:
    odd = connection("s", SOURCE | {"type": kind})
    assert declared_run(data(), odd, connection("t", TARGET)) is None
    with pytest.raises(
        SpecError, match=f"databases of type {kind} are not supported by this version. Supported are MariaDB, MySQL, PostgreSQL"
    ):
        endpoint("s", RunInputs({"s": odd}, lambda *_: PLAIN, {}), "source")
    stalled = decide(replace(FRESH, connections={"old": odd, "new": connection("new", TARGET)}))
    assert (stalled.stalled, stalled.ready) == (True, ("False", "SpecInvalid"))
    assert stalled.message.startswith(f"Connection s: databases of type {kind} are not supported")


def test_the_api_server_offers_what_is_supported() -> None:
    schema = structural(Connection)
    assert schema["properties"]["spec"]["properties"]["type"]["enum"] == list(SUPPORTED_TYPES)


# -- what has changed, by name ----------------------------------------------------------------------------------------

_SOURCE_IDENTITY, _TARGET_IDENTITY = "mysql:db.example:3306/shop", "postgresql:pg.example:5432/w"


@pytest.mark.parametrize(
    ("fields", "source", "expected"),
    [
        ({"source": DATA["source"] | {"excludeTables": ["a_*"]}}, SOURCE, ("spec.data.source.excludeTables",)),
        ({"mode": "SchemaOnly", "rerunToken": "2"}, SOURCE, ("spec.data.mode", "spec.data.rerunToken")),
        ({"target": DATA["target"] | {"identifiers": "Preserve"}}, SOURCE, ("spec.data.target.identifiers",)),
        ({}, SOURCE | {"port": 3307}, ("spec.port of Connection s",)),
        ({}, SOURCE | {"host": "other", "database": "b"}, ("spec.host and spec.database of Connection s",)),
        ({}, SOURCE | {"type": "PostgreSQL"}, ("spec.type or spec.file of Connection s",)),
        ({"source": {"connectionRef": {"name": "u"}}}, SOURCE, ("spec.data.source.connectionRef",)),
    ],
)
def test_the_field_that_changed_is_named(fields: dict[str, Any], source: dict[str, Any], expected: tuple[str, ...]) -> None:
    now = declares(source)
    assert changed_fields(data(), (_SOURCE_IDENTITY, _TARGET_IDENTITY), data(**fields), now) == expected


def test_of_a_run_of_version_0_1_the_connections_are_named() -> None:
    now = declares(SOURCE | {"port": 3307})
    assert changed_fields(data(), ("", ""), data(), now) == ("type, host, port, database or file of Connection s or t",)


def test_the_message_names_the_field() -> None:
    observed = replace(RUNNING, run_differs=True, changed=("spec.data.source.excludeTables",))
    assert "because of changes to spec.data.source.excludeTables. To continue this run, undo" in decide(observed).message


# -- the operator -----------------------------------------------------------------------------------------------------


class _Kube:
    """An API server with some objects."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.objects = {(o["kind"], o["metadata"]["name"]): o for o in objects}

    async def get(self, kind: str, _namespace: str, name: str) -> dict[str, Any] | None:
        return self.objects.get((kind, name))

    async def listed(self, *_: str) -> list[dict[str, Any]]:
        return []


def found(connections: list[Connection], before: dict[str, Any] | None, **fields: Any) -> tuple[str, bool, tuple[str, ...]]:
    """The Run that the operator takes, whether another is asked for, and what changed; `before` is the Run that has begun."""
    metadata = {"name": "shop", "namespace": "store", "uid": "u", "generation": 2}
    status = {"run": before["metadata"]["name"], "startTime": "2026-01-01T00:00:00Z"} if before else {}
    raw = {"apiVersion": "landfall.dev/v1alpha1", "kind": "Migration", "metadata": metadata, "spec": {"data": DATA | fields}}
    kube = _Kube(*([before] if before else []))
    look = MigrationObserver(
        cast("Any", SimpleNamespace(kube=kube, clock=lambda: NOW)), raw | ({"status": status} if status else {})
    )
    look.connections = {c.metadata.name: c for c in connections}
    differs = asyncio.run(look._find_run())  # noqa: SLF001  one step of a look
    return look.name, differs, look._changed() if differs else ()  # noqa: SLF001


def begun(key: str, ledger: str = "", ends: tuple[str, str] = ("", "")) -> dict[str, Any]:
    """A Run that is being executed."""
    migration = Migration.model_validate(to_model_input(_RAW))
    return run(migration, "u", key, "i", ends) | {"status": {"state": "copying", "ledgerKey": ledger}}


_TO = connection("t", TARGET)


@pytest.mark.parametrize("port", [{}, {"port": 3306}])
@pytest.mark.parametrize("before", [{}, {"port": 3306}])
def test_a_default_port_does_not_stall_a_run(before: dict[str, Any], port: dict[str, Any]) -> None:
    running = begun(declares(SOURCE | before).key)
    assert found([connection("s", SOURCE | port), _TO], running) == (running["metadata"]["name"], False, ())


@pytest.mark.parametrize("former", range(3))
@pytest.mark.parametrize("port", [{}, {"port": 3306}])
def test_a_run_that_version_0_1_began_is_continued(former: int, port: dict[str, Any]) -> None:
    running = begun(declares(SOURCE).former_keys[former])
    assert found([connection("s", SOURCE | port), _TO], running) == (running["metadata"]["name"], False, ())


def test_a_run_is_found_where_the_status_was_lost() -> None:
    running = begun(declares(SOURCE).former_keys[0])
    metadata = {"name": "shop", "namespace": "store", "uid": "u", "generation": 2}
    look = MigrationObserver(cast("Any", SimpleNamespace(kube=_Kube(running), clock=lambda: NOW)), _RAW | {"metadata": metadata})
    look.connections = {"s": connection("s", SOURCE), "t": _TO}
    assert asyncio.run(look._find_run()) is False  # noqa: SLF001
    assert look.name == running["metadata"]["name"]


def test_the_address_of_a_secret_may_be_spelled_out() -> None:
    by_url = {"type": "MariaDB", "secretRef": {"name": "s"}}
    running = begun(declares(by_url).key, ledger_key(by_url, secret={"url": "mysql://u:p@db.example:3307/shop"}))
    now = connection("s", SOURCE | {"port": 3307})
    assert found([now, _TO], running) == (running["metadata"]["name"], False, ())


def test_another_run_waits_and_says_why() -> None:
    is_now = declares(SOURCE)
    running = begun(is_now.key, ends=(is_now.source, is_now.target))
    excluded = {"source": DATA["source"] | {"excludeTables": ["a_*"]}}
    run_name = running["metadata"]["name"]
    assert found([connection("s", SOURCE), _TO], running, **excluded) == (run_name, True, ("spec.data.source.excludeTables",))
    assert found([connection("s", SOURCE | {"port": 3307}), _TO], running) == (run_name, True, ("spec.port of Connection s",))


def test_a_new_run_has_the_name_of_what_is_declared() -> None:
    assert found([connection("s", SOURCE), _TO], None)[0] == run_name("shop", declares(SOURCE).key)
