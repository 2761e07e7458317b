"""A cluster with version 0.1.0, its objects and its worker in the middle of a copy, is upgraded with Helm to this version."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import images
from tests.cluster.api import Object
from tests.cluster.conftest import App, Place
from tests.cluster.install import CHART, NAMESPACE, helm
from tests.support import checker, version_0_1

_ROWS = 60_000
_SLOW = {"limits": {"rowsPerSecond": 1_000}, "batchSize": 500, "parallelism": 1}
_TABLES = {"item": ["id", "customer", "note", "price"], "customer": ["id", "name"]}
_SOURCES = ("operator/landfall", "requirements/operator.txt", "images/landfall.Containerfile", "charts")
_EMPTY = 204  # of a site without files, by the image that lies below sites


@pytest.fixture(scope="module")
def values(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The values of the installation, which stands again with them in the end."""
    file = tmp_path_factory.mktemp("values") / "values.yaml"
    result = helm(place.cluster, "get", "values", "landfall", "-o", "yaml")
    result.check_returncode()
    file.write_text(result.stdout, encoding="utf-8")
    yield file
    _installed(place, CHART, file)


@pytest.fixture(scope="module")
def old_chart(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart of version 0.1.0, whose image is on the node."""
    checkout = tmp_path_factory.mktemp("0.1")
    version_0_1.files(checkout, *_SOURCES)
    place.cluster.load(images.landfall_0_1(checkout))
    return checkout / "charts" / "landfall"


def _installed(place: Place, chart: Path, values: Path, *sets: str) -> None:
    """Run `helm upgrade` as docs/operations.md prints it."""
    options = ("--values", str(values), "--wait", "--timeout", "300s", *(part for option in sets for part in ("--set", option)))
    result = helm(place.cluster, "upgrade", "--install", "landfall", str(chart), *options)
    assert result.returncode == 0, result.stdout + result.stderr


def _image_of_operator(place: Place) -> str:
    deployment = place.get("deployment", NAMESPACE, "landfall-operator")
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def _knows_pause_until(place: Place) -> bool:
    """Whether the stored CustomResourceDefinition has a field that 0.1.0 does not have."""
    crd = json.loads(place.cluster.kubectl("get", "crd", "migrations.landfall.dev", "-o", "json"))
    properties = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    return "resumeTo" in properties["pause"]["properties"]


def _app(place: Place, namespace: str) -> App:
    """A Deployment of an image that is in the registry."""
    image = next(image_entry["image"] for image_entry in place.builds["images"] if image_entry["runtime"] == "static")
    spec = {"source": {"image": image}, "env": [{"name": "FALLBACK", "value": f"={_EMPTY}"}], "runtime": {"port": 8080}}
    metadata = {"name": "site", "namespace": namespace}
    place.apply({"apiVersion": "landfall.dev/v1alpha1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    return App(place, namespace, "site")


def _conditions(raw: Object) -> dict[str, tuple[str, str]]:
    return {condition["type"]: (condition["status"], condition["reason"]) for condition in raw["status"]["conditions"]}


def _rows_told(place: Place, namespace: str) -> int:
    return int(place.get("migration", namespace, "shop")["status"]["progress"]["rows"])


def _differences(place: Place, database: str) -> list[str]:
    with place.pg.connect(database) as target:
        compared = [
            checker.difference(
                checker.mariadb(place.maria.socket, database, table, columns), checker.postgresql(target, table, columns)
            )
            for table, columns in _TABLES.items()
        ]
    return [difference for difference in compared if difference]


def _rolls_back(place: Place, namespace: str, documents: list[Object]) -> None:
    documents[-1]["spec"]["desiredState"] = "RolledBack"
    place.apply(*documents)
    after = place.until(namespace, "shop", "RolledBack")
    assert after["status"]["phase"] == "RolledBack"
    assert place.rows(namespace) == -1
    with place.pg.connect(namespace) as target:
        assert target.execute(b"SELECT state FROM landfall.run").fetchall() == [("rolled_back",)]


def _goes_on(place: Place, name: str, worker: str, process: Path) -> None:
    """The worker of 0.1.0 works on, untouched, and reports to the new operator."""
    rows_before = _rows_told(place, name)
    place.wait("the worker reports to the new operator", lambda: _rows_told(place, name) > rows_before)
    assert place.get("migration", name, "shop")["status"]["phase"] == "Running"
    assert place.rows(name) == -1, "it is in the middle of its copy"
    assert (place.worker(name), place.process(name, worker)) == (worker, process)
    assert place.get("pod", name, worker)["spec"]["containers"][0]["image"] == images.EARLIER


def _is_completed(place: Place, name: str, before: Object) -> None:
    """Every row is equal, and it is the run of before, with its plan and one worker."""
    after = place.until(name, "shop", "Completed")
    place.settled(name, _ROWS)
    assert _differences(place, name) == []
    status = after["status"]
    assert [status[key] for key in ("run", "startTime")] == [before["status"][key] for key in ("run", "startTime")]
    assert [run["metadata"]["name"] for run in place.listed("runs", name)] == [status["run"]]
    assert place.get("run", name, status["run"])["status"]["attempts"] == 2, "its plan and one worker"
    assert [_conditions(after)[kind] for kind in ("Ready", "Succeeded")] == [("True", "Completed")] * 2
    assert status["observedGeneration"] == after["metadata"]["generation"]
    assert (status["progress"]["percent"], status["progress"]["rows"]) == (100, _ROWS + 100)
    assert {step["status"] for step in status["steps"]} == {"Done"}


def _stays(place: Place, namespace: str, before: Object, app: App) -> None:
    """What 0.1.0 had completed is not done again, and its app serves the same Release."""
    migration = place.get("migration", namespace, "shop")
    assert [migration["status"][key] for key in ("phase", "run")] == ["Completed", before["status"]["run"]]
    place.settled(namespace, 100)
    assert _differences(place, namespace) == []
    assert [raw["metadata"]["name"] for raw in place.listed("releases.landfall.dev", namespace)] == ["site-1"]
    assert (app.status["live"], app.condition()["status"]) == ("site-1", "True")
    assert app.page()[0] == _EMPTY


def test_it_is_upgraded_in_mid_run(place: Place, values: Path, old_chart: Path) -> None:
    """The run is completed by the worker that began it, which follows its live settings; what was done stays done, and both are rolled back."""
    name, completed = place.namespace("from-0-1"), place.namespace("done-by-0-1")
    watched = f"watchNamespaces={{{name},{completed}}}"
    _installed(place, old_chart, values, watched, f"image={images.EARLIER}")
    assert (_image_of_operator(place), _knows_pause_until(place)) == (images.EARLIER, False)
    place.databases(completed, 100)
    finished = place.move(completed, completed)
    place.apply(*finished)
    app = _app(place, completed)
    place.databases(name, _ROWS)
    documents = place.move(name, name, data=_SLOW)
    place.apply(*documents)
    before = place.until(completed, "shop", "Completed")
    app.until_live("site-1")
    place.arriving(name)
    worker, running_migration = place.worker(name), place.get("migration", name, "shop")
    process = place.process(name, worker)

    _installed(place, CHART, values, watched)
    assert (_image_of_operator(place), _knows_pause_until(place)) == (images.OURS, True)
    _goes_on(place, name, worker, process)
    documents[-1]["spec"]["data"]["limits"] = {"rowsPerSecond": 20_000}
    place.apply(*documents)
    _is_completed(place, name, running_migration)
    _stays(place, completed, before, app)
    _rolls_back(place, name, documents)
    _rolls_back(place, completed, finished)
    place.still([name, completed])
