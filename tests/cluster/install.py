"""Our chart in a cluster, with the image of this checkout."""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.cluster import images, programs
from tests.cluster.authority import ADDRESS
from tests.cluster.machine import Cluster
from tests.cluster.settings import REGISTRY

NAMESPACE = "landfall-system"
CHART = images.ROOT / "charts" / "landfall"
GITHUB_PORT, SUPABASE_PORT = 5080, 5081
_ENDS_SECONDS = 300
INSTALLED = "LANDFALL_TESTS_INSTALLED"  # what an install told, in JSON, where it is done already
GITHUB = "LANDFALL_TESTS_GITHUB"  # where test processes join the GitHub that they share
AWAY = "LANDFALL_TESTS_AWAY"  # set while the cluster's own operator is away for several test processes
_MIRRORS = ("npm_config_registry", "PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "HTTPS_PROXY", "NO_PROXY")

_UNHURRIED = "gateway.limits.address.perSecond=1000,gateway.limits.address.burst=1000"  # tests come without keys on purpose


def helm(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Helm, in the namespace that the chart is installed in."""
    command = [str(programs.helm()), *arguments, "--kubeconfig", str(cluster.kubeconfig), "-n", NAMESPACE]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)


def install(cluster: Cluster, *, builds: bool = True) -> dict[str, Any]:
    """Install or upgrade, and wait until the operator is ready. `builds`: with what builds apps, whose settings are returned. Raises RuntimeError with what the cluster says."""
    archive = images.landfall()
    cluster.load(archive)
    cluster.kubectl("create", "namespace", NAMESPACE, check=False)
    builds_values = _builds(cluster) if builds and not cluster.by_kind else {}
    result = helm(
        cluster,
        *("upgrade", "--install", "landfall", str(CHART), "--wait", "--timeout", "300s"),
        *("--set", f"image={images.OURS},operator.podAnnotations.build={archive.stem}"),
        *("--set-json", f"builds={json.dumps(builds_values)}"),
        *("--set", f"providers.supabase=http://{ADDRESS}:{SUPABASE_PORT}"),
        *("--set", f"gateway.enabled=true,gateway.podAnnotations.build={archive.stem},{_UNHURRIED}"),
    )
    if result.returncode:
        pods = cluster.kubectl("get", "pods", "-n", NAMESPACE, check=False)
        logs = cluster.kubectl("logs", "-n", NAMESPACE, "deployment/landfall-operator", check=False)
        message = f"the chart could not be installed: {result.stderr}\n{pods}\n{logs}"
        raise RuntimeError(message)
    return builds_values


@contextlib.contextmanager
def operator_away(cluster: Cluster) -> Iterator[None]:
    """The cluster without its operator. Raises TimeoutError where its pod does not end."""
    operator = ("-n", NAMESPACE, "deployment/landfall-operator")
    deadline = time.monotonic() + _ENDS_SECONDS
    cluster.kubectl("scale", *operator, "--replicas=0")
    while "landfall-operator" in cluster.kubectl("get", "pods", "-n", NAMESPACE, "-o", "name"):
        if time.monotonic() > deadline:
            message = f"the operator's pod has not ended within {_ENDS_SECONDS} s"
            raise TimeoutError(message)
        time.sleep(0.3)
    try:
        yield
    finally:
        cluster.kubectl("scale", *operator, "--replicas=1")
        cluster.kubectl("rollout", "status", *operator, "--timeout=300s")


def _builds(cluster: Cluster) -> dict[str, Any]:
    """The registry beside the node, our images in it, and how this machine reaches package registries."""
    cluster.load(images.builder())
    ports = {"node": (images.NODE_VERSION, 3000), "python": ("3.11", 8000), "static": ("", 8080)}
    below = [
        {"runtime": name, "version": version, "image": images.push(images.run(name), images.RUN[name], REGISTRY), "port": port}
        for name, (version, port) in ports.items()
    ]
    bundle = Path(
        os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    )
    cluster.kubectl("delete", "configmap", "-n", NAMESPACE, "authorities", "--ignore-not-found")
    cluster.kubectl("create", "configmap", "-n", NAMESPACE, "authorities", f"--from-file=ca.crt={bundle}")
    return {
        "registry": REGISTRY,
        "insecure": True,
        "builder": images.BUILDER,
        "images": below,
        "env": {name: os.environ[name] for name in _MIRRORS if name in os.environ},
        "authorities": "authorities",
        "github": f"http://{ADDRESS}:{GITHUB_PORT}",
        "followSeconds": 2,
        "privateHosts": [ADDRESS],
        "memory": "1Gi",
    }
