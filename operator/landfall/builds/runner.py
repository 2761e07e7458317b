"""Runs the commands of a build in the builder container: a single file that needs only Python.

It holds a lock while any of its processes can be alive, writes their output to a log of limited size, and writes the result at the end.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO

ROOT = Path(os.environ.get("LANDFALL_HANDOFF", "/handoff"))
APP = os.environ.get("LANDFALL_APP", "/app")
LAST_LINES = 40
MOST_LOG = 32 * 1024 * 1024


def main() -> int:
    """Run the commands of the plan one after the other, until one fails."""
    out, meta = ROOT / "out", ROOT / "meta"
    lock = (out / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    (out / "started").touch()
    plan = json.loads((meta / "plan.json").read_text(encoding="utf-8"))
    start = _answer("go.json")
    if start.get("stop"):
        return 0
    skipped = start.get("installed", False)
    result: dict[str, object] = {"status": 0, "command": "", "tail": []}
    seconds: dict[str, float] = {}
    with (out / "log").open("wb") as log:
        for part, commands in (("install", [] if skipped else plan["install"]), ("build", plan["build"])):
            began = time.monotonic()
            for command in commands:
                status, tail = run(command, APP, environment(), partial(say, log))
                if status:
                    result |= {"status": status, "command": command, "tail": list(tail)}
                    break
            seconds[part] = round(time.monotonic() - began, 3)
            if result["status"]:
                break
            if part == "install" and start.get("seal"):
                (out / "installed").touch()
                _answer("build.json")
    unfinished = out / "result.partial"
    unfinished.write_text(json.dumps({**result, "seconds": seconds}), encoding="utf-8")
    unfinished.rename(out / "result.json")
    return 0


def _answer(name: str) -> dict[str, object]:
    """Wait for a file of the worker. Between installation and build, it packs the packages before a build command can change them."""
    file = ROOT / "go" / name
    while not file.exists():
        time.sleep(0.02)
    return dict(json.loads(file.read_text(encoding="utf-8")))


def run(command: str, folder: str, env: Mapping[str, str], report: Callable[[str], None]) -> tuple[int, deque[str]]:
    """Run one command in a shell. Return its exit status and its last lines. Its background processes are ended with it."""
    last: deque[str] = deque(maxlen=LAST_LINES)
    report(f"$ {command}")
    process = subprocess.Popen(  # noqa: S602  build commands are shell commands of the app's owner
        command,
        shell=True,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )

    def ship() -> None:
        for raw in process.stdout or ():
            line = raw.decode("utf-8", "replace").rstrip()[:2000]
            last.append(line)
            report(line)

    reader = threading.Thread(target=ship, daemon=True)
    reader.start()
    try:
        code = process.wait()
    finally:
        end_the_rest(process.pid)
    reader.join(10)
    return (code if code >= 0 else 128 - code), last


def end_the_rest(group: int) -> None:
    """End the processes that a command left behind, which would keep its output open: all of the container, or its process group."""
    with contextlib.suppress(ProcessLookupError):
        if os.getpid() == 1:
            os.kill(-1, signal.SIGKILL)
        else:
            os.killpg(group, signal.SIGKILL)


def say(log: BinaryIO, line: str) -> None:
    """Write a line to the log file and to the container's log."""
    if log.tell() < MOST_LOG:
        log.write(line.encode("utf-8", "replace") + b"\n")
        log.flush()
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def environment() -> dict[str, str]:
    """The environment of the container, with a writable home and package managers in non-interactive mode."""
    quiet = {"npm_config_fund": "false", "npm_config_audit": "false", "npm_config_update_notifier": "false", "CI": "1"}
    home = {
        "HOME": "/home/build",
        "npm_config_cache": "/home/build/.npm",
        "UV_CACHE_DIR": "/home/build/.uv",
        "UV_LINK_MODE": "copy",
    }
    fixed = {"SOURCE_DATE_EPOCH": "315532801", "NEXT_TELEMETRY_DISABLED": "1"}
    return {**quiet, **fixed, **os.environ, **home, "PWD": APP}  # a user without a name has / as its home


if __name__ == "__main__":
    sys.exit(main())
