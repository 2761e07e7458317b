"""The project's own cluster has what a cluster has: names, and a registry that the node pulls from."""

from __future__ import annotations

import os
import subprocess

from tests.cluster import images, settings
from tests.cluster.conftest import Place
from tests.cluster.install import NAMESPACE

_BUILDAH = {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}


def test_pods_resolve_names(place: Place) -> None:
    program = "import socket; print(socket.gethostbyname('kubernetes.default.svc.cluster.local'))"
    output = place.cluster.kubectl("exec", "-n", NAMESPACE, "deployment/landfall-operator", "--", "python3", "-c", program)
    assert output.strip() == "10.96.0.1"


def test_the_node_pulls_from_the_registry(place: Place) -> None:
    name = f"{settings.REGISTRY}/pause:1"
    archive = settings.pause_image(place.cluster.programs, images.cache())
    environment = {**os.environ, **_BUILDAH}
    result = subprocess.run(
        ["buildah", "pull", "-q", f"docker-archive:{archive}"], check=True, capture_output=True, env=environment
    )
    image = result.stdout.decode().strip()
    subprocess.run(["buildah", "push", "-q", "--tls-verify=false", image, f"docker://{name}"], check=True, env=environment)
    subprocess.run(["buildah", "rmi", image], check=True, env=environment, capture_output=True)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pulled", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": name, "imagePullPolicy": "Always"}]},
    }
    place.apply(pod)
    place.cluster.kubectl("wait", "pod/pulled", "--for=condition=Ready", "--timeout=300s")
    place.cluster.kubectl("delete", "pod", "pulled", "--grace-period=0", "--force")
