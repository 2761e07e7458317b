"""SQL of MySQL and MariaDB for canonical texts: of doubles, and SHA2-256 of values."""

from __future__ import annotations

from landfall.engine.sources.floats import HIGHEST, LOWEST, buckets

_OLD = "MD5("  # what version 0.1 wrote into plans


def sha256(value: str) -> str:
    """The digest of a text or of bytes, in hexadecimal; NULL of NULL."""
    return f"SHA2({value},256)"


def number(value: str, digits: int) -> str:
    """The first hexadecimal digits of the digest, as an unsigned number."""
    return f"CAST(CONV(LEFT({sha256(value)},{digits}),16,10) AS UNSIGNED)"


def renewed(check: str) -> str:
    """A check of a plan that version 0.1 made, with SHA2-256 in place of MD5; others as they are."""
    head, tail = ("LOWER(", ")") if check.startswith(f"LOWER({_OLD}") else ("", "")
    value = check.removeprefix(head).removesuffix(tail)
    if not value.startswith(_OLD):
        return check
    return head + sha256(value.removeprefix(_OLD).removesuffix(")")) + tail


def json_number(x: str) -> str:
    """All digits of a number; NULL of NULL. CAST and CONCAT print an expression in at most 22 characters."""
    return f"IF({x} IS NULL,NULL,REPLACE(REPLACE(JSON_ARRAY({x}),'[',''),']',''))"


def canonical_float(x: str, *, is_column: bool) -> str:
    """The canonical text of the double expression `x`. `is_column`: it is a column."""

    def leaf(j: int) -> str:
        return f"CONCAT('{j}b',CAST({x}*{2.0 ** (-10 * j)!r} AS SIGNED))"

    tree = buckets(f"ABS({x})", leaf)
    return f"CASE WHEN {x}=0 THEN '0' WHEN ABS({x})>={LOWEST!r} AND ABS({x})<{HIGHEST!r} THEN {tree} ELSE {_shortest(x, is_column=is_column)} END"


def _shortest(x: str, *, is_column: bool) -> str:
    text = f"LOWER({f'CAST({x} AS CHAR)' if is_column else json_number(x)})"
    mantissa = f"REPLACE(SUBSTRING_INDEX(SUBSTRING({text},IF({x}<0,2,1)),'e',1),' ','')"
    exponent = f"IF(LOCATE('e',{text})>0,CAST(SUBSTRING_INDEX({text},'e',-1) AS SIGNED),0)"
    fraction = f"IF(LOCATE('.',{mantissa})>0,LENGTH({mantissa})-LOCATE('.',{mantissa}),0)"
    digits = f"TRIM(LEADING '0' FROM REPLACE({mantissa},'.',''))"
    significant = f"TRIM(TRAILING '0' FROM {digits})"
    power = f"({exponent}-{fraction}+LENGTH({digits})-LENGTH({significant}))"
    return f"CONCAT(IF({x}<0,'-',''),{significant},'e',{power})"
