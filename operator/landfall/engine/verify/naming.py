"""The keys of the rows that differ: each chunk is read within its own range, and only if the number of rows is small."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable

from landfall.engine.copy.run_context import Work
from landfall.engine.model import chunk_range
from landfall.engine.sources.base import Reader
from landfall.engine.targets.engine import Loader
from landfall.engine.verify.compare import TableDifference

_MOST_ROWS = 20_000

_Rows = Counter[tuple[str, str]]


def name_rows(work: Work, reader: Reader, loader: Loader, difference: TableDifference) -> None:
    """Fill in the keys of the rows that differ. Without a row key, or with more than 20,000 rows in the chunks, no row is named."""
    table = difference.table
    if not table.row_key or difference.rows > _MOST_ROWS:
        return
    source, target = work.engine.queries(work.shape(table)), work.queries(table)
    source_rows: _Rows = Counter()
    target_rows: _Rows = Counter()
    for chunk in difference.chunks:
        source_rows.update((k or "", n or "") for k, n in reader.rows(source.rows(work.engine.dialect.condition(chunk.range))))
        if difference.by_range:
            target_rows.update((k or "", n or "") for k, n in loader.rows(target.range_rows(*chunk_range.bounds(chunk.range))))
    if not difference.by_range:
        target_rows.update((k or "", n or "") for k, n in loader.rows(target.rows(difference.xids)))
    _name(difference, source_rows - target_rows, target_rows - source_rows)


def describe_with_keys(work: Work, reader: Reader, difference: TableDifference) -> str:
    """Describe the difference in one line, with the keys of the rows."""
    with work.loader() as loader:
        name_rows(work, reader, loader, difference)
    return difference.describe()


def _name(difference: TableDifference, missing: _Rows, surplus: _Rows) -> None:
    lost_keys, surplus_keys = {k for k, _ in missing}, {k for k, _ in surplus}
    name = difference.table.row_key
    texts = {c.source for c in difference.table.columns if c.mapping.measured or c.mapping.quoted}
    name_of_key = _key_namer(name, hashed=bool(texts & set(name)))
    difference.changed = sorted(name_of_key(k) for k in lost_keys & surplus_keys)
    difference.missing = sorted(name_of_key(k) for k in lost_keys - surplus_keys)
    difference.extra = sorted(name_of_key(k) for k in surplus_keys - lost_keys)


def _key_namer(columns: tuple[str, ...], *, hashed: bool) -> Callable[[str], str]:
    """Return the function that formats a key: numbers and dates unchanged, text as a digest, because it may be personal data."""
    label = ",".join(columns)

    def name_of_key(line: str) -> str:
        if hashed:
            return f"{label}=#{hashlib.sha256(line.encode()).hexdigest()[:12]}"
        return f"{label}={line.strip('()').replace('|', ',')}"

    return name_of_key
