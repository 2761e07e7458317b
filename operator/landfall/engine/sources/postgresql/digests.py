"""SQL of PostgreSQL for SHA2-256: of values, and of rows as numbers that can be added up. Text is hashed as UTF-8, whatever the database's encoding."""

from __future__ import annotations


def of_bytes(value: str) -> str:
    """The digest of a `bytea`, in hexadecimal; NULL of NULL."""
    return f"encode(sha256({value}),'hex')"


def of_text(value: str) -> str:
    """The digest of a text, in hexadecimal; NULL of NULL."""
    return of_bytes(f"convert_to({value},'UTF8')")


def number(digest: str, digits: int) -> str:
    """The first hexadecimal digits, at most 15, of a digest, as a bigint."""
    return f"('x'||left({digest},{digits}))::bit({4 * digits})::bigint"
