"""The account of writers: what the source acknowledged, key by key, and what it refused."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.bench.writers import Session, Writers, missing


@dataclass
class _Source:
    """A source in memory, which refuses writers once it has a message for them."""

    refusal: str = ""
    added: Counter[int] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    enough: threading.Event = field(default_factory=threading.Event)

    def write(self, key: int) -> None:
        with self.lock:
            if self.refusal:
                raise sqlite3.IntegrityError(self.refusal)
            self.added[key] += 1
            if self.added.total() > 50:
                self.enough.set()

    def close(self) -> None:
        """Nothing to end."""

    def connect(self) -> Session:
        """Itself, for every writer."""
        return self


def _written(source: _Source, refusal: str) -> Writers:
    writers = Writers(source.connect, rows=20, rate=1_000_000, after_seconds=0.3)
    writers.start()
    assert source.enough.wait(60)
    with source.lock:
        source.refusal = refusal
    writers.finished()
    writers.stop()
    return writers


def test_every_acknowledged_write_is_counted_once() -> None:
    source = _Source()
    writers = _written(source, "landfall: the data has moved to postgresql://new/db")
    assert writers.acknowledged == source.added
    assert (writers.late, writers.errors) == (0, [])
    assert writers.refused


def test_a_source_that_accepts_writes_after_the_cutover_is_reported() -> None:
    writers = _written(_Source(), "")
    assert (writers.late > 0, writers.refused) == (True, 0)


def test_another_error_is_no_refusal() -> None:
    writers = _written(_Source(), "the disk is full")
    assert (set(writers.errors), writers.refused) == ({"the disk is full"}, 0)


def test_without_a_rate_nothing_is_written() -> None:
    source = _Source()
    writers = Writers(source.connect, rows=20, rate=0)
    writers.start()
    writers.finished()
    writers.stop()
    assert (source.added.total(), writers.longest) == (0, 0.0)


@pytest.mark.parametrize(
    ("acknowledged", "before", "target", "missing_writes"),
    [
        pytest.param({1: 2, 3: 1}, {}, {1: 2, 3: 1}, 0, id="all are there"),
        pytest.param({1: 2, 3: 1}, {1: 5}, {1: 7, 3: 1, 8: 4}, 0, id="with those of earlier writers"),
        pytest.param({1: 2, 3: 1}, {1: 5}, {1: 6}, 2, id="one of a row and a whole row are missing"),
        pytest.param({1: 2}, {}, {1: 9}, 0, id="more than were acknowledged, where an answer was lost"),
    ],
)
def test_missing_writes_are_found_by_key(
    acknowledged: dict[int, int], before: dict[int, int], target: dict[int, int], missing_writes: int
) -> None:
    assert missing(acknowledged, before, target) == missing_writes
