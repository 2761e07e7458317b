"""Every folder of examples/ runs, as its README says."""

from __future__ import annotations

import io
from pathlib import Path

from examples.shop import write_mariadb, write_sqlite
from tests.integration.test_command import landfall
from tests.support.faults import REPOSITORY
from tests.support.servers import MariaDb, PostgreSql

STORIES = {"shop-from-sqlite", "shop-from-mariadb"}
IN_CLUSTER = {"shop-in-cluster", "shop-by-night"}  # needs one; tests/cluster/test_examples.py applies all of them
_SCALE = 0.05


def test_every_example_is_known_here() -> None:
    assert {p.name for p in (REPOSITORY / "examples").iterdir() if p.is_dir() and p.name != "__pycache__"} == STORIES | IN_CLUSTER


def _copied(story: str, tmp_path: Path) -> Path:
    for manifest in (REPOSITORY / "examples" / story).glob("*.yaml"):
        (tmp_path / manifest.name).write_text(manifest.read_text())
    return tmp_path


def _both_ways(folder: Path, pg15: PostgreSql, name: str, env: dict[str, str]) -> None:
    before = pg15.dump(pg15.database(name))
    env["LANDFALL_SECRET_WAREHOUSE_URL"] = f"postgresql://postgres@127.0.0.1:{pg15.port}/{name}"
    assert landfall("plan", folder, env=env).returncode == 3
    assert landfall("run", folder, env=env).returncode == 3
    done = landfall("run", "--yes", folder, env=env)
    assert done.returncode == 0, done.stderr
    assert "verdict: equal" in done.stdout
    assert landfall("rollback", folder, env=env).returncode == 0
    assert pg15.dump(name) == before


def test_the_shop_from_sqlite(pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    write_sqlite(tmp_path / "shop.db", scale=_SCALE)
    _both_ways(_copied("shop-from-sqlite", tmp_path), pg15, fresh, {})


def test_the_shop_from_mariadb(maria: MariaDb, pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    text = io.StringIO()
    write_mariadb(text, scale=_SCALE)
    maria.sql(text.getvalue(), maria.database("shop"))
    env = {"LANDFALL_SECRET_SHOP_MARIADB_URL": f"mysql://root@127.0.0.1:{maria.port}/shop"}
    maria.sql("CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY ''; GRANT ALL ON *.* TO root@'127.0.0.1'")
    _both_ways(_copied("shop-from-mariadb", tmp_path), pg15, fresh, env)
