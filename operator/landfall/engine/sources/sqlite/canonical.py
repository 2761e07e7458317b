"""SQL of SQLite for canonical texts: of doubles, and SHA2-256 of values."""

from __future__ import annotations

from landfall.engine.sources.floats import HIGHEST, LOWEST, buckets

_OLD = "lf_md5("  # what version 0.1 wrote into plans


def sha256(blob: str) -> str:
    """The digest of a blob, in hexadecimal; NULL of NULL."""
    return f"lf_sha256({blob})"


def renewed(check: str) -> str:
    """A check of a plan that version 0.1 made, with SHA2-256 in place of MD5; others as they are."""
    return check.replace(_OLD, "lf_sha256(")


def canonical_float(x: str) -> str:
    """The canonical text of the real expression `x`; rare magnitudes go through `lf_double`."""

    def leaf(j: int) -> str:
        return f"'{j}b'||CAST({x}*{2.0 ** (-10 * j)!r} AS INTEGER)"

    tree = buckets(f"abs({x})", leaf)
    return (
        f"CASE WHEN {x}=0 THEN '0' WHEN abs({x})>={LOWEST!r} AND abs({x})<{HIGHEST!r} THEN {tree}"
        f" WHEN {x} IS NOT NULL THEN lf_double({x}) END"
    )
