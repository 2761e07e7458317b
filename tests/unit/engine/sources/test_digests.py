"""Digests in the SQL of every engine, and those of plans that version 0.1 made."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

import landfall.engine
from landfall.engine.model.catalog import Column, ColumnType
from landfall.engine.model.mapping import ColumnFacts, Mapping
from landfall.engine.model.options import Endpoint
from landfall.engine.sources.registry import engine_of
from landfall.engine.sources.sqlite.session import SqliteSession
from landfall.engine.targets.registry import engines

_NONE = ColumnFacts({}, {})
_TYPES = engines()["PostgreSQL"].types
# Both sides as version 0.1 wrote them, and whether the copy is quoted.
_OLD = {
    "a long text of MySQL": ("longtext", "MySQL", "MD5(`a``(`)", "md5({c})", True),
    "a document of MySQL": ("json", "MySQL", "MD5(CAST(`a``(` AS CHAR CHARACTER SET utf8mb4))", "md5({c}::text)", True),
    "bytes of MySQL": ("longblob", "MySQL", "MD5(`a``(`)", "md5({c})", False),
    "a point of MySQL": ("point", "MySQL", "MD5(CONCAT(`a``(`,''))", "md5({c})", False),
    "a document of SQLite": ("json", "SQLite", 'lf_md5(CAST("a`(" AS BLOB))', "md5({c}::text)", True),
    "bytes of SQLite": ("blob", "SQLite", 'lf_md5("a`(")', "md5({c})", False),
}


def _mapping(source: str, target: str, *, quoted: bool) -> Mapping:
    return Mapping("text", "c", quoted=quoted, check_source=source, check_target=target)


@pytest.mark.parametrize("label", _OLD)
def test_a_mapping_of_an_old_plan_becomes_what_is_planned_now(label: str) -> None:
    kind, engine, source, target, quoted = _OLD[label]
    dialect = engine_of(engine).dialect
    now = _TYPES.mapping(dialect.mapping(Column("a`(", ColumnType(kind, kind, charset="utf8mb4")), _NONE))
    was = _TYPES.renewed(_mapping(source, target, quoted=quoted), dialect)
    assert (was.check_source, was.check_target) == (now.check_source, now.check_target)
    assert _TYPES.renewed(now, dialect) is now


def test_a_digest_inside_another_expression_is_found() -> None:
    lower = _TYPES.renewed(_mapping("LOWER(MD5(`a`))", "md5(({c}::text))", quoted=True), engine_of("MySQL").dialect)
    assert lower.check_source == "LOWER(SHA2(`a`,256))"
    assert lower.check_target == "encode(sha256(convert_to(({c}::text),'UTF8')),'hex')"
    old = _mapping('iif(typeof("a")<>\'blob\',NULL,lf_md5("a"))', "md5({c})", quoted=False)
    nulled = _TYPES.renewed(old, engine_of("SQLite").dialect)
    assert nulled.check_source == 'iif(typeof("a")<>\'blob\',NULL,lf_sha256("a"))'


def test_what_a_person_wrote_is_left_alone() -> None:
    own_mapping = _mapping("(MD5(`a`))", "{c}::text", quoted=True)
    assert _TYPES.renewed(own_mapping, engine_of("MySQL").dialect) is own_mapping


def test_sqlite_computes_the_digest_that_servers_compute(tmp_path: Path) -> None:
    (tmp_path / "s.db").touch()
    session = SqliteSession(Endpoint("SQLite", path=str(tmp_path / "s.db")))
    digest = hashlib.sha256("a|ü".encode()).hexdigest()
    rows = session.rows("SELECT lf_sha256(x), lf_sha256(NULL), lf_number(x) FROM (SELECT CAST('a|ü' AS BLOB) AS x)")
    session.close()
    assert rows == [(digest, None, str(int(digest[:15], 16)))]


def test_no_query_asks_a_server_for_md5() -> None:
    root = Path(landfall.engine.__file__).parent
    asking = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(r"\bmd5\(|_md5\(", path.read_text(), re.IGNORECASE)
    }
    # PostgreSQL's own way of authentication with a password, what is read of old plans, and MD5() in a view of the source.
    assert asking == {
        "sources/mysql/views/texts.py",
        "clients/postgresql_login.py",
        *(f"{engine}/canonical.py" for engine in ("sources/mysql", "sources/sqlite")),
        "targets/postgresql/types.py",
    }
