"""Every folder of examples/, applied in a cluster and taken back: with small shops."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from examples.shop import write_mariadb, write_sqlite
from tests.cluster import demo, gitops, images, moody
from tests.cluster.authority import ADDRESS
from tests.cluster.conftest import PASSWORD, App, Place

_SCALE = 0.02
_APPS = {"app-node-express", "app-python-fastapi", "app-react-vite", "app-nextjs"}  # test_apps brings them live
_TOLD = {*_APPS, "gitops", "shop-in-cluster", "shop-from-mariadb", "shop-from-sqlite", "shop-by-night", "shop-into-existing"}
Object = dict[str, Any]


def test_every_example_is_known_here() -> None:
    folders = {p.name for p in (images.ROOT / "examples").iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert folders == _TOLD


def test_the_shop_in_a_cluster(place: Place) -> None:
    cluster = place.cluster
    demo.databases(cluster, _SCALE)
    migration = demo.story(cluster)
    assert (migration["status"]["phase"], migration["status"]["verdict"]) == ("Completed", "equal")
    query = "SELECT (SELECT count(*) FROM customers),(SELECT count(*) FROM information_schema.tables WHERE table_schema='public' AND table_type='BASE TABLE')"
    output = cluster.kubectl(
        *("exec", "-n", demo.SPACE, "deployment/warehouse", "--", "env", "PGPASSWORD=change-me-in-earnest"),
        *("psql", "-h", "127.0.0.1", "-U", "warehouse", "-Atc", query),
    )
    customers, tables = output.strip().split("|")
    assert int(customers) > 0
    assert int(tables) == migration["status"]["plan"]["tables"] == 12
    _back(place, demo.SPACE)
    cluster.kubectl("delete", "namespace", demo.SPACE, "--timeout=300s")


def test_the_shop_from_mariadb(place: Place) -> None:
    name = place.namespace("example-mariadb")
    text = io.StringIO()
    write_mariadb(text, scale=_SCALE)
    place.maria.sql(text.getvalue(), place.maria.database("shop"))
    place.apply(_url(name, "shop-mariadb", f"mysql://mover:{PASSWORD}@{ADDRESS}:{place.maria.port}/shop"))
    _there_and_back(place, name, "shop-from-mariadb")


def test_the_shop_from_sqlite(place: Place, tmp_path: Path) -> None:
    name = place.namespace("example-sqlite")
    write_sqlite(tmp_path / "shop.db", scale=_SCALE)
    for path in (tmp_path, tmp_path / "shop.db"):
        shutil.chown(path, 65532, 65532)
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "",
            "hostPath": {"path": str(tmp_path)},
            "claimRef": {"namespace": name, "name": "shop-data"},
        },
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "shop-data", "namespace": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "",
            "volumeName": name,
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    place.apply(volume, claim)
    _there_and_back(place, name, "shop-from-sqlite")
    place.cluster.kubectl("delete", "namespace", name, "--timeout=300s")
    place.cluster.kubectl("delete", "pv", name, "--timeout=300s")


def test_the_shop_by_night(place: Place) -> None:
    """Three commits: rehearsed, approved, taken back. The digest is the one thing that a person fills in; the night is now."""
    name, story = place.namespace("example-night"), images.ROOT / "examples" / "shop-by-night"
    text = io.StringIO()
    write_mariadb(text, scale=_SCALE)
    place.maria.sql(text.getvalue(), place.maria.database("shop"))
    place.empty(name)
    before = place.pg.dump(name)
    place.apply(_url(name, "shop-mariadb", f"mysql://mover:{PASSWORD}@{ADDRESS}:{place.maria.port}/shop"))
    place.apply(_url(name, "warehouse", f"postgresql://mover:{PASSWORD}@{ADDRESS}:{place.pg.port}/{name}"))
    for step in ("connections", "1-rehearse"):
        place.cluster.kubectl("apply", "-n", name, "-f", str(story / f"{step}.yaml"))
    plan_ready = place.until(name, "shop", "Planned", 120)
    assert plan_ready["status"]["rehearsal"]["rows"] == plan_ready["status"]["plan"]["rows"] > 0
    assert place.pg.dump(name) == before
    approved = yaml.safe_load((story / "2-approve.yaml").read_text(encoding="utf-8"))
    approved["metadata"]["namespace"] = name
    approved["spec"]["data"]["approval"]["planDigest"] = plan_ready["status"]["plan"]["digest"]
    window = approved["spec"]["schedule"]["maintenanceWindow"]
    assert (window["appliesTo"], window["start"]) == ("Cutover", "02:00")
    approved["spec"]["schedule"]["maintenanceWindow"] = {**window, "start": "00:00", "end": "00:00"}
    place.cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(approved))
    migration = place.until(name, "shop", "Completed")
    assert migration["status"]["verdict"] == "equal"
    place.cluster.kubectl("apply", "-n", name, "-f", str(story / "3-roll-back.yaml"))
    place.until(name, "shop", "RolledBack")
    assert place.pg.dump(name) == before


def test_the_shop_into_existing(place: Place) -> None:
    """Applied with the decisions beside it, it needs nobody."""
    name, story = place.namespace("example-existing"), images.ROOT / "examples" / "shop-into-existing"
    text = io.StringIO()
    write_mariadb(text, scale=_SCALE)
    place.maria.sql(text.getvalue(), place.maria.database("shop"))
    place.empty(name)
    with place.pg.connect(name) as target:
        target.execute(b"SET ROLE mover")
        target.execute((story / "schema.sql").read_bytes())
    before = place.pg.dump(name)
    place.apply(_url(name, "shop-mariadb", f"mysql://mover:{PASSWORD}@{ADDRESS}:{place.maria.port}/shop"))
    place.apply(_url(name, "warehouse", f"postgresql://mover:{PASSWORD}@{ADDRESS}:{place.pg.port}/{name}"))
    place.cluster.kubectl("apply", "-n", name, "-f", str(story))
    migration = place.until(name, "shop", "Completed", 120)
    assert migration["status"]["verdict"] == "equal"
    _back(place, name)
    assert place.pg.dump(name) == before


def _url(namespace: str, name: str, url: str) -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"url": url}}


def _there_and_back(place: Place, name: str, story: str) -> None:
    """Apply the folder, approve its plan, and roll back: the target is as it was."""
    place.empty(name)
    place.apply(_url(name, "warehouse", f"postgresql://mover:{PASSWORD}@{ADDRESS}:{place.pg.port}/{name}"))
    before = place.pg.dump(name)
    place.cluster.kubectl("apply", "-n", name, "-f", str(images.ROOT / "examples" / story / "migration.yaml"))
    plan_ready = place.until(name, "shop", "ApprovalRequired")
    change = {"spec": {"data": {"approval": {"planDigest": plan_ready["status"]["plan"]["digest"]}}}}
    place.cluster.kubectl("patch", "migration", "-n", name, "shop", "--type", "merge", "-p", json.dumps(change))
    migration = place.until(name, "shop", "Completed")
    assert migration["status"]["verdict"] == "equal"
    assert place.rows(name, "customers") > 0
    _back(place, name)
    assert place.pg.dump(name) == before


def _back(place: Place, name: str) -> None:
    change = {"spec": {"desiredState": "RolledBack"}}
    place.cluster.kubectl("patch", "migration", "-n", name, "shop", "--type", "merge", "-p", json.dumps(change))
    place.until(name, "shop", "RolledBack")


def test_a_repository_to_copy(place: Place, tmp_path: Path) -> None:
    """As Argo CD carries it, commit by commit as its README says: plan, approval, rollback, of data and app together."""
    place.databases(gitops.NAMESPACE, 300)
    place.github.push("example-org/shop", moody.FILES, "feat: moods")
    repository = gitops.Repository(place, tmp_path, "argocd-controller")
    repository.begun()
    app = App(place, gitops.NAMESPACE, "shop")
    app.until_live("shop-1")
    digest = repository.planned(place.cluster.programs)
    repository.approved(digest)
    repository.edited("app.yaml", "connectionRef: {name: old}", "connectionRef: {name: new}")
    repository.synced()
    migration = repository.settled("Completed")
    place.settled(gitops.NAMESPACE, 300)
    assert (migration["status"]["app"]["state"], migration["status"]["app"]["release"]) == ("Live", "shop-2")
    app.serves("mood: well")
    repository.edited("migration.yaml", "spec:\n", "spec:\n  desiredState: RolledBack\n")
    repository.synced()
    repository.settled("RolledBack")
    assert place.rows(gitops.NAMESPACE) == -1
    place.cluster.kubectl("delete", "namespace", gitops.NAMESPACE, "--timeout=300s")
