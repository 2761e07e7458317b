"""Where there is Docker, kind makes the cluster: its and Docker's programs are played by a script that knows their documented commands."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from tests.cluster import kind, machine

_PROGRAM = (
    f"#!{sys.executable}"
    """
import json, os, pathlib, sys
import yaml
state = pathlib.Path(os.environ["KIND_STATE"])
known = json.loads(state.read_text()) if state.exists() else {"clusters": [], "containers": [], "networks": [], "files": {}, "images": []}
name, given = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
match [name, *given]:
    case ["docker", "info"]:
        sys.exit(1 if os.environ.get("DOCKER_DOWN") else 0)
    case ["docker", "inspect", one]:
        sys.exit(0 if one in known["containers"] else 1)
    case ["docker", "run", "-d", "--restart=always", "-p", port, "--name", one, "registry:2"]:
        assert port.startswith("127.0.0.1:") and port.endswith(":5000"), port
        known["containers"].append(one)
    case ["docker", "network", "connect", "kind", one]:
        assert one in known["containers"] and known["clusters"], "the network is made with the first cluster"
        known["networks"].append(one)
    case ["docker", "exec", node, "mkdir", "-p", folder]:
        known["files"][f"{node}:{folder}"] = ""
    case ["docker", "exec", "-i", node, "cp", "/dev/stdin", path]:
        assert f"{node}:{path.rpartition('/')[0]}" in known["files"], "no such folder"
        known["files"][f"{node}:{path}"] = sys.stdin.read()
    case ["docker", "rm", "-f", one]:
        known["containers"].remove(one)
    case ["docker", "build", "-q", "-t", tag, "-f", containerfile, context]:
        assert pathlib.Path(containerfile).is_file() and pathlib.Path(context).is_dir()
        known["images"].append(tag)
    case ["docker", "save", "-o", path, tag]:
        assert tag in known["images"]
        pathlib.Path(path).write_text(tag)
    case ["kind", "get", "clusters"]:
        print("\\n".join(known["clusters"]) or "No kind clusters found.")
    case ["kind", "create", "cluster", "--name", one, "--wait", wait, "--config", "-"]:
        config = yaml.safe_load(sys.stdin.read())
        assert (config["kind"], config["apiVersion"]) == ("Cluster", "kind.x-k8s.io/v1alpha4")
        assert "config_path" in config["containerdConfigPatches"][0]
        assert one not in known["clusters"], "node(s) already exist for a cluster with the name"
        known["clusters"].append(one)
    case ["kind", "get", "kubeconfig", "--name", one]:
        assert one in known["clusters"]
        print("apiVersion: v1\\nkind: Config")
    case ["kind", "get", "nodes", "--name", one]:
        print(f"{one}-control-plane")
    case ["kind", "load", "image-archive", path, "--name", one]:
        assert pathlib.Path(path).exists() and one in known["clusters"]
        known["images"].append(path)
    case ["kind", "delete", "cluster", "--name", one]:
        known["clusters"].remove(one)
    case _:
        sys.exit(f"unknown command: {name} {given}")
state.write_text(json.dumps(known))
"""
)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The programs in front of the path; what they have done."""
    for name in ("docker", "kind", "kubectl"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(_PROGRAM, encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("KIND_STATE", str(tmp_path / "state.json"))
    monkeypatch.setattr(machine, "STATE", tmp_path / "landfall" / "cluster")
    return tmp_path / "state.json"


def test_a_cluster_by_kind_and_its_end(state: Path, tmp_path: Path) -> None:
    cluster = machine.chosen()
    assert cluster.by_kind
    assert cluster.kubeconfig.read_text(encoding="utf-8").startswith("apiVersion: v1")
    assert '"landfall-control-plane:/etc/containerd/certs.d/localhost:5001/hosts.toml"' in state.read_text(encoding="utf-8")
    machine.chosen()  # finds it
    (tmp_path / "Containerfile").touch()
    kind.build("localhost/landfall:test", tmp_path / "Containerfile", tmp_path, tmp_path / "image.tar")
    cluster.load(tmp_path / "image.tar")
    kind.down()
    assert not kind.running()
    assert "landfall-registry" not in state.read_text(encoding="utf-8").partition('"networks"')[0]


@pytest.mark.usefixtures("state")
def test_docker_that_does_not_answer_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_DOWN", "1")
    assert not kind.available()


@pytest.mark.usefixtures("state")
def test_what_a_machine_left_behind_that_was_cut_off_is_no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine.programs, "folder", lambda: tmp_path)
    machine.STATE.mkdir(parents=True)
    (machine.STATE / "ready").touch()
    born = Path("/proc/self/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[19]
    (machine.STATE / "processes").write_text(f"{os.getpid()} {born} etcd\n", encoding="ascii")
    assert machine.running()
    with (machine.STATE / "processes").open("a", encoding="ascii") as file:
        file.write(f"{os.getpid()} 1 containerd\n")  # its number was given again
    assert machine.running() is None
