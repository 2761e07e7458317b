"""One cluster for the session, with the chart installed; databases on this machine, which pods reach over the bridge."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster import machine
from tests.cluster.api import Api, Object
from tests.cluster.authority import ADDRESS
from tests.cluster.install import AWAY, GITHUB, GITHUB_PORT, INSTALLED, NAMESPACE, install, operator_away
from tests.cluster.machine import Cluster
from tests.cluster.secrecy import Secrecy
from tests.support.github import GitHub
from tests.support.servers import _PG15, MariaDb, PostgreSql
from tests.support.shared_github import JoinedGitHub

if TYPE_CHECKING:
    from tests.cluster.browser import Browser

MIDWAY_ROWS = 60_000
_MIDWAY = {"limits": {"rowsPerSecond": 8_000}, "batchSize": 1_000, "parallelism": 2}
_SLOW = {"limits": {"rowsPerSecond": 2_000}, "batchSize": 1_000, "parallelism": 1}
PASSWORD = "s3cret-Wort"  # noqa: S105  of servers that live as long as the test


class Place(Api):
    """The cluster with everything in it, as a test uses it."""

    host = ADDRESS  # where workers reach the databases and the intake

    def __init__(self, cluster: Cluster, pg: PostgreSql, maria: MariaDb, builds: Object, ends: contextlib.ExitStack) -> None:
        super().__init__(cluster)
        self._ends = ends
        self.secrecy = Secrecy(self.objects)
        self.builds = builds
        self.pg = pg
        self.maria = maria

    @cached_property
    def github(self) -> GitHub | JoinedGitHub:
        """GitHub, as the operator is told to reach it: the one that test processes share, or one of this process alone."""
        address = os.environ.get(GITHUB)
        return JoinedGitHub(address) if address else self._ends.enter_context(GitHub(ADDRESS, GITHUB_PORT))

    def get(self, kind: str, namespace: str, name: str) -> Object:
        """An object, empty where there is none."""
        return self.objects.get(kind, namespace, name)

    def listed(self, kind: str, namespace: str) -> list[Object]:
        """Objects of a namespace."""
        return self.objects.listed(kind, namespace)

    def gateway(self, release: str = "landfall") -> str:
        """Where the gateway of a Helm release answers: a host, or a host and a port."""
        return str(self.get("service", NAMESPACE, f"{release}-gateway")["spec"]["clusterIP"])

    def journal(self, migration: str, *options: str) -> str:
        """What `landfall journal` prints of a Migration, named as NAMESPACE/NAME."""
        inside = ("exec", "-n", NAMESPACE, "deployment/landfall-operator", "--", "python3", "-m", "landfall", "journal")
        return self.cluster.kubectl(*inside, migration, *options, check=False)

    def reason(self, namespace: str, name: str, kind: str = "migration") -> str:
        """Ready's reason."""
        conditions = self.get(kind, namespace, name).get("status", {}).get("conditions", [])
        return str(next((c["reason"] for c in conditions if c["type"] == "Ready"), ""))

    def until(self, namespace: str, name: str, reason: str, seconds: float = 90) -> Object:
        """Wait for a reason of Ready; the Migration."""
        self.wait(f"{name} is {reason}", lambda: self.reason(namespace, name) == reason, seconds)
        return self.get("migration", namespace, name)

    def arriving(self, namespace: str, seconds: float = 90) -> None:
        """Wait until rows are committed in the target."""

        def rows() -> int:
            return int(self.progress(namespace).get("rows", 0))

        self.wait("rows arrive", lambda: rows() > 0, seconds)

    def copying(self, namespace: str, rows: int, data: Object = _SLOW) -> list[Object]:
        """The manifests of a Migration of so many rows that is in the middle of a slow copy, in databases of the namespace's name."""
        self.databases(namespace, rows)
        documents = self.move(namespace, namespace, data=dict(data))
        self.apply(*documents)
        self.arriving(namespace)
        return documents

    def progress(self, namespace: str) -> Object:
        """`status.progress` of the Migration; empty where there is none."""
        return dict(self.get("migration", namespace, "shop").get("status", {}).get("progress", {}))

    def workers(self, namespace: str) -> list[str]:
        """The Jobs of Runs, probes left out."""
        return [j["metadata"]["name"] for j in self.listed("jobs", namespace) if "-probe-" not in j["metadata"]["name"]]

    def move(self, namespace: str, database: str, **spec: Any) -> list[Object]:
        """A Migration from MariaDB to PostgreSQL, with Connections and Secrets."""
        data = spec.pop("data", {})
        source = {"connectionRef": {"name": "old"}, **data.pop("source", {})}
        target = {"connectionRef": {"name": "new"}, **data.pop("target", {})}
        return [
            self.secret(namespace, "old", "mover"),
            self.secret(namespace, "new", "mover"),
            _object(
                "Connection",
                namespace,
                "old",
                {
                    "type": "MariaDB",
                    "host": self.host,
                    "port": self.maria.port,
                    "database": database,
                    "secretRef": {"name": "old"},
                },
            ),
            _object(
                "Connection",
                namespace,
                "new",
                {
                    "type": "PostgreSQL",
                    "host": self.host,
                    "port": self.pg.port,
                    "database": database,
                    "secretRef": {"name": "new"},
                },
            ),
            _object("Migration", namespace, "shop", {"data": {"source": source, "target": target, **data}, **spec}),
        ]

    @staticmethod
    def secret(namespace: str, name: str, user: str, password: str = PASSWORD) -> Object:
        """A Secret of a Connection."""
        metadata = {"name": name, "namespace": namespace}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "stringData": {"username": user, "password": password},
        }

    def databases(self, name: str, rows: int) -> None:
        """A source with a shop of so many rows, and an empty target."""
        self.maria.database(name)
        self.maria.sql(
            "CREATE TABLE customer (id INT PRIMARY KEY, name VARCHAR(40) NOT NULL);"
            "CREATE TABLE item (id INT PRIMARY KEY AUTO_INCREMENT, customer INT NOT NULL, note TEXT, price DECIMAL(10,2),"
            " KEY (customer), FOREIGN KEY (customer) REFERENCES customer (id));"
            "INSERT INTO customer SELECT seq,concat('name ',seq) FROM seq_1_to_100;"
            f"INSERT INTO item (customer,note,price) SELECT 1+seq%100,repeat('x',seq%200),seq/7 FROM seq_1_to_{rows}",
            name,
        )
        self.empty(name)

    def empty(self, name: str) -> None:
        """An empty target."""
        self.pg.database(name)
        with self.pg.connect() as connection:
            connection.execute(f'ALTER DATABASE "{name}" OWNER TO mover'.encode())
        with self.pg.connect(name) as connection:
            connection.execute(b"ALTER SCHEMA public OWNER TO mover")

    def settled(self, namespace: str, rows: int, verdicts: AbstractSet[str | None] = frozenset({"equal"})) -> None:
        """Completed as the undisturbed run is: every row once, equal, one finished run, nothing orphaned, no spec written to."""
        ends = ("old", "new")
        self.wait("its ends are probed", lambda: all(self.reason(namespace, end, "connection") == "Reachable" for end in ends))
        self.wait("its workers have ended", lambda: self.active(namespace, probes=True) == [])
        migration = self.get("migration", namespace, "shop")
        assert migration["status"]["phase"] == "Completed"
        assert migration["status"].get("verdict") in verdicts
        managed = [(m["manager"], m.get("fieldsV1", {})) for m in migration["metadata"]["managedFields"]]
        managers = {manager for manager, fields in managed if "f:status" in fields}
        assert managers.isdisjoint(manager for manager, fields in managed if "f:spec" in fields), managed
        assert managers
        with self.pg.connect(namespace) as target:
            assert target.execute(b"SELECT count(*),count(DISTINCT id) FROM item").fetchone() == (rows, rows)
            assert target.execute(b"SELECT state FROM landfall.run").fetchall() == [("cut_over",)]
            assert target.execute(b"SELECT sum(rows) FROM landfall.chunk").fetchone() == (rows + 100,)
            assert target.execute(b"SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'landfall_stage%'").fetchone() == (0,)
        assert self.orphans(namespace) == []

    def finishes(self, namespace: str) -> None:
        """A run that was in the middle of its copy ends as the undisturbed one does."""
        self.until(namespace, "shop", "Completed", 150)
        self.settled(namespace, MIDWAY_ROWS)

    def worker(self, namespace: str) -> str:
        """The pod that runs the migration."""
        pods = [p for p in self.listed("pods", namespace) if p["status"]["phase"] == "Running"]
        return str(next(p["metadata"]["name"] for p in pods if "-run-" in p["metadata"]["name"]))

    def process(self, namespace: str, pod: str) -> Path:
        """The process of a worker's pod, as this machine sees it."""
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                is_worker = process.name.isdigit() and (process / "cmdline").read_bytes().endswith(b"landfall\0worker\0")
                if is_worker and f"HOSTNAME={pod}".encode() in (process / "environ").read_bytes():
                    return process
        return pytest.fail(f"{namespace}/{pod} has no process")

    def active(self, namespace: str, *, probes: bool = False) -> list[str]:
        """Workers of Runs that are not over; of Connections too, with `probes`."""
        return [
            j["metadata"]["name"]
            for j in self.listed("jobs", namespace)
            if (probes or "-probe-" not in j["metadata"]["name"])
            and not any(c["type"] in {"Complete", "Failed"} and c["status"] == "True" for c in j["status"].get("conditions", []))
        ]

    def orphans(self, namespace: str) -> list[str]:
        """What the operator made there and whose owner is not there."""
        kinds = "migrations,runs,connections,webhooks,tableplans,appdeployments,releases.landfall.dev,jobs,configmaps"
        objects = self.listed(f"{kinds},secrets,services,ingresses,deployments", namespace)
        uids = {raw["metadata"]["uid"] for raw in objects}
        return [
            raw["metadata"]["name"]
            for raw in objects
            if any(owner["uid"] not in uids for owner in raw["metadata"].get("ownerReferences", []))
        ]

    def still(self, namespaces: Sequence[str], seconds: float = 10) -> None:
        """Nothing of ours is written for so long in these namespaces: in others a build may be tried again."""
        time.sleep(3)
        writes = self.written(namespaces, seconds)
        assert not writes, f"written meanwhile: {writes}"

    def written(self, namespaces: Sequence[str], seconds: float) -> list[str]:
        """What of ours is written in these namespaces while so much time passes."""
        kinds = "migrations,runs,connections,webhooks,tableplans,appdeployments,releases.landfall.dev,jobs,configmaps,events"

        def versions() -> dict[str, str]:
            objects = [raw for namespace in namespaces for raw in self.listed(kinds, namespace)]
            own_objects = [
                raw for raw in objects if raw["kind"] != "Event" or raw.get("source", {}).get("component") == "landfall"
            ]
            return {
                o["metadata"]["uid"]: f"{o['kind']} {o['metadata']['name']} {o['metadata']['resourceVersion']}"
                for o in own_objects
            }

        before = versions()
        time.sleep(seconds)
        return sorted(set(versions().values()) - set(before.values()))

    def apps_end(self) -> None:
        """Delete the apps of these tests: they follow branches that other tests push to."""
        for name in self.namespaces:
            if self.listed("appdeployments", name):
                self.cluster.kubectl("delete", "appdeployments", "-n", name, "--all", "--wait=false")

    def staged(self, database: str) -> int:
        """How many tables of the target are in staging."""
        with self.pg.connect(database) as target:
            count = target.execute(b"SELECT count(*) FROM pg_tables WHERE schemaname LIKE 'landfall_stage%'").fetchone()
        return int(count[0]) if count else -1

    def rows(self, database: str, table: str = "item") -> int:
        """Rows of a table of the target; -1 where there is none."""
        with self.pg.connect(database) as connection:
            relation = connection.execute(b"SELECT to_regclass(%s)", (f"public.{table}",)).fetchone()
            if not relation or relation[0] is None:
                return -1
            count = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
            return int(count[0]) if count else -1


