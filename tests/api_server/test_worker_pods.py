"""A person is in control of pods that run: limits and streams while they work, more of them, and a cancellation that waits for none."""

from __future__ import annotations

import contextlib
import os
import signal

from tests.api_server.conftest import COPIED_ROWS, namespace_of
from tests.cluster.conftest import Object, Place


def test_limits_streams_and_chunks_change_while_it_works(place: Place, documents: list[Object]) -> None:
    name = namespace_of(documents)
    place.wait("an end is foreseen", lambda: place.progress(name).get("remainingSeconds", 0) > 3)
    progress = place.get("migration", name, "shop")["status"]["progress"]
    assert progress["checkpoint"].startswith(f"{name}.item/")
    tables = {t["table"]: t for t in progress["tables"]}
    assert tables[f"{name}.item"]["state"] == "Copying"
    assert 0 < tables[f"{name}.item"]["rows"] < COPIED_ROWS == tables[f"{name}.item"]["totalRows"]
    documents[-1]["spec"]["data"] |= {"limits": {"rowsPerSecond": 50}, "batchSize": 100}
    place.apply(*documents)
    place.wait("it has slowed down", lambda: place.progress(name).get("rowsPerSecond", 2_000) < 200)
    documents[-1]["spec"]["data"] |= {"limits": {"rowsPerSecond": 0}, "parallelism": 3, "batchSize": 500}
    place.apply(*documents)
    migration = place.until(name, "shop", "Completed", 30)  # with the limit it would have been more
    place.settled(name, COPIED_ROWS)
    assert [j for j in place.listed("jobs", name) if "-run-" in j["metadata"]["name"]][1:] == []
    final = migration["status"]["progress"]
    assert (final["percent"], final["tables"][0]["state"], final["rows"]) == (100, "Equal", COPIED_ROWS + 100)
    assert {t["table"].split(".")[-1]: (t["comparedRows"], t["correctedRows"]) for t in final["tables"]} == {
        "item": (COPIED_ROWS, 0),
        "customer": (100, 0),
    }
    assert final["cpuSeconds"] > 0
    assert final["memoryBytes"] > 2**24


def test_a_cancellation_by_force_waits_for_no_worker(place: Place, documents: list[Object]) -> None:
    """The worker is frozen, as on a node that nobody reaches: without force its word is awaited for half a minute."""
    name = namespace_of(documents)
    frozen = place.process(name, place.worker(name))
    os.kill(int(frozen.name), signal.SIGSTOP)
    try:
        documents[-1]["spec"] |= {"desiredState": "Cancelled", "cancel": {"force": True, "reason": "wrong night"}}
        place.apply(*documents)
        place.until(name, "shop", "Cancelled", 15)
        assert place.staged(name) == 0
        assert frozen.exists()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(frozen.name), signal.SIGCONT)
    place.wait("the frozen one gives up", lambda: not frozen.exists(), 60)
    assert (place.staged(name), place.rows(name)) == (0, -1)


def _helpers(place: Place, namespace: str) -> list[str]:
    names = [p["metadata"]["name"] for p in place.listed("pods", namespace) if p["status"]["phase"] == "Running"]
    return [name for name in names if "-help-" in name]


def test_more_workers_share_one_run(place: Place, documents: list[Object]) -> None:
    name = namespace_of(documents)
    # Slow enough that a pod is replaced while there is work: the Job's controller takes its time over a pod that failed.
    documents[-1]["spec"]["data"] |= {"workers": 3, "limits": {"rowsPerSecond": 50}, "batchSize": 100}
    place.apply(*documents)
    place.wait("two help", lambda: len(_helpers(place, name)) == 2, 40)
    victim = _helpers(place, name)[0]
    place.cluster.kubectl("delete", "pod", "-n", name, victim, "--force", "--grace-period=0")
    place.wait("another takes its place", lambda: len(set(_helpers(place, name)) - {victim}) == 2, 40)
    documents[-1]["spec"]["data"] |= {"workers": 1, "limits": {"rowsPerSecond": 0}}
    place.apply(*documents)
    place.until(name, "shop", "Completed")
    place.settled(name, COPIED_ROWS)
    place.wait("nobody helps", lambda: _helpers(place, name) == [])
    with place.pg.connect(name) as target:
        helped = target.execute(b"SELECT count(*),count(DISTINCT xid),sum(rows) FROM landfall.chunk").fetchone()
    assert helped == (helped[0], helped[0], COPIED_ROWS + 100)
