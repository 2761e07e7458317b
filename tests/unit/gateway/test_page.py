"""The page's files: as they are, for everybody, with a policy that lets a browser load nothing from anywhere else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from landfall.gateway import page
from landfall.gateway.views import release
from landfall.lifecycle import PHASES, Action
from tests.support.asgi import Client
from tests.support.gateway import FakeJournal, Namespace, client

_FOLDER = Path(page.__file__).parent / "files"


@pytest.fixture
def stranger() -> Client:
    """Somebody without a key."""
    stranger_client = client(Namespace(), FakeJournal())
    del stranger_client.headers["Authorization"]
    return stranger_client


@pytest.mark.parametrize(
    ("path", "name", "kind"),
    [("/", "index.html", "text/html"), ("/page.css", "page.css", "text/css"), ("/page.js", "page.js", "text/javascript")],
)
def test_a_file_is_told_once(stranger: Client, path: str, name: str, kind: str) -> None:
    answer = stranger.get(path)
    assert (answer.status, answer.body) == (200, (_FOLDER / name).read_bytes())
    assert answer.headers["content-type"].startswith(kind)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = stranger.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def test_it_is_no_part_of_the_contract(stranger: Client) -> None:
    assert not [path for path in stranger.get("/openapi.json").json()["paths"] if not path.startswith("/v1/")]
    missing = stranger.get("/v1/nothing")
    assert (missing.status, missing.json()["error"]["code"]) == (404, "not_found")
    assert stranger.get("/files/page.js").status == 404


def test_nothing_is_loaded_from_elsewhere_and_no_text_becomes_markup() -> None:
    for file in _FOLDER.iterdir():
        text = file.read_text(encoding="utf-8")
        assert not re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text), file.name
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    assert not re.findall(r"(inner|outer)HTML\s*=[^=]|insertAdjacentHTML|document\.write|eval\(|new Function", script)


def test_whatever_it_asks_for_is_a_path_of_the_gateway(stranger: Client) -> None:
    described_paths = [re.sub(r"\{\w+\}", "X", path) for path in stranger.get("/openapi.json").json()["paths"]]
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    requested_paths = re.findall(r"[`\"](/v1/[^`\"?]*)", script)
    assert len(requested_paths) > 4
    for path in requested_paths:
        path_pattern = re.sub(r"\$\{[^}]*\}", "", re.sub(r"\$\{encodeURIComponent\([^)]*\)\}", "X", path))
        assert path_pattern in described_paths, path
    verbs = set(re.findall(r"\$\{path\}/(\w+)", script))
    assert verbs <= {path.split("/")[4] for path in described_paths if path.startswith("/v1/migrations/X/")}


def test_which_button_is_shown_is_decided_by_the_gateway() -> None:
    """No status decides in the script what may be done: it shows a button for each of `allowed_actions` that it knows."""
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    statuses = {row.status for row in PHASES.values()} | set(get_args(release.Status))
    assert re.findall(r"includes\(\w+\.status\)|told\.status [!=]== ", script) == []
    quoted = set(re.findall(r'"(\w+)"', script))
    assert quoted & statuses == {"running", "approved"}, "of a phase in progress, and of a mapping that needs no decision"
    controls = set(re.findall(r"^  (\w+): \[", script[script.index("const CONTROLS") :], re.MULTILINE))
    assert controls == set(Action) - {Action.APPROVE, Action.DELETE}
    assert script.count("allowed_actions.includes(") == 2, "the migration's and the release's"
