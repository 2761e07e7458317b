"""An API server with our kinds: for most tests with nothing that acts on them, for others with an operator and workers that are processes of this machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import images, machine
from tests.cluster.api import Api
from tests.cluster.conftest import PASSWORD, Object, Place, page, secret
from tests.cluster.install import NAMESPACE
from tests.cluster.local import LocalOperator, local_gateway
from tests.cluster.machine import Cluster
from tests.cluster.secrecy import Secrecy
from tests.cluster.test_chart import rendered
from tests.support.node import Node
from tests.support.servers import _PG15, MariaDb, PostgreSql

COPIED_ROWS = 30_000  # of the fixture `documents`
RIGHTS = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}


__all__ = ["page", "secret"]  # fixtures: a browser, and what looks for secrets after each test


def _with_kinds(cluster: Cluster) -> Cluster:
    cluster.kubectl("apply", "--server-side", "-f", str(images.ROOT / "crds"))
    cluster.kubectl("wait", "crd", "-l", "app.kubernetes.io/part-of=landfall", "--for=condition=Established", "--timeout=60s")
    return cluster


def _with_rights(api: Api) -> Api:
    api.cluster.kubectl("create", "namespace", NAMESPACE)
    api.apply(
        *(document for document in rendered("--set", "gateway.enabled=true", release="landfall") if document["kind"] in RIGHTS)
    )
    return api


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Cluster]:
    """A control plane of etcd and kube-apiserver on free ports, with the CustomResourceDefinitions."""
    with machine.control_plane() as plain_cluster:
        yield _with_kinds(plain_cluster)


@pytest.fixture(scope="session")
def api(control_plane: Cluster) -> Api:
    """The same, with the identities and rights that the chart gives."""
    return _with_rights(Api(control_plane))


class LocalPlace(Place):
    """What tests of a cluster use of it, with everything on this machine: databases, operator, workers."""

    host = "127.0.0.1"
    node: Node
    log: Path
    door: str

    def operator_log(self) -> str:
        """The end of the operator's log."""
        return "\n".join(self.log.read_text(encoding="utf-8").splitlines()[-20:])

    def gateway(self, release: str = "landfall") -> str:
        """Where the gateway answers: a host and a port."""
        assert release == "landfall", "there is no other"
        return self.door

    def process(self, namespace: str, pod: str) -> Path:
        """The process of a worker's pod."""
        return Path("/proc") / str(self.node.process(namespace, pod))

    def journal(self, migration: str, *options: str) -> str:
        """What `landfall journal` prints of a Migration, named as NAMESPACE/NAME."""
        settings = {
            **os.environ,
            "PYTHONPATH": str(images.ROOT / "operator"),
            "LANDFALL_JOURNAL_URL": f"sqlite:///{self.log.parent}/journal.db",
        }
        command = [sys.executable, "-m", "landfall", "journal", migration, *options]
        return subprocess.run(command, env=settings, check=False, capture_output=True, text=True).stdout


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPlace]:
    """An API server with the controllers of Kubernetes, an operator, a node whose pods are processes, and databases."""
    folder = tmp_path_factory.mktemp("place")
    with contextlib.ExitStack() as ends:
        cluster = _with_kinds(ends.enter_context(machine.control_plane(controllers=True)))
        pg, maria = PostgreSql(_PG15).start(), MariaDb().start()
        ends.callback(pg.stop)
        ends.callback(maria.stop)
        rules = pg.folder / "data" / "pg_hba.conf"
        rules.write_text(f"host all mover 127.0.0.1/32 scram-sha-256\n{rules.read_text(encoding='utf-8')}", encoding="utf-8")
        with pg.connect() as connection:
            connection.execute(b"SELECT pg_reload_conf()")
            connection.execute(f"CREATE ROLE mover LOGIN PASSWORD '{PASSWORD}'".encode())
        maria.sql(f"CREATE USER mover@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO mover@'%'")
        local_place = LocalPlace(cluster, pg, maria, {}, ends)
        local_place.node = ends.enter_context(Node(cluster.kubeconfig, folder / "pods"))
        local_place.log = folder / "operator.log"
        local_place.secrecy = Secrecy(
            local_place.objects, local_place.node.logs, (local_place.log, folder / "journal.db", folder / "gateway.log")
        )
        _with_rights(local_place)
        operator = ends.enter_context(LocalOperator(local_place, ["-m", "landfall", "operator"], local_place.log))
        local_place.door = ends.enter_context(local_gateway(local_place, operator, folder))
        yield local_place
        assert local_place.node.failures == []
        assert local_place.secrecy.told_by_us() == []


@pytest.fixture
def documents(request: pytest.FixtureRequest, place: Place) -> list[Object]:
    """The manifests of a Migration that is in the middle of its copy."""
    return place.copying(place.namespace(request.node.name), COPIED_ROWS)


def namespace_of(documents: list[Object]) -> str:
    """The namespace of manifests."""
    return str(documents[-1]["metadata"]["namespace"])
