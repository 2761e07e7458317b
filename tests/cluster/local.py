"""An operator on this machine instead of the one in the cluster, started again whenever it dies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

from tests.cluster import images
from tests.cluster.conftest import Place
from tests.cluster.install import NAMESPACE
from tests.support.servers import free_port

_ACCOUNT = "landfall-operator"


class LocalOperator:
    """`arguments` are those of the interpreter; `settings` are added to its environment. Several may stand beside each other, each with namespaces of its own."""

    def __init__(self, place: Place, arguments: list[str], log: Path, **settings: str) -> None:
        intake = free_port()
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(place.cluster.kubeconfig_of(_ACCOUNT, NAMESPACE, log.parent / "operator.kubeconfig")),
            "PYTHONPATH": f"{images.ROOT}/operator:{images.ROOT}",
            "LANDFALL_IMAGE": images.OURS,
            "LANDFALL_INTAKE_URL": f"http://{place.host}:{intake}",
            "LANDFALL_LISTEN_INTAKE": str(intake),
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
