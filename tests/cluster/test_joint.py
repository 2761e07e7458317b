"""Data and app as one move, under writers that never stop: what anybody was told is written is there afterwards, and all of it goes back as one."""

from __future__ import annotations

import threading
from http.client import HTTPConnection, HTTPException
from typing import Any, Self

import pytest

from tests.cluster import moody
from tests.cluster.conftest import App, Object, Place

pytestmark = pytest.mark.usefixtures("apps_end")

_LEDGER = "example-org/ledger"
_SERVER = """import express from "express";
import mysql from "mysql2/promise";
import pg from "pg";
const url = process.env.DATABASE_URL;
const old = url.startsWith("mysql");
const pool = old ? mysql.createPool(url) : new pg.Pool({ connectionString: url });
const ask = async (text, values = []) => (old ? (await pool.query(text.replace("$1", "?"), values))[0] : (await pool.query(text, values)).rows);
const app = express();
app.get("/", async (_request, response) => {
  const [{ n }] = await ask("SELECT count(*) AS n FROM item");
  response.send(`${old ? "old" : "new"} ledger: ${n}`);
});
app.get("/write/:note", async (request, response) => {
  await ask("INSERT INTO item (customer, note) VALUES (1, $1)", [request.params.note]);
  response.send("written");
});
app.use((error, _request, response, _next) => response.status(500).send(error.message));
app.listen(process.env.PORT);
"""
_FILES = {
    "package.json": '{"type": "module", "dependencies": {"express": "5.1.0", "mysql2": "3.14.1", "pg": "8.16.0"},'
    ' "scripts": {"start": "node server.js"}}',
    "server.js": _SERVER,
}
_ROWS = 3000


def deployment(namespace: str, name: str, repository: str, **spec: Any) -> Object:
    """A Deployment whose predecessors stay warm for a moment."""
    rollout = {"observeSeconds": 2, "drainSeconds": 1, "keepWarmSeconds": 30}
    return moody.deployment(namespace, name, source={"github": {"repository": repository}}, rollout=rollout, **spec)


class Writers:
    """Each writes one thing after another through the app, and remembers what it was told is written."""

    def __init__(self, host: str, count: int = 3) -> None:
        self.host = host
        self.written: list[str] = []
        self.refused: list[str] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(n,), daemon=True) for n in range(count)]

    def _write(self, number: int) -> None:
        at = 0
        while not self._ended.wait(0.03):
            at += 1
            note = f"w{number}-{at}"
            connection = HTTPConnection(self.host, 80, timeout=60)
            try:
                connection.request("GET", f"/write/{note}")
                answer = connection.getresponse()
                message = answer.read().decode()
                (self.written if answer.status == 200 else self.refused).append(note if answer.status == 200 else message)
            except (OSError, HTTPException) as error:
                self.refused.append(repr(error))
            finally:
                connection.close()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(30)


def test_nothing_that_was_told_is_written_gets_lost_between_two_databases(place: Place) -> None:
    name = place.namespace("as-one")
    place.databases(name, _ROWS)
    place.github.push(_LEDGER, _FILES, "feat: a ledger")
    documents = place.move(name, name, data={"source": {"quiesce": "Engine"}}, app={"deploymentRef": {"name": "ledger"}})
    place.apply(*documents[:-1], deployment(name, "ledger", _LEDGER, database={"connectionRef": {"name": "old"}}))
    app = App(place, name, "ledger")
    app.until_live("ledger-1")
    app.serves("old ledger")
    with Writers(app.address()) as writers:
        place.apply(documents[-1], deployment(name, "ledger", _LEDGER, database={"connectionRef": {"name": "new"}}))
        migration = place.until(name, "shop", "Completed", 120)
        assert (migration["status"]["app"]["state"], migration["status"]["app"]["release"]) == ("Live", "ledger-2")
        app.serves("new ledger")
        assert "ledger-2 went live" in next(c["message"] for c in migration["status"]["conditions"] if c["type"] == "Ready")
        place.wait("the source is let go", lambda: place.active(name) == [], 120)
    assert app.release("ledger-2")["status"]["gate"] == migration["status"]["run"]
    assert len(writers.written) > 100
    with place.pg.connect(name) as target:
        notes = {row[0] for row in target.execute(b"SELECT note FROM item WHERE note LIKE 'w%'").fetchall()}
    assert set(writers.written) <= notes, sorted(set(writers.written) - notes)
    old = place.maria.sql("SELECT count(*) FROM item WHERE note LIKE 'w%'", name).stdout
    assert 0 < int(old) < len(notes)

    after = {**documents[-1]["spec"], "desiredState": "RolledBack"}
    place.apply({**documents[-1], "spec": after})
    stalled = place.until(name, "shop", "WrittenSinceCutover", 60)
    assert "discardWrites" in str(stalled["status"]["conditions"])
    app.serves("new ledger")
    place.apply({**documents[-1], "spec": {**after, "rollback": {"discardWrites": True}}})
    place.until(name, "shop", "RolledBack", 60)
    app.until("DataRolledBack", 60)
    app.serves("old ledger")
    assert place.rows(name) == -1


def test_an_app_that_does_not_come_up_takes_the_data_back(place: Place) -> None:
    name = place.namespace("back-as-one")
    place.databases(name, _ROWS)
    place.github.push(moody.REPOSITORY, moody.FILES, "feat: moods")
    documents = place.move(name, name, data={"source": {"quiesce": "Engine"}}, app={"deploymentRef": {"name": "moody"}})
    place.apply(deployment(name, "moody", moody.REPOSITORY))
    app = App(place, name, "moody")
    app.until_live("moody-1")
    place.apply(*documents, deployment(name, "moody", moody.REPOSITORY, env=[{"name": "MOOD", "value": "dies"}]))
    migration = place.until(name, "shop", "AppFailed", 120)
    message = next(c["message"] for c in migration["status"]["conditions"] if c["type"] == "Ready")
    assert "the harbour is closed" in message
    assert "rerunToken" in message
    assert place.rows(name) == -1
    app.serves("mood: well")
    place.maria.sql("INSERT INTO customer VALUES (1000, 'nobody is locked out')", name)

    place.apply(deployment(name, "moody", moody.REPOSITORY, env=[{"name": "MOOD", "value": "calm"}]))
    app.until("DataRolledBack", 60)
    again = {**documents[-1]["spec"], "data": {**documents[-1]["spec"]["data"], "rerunToken": "2"}}
    place.apply({**documents[-1], "spec": again})
    place.until(name, "shop", "Completed", 120)
    app.serves("mood: calm")
    assert place.rows(name) == _ROWS


def test_an_app_from_a_template_is_built_while_the_data_is_copied(place: Place) -> None:
    name = place.namespace("template-as-one")
    place.databases(name, 10 * _ROWS)
    place.github.push(moody.REPOSITORY, moody.FILES, "feat: moods")
    template = deployment(name, "", moody.REPOSITORY)["spec"]
    limits = {"rowsPerSecond": 200}
    documents = place.move(name, name, data={"limits": limits}, app={"template": template})
    place.apply(*documents)
    app = App(place, name, "shop")
    app.until("WaitingForData", 60)
    place.wait("it is built", lambda: place.get("migration", name, "shop")["status"]["app"]["state"] == "Built")
    assert place.rows(name) == -1
    assert place.get("deployments.apps", name, "shop-1") == {}
    unlimited = {**documents[-1]["spec"], "data": {**documents[-1]["spec"]["data"], "limits": {"rowsPerSecond": 0}}}
    place.apply({**documents[-1], "spec": unlimited})
    place.until(name, "shop", "Completed", 120)
    app.serves("mood: well")
