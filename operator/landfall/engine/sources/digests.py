"""SHA2-256 in the SQL of each engine: of values, and of rows as numbers that can be added up.

Every server has it: MySQL and MariaDB as `SHA2`, PostgreSQL since version 11 as `sha256`. MD5 is gone from MySQL 9 and
forbidden where FIPS mode is on. Text is hashed as UTF-8, whatever the encoding of the database.
"""

from __future__ import annotations

from dataclasses import replace

from landfall.engine.model.mapping import Mapping

# What version 0.1 wrote into plans.
_OLD_MYSQL, _OLD_SQLITE, _OLD_TARGET = "MD5(", "lf_md5(", "md5("


def in_mysql(value: str) -> str:
    """SQL of MySQL and MariaDB for the digest of a text or of bytes, in hexadecimal; NULL of NULL."""
    return f"SHA2({value},256)"


def in_sqlite(blob: str) -> str:
    """SQL of SQLite for the digest of a blob, in hexadecimal; NULL of NULL."""
    return f"lf_sha256({blob})"


def of_bytes(value: str) -> str:
    """SQL of PostgreSQL for the digest of a `bytea`, in hexadecimal; NULL of NULL."""
    return f"encode(sha256({value}),'hex')"


def of_text(value: str) -> str:
    """SQL of PostgreSQL for the digest of a text, in hexadecimal; NULL of NULL."""
    return of_bytes(f"convert_to({value},'UTF8')")


def mysql_number(value: str, digits: int) -> str:
    """SQL of MySQL and MariaDB for the first hexadecimal digits of the digest, as an unsigned number."""
    return f"CAST(CONV(LEFT({in_mysql(value)},{digits}),16,10) AS UNSIGNED)"


def postgresql_number(digest: str, digits: int) -> str:
    """SQL of PostgreSQL for the first hexadecimal digits, at most 15, of a digest, as a bigint."""
    return f"('x'||left({digest},{digits}))::bit({4 * digits})::bigint"


def renewed(mapping: Mapping) -> Mapping:
    """A mapping of a plan that version 0.1 made, with SHA2-256 on both sides in place of MD5; others as they are."""
    source, target = _renewed_source(mapping.check_source), mapping.check_target
    if source == mapping.check_source or not target.startswith(_OLD_TARGET):
        return mapping
    value = target.removeprefix(_OLD_TARGET).removesuffix(")")
    return replace(mapping, check_source=source, check_target=of_text(value) if mapping.quoted else of_bytes(value))


def _renewed_source(check: str) -> str:
    if _OLD_SQLITE in check:
        return check.replace(_OLD_SQLITE, "lf_sha256(")
    head, tail = ("LOWER(", ")") if check.startswith(f"LOWER({_OLD_MYSQL}") else ("", "")
    value = check.removeprefix(head).removesuffix(tail)
    if not value.startswith(_OLD_MYSQL):
        return check
    return head + in_mysql(value.removeprefix(_OLD_MYSQL).removesuffix(")")) + tail
