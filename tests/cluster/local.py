"""Operator and gateway as processes of this machine instead of pods of the cluster."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.cluster import images
from tests.cluster.conftest import Place
from tests.cluster.install import NAMESPACE
from tests.support.servers import free_port

_ACCOUNT = "landfall-operator"
_GATEWAY = "landfall-gateway"
_WAIT_SECONDS = 60
_UNHURRIED = {
    "key": {"perSecond": 1000, "burst": 1000},
    "address": {"perSecond": 1000, "burst": 1000},
}  # tests ask faster than people


class LocalOperator:
    """An operator that is started again whenever it dies. `arguments` are those of the interpreter; `settings` are added to its environment. Several may stand beside each other, each with namespaces of its own."""

    def __init__(self, place: Place, arguments: list[str], log: Path, **settings: str) -> None:
        intake = free_port()
        self.intake = f"http://{place.host}:{intake}"
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(place.cluster.kubeconfig_of(_ACCOUNT, NAMESPACE, log.parent / "operator.kubeconfig")),
            "PYTHONPATH": f"{images.ROOT}/operator:{images.ROOT}",
            "LANDFALL_IMAGE": images.OURS,
            "LANDFALL_INTAKE_URL": self.intake,
            "LANDFALL_LISTEN_INTAKE": str(intake),
            "LANDFALL_GATEWAY": f"{NAMESPACE}/{_GATEWAY}",
            "LANDFALL_LISTEN_HEALTH": str(free_port()),
            "LANDFALL_BUILDS": json.dumps({k: v for k, v in place.builds.items() if k != "authorities"}),
            "LANDFALL_AUTHORITIES": os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"),
            "LANDFALL_JOURNAL_URL": f"sqlite:///{log.parent}/journal.db",
            **settings,
        }
        self._arguments = arguments
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
                command = [sys.executable, *self._arguments]
                self._process = subprocess.Popen(command, env=self._environment, cwd=images.ROOT, stderr=log)
                self._process.wait()


@contextlib.contextmanager
def local_gateway(place: Place, operator: LocalOperator, folder: Path) -> Iterator[str]:
    """A gateway with the account and the rights that the chart gives one; yields its host and port."""
    port, token = free_port(), folder / "gateway.token"
    create = ("create", "token", _GATEWAY, "-n", NAMESPACE, "--audience=landfall.dev/intake", "--duration=8h")
    token.write_text(place.cluster.kubectl(*create), encoding="ascii")
    environment = {
        **os.environ,
        "KUBECONFIG": str(place.cluster.kubeconfig_of(_GATEWAY, NAMESPACE, folder / "gateway.kubeconfig")),
        "PYTHONPATH": f"{images.ROOT}/operator:{images.ROOT}",
        "LANDFALL_NAMESPACE": NAMESPACE,
        "LANDFALL_INTAKE_URL": operator.intake,
        "LANDFALL_LISTEN": str(port),
        "LANDFALL_LIMITS": json.dumps(_UNHURRIED),
    }
    command = [sys.executable, "-m", "tests.support.gateway_process", str(token)]
    with (folder / "gateway.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, cwd=images.ROOT, stderr=log)
        try:
            _answering(port, process)
            yield f"{place.host}:{port}"
        finally:
            process.terminate()
            process.wait(_WAIT_SECONDS)


def _answering(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    message = "the gateway does not answer"
    raise RuntimeError(message)
