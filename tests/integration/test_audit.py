"""The audit of what the image is made of fails on a known vulnerability, and never passes in silence. Contract: OSV's `POST /v1/query`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.faults import REPOSITORY
from tests.support.quiet import Listening, QuietHandler

_LOCKED = (REPOSITORY / "requirements" / "operator.txt").read_text(encoding="utf-8")
_VERSION = next(line.split("==")[1].split()[0] for line in _LOCKED.splitlines() if line.startswith("pyyaml=="))
_KNOWN: dict[str, Any] = {
    "id": "PYSEC-2099-1",
    "published": "2099-01-01T00:00:00Z",
    "details": "It opens the door.",
    "affected": [
        {
            "package": {"name": "pyyaml", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
        }
    ],
}


class _Osv(Listening):
    """An advisory database; `vulnerable` is the one package that it knows something against."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.url = f"http://127.0.0.1:{self.ports[0]}/v1/query"
        self.vulnerable = ""
        self.asked: list[str] = []


class _Handler(QuietHandler):
    service: _Osv

    def handled(self) -> None:
        """What is known of one version of one package."""
        query = json.loads(self.body())
        assert (self.command, query["package"]["ecosystem"]) == ("POST", "PyPI")
        self.service.asked.append(query["package"]["name"])
        hit = query["package"]["name"] == self.service.vulnerable and query["version"] == _VERSION
        self.answer(200, json.dumps({"vulns": [_KNOWN]} if hit else {}).encode(), {"Content-Type": "application/json"})


@pytest.fixture
def osv() -> Iterator[_Osv]:
    """One that knows nothing yet."""
    with _Osv() as fake_osv:
        yield fake_osv


def _audit(url: str, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.support.audit", *more]
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={"LANDFALL_OSV_URL": url, "PATH": "/usr/bin:/bin"},
    )


def test_all_that_is_locked_is_asked_for(osv: _Osv) -> None:
    result = _audit(osv.url, "--strict")
    assert (result.returncode, result.stderr) == (0, "")
    locked = {line.split("==")[0] for line in _LOCKED.splitlines() if "==" in line and "win32" not in line}
    assert locked - set(osv.asked) <= {"pywin32", "colorama"}, "what other systems alone have"
    assert f"{len(set(osv.asked))} packages" in result.stdout


def test_a_known_vulnerability_fails_it_and_is_named(osv: _Osv) -> None:
    osv.vulnerable = "pyyaml"
    result = _audit(osv.url)
    assert result.returncode == 1
    assert f"pyyaml {_VERSION}: PYSEC-2099-1, mended by 99.1" in result.stderr


def test_where_nobody_can_be_asked_it_says_so_and_strictly_fails() -> None:
    result = _audit("http://127.0.0.1:9/v1/query")
    assert (result.returncode, result.stdout) == (0, "")
    assert "NOT AUDITED" in result.stderr
    assert _audit("http://127.0.0.1:9/v1/query", "--strict").returncode == 1
