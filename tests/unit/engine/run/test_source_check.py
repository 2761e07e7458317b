"""The check of the source's schema: when the catalog is read again, and that no change is missed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from landfall.engine.copy.run_context import Work
from landfall.engine.errors import SourceChangedError
from landfall.engine.model.catalog import Catalog
from landfall.engine.model.options import Endpoint, Options
from landfall.engine.model.plan import Plan
from landfall.engine.run.source_check import SourceCheck
from landfall.engine.sources.engine import SourceEngine
from tests.support.plans import CATALOG, ENDS, ITEM, column, planned

_AS_PLANNED = replace(CATALOG, schema_version="1")
_CHANGED = replace(ITEM, columns=(*ITEM.columns, column("More", "int(11)")))


@dataclass
class _Source:
    """A source that changes between two checks. Without a version, its engine is one that has none."""

    catalog: Catalog = _AS_PLANNED
    reads: int = 0

    def read(self, endpoint: Endpoint, options: Options) -> Catalog:
        """The whole catalog."""
        del endpoint, options
        self.reads += 1
        return self.catalog

    def schema_version(self, endpoint: Endpoint, options: Options) -> str:
        """Only its version."""
        del endpoint, options
        return self.catalog.schema_version


class _Unversioned:
    """An engine that cannot say that its schema has not changed."""


@dataclass
class _Work:
    plan: Plan = field(default_factory=planned)


def _check(source: _Source, engine: object) -> SourceCheck:
    return SourceCheck(cast("SourceEngine", engine), ENDS[0], Options(), source.read)


def test_the_catalog_is_read_once_while_its_version_stays() -> None:
    source, work = _Source(), cast("Work", _Work())
    check = _check(source, source)
    for _ in range(3):
        check(work)
    assert source.reads == 1


def test_a_version_that_means_no_change_of_the_plan_is_kept_after_one_reading() -> None:
    source, work = _Source(), cast("Work", _Work())
    check = _check(source, source)
    check(work)
    source.catalog = replace(source.catalog, schema_version="2")
    check(work)
    check(work)
    assert source.reads == 2


@pytest.mark.parametrize("version", ["2", ""])
def test_a_change_is_found_whenever_the_version_differs_or_there_is_none(version: str) -> None:
    source, work = _Source(), cast("Work", _Work())
    check = _check(source, source)
    check(work)
    source.catalog = replace(source.catalog, tables=(_CHANGED,), schema_version=version)
    for _ in range(2):  # a refused catalog is not remembered as equal
        with pytest.raises(SourceChangedError, match=r"shop\.Item"):
            check(work)
    assert source.reads == 3


def test_an_engine_without_versions_is_read_every_time() -> None:
    source, work = _Source(replace(CATALOG, schema_version="")), cast("Work", _Work())
    check = _check(source, _Unversioned())
    check(work)
    source.catalog = replace(CATALOG, tables=(_CHANGED,))
    with pytest.raises(SourceChangedError):
        check(work)
    assert source.reads == 2
