"""SQL of PostgreSQL for the canonical text of doubles."""

from __future__ import annotations

from landfall.engine.sources.floats import HIGHEST, LOWEST, buckets


def canonical_float(x: str) -> str:
    """The canonical text of the double expression `x`."""

    def leaf(j: int) -> str:
        return f"'{j}b'||({x}*{2.0 ** (-10 * j)!r}::float8)::bigint"

    tree = buckets(f"abs({x})", leaf).replace(" THEN CASE", "::float8 THEN CASE")
    return (
        f"CASE WHEN {x}=0 THEN '0' WHEN abs({x})>={LOWEST!r}::float8 AND abs({x})<{HIGHEST!r}::float8"
        f" THEN {tree} WHEN {x}='NaN' OR abs({x})='Infinity' THEN ({x})::text ELSE {_shortest(x)} END"
    )


def _shortest(x: str) -> str:
    text = f"({x})::text"
    mantissa = f"ltrim(split_part({text},'e',1),'-')"
    exponent = f"coalesce(nullif(split_part({text},'e',2),'')::int,0)"
    fraction = f"length(split_part({mantissa},'.',2))"
    digits = f"ltrim(replace({mantissa},'.',''),'0')"
    significant = f"rtrim({digits},'0')"
    power = f"({exponent}-{fraction}+length({digits})-length({significant}))"
    return f"CASE WHEN {x}<0 THEN '-' ELSE '' END||{significant}||'e'||{power}"
