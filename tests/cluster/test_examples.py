"""The example that is told in a cluster: what `make demo` does, with a small shop."""

from __future__ import annotations

import json

from tests.cluster import demo
from tests.cluster.conftest import Place

_SCALE = 0.02


def test_the_shop_in_a_cluster(place: Place) -> None:
    cluster = place.cluster
    demo.databases(cluster, _SCALE)
    done = demo.story(cluster)
    assert (done["status"]["phase"], done["status"]["verdict"]) == ("Completed", "equal")
    query = "SELECT (SELECT count(*) FROM customers),(SELECT count(*) FROM information_schema.tables WHERE table_schema='public' AND table_type='BASE TABLE')"
    told = cluster.kubectl(
        *("exec", "-n", demo.SPACE, "deployment/warehouse", "--", "env", "PGPASSWORD=change-me-in-earnest"),
        *("psql", "-h", "127.0.0.1", "-U", "warehouse", "-Atc", query),
    )
    customers, tables = told.strip().split("|")
    assert int(customers) > 0
    assert int(tables) == done["status"]["plan"]["tables"] == 12
    change = {"spec": {"desiredState": "RolledBack"}}
    cluster.kubectl("patch", "migration", "-n", demo.SPACE, "shop", "--type", "merge", "-p", json.dumps(change))
    place.until(demo.SPACE, "shop", "RolledBack")
    cluster.kubectl("delete", "namespace", demo.SPACE, "--timeout=90s")
