"""Every write of the operator goes wrong, in each way that a write can: the end is the same, and nothing is left over."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.cluster import images
from tests.cluster.authority import ADDRESS
from tests.cluster.conftest import Place
from tests.cluster.faulty import FAULTS
from tests.cluster.install import NAMESPACE

_ROWS = 5_000


class Faulty:
    """An operator on this machine, started again whenever it dies."""

    def __init__(self, place: Place, fault: str, log: Path) -> None:
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(place.cluster.kubeconfig),
            "PYTHONPATH": f"{images.ROOT}/operator:{images.ROOT}",
            "LANDFALL_IMAGE": images.OURS,
            "LANDFALL_INTAKE_URL": f"http://{ADDRESS}:8443",
            "LANDFALL_LISTEN_HEALTH": "18080",
        }
        self._fault = fault
        self._log = log
        self._ended = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.starts = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._process:
            self._process.kill()
        self._thread.join(20)

    def _run(self) -> None:
        with self._log.open("ab") as log:
            while not self._ended.is_set():
                self.starts += 1
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "tests.cluster.faulty", self._fault],
                    env=self._environment,
                    cwd=images.ROOT,
                    stderr=log,
                )
                self._process.wait()


@pytest.fixture
def alone(place: Place) -> Iterator[Place]:
    """The cluster without its own operator."""
    place.cluster.kubectl("scale", "-n", NAMESPACE, "deployment/landfall-operator", "--replicas=0")
    place.wait("the operator is gone", lambda: not place.listed("pods", NAMESPACE))
    yield place
    place.cluster.kubectl("scale", "-n", NAMESPACE, "deployment/landfall-operator", "--replicas=1")
    place.cluster.kubectl("rollout", "status", "-n", NAMESPACE, "deployment/landfall-operator", "--timeout=60s")


@pytest.mark.parametrize("fault", FAULTS)
def test_every_write_goes_wrong(alone: Place, fault: str, tmp_path: Path) -> None:
    place, name = alone, alone.namespace(f"writes-{fault}")
    place.databases(name, _ROWS)
    documents = place.move(name, name)
    with Faulty(place, fault, tmp_path / "log") as operator:
        place.apply(*documents)
        done = place.until(name, "shop", "Completed", 150)
        assert place.rows(name) == _ROWS
        with place.pg.connect(name) as target:
            assert target.execute(b"SELECT count(*) FROM landfall.run WHERE state='cut_over'").fetchone() == (1,)
        place.cluster.kubectl("delete", "-n", name, "migration/shop", "--timeout=60s")
        place.wait("nothing is left over", lambda: not place.listed("runs", name) and not place.workers(name), 60)
    assert done["status"]["verdict"] == "equal"
    assert place.rows(name) == _ROWS
    struck = (tmp_path / "log").read_text(encoding="utf-8")
    assert ("killed after" if fault == "kill" else f"{fault} at") in struck
    assert operator.starts == 1 or fault == "kill", struck[-3000:]
