"""The journal on both of its databases: what is told twice is kept once, and where it is down nobody waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from landfall.journal.settings import JournalSettings
from landfall.journal.show import main as show
from landfall.journal.store import Journal, LineFilter, LogSource, Sample, StoredLine
from landfall.journal.tables import METADATA
from landfall.journal.writer import JournalWriter
from tests.support.servers import PostgreSql

_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_WHO = LogSource("store", "Migration", "shop", "shop-1-run-1", "11111111-1111-1111-1111-111111111111")


def _line(number: int, at: datetime = _NOW) -> StoredLine:
    return StoredLine(number, at, "info", "copying", f"line {number}")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, pg15: PostgreSql, fresh: str) -> Iterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/journal.db"
        return
    pg15.database(fresh)
    yield f"postgresql://postgres@127.0.0.1:{pg15.port}/{fresh}"


def test_what_is_told_twice_is_kept_once(url: str) -> None:
    journal = Journal(url)
    journal.prepare()
    journal.prepare()
    sample = Sample(4, _NOW, 50, 5, 10, 500, 5, 0, 3, 1, 2, 2**31)
    journal.append(_WHO, [_line(0), _line(1)], [sample])
    journal.append(_WHO, [_line(1), _line(2)], [sample])
    found = journal.lines("store", "Migration", "shop")
    assert [line for _, line in found] == [_line(0), _line(1), _line(2)]
    assert journal.samples("store", "Migration", "shop") == [sample]
    behind = journal.lines("store", "Migration", "shop", LineFilter(after=found[0][0], limit=1))
    assert [line for _, line in behind] == [_line(1)]
    assert not journal.lines("store", "Migration", "other")
    journal.close()


@pytest.mark.parametrize(
    ("chosen", "numbers"),
    [
        (LineFilter(), [0, 1, 2, 3]),
        (LineFilter(limit=2), [0, 1]),
        (LineFilter(limit=2, newest=True), [2, 3]),
        (LineFilter(levels=("warning", "error")), [2, 3]),
        (LineFilter(phases=("plan",)), [0]),
        (LineFilter(since=_NOW + timedelta(minutes=2)), [2, 3]),
        (LineFilter(since=(_NOW + timedelta(minutes=3)).astimezone(timezone(timedelta(hours=9)))), [3]),
        (LineFilter(job="shop-1-run-", levels=("error",), newest=True, limit=1), [3]),
        (LineFilter(job="other"), []),
    ],
)
def test_lines_are_chosen(url: str, chosen: LineFilter, numbers: list[int]) -> None:
    journal = Journal(url)
    journal.prepare()
    told = [("info", "plan"), ("info", "copying"), ("warning", "copying"), ("error", "copying")]
    lines = [StoredLine(n, _NOW + timedelta(minutes=n), level, phase, "x") for n, (level, phase) in enumerate(told)]
    journal.append(_WHO, lines)
    assert [line.number for _, line in journal.lines("store", "Migration", "shop", chosen)] == numbers
    journal.close()


@pytest.mark.parametrize(("lines", "samples"), [(True, False), (False, True), (True, True)])
def test_what_one_object_told_is_forgotten(url: str, lines: bool, samples: bool) -> None:  # noqa: FBT001
    journal = Journal(url)
    journal.prepare()
    other = replace(_WHO, name="other", pod="22222222-2222-2222-2222-222222222222")
    for who in (_WHO, other):
        journal.append(who, [_line(0), _line(1)], [Sample(4, _NOW, 50, 5, 10, 500, 5, 0)])
    assert journal.delete("store", "Migration", "shop", lines=lines, samples=samples) == 2 * lines + samples
    left = {
        n: (len(journal.lines("store", "Migration", n)), len(journal.samples("store", "Migration", n))) for n in ("shop", "other")
    }
    assert left == {"shop": (0 if lines else 2, 0 if samples else 1), "other": (2, 1)}
    journal.close()


def test_the_old_and_the_many_are_forgotten(url: str) -> None:
    journal = Journal(url)
    journal.prepare()
    journal.append(_WHO, [_line(n, _NOW - timedelta(days=40 - n)) for n in range(20)])
    assert journal.expire(_NOW - timedelta(days=30), most=100) == 10
    assert journal.expire(_NOW - timedelta(days=30), most=4) == 6
    assert [line.number for _, line in journal.lines("store", "Migration", "shop")] == [16, 17, 18, 19]
    journal.close()


def test_lines_of_some_jobs_and_the_operator_s_own(url: str) -> None:
    journal = Journal(url)
    journal.prepare()
    for job, pod in (("shop-1-build-1", "a"), ("shop-10-build-1", "b"), ("shop_1-build-1", "c")):
        journal.append(replace(_WHO, kind="Deployment", job=job, pod=pod), [_line(1)])
    assert len(journal.lines("store", "Deployment", "shop", LineFilter(job="shop-1-build-"))) == 1
    keeper = JournalWriter(journal, 30, 1000, lambda: _NOW)
    raw = {"kind": "Migration", "metadata": {"namespace": "store", "name": "shop", "uid": "u"}}

    async def told() -> None:
        for message in ("building shop-1", "building shop-1", "shop-1 is live"):
            assert await keeper.note(raw, "info", "app", message)

    asyncio.run(told())
    assert [line.message for _, line in journal.lines("store", "Migration", "shop")] == ["building shop-1", "shop-1 is live"]
    journal.close()


def test_the_migrations_make_the_tables(url: str) -> None:
    journal = Journal(url)
    journal.prepare()
    journal.close()
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "journal_version"})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


def test_it_is_read_by_a_command(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal(url)
    journal.prepare()
    journal.append(_WHO, [_line(7)], [Sample(1, _NOW, 50, 5, 10, 500, 5, 0)])
    journal.close()
    assert show(["store/shop"], JournalSettings(journal_url=url)) == 0
    assert capsys.readouterr().out == "2026-03-01T12:00:00Z info    copying   line 7\n"
    assert show(["store/shop", "--samples"], JournalSettings(journal_url=url)) == 0
    assert "5 of 10 rows" in capsys.readouterr().out
    assert show(["store/none"], JournalSettings(journal_url=url)) == 1


def test_a_journal_that_was_not_begun_has_nothing(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert show(["store/shop", "--samples"], JournalSettings(journal_url=url)) == 1
    assert capsys.readouterr().err == "the journal has no lines of Migration store/shop\n"


def test_a_journal_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show(["store/shop"], JournalSettings(journal_url=f"sqlite:///{tmp_path}/none/journal.db")) == 1
    assert "the journal cannot be read" in capsys.readouterr().err


def test_a_journal_that_is_down_is_not_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    journal = Journal(f"sqlite:///{folder}/journal.db")

    async def told() -> list[bool]:
        keeper = JournalWriter(journal, 30, 1000, lambda: _NOW, rest_seconds=0.2)
        found = [await keeper.append(_WHO, [_line(0)], []), await keeper.append(_WHO, [_line(0)], [])]
        folder.mkdir()
        await asyncio.sleep(0.3)
        return [*found, await keeper.append(_WHO, [_line(0)], [])]

    began = time.monotonic()
    assert asyncio.run(told()) == [False, False, True]
    assert time.monotonic() - began < 20
    journal.close()


def test_a_journal_that_hangs_is_not_waited_for(pg15: PostgreSql, fresh: str) -> None:
    pg15.database(fresh)
    journal = Journal(f"postgresql://postgres@127.0.0.1:{pg15.port}/{fresh}")
    journal.prepare()

    async def told() -> list[bool]:
        keeper = JournalWriter(journal, 30, 1000, lambda: _NOW, rest_seconds=0.2, patience_seconds=3)
        assert await keeper.append(_WHO, [_line(0)], [])
        with pg15.connect(fresh) as blocker:
            blocker.autocommit = False
            blocker.execute(b"LOCK TABLE line")
            found = [await keeper.append(_WHO, [_line(1)], []), await keeper.append(_WHO, [_line(1)], [])]
            blocker.rollback()
        async with asyncio.timeout(60):
            while not await keeper.append(_WHO, [_line(1)], []):
                await asyncio.sleep(0.1)
        return found

    assert asyncio.run(told()) == [False, False]
    assert [line.number for _, line in journal.lines("store", "Migration", "shop")] == [0, 1]
    journal.close()


def test_an_address_of_another_database_is_refused() -> None:
    with pytest.raises(ValueError, match="SQLite or PostgreSQL"):
        Journal("mysql://h/d")
