"""The chart over its life, with real Helm: it goes and leaves nothing stuck, comes back as the version before, is upgraded in mid-run, and goes back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tests.cluster.conftest import Object, Place, without_operator
from tests.cluster.install import CHART, NAMESPACE, helm, install

_SLOW = {"limits": {"rowsPerSecond": 1_000}, "batchSize": 500, "parallelism": 1}
_ROWS = 60_000


def _helm(place: Place, *arguments: str, check: bool = True) -> str:
    """What Helm says, refused or not."""
    result = helm(place.cluster, *arguments)
    assert not check or result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def _before(folder: Path) -> Path:
    """A chart as a version before this one had it: a kind and a field less, and an operator's pod that differs."""
    chart = Path(shutil.copytree(CHART, folder / "landfall"))
    about = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    (chart / "Chart.yaml").write_text(yaml.safe_dump({**about, "version": "0.0.9"}), encoding="utf-8")
    file = chart / "files" / "crds" / "migrations.yaml"
    crd = yaml.safe_load(file.read_text(encoding="utf-8"))
    for version in crd["spec"]["versions"]:
        del version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["keep"]
    file.write_text(yaml.safe_dump(crd), encoding="utf-8")
    operator = chart / "templates" / "operator.yaml"
    operator.write_text(operator.read_text(encoding="utf-8").replace("periodSeconds: 10", "periodSeconds: 9"), encoding="utf-8")
    return chart


def _installed(place: Place, chart: Path, values: Path) -> None:
    _helm(place, "upgrade", "--install", "landfall", str(chart), "--values", str(values), "--wait", "--timeout", "300s")


@pytest.fixture
def values(place: Place, tmp_path: Path) -> Path:
    """Those that it was installed with."""
    file = tmp_path / "values.yaml"
    file.write_text(_helm(place, "get", "values", "landfall", "-o", "yaml"), encoding="utf-8")
    return file


def _quiet(place: Place) -> None:
    """What other tests left under way is held."""
    place.cluster.kubectl("annotate", "migrations", "--all", "-A", "--overwrite", "landfall.dev/hold=the end of the tests")
    place.wait("nothing is under way", lambda: not _under_way(place), 60)


def _under_way(place: Place) -> list[str]:
    jobs = yaml.safe_load(place.cluster.kubectl("get", "jobs", "-A", "-l", "landfall.dev/owner-kind=Run", "-o", "yaml"))["items"]
    return [job["metadata"]["name"] for job in jobs if job.get("status", {}).get("active")]


def _slow(place: Place, name: str) -> list[Object]:
    """A Migration in the middle of its copy."""
    place.databases(name, _ROWS)
    documents = place.move(name, name, data=_SLOW)
    place.apply(*documents)
    place.arriving(name)
    return documents


def _go_on(place: Place, name: str, documents: list[Object], **spec: object) -> None:
    documents[-1]["spec"] |= spec
    documents[-1]["spec"]["data"]["limits"] = {"rowsPerSecond": 20_000}
    place.apply(*documents)
    place.until(name, "shop", "Completed")
    place.settled(name, _ROWS)


def test_it_goes_and_comes_again(place: Place) -> None:
    """It stays while a migration is under way, and says which; then it goes, every resource stays and may be deleted, and what was paused goes on."""
    _quiet(place)
    name, finished = place.namespace("leaves"), place.namespace("left")
    place.databases(finished, 100)
    place.apply(*place.move(finished, finished))
    place.until(finished, "shop", "Completed")
    documents = _slow(place, name)
    refused = _helm(place, "uninstall", "landfall", check=False)
    assert f"{name}/shop" in refused, refused
    assert place.cluster.kubectl(
        "get", "deployment", "-n", NAMESPACE, "landfall-operator", "-o", "jsonpath={.status.readyReplicas}"
    )
    documents[-1]["spec"]["desiredState"] = "Paused"
    place.apply(*documents)
    place.wait("it is paused", lambda: place.get("migration", name, "shop")["status"]["phase"] == "Paused")
    _helm(place, "uninstall", "landfall", "--wait", "--timeout", "300s")
    assert place.get("deployment", NAMESPACE, "landfall-operator") == {}
    remaining = [place.get("migration", namespace, "shop") for namespace in (name, finished)]
    assert [namespace["status"]["phase"] for namespace in remaining] == ["Paused", "Completed"]
    assert [namespace["metadata"].get("finalizers", []) for namespace in remaining] == [[], []]
    place.cluster.kubectl("delete", "namespace", finished, "--timeout=120s")  # nobody is needed for it
    place.namespaces.remove(finished)
    install(place.cluster)
    with without_operator(place):
        output = _helm(place, "test", "landfall", check=False)
        assert "not as it should be: intake" in output, output
    _helm(place, "test", "landfall")
    assert place.get("pod", NAMESPACE, "landfall-answers") == {}
    _go_on(place, name, documents, desiredState="Completed")


def test_it_is_upgraded_in_mid_run_and_goes_back(place: Place, values: Path, tmp_path: Path) -> None:
    """From the version before to this one, and back: the worker is not touched, and what is new is there as long as the version is."""
    chart = _before(tmp_path)
    _installed(place, chart, values)
    name = place.namespace("upgraded")
    documents = _slow(place, name)
    worker = place.worker(name)
    documents[-1]["spec"]["keep"] = {"logs": False}
    output = place.cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(documents), check=False)
    assert "keep" not in place.get("migration", name, "shop")["spec"], output
    _installed(place, CHART, values)
    place.apply(*documents)
    assert place.get("migration", name, "shop")["spec"]["keep"]["logs"] is False
    _go_on(place, name, documents)
    run = place.get("run", name, place.get("migration", name, "shop")["status"]["run"])
    assert run["status"]["attempts"] == 2, f"its plan and one worker, {worker}, before and after"
    history = yaml.safe_load(_helm(place, "history", "landfall", "-o", "yaml"))
    _helm(place, "rollback", "landfall", str(history[-2]["revision"]), "--wait", "--timeout", "300s")
    after = place.namespace("after")
    place.databases(after, 100)
    place.apply(*place.move(after, after))
    place.until(after, "shop", "Completed")
    place.settled(after, 100)
    assert place.get("migration", name, "shop")["status"]["phase"] == "Completed"
    _installed(place, CHART, values)
