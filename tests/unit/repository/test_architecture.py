"""The pictures of docs/contribute/architecture.md against the source tree and the import contracts."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "operator" / "landfall"
PAGE = (ROOT / "docs" / "contribute" / "architecture.md").read_text(encoding="utf-8")
_CONTRACTS = {
    contract["containers"][0]: contract["layers"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    if contract["type"] == "layers"
}


def _picture(container: str) -> list[set[str]]:
    picture = re.search(rf"```text\n{re.escape(container)}\n(.*?)```", PAGE, re.DOTALL)
    assert picture, f"no picture of {container}"
    return [set(line[2:44].split("   ")[0].split()) for line in picture.group(1).splitlines()]


@pytest.mark.parametrize("container", sorted(_CONTRACTS))
def test_a_picture_has_the_layers_of_the_import_contract(container: str) -> None:
    assert _picture(container) == [set(layer.split(" | ")) for layer in _CONTRACTS[container]]


@pytest.mark.parametrize(("container", "ignored"), [("landfall", {"__main__"}), ("landfall.engine", {"errors"})])
def test_a_picture_has_every_package(container: str, ignored: set[str]) -> None:
    folder = PACKAGE.joinpath(*container.split(".")[1:])
    modules = {p.stem for p in folder.glob("*.py")} | {p.parent.name for p in folder.glob("*/__init__.py")}
    assert set().union(*_picture(container)) == modules - {"__init__"} - ignored


def test_named_modules_exist() -> None:
    modules = re.findall(r"`landfall/([a-z_/]+\.py)`", PAGE)
    assert modules
    assert [name for name in modules if not (PACKAGE / name).exists()] == []
