"""A cluster by kind, for `make cluster` and `make demo` where there is Docker. The tests use the project's own: they pull its plugs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_NAME = "landfall"
_REGISTRY = "landfall-registry"
_PORT = 5001
_CONFIG = """kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
containerdConfigPatches:
- |-
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
"""


def available() -> bool:
    """Whether Docker answers, and kind and kubectl are there."""
    if not all(shutil.which(name) for name in ("docker", "kind", "kubectl")):
        return False
    return subprocess.run(["docker", "info"], check=False, capture_output=True).returncode == 0


def running() -> bool:
    """Whether our cluster is there."""
    return available() and _NAME in _run("kind", "get", "clusters").split()


def up(kubeconfig: Path) -> None:
    """Create the cluster with a registry beside it, or find both; and write its kubeconfig."""
    if not running():
        subprocess.run(
            ["kind", "create", "cluster", "--name", _NAME, "--wait", "120s", "--config", "-"],
            input=_CONFIG,
            text=True,
            check=True,
        )
        _registry()
    kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    kubeconfig.write_text(_run("kind", "get", "kubeconfig", "--name", _NAME), encoding="utf-8")


def _registry() -> None:
    """A registry that is localhost:5001 for the node and for this machine."""
    exists = subprocess.run(["docker", "inspect", _REGISTRY], check=False, capture_output=True).returncode == 0
    if not exists:
        _run("docker", "run", "-d", "--restart=always", "-p", f"127.0.0.1:{_PORT}:5000", "--name", _REGISTRY, "registry:2")
        _run("docker", "network", "connect", "kind", _REGISTRY)
    folder = f"/etc/containerd/certs.d/localhost:{_PORT}"
    for node in _run("kind", "get", "nodes", "--name", _NAME).split():
        _run("docker", "exec", node, "mkdir", "-p", folder)
        subprocess.run(
            ["docker", "exec", "-i", node, "cp", "/dev/stdin", f"{folder}/hosts.toml"],
            input=f'[host."http://{_REGISTRY}:5000"]\n',
            text=True,
            check=True,
        )


def load(archive: Path) -> None:
    """Give an image in an archive to the node."""
    _run("kind", "load", "image-archive", str(archive), "--name", _NAME)


def build(tag: str, containerfile: Path, context: Path, archive: Path) -> None:
    """An image as an archive, built by Docker on the base that the Containerfile names."""
    _run("docker", "build", "-q", "-t", tag, "-f", str(containerfile), str(context))
    _run("docker", "save", "-o", str(archive), tag)


def down() -> None:
    """Remove the cluster and its registry."""
    if running():
        _run("kind", "delete", "cluster", "--name", _NAME)
        subprocess.run(["docker", "rm", "-f", _REGISTRY], check=False, capture_output=True)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
