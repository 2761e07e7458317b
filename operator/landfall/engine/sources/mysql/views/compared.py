"""How the columns of a view are compared: the SQL of the source for their canonical text, and what the value is in the target."""

from __future__ import annotations

from landfall.engine.model.logical_type import Bytes, Date, Decimal, Form, Interval, Json, Text, Timestamp
from landfall.engine.model.mapping import SourceMapping
from landfall.engine.sources.mysql import dialect as mysql
from landfall.engine.sources.mysql.canonical import sha256
from landfall.engine.sources.mysql.views.values import MOMENTS, ValueKind
from landfall.engine.sources.view_relations import RelationColumn

_DECIMALS = 10  # that numbers are compared to
_DIGITS = 65


def compared_column(column: RelationColumn) -> SourceMapping | None:
    """The canonical text of a column of a view; None for a kind without one. Numbers are compared to the decimals that are shown, at most ten."""
    kind, c = ValueKind[column.kind], mysql.name(column.source)
    if kind in {ValueKind.INT, ValueKind.NUM, ValueKind.BOOL}:
        scale = min(column.scale or _DECIMALS, _DECIMALS)  # a cast would show the decimals that MariaDB computes on with
        return SourceMapping(Decimal(_DIGITS, scale), c, f"CAST({c} AS DECIMAL({_DIGITS},{scale}))")
    if kind in {ValueKind.TEXT, ValueKind.ENUM, ValueKind.NULL}:
        return SourceMapping(Text(), c, sha256(f"CONVERT({c} USING utf8mb4)"), form=Form.DIGEST, quoted=True)
    if kind is ValueKind.JSON:
        return SourceMapping(Json(), c, sha256(f"CONVERT({c} USING utf8mb4)"), form=Form.DIGEST, quoted=True)
    if kind is ValueKind.BYTES:
        return SourceMapping(Bytes(), c, sha256(c), form=Form.DIGEST)
    if kind in MOMENTS:
        zoned = kind is ValueKind.ZONED
        return SourceMapping(Date() if kind is ValueKind.DATE else Timestamp(6, zoned), c, _without_zeros(c))
    return SourceMapping(Interval(6), c, _without_zeros(c)) if kind is ValueKind.TIME else None


def _without_zeros(column: str) -> str:
    """A date or a time as text, without zeros at the end of its fraction."""
    text = f"CAST({column} AS CHAR)"
    return f"IF(LOCATE('.',{text})>0,TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {text})),{text})"