class App:
    """A Deployment of a namespace, as a test follows it."""

    def __init__(self, place: Place, namespace: str, name: str) -> None:
        self.place = place
        self.namespace = namespace
        self.name = name

    @property
    def status(self) -> Object:
        """Its status now."""
        return dict(self.place.get("appdeployment", self.namespace, self.name).get("status", {}))

    def condition(self, kind: str = "Ready") -> Object:
        """One of its conditions; empty where it has none of that kind."""
        return next((c for c in self.status.get("conditions", []) if c["type"] == kind), {})

    def release(self, name: str) -> Object:
        """One of its Releases."""
        return self.place.get("release.landfall.dev", self.namespace, name)

    def until_live(self, release: str, seconds: float = 120) -> Object:
        """Wait until a Release serves; its status."""
        self.place.wait(
            f"{release} is live", lambda: self.status.get("live") == release and self.condition()["status"] == "True", seconds
        )
        return dict(self.release(release)["status"])

    def until(self, reason: str, seconds: float = 120) -> str:
        """Wait for a reason of Ready; its message."""
        self.place.wait(f"{self.name} is {reason}", lambda: self.condition().get("reason") == reason, seconds)
        return str(self.condition()["message"])

    def patch(self, **spec: Any) -> None:
        """Change its spec."""
        self.place.objects.patch("appdeployment", self.namespace, self.name, {"spec": spec})

    def address(self, service: str = "") -> str:
        """Where its Service listens, as this machine reaches it."""
        raw = self.place.get("service", self.namespace, service or self.name)
        return str(raw["spec"]["clusterIP"])

    def serves(self, text: str, path: str = "/") -> None:
        """Wait until its page has a text: the node's own routes follow a Service within a second."""

        def is_served() -> bool:
            with contextlib.suppress(OSError):
                code, body = self.page(path)
                return code == 200 and text in body
            return False

        self.place.wait(f"{self.name} serves {text!r}", is_served, 10)

    def page(self, path: str = "/", service: str = "") -> tuple[int, str]:
        """Status and body of a page, over a fresh connection."""
        connection = HTTPConnection(self.address(service), 80, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


def _object(kind: str, namespace: str, name: str, spec: Object) -> Object:
    return {"apiVersion": "landfall.dev/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


@contextlib.contextmanager
def placed() -> Iterator[Place]:
    """The cluster with the chart and both database servers; what was not running before is ended afterwards."""
    was_running = machine.running()
    cluster = machine.up()
    hosted = (*PostgreSql(_PG15).settings, f"listen_addresses='127.0.0.1,{ADDRESS}'")
    pg, maria = PostgreSql(_PG15, settings=hosted).start(), MariaDb(settings=("--bind-address=0.0.0.0",)).start()
    try:
        with (pg.folder / "data" / "pg_hba.conf").open("a") as file:
            file.write("host all all 10.244.0.0/24 scram-sha-256\n")
        with pg.connect() as connection:
            connection.execute(b"SELECT pg_reload_conf()")
            connection.execute(f"CREATE ROLE mover LOGIN PASSWORD '{PASSWORD}'".encode())
        maria.sql(f"CREATE USER mover@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO mover@'%'")
        installed = os.environ.get(INSTALLED)
        with contextlib.ExitStack() as ends:
            yield Place(cluster, pg, maria, json.loads(installed) if installed else install(cluster), ends)
    finally:
        pg.stop()
        maria.stop()
        if not was_running:
            machine.down()
            assert machine.left() == []


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    """Everything, once."""
    with placed() as fixture:
        yield fixture
        assert fixture.secrecy.told_by_us() == []


@pytest.fixture(autouse=True)
def secret(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test put into Secrets is in them alone."""
    place: Place | None = request.getfixturevalue("place") if "place" in request.fixturenames else None
    before = len(place.namespaces) if place else 0
    yield
    if place:
        assert place.secrecy.told(place.namespaces[before:]) == []


@pytest.fixture
def running(request: pytest.FixtureRequest, place: Place) -> str:
    """A namespace whose Migration is in the middle of its copy."""
    name = place.namespace(request.node.name)
    place.copying(name, MIDWAY_ROWS, _MIDWAY)
    return name


@pytest.fixture
def apps_end(place: Place) -> Iterator[None]:
    """Apps of a test end with it."""
    yield
    place.apps_end()


@pytest.fixture
def page() -> Iterator[Browser]:
    """A browser; what its console complains of fails the test."""
    from tests.cluster.browser import browser  # noqa: PLC0415  it imports this module

    with browser() as opened:
        yield opened
        assert opened.complaints() == []


@contextlib.contextmanager
def without_operator(place: Place) -> Iterator[None]:
    """The cluster without its own operator, which is away already where test processes share a cluster without it."""
    with contextlib.nullcontext() if os.environ.get(AWAY) else operator_away(place.cluster):
        yield


@pytest.fixture
def alone(place: Place) -> Iterator[Place]:
    """The cluster without its own operator."""
    with without_operator(place):
        yield place
