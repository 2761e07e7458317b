"""Every folder of examples/ runs, as its README says."""

from __future__ import annotations

import io
from pathlib import Path

from examples.shop import write_mariadb, write_sqlite
from tests.integration.test_command import landfall
from tests.support.faults import REPOSITORY
from tests.support.servers import MariaDb, PostgreSql

STORIES = {"shop-from-sqlite", "shop-from-mariadb", "shop-into-existing"}
APPS = {"app-node-express", "app-python-fastapi", "app-react-vite", "app-nextjs"}
IN_CLUSTER = {"shop-in-cluster", "shop-by-night", "gitops", *APPS}  # needs one; tests/cluster applies all of them
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
    result = landfall("run", "--yes", folder, env=env)
    assert result.returncode == 0, result.stderr
    assert "verification: equal" in result.stdout
    assert landfall("rollback", folder, env=env).returncode == 0
    assert pg15.dump(name) == before


def test_the_shop_from_sqlite(pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    write_sqlite(tmp_path / "shop.db", scale=_SCALE)
    _both_ways(_copied("shop-from-sqlite", tmp_path), pg15, fresh, {})


def test_the_shop_from_mariadb(maria: MariaDb, pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    _both_ways(_copied("shop-from-mariadb", tmp_path), pg15, fresh, _shop_in(maria))


def _shop_in(maria: MariaDb) -> dict[str, str]:
    """The shop, and the environment that leads to it."""
    text = io.StringIO()
    write_mariadb(text, scale=_SCALE)
    maria.sql(text.getvalue(), maria.database("shop"))
    maria.sql("CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY ''; GRANT ALL ON *.* TO root@'127.0.0.1'")
    return {"LANDFALL_SECRET_SHOP_MARIADB_URL": f"mysql://root@127.0.0.1:{maria.port}/shop"}


def test_the_shop_into_existing(maria: MariaDb, pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    """What is not sure is proposed; with the decisions that are committed beside it, it runs unasked."""
    env = {**_shop_in(maria), "LANDFALL_SECRET_WAREHOUSE_URL": f"postgresql://postgres@127.0.0.1:{pg15.port}/{fresh}"}
    with pg15.connect(pg15.database(fresh)) as target:
        target.execute((REPOSITORY / "examples" / "shop-into-existing" / "schema.sql").read_bytes())
    before, folder = pg15.dump(fresh), _copied("shop-into-existing", tmp_path)
    decisions = (folder / "decisions.yaml").read_text()
    (folder / "decisions.yaml").unlink()
    refused = landfall("run", folder, env=env)
    assert refused.returncode == 1
    assert "no column of" in refused.stderr
    (folder / "decisions.yaml").write_text(decisions)
    result = landfall("run", folder, env=env)
    assert result.returncode == 0, result.stderr
    assert "verification: equal" in result.stdout
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT count(DISTINCT locale),count(*)>1000 FROM customer").fetchone() == (1, True)
        assert target.execute(b"SELECT count(*)>0 FROM product WHERE attributes @> '{\"size\": 100}'").fetchone() == (True,)
    assert landfall("rollback", folder, env=env).returncode == 0
    assert pg15.dump(fresh) == before
