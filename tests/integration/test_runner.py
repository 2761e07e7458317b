"""What runs a build's commands: their order, what of them is told, and what they leave behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from landfall.builds import runner
from landfall.builds.pod_protocol import Places, is_free, put


def _ran(folder: Path, install: list[str], build: list[str], word: dict[str, Any]) -> dict[str, Any]:
    """Run as the container does; the result, or nothing where none was left."""
    for name in ("meta", "go", "out", "app"):
        (folder / name).mkdir()
    places = Places(folder)
    put(places.plan, {"install": install, "build": build})
    put(places.go, word)
    env = {**os.environ, "LANDFALL_HANDOFF": str(folder), "LANDFALL_APP": str(folder / "app")}
    subprocess.run([sys.executable, "-I", runner.__file__], env=env, check=True, timeout=300, stdout=subprocess.DEVNULL)
    assert is_free(places.lock)
    return dict(json.loads(places.result.read_text())) if places.result.exists() else {}


def test_the_first_failure_ends_it_with_its_last_lines(tmp_path: Path) -> None:
    told = _ran(tmp_path, ["echo one > a"], ["cat a; echo two >&2; exit 7", "touch never"], {})
    assert (told["status"], told["command"], told["tail"]) == (7, "cat a; echo two >&2; exit 7", ["one", "two"])
    assert not (tmp_path / "app" / "never").exists()
    assert (tmp_path / "out" / "log").read_text().splitlines() == [
        "$ echo one > a",
        "$ cat a; echo two >&2; exit 7",
        "one",
        "two",
    ]


def test_packages_that_are_there_are_not_installed(tmp_path: Path) -> None:
    told = _ran(tmp_path, ["touch installed"], ["touch built"], {"installed": True})
    assert told["status"] == 0
    assert sorted(p.name for p in (tmp_path / "app").iterdir()) == ["built"]


def test_no_build_command_runs_before_the_packages_are_sealed(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def seal() -> None:
        places = Places(tmp_path)
        while not places.installed.exists():
            time.sleep(0.01)
        time.sleep(0.2)
        seen.append(sorted(p.name for p in (tmp_path / "app").iterdir()))
        put(places.go_build, {})

    worker = threading.Thread(target=seal, daemon=True)
    worker.start()
    result = _ran(tmp_path, ["touch packages; (sleep 0.1; touch late) &"], ["touch built"], {"seal": True})
    worker.join(60)
    assert not worker.is_alive()
    assert result["status"] == 0
    assert seen == [["packages"]], "neither a build command nor what an installation left running"
    assert sorted(p.name for p in (tmp_path / "app").iterdir()) == ["built", "packages"]


def test_nothing_runs_when_nobody_waits(tmp_path: Path) -> None:
    assert _ran(tmp_path, ["touch installed"], [], {"stop": True}) == {}
    assert not (tmp_path / "app" / "installed").exists()


def test_what_a_command_leaves_running_ends_with_it(tmp_path: Path) -> None:
    told = _ran(tmp_path, [], ["sleep 600 & echo $! > pid; echo done"], {})
    assert told["tail"] == []
    pid = int((tmp_path / "app" / "pid").read_text())
    assert not Path(f"/proc/{pid}").exists() or "State:\tZ" in Path(f"/proc/{pid}/status").read_text()


def test_a_command_that_is_killed_is_told_as_a_shell_tells_it(tmp_path: Path) -> None:
    assert _ran(tmp_path, [], ["kill -9 $$"], {})["status"] == 137
