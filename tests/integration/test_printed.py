"""What the README and the examples print runs as printed: in a virtual environment, at a terminal, beside databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import REPOSITORY
from tests.support.printed import commands, person, section, typed
from tests.support.servers import MariaDb, PostgreSql


@pytest.fixture
def environment(maria: MariaDb, pg15: PostgreSql, fresh: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A person's: MariaDB's client knows its server, and the Connections' Secrets are set."""
    (tmp_path / ".my.cnf").write_text(f"[client]\nsocket={maria.socket}\nuser=root\n", encoding="utf-8")
    maria.sql("DROP DATABASE IF EXISTS shop")
    maria.sql("CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY ''; GRANT ALL ON *.* TO root@'127.0.0.1'")
    pg15.database(fresh)
    yield {
        **person(tmp_path),
        "LANDFALL_SECRET_SHOP_MARIADB_URL": f"mysql://root@127.0.0.1:{maria.port}/shop",
        "LANDFALL_SECRET_WAREHOUSE_URL": f"postgresql://postgres@127.0.0.1:{pg15.port}/{fresh}",
    }
    maria.sql("DROP DATABASE IF EXISTS shop")


def test_the_readme_without_a_cluster(environment: dict[str, str], pg15: PostgreSql, fresh: str) -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    example = (REPOSITORY / "examples" / "shop-from-mariadb" / "README.md").read_text(encoding="utf-8")
    before, first = (
        pg15.dump(fresh),
        [command for command in commands(example) if "landfall" not in command.command.split("#")[0].split()],
    )
    assert len(first) == 4, "a database, what is in it, and two addresses"
    printed = [*first, *commands(section(readme, "Without a cluster"))]
    outputs = {command.command.split("#")[0].strip(): typed(command, REPOSITORY, environment) for command in printed}
    assert "verification: equal" in outputs["landfall run examples/shop-from-mariadb"]
    assert pg15.dump(fresh) == before
    assert "landfall_undone" in outputs["landfall gc --all examples/shop-from-mariadb"]
