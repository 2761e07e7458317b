"""The cluster's programs, built once from Go modules and kept outside the checkout, under a hash of what they are made of."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).parent
KUBERNETES = "v1.34.10"
COREDNS = "github.com/coredns/coredns@v1.13.1"
HELM = "helm.sh/helm/v4/cmd/helm@v4.3.1"
NAMES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet", "kubectl")
_STAMP = "k8s.io/component-base/version"


def cache() -> Path:
    """Where built things are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "landfall"


def _digest() -> str:
    digest = hashlib.sha256(f"{KUBERNETES} {COREDNS}".encode())
    for name in ("node/go.mod", "node/go.sum", "node/main.go", "pause/main.go"):
        digest.update((_HERE / name).read_bytes())
    return digest.hexdigest()[:16]


def folder() -> Path:
    """The folder with all programs, which are built first where they are missing."""
    target = cache() / f"programs-{_digest()}"
    if (target / "complete").exists():
        return target
    target.mkdir(parents=True, exist_ok=True)
    sys.stderr.write("building Kubernetes, etcd and CoreDNS from their Go modules: once, about 15 minutes on 2 cores\n")
    major, minor = KUBERNETES.removeprefix("v").split(".")[:2]
    stamps = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    flags = " ".join(["-s -w", *(f"-X {_STAMP}.{k}={v}" for k, v in stamps.items())])
    _go(_HERE / "node", "build", "-trimpath", "-ldflags", flags, "-o", str(target / "node"), ".")
    _go(_HERE / "pause", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(target / "pause"), ".")
    _go(target, "install", "-trimpath", "-ldflags", "-s -w", COREDNS, GOBIN=str(target))
    for name in NAMES:
        link = target / name
        link.unlink(missing_ok=True)
        link.symlink_to("node")
    (target / "complete").touch()
    return target


def helm() -> Path:
    """Helm, built where it is missing."""
    folder = cache() / f"helm-{hashlib.sha256(HELM.encode()).hexdigest()[:16]}"
    if not (folder / "helm").exists():
        folder.mkdir(parents=True, exist_ok=True)
        sys.stderr.write("building Helm from its Go module: once, about 3 minutes\n")
        _go(folder, "install", "-trimpath", "-ldflags", "-s -w", HELM, GOBIN=str(folder))
    return folder / "helm"


def kstatus() -> Path:
    """What Flux and Helm compute of an object's status, as a program; built where it is missing."""
    source = _HERE / "kstatus"
    files = sorted(f for f in source.iterdir() if f.name in {"go.mod", "go.sum", "main.go"})
    folder = cache() / f"kstatus-{hashlib.sha256(b''.join(f.read_bytes() for f in files)).hexdigest()[:16]}"
    if not (folder / "kstatus").exists():
        folder.mkdir(parents=True, exist_ok=True)
        sys.stderr.write("building kstatus from its Go module: once, about a minute\n")
        _go(source, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(folder / "kstatus"), ".")
    return folder / "kstatus"


def _go(folder: Path, *arguments: str, **more: str) -> None:
    settings = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod" if folder == _HERE / "node" else "", **more}
    subprocess.run(["go", *arguments], cwd=folder, env={**os.environ, **settings}, check=True)
