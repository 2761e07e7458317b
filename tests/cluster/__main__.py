"""`python -m tests.cluster up|down|test|everything`: a cluster on this machine, by kind where there is Docker; or all that is tested in the project's own, with or without what is tested on databases alone."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import kind, machine
from tests.cluster.install import INSTALLED, install

_FOLDER = Path(__file__).parent
_DATABASES, _CONFORMANCE, _API_SERVER = (_FOLDER.parent / name for name in ("integration", "conformance", "api_server"))
# What tests of apps share: GitHub, the registry, what the operator is told of providers.
_APPS = (
    "app_migrations",
    "app_refusals",
    "apps",
    "cli",
    "contracts",
    "gateway",
    "gateway_migrations",
    "joint",
    "page",
    "switching",
)
# What needs a cluster that has nothing yet.
_FIRST = ("readme",)
# Those that need no cluster.
_APART = ("images", "kstatus")
# Those that need the cluster for themselves: they restart the node, or put another operator in the place of its own.
_ALONE = ("app_faults", "faults", "astray", "campaign", "lifecycle", "namespaced", "restore")


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = (
        "start the cluster; end it and remove all of it; run the tests of this folder; run them, and those of databases beside"
    )
    parser.add_argument("verb", choices=["up", "down", "test", "everything"], help=verbs)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of pytest")
    told = parser.parse_args()
    if told.verb in {"test", "everything"}:
        sys.exit(tested(told.arguments, databases=told.verb == "everything"))
    if told.verb == "down":
        kind.down()
        machine.down()
        print("the cluster is gone")
        return
    cluster = machine.chosen()
    print(f"the cluster is up:\n  export KUBECONFIG={cluster.kubeconfig} PATH=$PATH:{cluster.programs}\n  kubectl get nodes")


def tested(arguments: Sequence[str], *, databases: bool) -> int:
    """Run all tests of this folder: those of an empty cluster beside those of an API server alone, those of apps beside the others, and then what needs the cluster for itself, beside those that need no cluster. Never more than two: more would take each other's processor."""
    every = sorted(file.stem.removeprefix("test_") for file in _FOLDER.glob("test_*.py"))
    told = {*_FIRST, *_APPS, *_ALONE, *_APART}
    assert set(every) > told, "each of them is there"
    others = [name for name in every if name not in told]
    found = machine.running()
    cluster = machine.up()
    try:
        failures = _beside([_files(_FIRST), [str(_API_SERVER)]], arguments)
        os.environ[INSTALLED] = json.dumps(install(cluster))
        failures += _beside([_files(_APPS), _files(others)], arguments)
        apart = [*_files(_APART), *([str(_CONFORMANCE), str(_DATABASES)] if databases else [])]
        failures += _beside([_files(_ALONE), apart], arguments)
    finally:
        if not found:
            machine.down()
    left = [] if found else machine.left()
    for one in left:
        print(f"left behind: {one}")
    return 1 if failures or left else 0


def _files(names: Sequence[str]) -> list[str]:
    return [str(_FOLDER / f"test_{name}.py") for name in names]


def _beside(parts: Sequence[Sequence[str]], arguments: Sequence[str]) -> int:
    """Each part in a process of its own; what it printed is shown when it has ended. How many failed."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder) / str(number) for number in range(len(parts))]
        running = []
        for part, output in zip(parts, outputs, strict=True):
            with output.open("wb") as file:
                command = [sys.executable, "-m", "pytest", "-q", *arguments, *part]
                running.append(subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT))
        failed = 0
        for process, output in zip(running, outputs, strict=True):
            failed += process.wait() != 0
            sys.stdout.write(output.read_text(encoding="utf-8", errors="replace"))
            sys.stdout.flush()
        return failed


if __name__ == "__main__":
    main()
