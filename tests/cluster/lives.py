"""What may happen to a Migration in its life, each with its end, which is the same whatever goes wrong on the way: the workloads of the faults."""

from __future__ import annotations

from collections.abc import Callable

from tests.cluster.app_lives import APP_LIVES, gone
from tests.cluster.conftest import Object, Place

_ROWS = 5_000
_SLOW = {"limits": {"rowsPerSecond": 250}, "batchSize": 250, "parallelism": 1}  # who looks at it may be told late
Life = Callable[[Place, str], None]
_PATIENCE_SECONDS = 60


def _moved(place: Place, name: str) -> None:
    """Copied, compared, cut over."""
    place.databases(name, _ROWS)
    place.apply(*place.move(name, name))
    _complete(place, name)


def _approved(place: Place, name: str) -> None:
    """Its plan waits for a person's word, and gets it."""
    place.databases(name, _ROWS)
    zero = "ALTER TABLE item ADD COLUMN seen DATETIME; SET sql_mode=''; UPDATE item SET seen='0000-00-00' WHERE id=7"
    place.maria.sql(zero, name)
    documents = place.move(name, name)
    place.apply(*documents)
    waiting = place.until(name, "shop", "ApprovalRequired", _PATIENCE_SECONDS)
    documents[-1]["spec"]["data"]["approval"] = {"planDigest": waiting["status"]["plan"]["digest"]}
    place.apply(*documents)
    _complete(place, name, verdicts=frozenset({"equal", "equal_with_policies"}))


def _paused(place: Place, name: str) -> None:
    """Held in the middle of its copy, and let go on."""
    documents = _begun(place, name)
    documents[-1]["spec"]["desiredState"] = "Paused"
    place.apply(*documents)
    place.wait("it is paused", lambda: _phase(place, name) == "Paused", _PATIENCE_SECONDS)
    assert place.rows(name) == -1
    documents[-1]["spec"]["desiredState"] = "Completed"
    documents[-1]["spec"]["data"]["limits"] = {"rowsPerSecond": 0}
    place.apply(*documents)
    _complete(place, name)


def _edited(place: Place, name: str) -> None:
    """What may change while it works changes."""
    documents = _begun(place, name)
    documents[-1]["spec"]["data"] |= {"parallelism": 3, "limits": {"rowsPerSecond": 0}}
    place.apply(*documents)
    _complete(place, name)


def _rolled_back(place: Place, name: str) -> None:
    """Cut over, and taken back."""
    place.databases(name, _ROWS)
    documents = place.move(name, name)
    place.apply(*documents)
    _complete(place, name)
    documents[-1]["spec"]["desiredState"] = "RolledBack"
    place.apply(*documents)
    place.until(name, "shop", "RolledBack", _PATIENCE_SECONDS)
    place.wait("its workers have ended", lambda: place.active(name, probes=True) == [], 60)
    assert place.rows(name) == -1
    with place.pg.connect(name) as target:
        assert target.execute(b"SELECT state FROM landfall.run").fetchall() == [("rolled_back",)]


def _cancelled(place: Place, name: str) -> None:
    """Given up in the middle of its copy."""
    documents = _begun(place, name)
    documents[-1]["spec"]["desiredState"] = "Cancelled"
    place.apply(*documents)
    place.until(name, "shop", "Cancelled", _PATIENCE_SECONDS)
    assert place.rows(name) == -1
    _nothing_staged(place, name)


def _deleted(place: Place, name: str) -> None:
    """Deleted in the middle of its copy."""
    _begun(place, name)
    _gone(place, name)
    assert place.rows(name) == -1
    _nothing_staged(place, name)


LIVES: dict[str, Life] = {
    "moved": _moved,
    "approved": _approved,
    "paused": _paused,
    "edited": _edited,
    "rolled-back": _rolled_back,
    "cancelled": _cancelled,
    "deleted": _deleted,
}


def lived(place: Place, life: str, name: str) -> None:
    """One of them to its end; then nothing more is written, once the last word of a worker has come, however late; and deleting it leaves nothing."""
    {**LIVES, **APP_LIVES}[life](place, name)
    place.wait("nothing more is written", lambda: not place.written([name], 5), _PATIENCE_SECONDS)
    if place.get("migration", name, "shop"):
        _gone(place, name)
    if place.listed("appdeployments", name):
        gone(place, name)


def _begun(place: Place, name: str) -> list[Object]:
    place.databases(name, _ROWS)
    documents = place.move(name, name, data=_SLOW)
    place.apply(*documents)
    place.arriving(name, _PATIENCE_SECONDS)
    return documents


def _complete(place: Place, name: str, verdicts: frozenset[str | None] = frozenset({"equal"})) -> None:
    place.until(name, "shop", "Completed", _PATIENCE_SECONDS)
    place.settled(name, _ROWS, verdicts)


def _phase(place: Place, name: str) -> str:
    return str(place.get("migration", name, "shop").get("status", {}).get("phase", ""))


def _nothing_staged(place: Place, name: str) -> None:
    with place.pg.connect(name) as target:
        assert target.execute(b"SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'landfall_stage%'").fetchone() == (0,)


def _gone(place: Place, name: str) -> None:
    place.objects.delete("migration", name, "shop")
    place.wait("nothing is left over", lambda: not place.listed("runs", name) and not place.workers(name), 60)
