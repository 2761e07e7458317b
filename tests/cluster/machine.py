"""One node on this machine: a bridge, containerd and the programs of Kubernetes, all started here and all ended again.

Everything that is started is written down by its process id, everything that is made lies under one folder, and `down`
undoes what `up` did: processes, shims, mounts, network namespaces, the bridge, iptables.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.cluster import authority, kind, programs, settings
from tests.cluster.authority import ADDRESS, NODE
from tests.support.servers import free_port

STATE = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "landfall" / "cluster"
_IMAGES = ("ctr", "-a", str(STATE / "containerd.sock"), "-n", "k8s.io", "images")
_BRIDGE = "cni0"
_WAIT_SECONDS = 120
_SYSCTLS = {"net/ipv4/ip_forward": "1", "net/bridge/bridge-nf-call-iptables": "1", "fs/inotify/max_user_instances": "1024"}
_PACKAGES = (
    "containerd",
    "runc",
    "containernetworking-plugins",
    "iptables",
    "conntrack",
    "iproute2",
    "openssl",
    "mount",
    "docker-registry",
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that is up: its kubeconfig and the folder of its kubectl; the project's own, or kind's."""

    kubeconfig: Path
    programs: Path
    by_kind: bool = False

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """What kubectl prints."""
        result = self.run_kubectl(*arguments, stdin=stdin)
        if check and result.returncode:
            message = f"kubectl {' '.join(arguments)}: {result.stderr.strip()}"
            raise RuntimeError(message)
        return result.stdout

    def run_kubectl(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Exit status and output of kubectl."""
        command = [str(self.programs / "kubectl"), "--kubeconfig", str(self.kubeconfig), *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, env=_roomy())

    def kubeconfig_of(self, account: str, namespace: str, into: Path) -> Path:
        """Write a kubeconfig of a service account, with the rights that it has; its token lasts eight hours."""
        config = yaml.safe_load(self.kubeconfig.read_text(encoding="utf-8"))
        token = self.kubectl("create", "token", account, "-n", namespace, "--duration=8h").strip()
        config["users"][0]["user"] = {"token": token}
        into.write_text(yaml.safe_dump(config), encoding="utf-8")
        return into

    def load(self, archive: Path, image: str = "", *names: str) -> None:
        """Give an image in a docker-archive to the node; of our own, also in other names."""
        if self.by_kind:
            kind.load(archive)
            return
        subprocess.run(
            [*_IMAGES, "import", str(archive)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        if names:
            subprocess.run([*_IMAGES, "tag", "--force", image, *names], check=True, stdout=subprocess.DEVNULL)


def running() -> Cluster | None:
    """The cluster of this machine, if it is up: a machine that was cut off leaves its files, and none of its processes."""
    if not (STATE / "ready").exists() or _started_ever() - {name for _, name in _recorded()}:
        return None
    return Cluster(STATE / "pki" / "admin.kubeconfig", programs.folder())


def chosen() -> Cluster:
    """A cluster to look at: kind's where there is Docker, or else the project's own."""
    if not kind.available():
        return up()
    kubeconfig = STATE.parent / "kind.kubeconfig"
    kind.up(kubeconfig)
    return Cluster(kubeconfig, Path(shutil.which("kubectl") or "/usr/bin/kubectl").parent, by_kind=True)


def up() -> Cluster:
    """Start the project's own cluster, or find it running."""
    existing = running()
    if existing:
        return existing
    _packages()
    built = programs.folder()
    down()
    STATE.mkdir(parents=True, exist_ok=True)
    authority.make(STATE / "pki")
    _network()
    settings.write(STATE)
    _said("starting Kubernetes, about 20 seconds")
    cluster = _control_plane(built)
    _node(built)
    cluster.load(settings.pause_image(built, STATE))
    cluster.kubectl("apply", "-f", "-", stdin=settings.DNS_OBJECTS)
    _waited("the node", lambda: " Ready " in cluster.kubectl("get", "nodes", check=False).replace("   ", " "))
    _waited(
        "the default service account",
        lambda: "default" in cluster.kubectl("get", "serviceaccounts", "-n", "default", check=False),
    )
    (STATE / "ready").touch()
    return cluster


def _packages() -> None:
    missing = [p for p in _PACKAGES if subprocess.run(["dpkg", "-s", p], check=False, capture_output=True).returncode]
    if missing:
        _said(f"installing {', '.join(missing)} from Debian")
        subprocess.run(["apt-get", "-qq", "update"], check=True, stdout=subprocess.DEVNULL)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(
            ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *missing],
            check=True,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        for service in ("containerd", "docker-registry"):  # we run our own, with their own state
            subprocess.run(["service", service, "stop"], check=False, capture_output=True)


def _network() -> None:
    subprocess.run(["mount", "--make-rshared", "/"], check=True)
    for name, value in _SYSCTLS.items():
        path = Path("/proc/sys") / name
        with contextlib.suppress(OSError):  # a container may hold some of them fixed; kubelet says so where it matters
            path.write_text(value, encoding="ascii")
    subprocess.run(["ip", "link", "add", _BRIDGE, "type", "bridge"], check=True)
    subprocess.run(["ip", "addr", "add", f"{ADDRESS}/24", "dev", _BRIDGE], check=True)
    subprocess.run(["ip", "link", "set", _BRIDGE, "up"], check=True)


def _control_plane(built: Path) -> Cluster:
    """The controllers come when the API server is ready: they give up on one that takes its time, and nothing here would start them again."""
    pki = STATE / "pki"
    cluster = Cluster(pki / "admin.kubeconfig", built)
    _started(built / "etcd", *settings.etcd(STATE))
    _started(built / "kube-apiserver", *settings.apiserver(pki))
    _waited("the API server", lambda: cluster.kubectl("get", "--raw", "/readyz", check=False) == "ok")
    _started(built / "kube-controller-manager", *settings.controllers(pki))
    _started(built / "kube-scheduler", "--config", str(STATE / "scheduler.yaml"), "--secure-port", "0")
    return cluster


@contextlib.contextmanager
def control_plane(*, controllers: bool = False) -> Iterator[Cluster]:
    """An API server and its etcd, on free ports of this machine and beside a whole cluster: no node, and nothing that needs root. `controllers`: with those of Kubernetes, for Jobs and for what has lost its owner."""
    built = programs.folder()
    clients, peers, port = free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="landfall-control-plane-") as name, contextlib.ExitStack() as ends:
        folder = Path(name)
        pki = folder / "pki"
        authority.make(pki, port)
        cluster = Cluster(pki / "admin.kubeconfig", built)
        options = {
            "etcd_servers": f"http://127.0.0.1:{clients}",
            "secure_port": str(port),
            "bind_address": "127.0.0.1",
            "advertise_address": "127.0.0.1",
            "endpoint_reconciler_type": "none",  # it refuses a loopback address, and nobody asks for its Service
        }

        def start(program: str, arguments: list[str]) -> None:
            log = ends.enter_context((folder / f"{program}.log").open("wb"))
            process = subprocess.Popen(
                [str(built / program), *arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=folder,
                env=_roomy(),
            )
            ends.callback(process.wait)
            ends.callback(process.terminate)

        start("etcd", settings.etcd(folder, (clients, peers)))
        start("kube-apiserver", settings.apiserver(pki, **options))
        _waited("the API server", lambda: cluster.kubectl("get", "--raw", "/readyz", check=False) == "ok", folder)
        if controllers:
            start("kube-controller-manager", settings.controllers(pki))
        yield cluster


def _node(built: Path) -> None:
    _started(Path(shutil.which("containerd") or "/usr/bin/containerd"), "--config", str(STATE / "containerd.toml"))
    _waited("containerd", (STATE / "containerd.sock").exists)
    _kubelet(built)
    _started(built / "kube-proxy", "--config", str(STATE / "proxy.yaml"), "--hostname-override", NODE)
    _started(built / "coredns", "-conf", str(STATE / "Corefile"))
    _started(Path(shutil.which("docker-registry") or "/usr/bin/docker-registry"), "serve", str(STATE / "registry.yaml"))


def _kubelet(built: Path) -> None:
    """Until it is well: containerd listens before it knows its images, and a kubelet that comes then gives up, where init would start it again."""
    settings = {
        "--config": STATE / "kubelet.yaml",
        "--kubeconfig": STATE / "pki" / "node.kubeconfig",
        "--hostname-override": NODE,
        "--root-dir": STATE / "kubelet",
        "--cert-dir": STATE / "pki",
        "--node-ip": ADDRESS,
    }
    arguments = [str(part) for pair in settings.items() for part in pair]
    process = _started(built / "kubelet", *arguments)

    def well() -> bool:
        nonlocal process
        if process.poll() is not None:
            process = _started(built / "kubelet", *arguments)
        try:
            with urllib.request.urlopen("http://127.0.0.1:10248/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    _waited("the kubelet", well)


def _started(program: Path, *arguments: str) -> subprocess.Popen[bytes]:
    log = (STATE / f"{program.name}.log").open("ab")
    process = subprocess.Popen(
        [str(program), *arguments],
        stdout=log,
        stderr=log,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        cwd=STATE,
        env=_roomy(),
    )
    with (STATE / "processes").open("a", encoding="ascii") as file:
        file.write(f"{process.pid} {_born(process.pid)} {program.name}\n")
    return process


def _roomy() -> dict[str, str]:
    """The environment of a program in Go: memory is plenty here, processors are few."""
    return {**os.environ, "GOGC": "400"}


def _born(pid: int) -> str:
    """When a process started, so that a number that was given again is not taken for it. Empty when it is gone."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[19]
    except OSError:
        return ""


def _waited(description: str, ready: Callable[[], bool], logs: Path = STATE) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        if ready():
            return
        time.sleep(0.2)
    message = f"{description} was not ready within {_WAIT_SECONDS} s; the logs are in {logs}"
    raise RuntimeError(message)


# -- the end ----------------------------------------------------------------------------------------------------------


def down() -> None:
    """End the cluster and leave nothing behind."""
    (STATE / "ready").unlink(missing_ok=True)
    recorded = _recorded()
    first = ("kubelet", "kube-proxy", "coredns", "docker-registry")
    for name in first:
        _ended([pid for pid, program in recorded if program == name])
    _pods_removed()
    _ended([pid for pid, program in recorded if program not in first])
    _ended(_shims())
    _unmounted()
    _namespaces_removed()
    if (Path("/sys/class/net") / _BRIDGE).exists():
        subprocess.run(["ip", "link", "delete", _BRIDGE], check=False)
    _tables_cleared()
    shutil.rmtree(STATE, ignore_errors=True)


def left() -> list[str]:
    """What of a cluster is still on this machine after its end: processes, mounts, networks, rules."""
    leftovers = [f"process {pid} {name}" for pid, name in _recorded()] + [f"shim {pid}" for pid in _shims()]
    leftovers += [line for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines() if str(STATE) in line]
    networks = [("link", (Path("/sys/class/net") / _BRIDGE).exists()), ("state", STATE.exists())]
    leftovers += [name for name, exists in networks if exists]
    spaces = subprocess.run(["ip", "netns", "list"], check=False, capture_output=True, text=True).stdout
    rules = subprocess.run(["iptables-save"], check=False, capture_output=True, text=True).stdout
    return leftovers + [
        line for line in (spaces + rules).splitlines() if line.startswith("cni-") or "KUBE-" in line or "CNI-" in line
    ]


def restart() -> None:
    """What a loss of power does: every process of the cluster and of its pods dies at once, disks stay, and it starts again."""
    _killed([pid for pid, name in _recorded() if name != "containerd"])
    _pods_removed()
    _killed([*(pid for pid, _ in _recorded()), *_shims()])
    _unmounted()
    _namespaces_removed()
    _tables_cleared()
    (STATE / "processes").unlink()
    (STATE / "containerd.sock").unlink()
    shutil.rmtree(STATE / "containerd-state", ignore_errors=True)
    built = programs.folder()
    _control_plane(built)
    _node(built)


@contextlib.contextmanager
def without(program: str) -> Iterator[None]:
    """One of the node's programs is dead meanwhile: the registry."""
    commands = {"docker-registry": ("serve", str(STATE / "registry.yaml"))}
    _killed([pid for pid, name in _recorded() if name == program])
    try:
        yield
    finally:
        _started(Path(shutil.which(program) or f"/usr/bin/{program}"), *commands[program])


def _killed(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while any(_alive(pid) for pid in pids):
        time.sleep(0.1)


def _written() -> list[list[str]]:
    try:
        lines = (STATE / "processes").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    return [line.split() for line in lines]


def _started_ever() -> set[str]:
    return {name for *_, name in _written()}


def _recorded() -> list[tuple[int, str]]:
    """What still runs of what was started."""
    return [(int(pid), name) for pid, born, name in _written() if _born(int(pid)) == born]


def _ended(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while any(_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        return (Path("/proc") / str(pid) / "stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _ctr(*arguments: str) -> list[str]:
    result = subprocess.run(
        ["ctr", "-a", str(STATE / "containerd.sock"), "-n", "k8s.io", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return result.stdout.split()


def _pods_removed() -> None:
    """While containerd still lives, let it end what it started."""
    if not (STATE / "containerd.sock").exists():
        return
    for task in _ctr("tasks", "ls", "-q"):
        _ctr("tasks", "kill", "-s", "SIGKILL", task)
    for task in _ctr("tasks", "ls", "-q"):
        _ctr("tasks", "rm", "-f", task)


def _shims() -> list[int]:
    pids = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                command = (process / "cmdline").read_bytes()
                if b"containerd-shim" in command and str(STATE).encode() in command:
                    pids.append(int(process.name))
    return pids


def _unmounted() -> None:
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    for point in sorted((line.split()[1] for line in lines if str(STATE) in line.split()[1]), reverse=True):
        subprocess.run(["umount", "-l", point], check=False, capture_output=True)


def _namespaces_removed() -> None:
    result = subprocess.run(["ip", "-j", "netns", "list"], check=False, capture_output=True, text=True)
    for entry in json.loads(result.stdout or "[]"):
        if str(entry.get("name", "")).startswith("cni-"):
            subprocess.run(["ip", "netns", "delete", entry["name"]], check=False, capture_output=True)


def _tables_cleared() -> None:
    """Take out the chains of kube-proxy, the kubelet and the network plugins, and the rules that jump to them."""
    for table in ("nat", "filter", "mangle"):
        result = subprocess.run(["iptables-save", "-t", table], check=False, capture_output=True, text=True)
        prefixes = ("KUBE-", "CNI-")
        rules = [
            line
            for line in result.stdout.splitlines()
            if not any(f"{mark}{name}" in line for name in prefixes for mark in (":", "-A ", "-j ", "-g "))
        ]
        if result.stdout and len(rules) != len(result.stdout.splitlines()):
            subprocess.run(["iptables-restore", "-T", table], input="\n".join(rules) + "\n", text=True, check=False)


def _said(text: str) -> None:
    sys.stderr.write(f"{text}\n")


__all__ = ["Cluster", "chosen", "down", "left", "restart", "running", "up"]
