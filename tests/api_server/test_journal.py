"""What workers told is in the journal afterwards, and nothing of it is a secret."""

from __future__ import annotations

import pytest

from tests.cluster.conftest import Place


def test_the_journal_tells_of_a_run(request: pytest.FixtureRequest, place: Place) -> None:
    name = place.namespace(request.node.name)
    place.databases(name, 30_000)
    place.apply(*place.move(name, name, data={"limits": {"rowsPerSecond": 10_000}, "batchSize": 1_000}))
    place.until(name, "shop", "Completed")
    lines = place.journal(f"{name}/shop")
    assert "planned 2 tables" in lines
    assert "copying" in lines
    assert "s3cret" not in lines
    samples = place.journal(f"{name}/shop", "--samples").splitlines()
    assert len(samples) > 1
    assert "of 30100 rows" in samples[-1]
    assert "30100 compared, 0 corrected" in samples[-1]
    assert samples[-1].endswith(" MiB")


def test_a_migration_may_take_its_lines_along(request: pytest.FixtureRequest, place: Place) -> None:
    name = place.namespace(request.node.name)
    place.databases(name, 100)
    place.apply(*place.move(name, name, keep={"logs": False}))
    place.until(name, "shop", "Completed")
    assert "planned 2 tables" in place.journal(f"{name}/shop")
    place.objects.delete("migration", name, "shop")
    assert "planned" not in place.journal(f"{name}/shop")
    assert "of 200 rows" in place.journal(f"{name}/shop", "--samples")


def test_a_wrong_password_is_told_without_it(request: pytest.FixtureRequest, place: Place) -> None:
    name = place.namespace(request.node.name)
    place.databases(name, 10)
    documents = place.move(name, name)
    place.apply(place.secret(name, "old", "mover", "wrong-Wort"), *documents[1:])
    place.until(name, "shop", "CredentialRefused")
    lines = place.journal(f"{name}/shop")
    assert "CredentialRefused" in lines
    assert "wrong-Wort" not in lines
    place.cluster.kubectl("delete", "namespace", name, "--timeout=300s")
