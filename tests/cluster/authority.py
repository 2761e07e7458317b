"""The cluster's certificates, made with openssl: one authority, and one certificate for each that has to prove who it is."""

from __future__ import annotations

import subprocess
from pathlib import Path

ADDRESS = "10.244.0.1"
NODE = "landfall"
_CLIENTS = {
    "admin": ("kubernetes-admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "proxy": ("system:kube-proxy", ""),
    "node": (f"system:node:{NODE}", "system:nodes"),
    "apiserver-kubelet": ("kube-apiserver", "system:masters"),
}
_NAMES = (
    f"IP:127.0.0.1,IP:10.96.0.1,IP:{ADDRESS},DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,"
    f"DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:{NODE}"
)


def make(folder: Path, port: int = 6443) -> None:
    """All keys, certificates and kubeconfigs of an API server at a port of this machine, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _openssl(
        folder,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=landfall-cluster -keyout ca.key -out ca.crt",
    )
    _openssl(folder, "genrsa -out sa.key 2048")
    _openssl(folder, "rsa -in sa.key -pubout -out sa.pub")
    for name, (person, group) in _CLIENTS.items():
        _signed(folder, name, f"/O={group}/CN={person}" if group else f"/CN={person}", "extendedKeyUsage=clientAuth")
    for name in ("apiserver", "kubelet"):
        _signed(folder, name, f"/CN={name}", f"extendedKeyUsage=serverAuth\nsubjectAltName={_NAMES}")
    for name in _CLIENTS:
        (folder / f"{name}.kubeconfig").write_text(_kubeconfig(folder, name, port), encoding="utf-8")


def _signed(folder: Path, name: str, subject: str, extensions: str) -> None:
    (folder / f"{name}.ext").write_text(extensions, encoding="utf-8")
    _openssl(
        folder,
        f"req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj {subject} -keyout {name}.key -out {name}.csr",
    )
    _openssl(
        folder, f"x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile {name}.ext -out {name}.crt"
    )


def _kubeconfig(folder: Path, name: str, port: int) -> str:
    return f"""apiVersion: v1
kind: Config
clusters: [{{name: landfall, cluster: {{server: "https://127.0.0.1:{port}", certificate-authority: {folder}/ca.crt}}}}]
users: [{{name: {name}, user: {{client-certificate: {folder}/{name}.crt, client-key: {folder}/{name}.key}}}}]
contexts: [{{name: landfall, context: {{cluster: landfall, user: {name}}}}}]
current-context: landfall
"""


def _openssl(folder: Path, arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], cwd=folder, check=True, capture_output=True)
