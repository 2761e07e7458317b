"""What an engine declares of its classes of objects is complete, and a test shows each line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from landfall.engine.model.object_class import Fate
from landfall.engine.sources.postgresql.unmoved import CLASSES
from landfall.engine.sources.registry import engines

_ROOT = Path(__file__).parents[4]
_DECLARED = [(engine.name, one) for engine in engines().values() for one in engine.object_classes]


def test_the_engines_of_this_repository_declare_their_classes() -> None:
    assert {name for name, _ in _DECLARED} >= {"MariaDB", "MySQL", "PostgreSQL", "SQLite"}


@pytest.mark.parametrize(
    ("engine", "declared"), _DECLARED, ids=lambda value: value if isinstance(value, str) else value.name or value.fate
)
def test_a_test_shows_each_line(engine: str, declared: object) -> None:
    object_class = next(c for name, c in _DECLARED if name == engine and c is declared)
    if object_class.fate in {Fate.PART, Fate.SERVER}:
        assert (object_class.name, object_class.shown_by) == ("", "")
        return
    file, _, function = object_class.shown_by.partition("::")
    assert re.search(rf"^def {function}\(", (_ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), object_class.shown_by


def test_each_class_of_a_catalog_has_one_line() -> None:
    for name in {name for name, _ in _DECLARED}:
        catalogs = [c for engine, declared in _DECLARED if engine == name for c in declared.catalogs]
        assert len(catalogs) == len(set(catalogs))
    assert CLASSES["pg_operator"].name == "operator"
    assert CLASSES["pg_class"].fate is Fate.CARRIED
