"""Our chart in a cluster, with the image of this checkout."""

from __future__ import annotations

import subprocess

from tests.cluster import images, programs
from tests.cluster.machine import Cluster

NAMESPACE = "landfall-system"


def install(cluster: Cluster) -> None:
    """Install or upgrade, and wait until the operator is ready. Raises RuntimeError with what the cluster says."""
    archive = images.landfall()
    cluster.load(archive)
    cluster.kubectl("create", "namespace", NAMESPACE, check=False)
    done = subprocess.run(
        [
            *(str(programs.helm()), "upgrade", "--install", "landfall", str(images.ROOT / "charts" / "landfall")),
            *("--kubeconfig", str(cluster.kubeconfig), "-n", NAMESPACE, "--wait", "--timeout", "60s"),
            *("--set", f"image={images.OURS},operator.podAnnotations.build={archive.stem}"),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pods = cluster.kubectl("get", "pods", "-n", NAMESPACE, check=False)
        logs = cluster.kubectl("logs", "-n", NAMESPACE, "deployment/landfall-operator", check=False)
        message = f"the chart could not be installed: {done.stderr}\n{pods}\n{logs}"
        raise RuntimeError(message)
