"""`python -m tests.cluster up|down|test|everything`: a cluster on this machine, by kind where there is Docker; or all that is tested in the project's own, with or without what is tested on databases alone."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.cluster import kind, machine
from tests.cluster.authority import ADDRESS
from tests.cluster.install import AWAY, GITHUB, GITHUB_PORT, INSTALLED, install, operator_away
from tests.support.github import GitHub
from tests.support.shared_github import SharedGitHub

_FOLDER = Path(__file__).parent
_DATABASES, _CONFORMANCE, _API_SERVER = (_FOLDER.parent / name for name in ("integration", "conformance", "api_server"))
# The files of the databases' tests that take longest. They come first, so that the last ones to end are short.
_LONG_DATABASES = ("resume_0_1", "interruptible", "command", "versions", "wide_tables", "builds", "workers", "bounded", "fence")
# What needs a cluster that has nothing yet.
_FIRST = ("readme",)
# Those that share the cluster take long at first, so that the last ones to end are short.
_LONG = ("apps", "worker_faults", "app_refusals", "examples", "joint", "campaign", "contracts", "gateway_apps")
# Those that need the cluster without its own operator: their operators run on this machine, or in some namespaces alone.
_AWAY = ("astray", "restore", "app_writes", "namespaced")
# Those that need the cluster for themselves: they restart the node, break what all others need, or count every lost request, which a
# node without a free processor loses, too: its rules for a Service are updated after the pods that they lead to are gone.
_ALONE = ("switching", "app_faults", "faults", "lifecycle", "upgrade_from_0_1")
# Those that need no cluster.
_APART = ("images", "kstatus")
# Tests of a cluster wait most of the time: so many at a time keep two processors busy, and no more is gained by more.
_SHARING, _SHARING_AWAY = 4, 3


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = (
        "start the cluster; end it and remove all of it; run the tests of this folder; run them, and those of databases beside"
    )
    parser.add_argument("verb", choices=["up", "down", "test", "everything"], help=verbs)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of pytest")
    arguments = parser.parse_args()
    if arguments.verb in {"test", "everything"}:
        sys.exit(tested(arguments.arguments, databases=arguments.verb == "everything"))
    if arguments.verb == "down":
        kind.down()
        machine.down()
        print("the cluster is gone")
        return
    cluster = machine.chosen()
    print(f"the cluster is up:\n  export KUBECONFIG={cluster.kubeconfig} PATH=$PATH:{cluster.programs}\n  kubectl get nodes")


def tested(arguments: Sequence[str], *, databases: bool) -> int:
    """Run all tests of this folder, and beside them, with what they leave of the processors, those that need no cluster; 1 if one failed.

    The order is that of what they need: an empty cluster; the cluster with others; the cluster without its operator; the cluster alone.
    """
    every = sorted(file.stem.removeprefix("test_") for file in _FOLDER.glob("test_*.py"))
    named_files = {*_FIRST, *_LONG, *_AWAY, *_ALONE, *_APART}
    assert set(every) > named_files, "each of them is there"
    shared = [*_LONG, *(name for name in every if name not in named_files)]
    without_cluster = [*_files(_APART), *(_database_files() if databases else [])]
    groups = [_Group(3, [str(_API_SERVER)]), _Group(10, without_cluster, processes=2)]
    was_running = machine.running()
    cluster = machine.up()
    try:
        with _run_aside(groups, arguments) as exit_status:
            failures = [_run(_files(_FIRST), arguments)]
            os.environ[INSTALLED] = json.dumps(install(cluster))
            with GitHub(ADDRESS, GITHUB_PORT) as github, SharedGitHub(github) as joined:
                os.environ[GITHUB] = joined.address
                failures.append(_run(_files(shared), arguments, _SHARING))
                with operator_away(cluster):
                    os.environ[AWAY] = "yes"
                    failures.append(_run(_files(_AWAY), arguments, _SHARING_AWAY))
                    del os.environ[AWAY]
                failures.append(_run(_files(_ALONE), arguments))
            failures.append(exit_status())
    finally:
        if not was_running:
            machine.down()
    leftovers = [] if was_running else machine.left()
    for leftover in leftovers:
        print(f"left behind: {leftover}")
    return 1 if any(failures) or leftovers else 0


@dataclass(frozen=True, slots=True)
class _Group:
    """Files of tests that run beside the cluster's, with their niceness. `processes`: how many of pytest-xdist, 0 for none."""

    nice: int
    files: Sequence[str]
    processes: int = 0


def _database_files() -> list[str]:
    """The tests that need databases and nothing else, the longest files first."""
    longest = [_DATABASES / f"test_{name}.py" for name in _LONG_DATABASES]
    every = sorted(_DATABASES.glob("test_*.py"))
    assert set(every) > set(longest), "each of them is there"
    return [str(file) for file in (*longest[:4], _CONFORMANCE, *longest[4:], *(file for file in every if file not in longest))]


def _files(names: Sequence[str]) -> list[str]:
    return [str(_FOLDER / f"test_{name}.py") for name in names]


def _pytest(files: Sequence[str], arguments: Sequence[str], processes: int) -> list[str]:
    """The command that runs files of tests, some of them at a time in the order given, each file in one process."""
    shared = ["-n", str(processes), "--dist", "loadfile", "--no-loadscope-reorder"] if processes else []
    return [sys.executable, "-m", "pytest", "-q", *shared, *arguments, *files]


def _run(files: Sequence[str], arguments: Sequence[str], processes: int = 0) -> int:
    """Run files of tests; pytest's exit status."""
    return subprocess.run(_pytest(files, arguments, processes), check=False).returncode


@contextlib.contextmanager
def _run_aside(groups: Sequence[_Group], arguments: Sequence[str]) -> Iterator[Callable[[], int]]:
    """Run each group beside the others, giving way to the rest. Yields a function that waits for their end, prints their output, and returns 1 if one failed."""
    with contextlib.ExitStack() as ends:
        commands = [["nice", "-n", str(one.nice), *_pytest(one.files, arguments, one.processes)] for one in groups]
        running = [ends.enter_context(_started(command)) for command in commands]

        def ended() -> int:
            failures = []
            for process, output in running:
                failures.append(process.wait())
                output.seek(0)
                sys.stdout.write(output.read().decode(errors="replace"))
                sys.stdout.flush()
            return int(any(failures))

        yield ended


@contextlib.contextmanager
def _started(command: Sequence[str]) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """A process that is terminated in the end, and the file with its output."""
    with tempfile.TemporaryFile() as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        try:
            yield process, output
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
