"""What the cluster's programs are told: flags and configuration files, as they were tried on a machine without systemd.

`restrict_oom_score_adj` and `failCgroupV1` are for machines without CAP_SYS_RESOURCE and with the old cgroups.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

from tests.cluster.authority import ADDRESS

REGISTRY = f"{ADDRESS}:5000"  # one name for pods, the node and this machine
_RESOLVER = Path("/etc/resolv.conf")


def etcd(state: Path, ports: tuple[int, int] = (2379, 2380)) -> list[str]:
    """Flags of etcd. `ports`: for clients and for peers."""
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    return [
        *("--data-dir", str(state / "etcd"), "--listen-client-urls", urls[0], "--advertise-client-urls", urls[0]),
        *("--listen-peer-urls", urls[1], "--initial-advertise-peer-urls", urls[1], "--initial-cluster", f"default={urls[1]}"),
        "--unsafe-no-fsync",
    ]


def apiserver(pki: Path, **other: str) -> list[str]:
    """Flags of the API server, and those that are other ones than for a node, with `_` for `-`."""
    flags: dict[str, object] = {
        "etcd-servers": "http://127.0.0.1:2379",
        "secure-port": "6443",
        "bind-address": "0.0.0.0",  # noqa: S104  pods reach it over the bridge
        "advertise-address": ADDRESS,
        "tls-cert-file": pki / "apiserver.crt",
        "tls-private-key-file": pki / "apiserver.key",
        "client-ca-file": pki / "ca.crt",
        "kubelet-client-certificate": pki / "apiserver-kubelet.crt",
        "kubelet-client-key": pki / "apiserver-kubelet.key",
        "kubelet-certificate-authority": pki / "ca.crt",
        "kubelet-preferred-address-types": "InternalIP,Hostname",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": pki / "sa.pub",
        "service-account-signing-key-file": pki / "sa.key",
        "service-cluster-ip-range": "10.96.0.0/16",
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "allow-privileged": "true",
        **{name.replace("_", "-"): value for name, value in other.items()},
    }
    return [f"--{name}={value}" for name, value in flags.items()]


def controllers(pki: Path) -> list[str]:
    """Flags of the controller manager."""
    kubeconfig = pki / "controller-manager.kubeconfig"
    flags = {
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "service-account-private-key-file": pki / "sa.key",
        "root-ca-file": pki / "ca.crt",
        "cluster-signing-cert-file": pki / "ca.crt",
        "cluster-signing-key-file": pki / "ca.key",
        "use-service-account-credentials": "true",
        "leader-elect": "false",
        "secure-port": "0",
    }
    return [f"--{name}={value}" for name, value in flags.items()]


def write(state: Path) -> None:
    """All configuration files."""
    pki = state / "pki"
    (state / "scheduler.yaml").write_text(
        "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
        f"clientConnection: {{kubeconfig: {pki}/scheduler.kubeconfig}}\nleaderElection: {{leaderElect: false}}\n",
        encoding="utf-8",
    )
    (state / "proxy.yaml").write_text(
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: iptables\nclusterCIDR: 10.244.0.0/24\n"
        f"clientConnection: {{kubeconfig: {pki}/proxy.kubeconfig}}\n"
        "conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}\n",
        encoding="utf-8",
    )
    (state / "resolv.conf").write_text(_RESOLVER.read_text(encoding="utf-8"), encoding="utf-8")
    (state / "kubelet.yaml").write_text(_KUBELET.format(state=state, pki=pki), encoding="utf-8")
    (state / "Corefile").write_text(_COREFILE.format(state=state, address=ADDRESS), encoding="utf-8")
    plugins = state / "cni"
    plugins.mkdir(exist_ok=True)
    (plugins / "10-bridge.conflist").write_text(json.dumps(_BRIDGE), encoding="utf-8")
    (state / "registry.yaml").write_text(_REGISTRY.format(state=state, address=REGISTRY), encoding="utf-8")
    hosts = state / "hosts" / REGISTRY
    hosts.mkdir(parents=True, exist_ok=True)
    (hosts / "hosts.toml").write_text(f'[host."http://{REGISTRY}"]\ncapabilities = ["pull", "resolve"]\n', encoding="utf-8")
    (state / "containerd.toml").write_text(_CONTAINERD.format(state=state), encoding="utf-8")


_KUBELET = """apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {{anonymous: {{enabled: false}}, webhook: {{enabled: true}}, x509: {{clientCAFile: {pki}/ca.crt}}}}
authorization: {{mode: Webhook}}
tlsCertFile: {pki}/kubelet.crt
tlsPrivateKeyFile: {pki}/kubelet.key
containerRuntimeEndpoint: unix://{state}/containerd.sock
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
localStorageCapacityIsolation: false
evictionHard: {{memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}}
imageGCHighThresholdPercent: 100
resolvConf: {state}/resolv.conf
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
syncFrequency: 10s
"""

_COREFILE = """.:53 {{
    bind {address}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {state}/pki/admin.kubeconfig
        pods insecure
    }}
    forward . {state}/resolv.conf
    cache 5
}}
"""

_BRIDGE = {
    "cniVersion": "1.0.0",
    "name": "landfall",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.244.0.0/24", "gateway": ADDRESS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}

_REGISTRY = """version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {state}/registry}}, delete: {{enabled: true}}}}
http: {{addr: "{address}"}}
"""

_CONTAINERD = """version = 2
root = "{state}/containerd"
state = "{state}/containerd-state"
[grpc]
  address = "{state}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{state}/hosts"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{state}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""

DNS_OBJECTS = f"""apiVersion: v1
kind: Service
metadata: {{name: kube-dns, namespace: kube-system}}
spec: {{clusterIP: 10.96.0.10, ports: [{{name: dns, port: 53, protocol: UDP}}, {{name: dns-tcp, port: 53, protocol: TCP}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: kube-dns, namespace: kube-system, labels: {{kubernetes.io/service-name: kube-dns}}}}
addressType: IPv4
ports: [{{name: dns, port: 53, protocol: UDP}}, {{name: dns-tcp, port: 53, protocol: TCP}}]
endpoints: [{{addresses: ["{ADDRESS}"]}}]
"""


def pause_image(programs: Path, state: Path) -> Path:
    """A docker-archive of the image that every pod begins with."""
    layer = _archived({"pause": ((programs / "pause").read_bytes(), 0o755)})
    digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": ["/pause"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
    ).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": name, "RepoTags": ["localhost/pause:1"], "Layers": ["layer.tar"]}]).encode()
    path = state / "pause.tar"
    path.write_bytes(_archived({"layer.tar": (layer, 0o644), name: (config, 0o644), "manifest.json": (manifest, 0o644)}))
    return path


def _archived(files: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, (data, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
