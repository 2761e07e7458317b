"""Authorities as files: readable by this process and its forks, and gone with them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from landfall.engine.clients import ca_file
from landfall.engine.clients.ca_file import authority_file

_PROGRAM = """
import os, sys, signal
from pathlib import Path
from landfall.engine.clients.ca_file import authority_file
assert Path(authority_file("päm")).read_text(encoding="utf-8") == "päm"
if sys.argv[1] == "fork":
    child = os.fork()
    if not child:
        right = [Path(authority_file(text)).read_text(encoding="utf-8") == text for text in ("päm", "another")]
        os._exit(0 if all(right) else 1)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os.kill(os.getpid(), int(sys.argv[1]))
"""


@pytest.mark.parametrize(
    "end", ["fork", str(int(signal.SIGKILL)), str(int(signal.SIGTERM))], ids=["fork", "killed", "terminated"]
)
def test_nothing_remains_of_it_however_the_process_ends(tmp_path: Path, end: str) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run([sys.executable, "-c", _PROGRAM, end], env=environment, check=False, capture_output=True, text=True)
    assert ended.returncode == (0 if end == "fork" else -int(end)), ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_it_is_written_once_and_everyone_else_cannot_write_it() -> None:
    path = authority_file("once")
    assert path == authority_file("once")
    assert Path(path).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("error", [AttributeError, PermissionError])
def test_a_system_without_files_in_memory_has_a_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def none(*_: object) -> int:
        raise error

    monkeypatch.setattr(ca_file.os, "memfd_create", none)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = Path(authority_file.__wrapped__("on disk"))
    assert (path.parent, path.read_text(encoding="utf-8")) == (tmp_path, "on disk")
