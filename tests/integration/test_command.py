"""The command on real databases: exit statuses, messages that name the thing, and a target that bad input leaves alone."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support import manifest
from tests.support.forked import Forked
from tests.support.servers import MariaDb, PostgreSql, free_port

_SECRET = "s3cr3t-of-the-test"  # noqa: S105  made up


def landfall(*arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    process = Forked(*map(str, arguments), environment={"COLUMNS": "200", **(env or {})})
    told, errors = process.communicate(300)
    return subprocess.CompletedProcess(arguments, process.returncode, told, errors)


@pytest.fixture
def documents(maria: MariaDb, pg15: PostgreSql, fresh: str) -> list[manifest.Document]:
    """A small shop in MariaDB and an empty target."""
    maria.sql(
        "CREATE TABLE item (id INT PRIMARY KEY, name VARCHAR(30), seen DATETIME);"
        "INSERT INTO item SELECT seq, concat('n',seq), '2020-01-01' FROM seq_1_to_700",
        maria.database(fresh),
    )
    pg15.database(fresh)
    return [*manifest.mariadb("source", maria, fresh), *manifest.postgresql("target", pg15, fresh)]


def test_run_status_rollback_and_gc(documents: list[manifest.Document], pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    path = manifest.write_documents(tmp_path / "m.yaml", [*documents, manifest.migration("shop")])
    before = pg15.dump(fresh)
    first = landfall("run", path)
    assert first.returncode == 0, first.stderr
    assert "verification: equal" in first.stdout
    again = landfall("run", path)
    assert (again.returncode, "already completed" in again.stdout) == (0, True)
    assert "Completed" in landfall("status", path).stdout
    assert landfall("rollback", path).returncode == 0
    assert pg15.dump(fresh) == before
    result = landfall("run", path)
    assert result.returncode == 1
    assert "rerunToken" in result.stderr
    assert "landfall_undone" in landfall("gc", "--all", path).stdout


def test_json_is_one_object_per_line(documents: list[manifest.Document], tmp_path: Path) -> None:
    path = manifest.write_documents(tmp_path / "m.yaml", [*documents, manifest.migration("shop")])
    plan = json.loads(landfall("plan", "-o", "json", path).stdout)
    assert plan["digest"].startswith("sha256:")
    lines = [json.loads(line) for line in landfall("run", "-o", "json", path).stdout.splitlines()]
    assert lines[0]["tables"] == {f"{plan['tables'][0]['schema']}.item": 700}
    assert lines[-1]["type"] == "result"
    assert lines[-1]["rows"] == 700


def test_approval_is_asked_for_and_can_be_committed(
    documents: list[manifest.Document], maria: MariaDb, pg15: PostgreSql, fresh: str, tmp_path: Path
) -> None:
    maria.sql("SET sql_mode=''; UPDATE item SET seen='0000-00-00' WHERE id=3", fresh)
    path = manifest.write_documents(tmp_path / "m.yaml", [*documents, manifest.migration("shop")])
    before = pg15.dump(fresh)
    result = landfall("plan", path)
    assert result.returncode == 3
    assert "1 row holds zero, partial or impossible dates" in result.stdout
    refused = landfall("run", path)
    assert refused.returncode == 3
    assert pg15.dump(fresh) == before
    digest = json.loads(landfall("plan", "-o", "json", path).stdout)["digest"]
    manifest.write_documents(path, [*documents, manifest.migration("shop", approval={"planDigest": digest})])
    assert landfall("run", path).returncode == 0


def test_a_policy_of_fail_blocks_and_a_map_is_carried_out(
    documents: list[manifest.Document], maria: MariaDb, pg15: PostgreSql, fresh: str, tmp_path: Path
) -> None:
    maria.sql("SET sql_mode=''; UPDATE item SET seen='2024-02-00' WHERE id<=3", fresh)
    path = tmp_path / "m.yaml"
    manifest.write_documents(path, [*documents, manifest.migration("shop", policies={"zeroDates": "Fail"})])
    blocked = landfall("run", "--yes", path)
    assert blocked.returncode == 1
    assert f"{fresh}.item.seen" in blocked.stderr
    manifest.write_documents(path, [*documents, manifest.migration("shop", policies={"zeroDates": "Map:1999-12-31"})])
    assert landfall("run", "--yes", path).returncode == 0
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT count(*) FROM item WHERE seen='1999-12-31'").fetchone() == (3,)


def _target(pg15: PostgreSql, fresh: str, **changes: object) -> list[manifest.Document]:
    connection, secret = manifest.postgresql("target", pg15, fresh)
    connection["spec"].update(changes)
    return [connection, secret]


def test_bad_input_is_named_and_leaves_the_target_alone(
    documents: list[manifest.Document], maria: MariaDb, pg15: PostgreSql, fresh: str, tmp_path: Path
) -> None:
    source, target = documents[:2], documents[2:]
    move = manifest.migration("shop")
    typo = manifest.migration("shop", paralelism=3)
    slip = json.loads(json.dumps(move).replace('"target":', '"targt":', 1))
    odd = {**move, "kind": "Migratoin"}
    nowhere = [{**source[0], "spec": {**source[0]["spec"], "host": "127.0.0.1", "port": free_port()}}, source[1]]
    wrong = [{**source[0], "spec": {**source[0]["spec"], "host": "127.0.0.1", "port": maria.port, "database": "nope"}}, source[1]]
    maria.sql(f"CREATE OR REPLACE USER few@localhost IDENTIFIED BY 'x'; GRANT SELECT (id) ON {fresh}.item TO few@localhost")
    few = [source[0], {**source[1], "stringData": {"username": "few", "password": "x"}}]
    refused = [source[0], {**source[1], "stringData": {"username": "few", "password": _SECRET}}]
    with pg15.connect(fresh) as connection:
        connection.execute(b"CREATE TABLE busy (id int)")
    cases: list[tuple[str, list[manifest.Document], int, str]] = [
        ("unknown field", [*documents, typo], 2, "Did you mean parallelism?"),
        ("unknown in place of what is required", [*documents, slip], 2, "Did you mean target?"),
        ("unknown kind", [*documents, odd], 2, "Did you mean Migration?"),
        ("no connection", [*source, move], 2, "Connection 'target' not found"),
        ("unreachable", [*nowhere, *target, move], 1, "Unreachable"),
        ("no database", [*wrong, *target, move], 1, "nope"),
        ("refused password", [*refused, *target, move], 1, "CredentialRefused"),
        ("sees too little", [*few, *target, move], 1, "lacks SELECT"),
        ("no target database", [*source, *_target(pg15, "gone_db"), move], 1, "gone_db"),
        ("unreachable target", [*source, *_target(pg15, fresh, host="127.0.0.1", port=free_port()), move], 1, "Unreachable"),
        ("no schema", [*documents, manifest.migration("shop", target={"schema": "attic"})], 1, "no schema 'attic'"),
        ("no source schema", [*documents, manifest.migration("shop", source={"schemas": ["attic"]})], 1, "no schema 'attic'"),
        ("nothing to move", [*documents, manifest.migration("shop", source={"excludeTables": ["*"]})], 2, "no table to migrate"),
        ("bad policy", [*documents, manifest.migration("shop", policies={"nulBytes": "Eat"})], 2, "Choose one of"),
        ("fill", [*documents, manifest.migration("shop", mode="DataOnly")], 2, "set target.onExisting: Fill"),
    ]
    before = pg15.dump(fresh)
    for name, all_documents, status, message in cases:
        path = manifest.write_documents(tmp_path / "bad.yaml", all_documents)
        result = landfall("run", "--yes", path)
        assert result.returncode == status, f"{name}: {result.stdout}{result.stderr}"
        assert message in result.stderr + result.stdout, f"{name}: {result.stderr}"
        assert "Traceback" not in result.stderr, name
        assert _SECRET not in result.stdout + result.stderr, name
        assert pg15.dump(fresh) == before, name


def test_tables_in_the_way_are_refused(documents: list[manifest.Document], pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    with pg15.connect(fresh) as target:
        target.execute(b"CREATE TABLE item (mine int)")
    before = pg15.dump(fresh)
    result = landfall("run", "--yes", manifest.write_documents(tmp_path / "m.yaml", [*documents, manifest.migration("shop")]))
    assert result.returncode == 1
    assert "onExisting: Replace" in result.stderr
    assert pg15.dump(fresh) == before


def test_a_missing_extension_is_found_before_anything_starts(pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    with pg15.connect(pg15.database(f"{fresh}s")) as source:
        source.execute(b"CREATE EXTENSION earthdistance CASCADE")  # one that the owner of a database may not create
        source.execute(b"CREATE TABLE t (id int PRIMARY KEY, place earth)")
    ends = [*manifest.postgresql("source", pg15, f"{fresh}s"), *manifest.postgresql("target", pg15, pg15.database(fresh))]
    path = manifest.write_documents(tmp_path / "m.yaml", [*ends, manifest.migration("shop")])
    before = pg15.dump(fresh)
    result = landfall("run", "--yes", path)
    assert result.returncode == 1
    assert 'CREATE EXTENSION "earthdistance"' in result.stderr
    assert pg15.dump(fresh) == before
    with pg15.connect(fresh) as target:
        target.execute(b"CREATE EXTENSION earthdistance CASCADE")
    assert landfall("run", "--yes", path).returncode == 0


def test_a_ledger_of_a_newer_version_is_left_alone(
    documents: list[manifest.Document], pg15: PostgreSql, fresh: str, tmp_path: Path
) -> None:
    with pg15.connect(fresh) as target:
        target.execute(b"CREATE SCHEMA landfall")
        target.execute(b"CREATE TABLE landfall.format (version int)")
        target.execute(b"INSERT INTO landfall.format VALUES (99)")
    result = landfall("run", "--yes", manifest.write_documents(tmp_path / "m.yaml", [*documents, manifest.migration("shop")]))
    assert result.returncode == 1
    assert "LedgerTooNew" in result.stderr


def test_secrets_come_from_the_environment_and_stay_out_of_everything(
    documents: list[manifest.Document], maria: MariaDb, pg15: PostgreSql, fresh: str, tmp_path: Path
) -> None:
    maria.sql(f"CREATE OR REPLACE USER mover@localhost IDENTIFIED BY '{_SECRET}'; GRANT ALL ON *.* TO mover@localhost")
    without_secret = [d for d in documents if not (d["kind"] == "Secret" and d["metadata"]["name"] == "source")]
    path = manifest.write_documents(tmp_path / "m.yaml", [*without_secret, manifest.migration("shop")])
    missing = landfall("run", path)
    assert missing.returncode == 2
    assert "LANDFALL_SECRET_SOURCE_USERNAME" in missing.stderr
    result = landfall("run", path, env={"LANDFALL_SECRET_SOURCE_USERNAME": "mover", "LANDFALL_SECRET_SOURCE_PASSWORD": _SECRET})
    assert result.returncode == 0, result.stderr
    assert _SECRET not in result.stdout + result.stderr
    with pg15.connect(fresh) as target:
        for (table,) in target.execute(b"SELECT tablename FROM pg_tables WHERE schemaname='landfall'").fetchall():
            (text,) = target.execute(f"SELECT coalesce(string_agg(t::text,' '),'') FROM landfall.{table} t".encode()).fetchone()
            assert _SECRET not in text
            assert _SECRET.encode().hex() not in text


def test_schema_only_brings_empty_tables(
    documents: list[manifest.Document], pg15: PostgreSql, fresh: str, tmp_path: Path
) -> None:
    before = pg15.dump(fresh)
    path = manifest.write_documents(tmp_path / "m.yaml", [*documents, manifest.migration("shop", mode="SchemaOnly")])
    assert landfall("run", path).returncode == 0
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT count(*) FROM item").fetchone() == (0,)
    with_schemas = manifest.migration("shop", mode="SchemaOnly", source={"schemas": [fresh]})
    manifest.write_documents(path, [*documents, with_schemas])
    result = landfall("rollback", path)
    assert result.returncode == 0, f"it is the same run if the schema that is read by default is named: {result.stderr}"
    assert pg15.dump(fresh) == before


def test_confirm_waits_for_a_persons_word(
    documents: list[manifest.Document], maria: MariaDb, pg15: PostgreSql, fresh: str, tmp_path: Path
) -> None:
    path = manifest.write_documents(tmp_path / "m.yaml", [*documents, manifest.migration("shop", source={"quiesce": "Confirm"})])
    waiting = landfall("run", path)
    assert (waiting.returncode, "--quiesced" in waiting.stderr) == (3, True), waiting.stderr
    maria.sql("UPDATE item SET name='late' WHERE id=7", fresh)
    result = landfall("run", "--quiesced", path)
    assert result.returncode == 0, result.stderr
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT name FROM item WHERE id=7").fetchone() == ("late",)


def test_orphans_block_or_are_kept_apart_by_policy(maria: MariaDb, pg15: PostgreSql, fresh: str, tmp_path: Path) -> None:
    maria.sql(
        "CREATE TABLE parent (code VARCHAR(9) PRIMARY KEY) COLLATE utf8mb4_general_ci; INSERT INTO parent VALUES ('abc');"
        "CREATE TABLE child (id INT PRIMARY KEY, code VARCHAR(9), CONSTRAINT up FOREIGN KEY (code) REFERENCES parent (code))"
        " COLLATE utf8mb4_general_ci; INSERT INTO child VALUES (1,'abc'),(2,'ABC'),(3,NULL)",
        maria.database(fresh),
    )
    ends = [*manifest.mariadb("source", maria, fresh), *manifest.postgresql("target", pg15, pg15.database(fresh))]
    path = manifest.write_documents(tmp_path / "m.yaml", [*ends, manifest.migration("m")])
    blocked = landfall("run", "--yes", path)
    assert blocked.returncode == 1
    assert "1 row has no parent in parent" in blocked.stderr
    manifest.write_documents(path, [*ends, manifest.migration("m", policies={"orphans": "NotValid"})])
    assert landfall("run", "--yes", path).returncode == 0
    with pg15.connect(fresh) as target:
        assert target.execute(b"SELECT convalidated FROM pg_constraint WHERE conname='up'").fetchone() == (False,)


def test_without_quiescing_the_result_says_as_of_when(documents: list[manifest.Document], tmp_path: Path) -> None:
    path = manifest.write_documents(tmp_path / "m.yaml", [*documents, manifest.migration("shop", source={"quiesce": "None"})])
    unapproved = landfall("run", path)
    assert unapproved.returncode == 3
    assert "NotQuiesced" in unapproved.stderr
    result = landfall("run", "--yes", path)
    assert result.returncode == 0, result.stderr
    assert "consistent as of" in result.stdout


def test_a_credential_that_cannot_lock_is_named(
    documents: list[manifest.Document], maria: MariaDb, fresh: str, tmp_path: Path
) -> None:
    maria.sql(f"CREATE OR REPLACE USER look@localhost; GRANT SELECT, SHOW VIEW, TRIGGER ON {fresh}.* TO look@localhost")
    looking = [documents[0], {**documents[1], "stringData": {"username": "look", "password": ""}}, *documents[2:]]
    blocked = landfall("run", "--yes", manifest.write_documents(tmp_path / "m.yaml", [*looking, manifest.migration("shop")]))
    assert blocked.returncode == 1
    assert "quiesce: Engine needs LOCK TABLES" in blocked.stderr
