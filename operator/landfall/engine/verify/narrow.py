"""Narrows a chunk that differs down to the rows that differ."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable

from landfall.engine.clients.postgresql_wire import Wire
from landfall.engine.copy.run_context import Work
from landfall.engine.sources.base import Reader
from landfall.engine.sources.queries import SourceQueries
from landfall.engine.targets.postgresql.queries import TargetQueries
from landfall.engine.verify.compare import Sum, TableDifference


def narrow(work: Work, reader: Reader, difference: TableDifference) -> None:
    """Fill in which buckets and which rows differ. Without a row key only the number of rows can be told."""
    table = difference.table
    if not table.row_key:
        difference.rows = difference.expected[0]
        return
    wire = Wire(work.target_endpoint, "target", work.session)
    try:
        source, target = SourceQueries(work.shape(table)), TargetQueries(work.shape(table), work.stage)
        wanted: dict[int, Sum] = {}
        for chunk in difference.chunks:
            for bucket, count, total in reader.rows(source.buckets(chunk.range)):
                have = wanted.get(int(bucket or 0), (0, 0))
                wanted[int(bucket or 0)] = (have[0] + int(count or 0), have[1] + int(total or 0))
        held = {int(b or 0): (int(n or 0), int(s or 0)) for b, n, s in wire.rows(target.buckets(difference.xids))}
        difference.buckets = tuple(sorted(b for b in wanted.keys() | held.keys() if wanted.get(b) != held.get(b)))
        if not difference.buckets:
            difference.buckets = None
            return
        left: Counter[tuple[str, str]] = Counter()
        for chunk in difference.chunks:
            left.update((k or "", n or "") for k, n in reader.rows(source.rows(chunk.range, difference.buckets)))
        right = Counter((k or "", n or "") for k, n in wire.rows(target.rows(difference.xids, difference.buckets)))
        _name_rows(difference, left - right, right - left)
    finally:
        wire.close()


def _name_rows(difference: TableDifference, lost: Counter[tuple[str, str]], surplus: Counter[tuple[str, str]]) -> None:
    lost_keys, surplus_keys = {k for k, _ in lost}, {k for k, _ in surplus}
    name = difference.table.row_key
    texts = {c.source for c in difference.table.columns if c.mapping.measured or c.mapping.quoted}
    shown = _key_namer(name, hashed=bool(texts & set(name)))
    difference.changed = sorted(shown(k) for k in lost_keys & surplus_keys)
    difference.missing = sorted(shown(k) for k in lost_keys - surplus_keys)
    difference.extra = sorted(shown(k) for k in surplus_keys - lost_keys)
    difference.rows = max(sum(lost.values()), sum(surplus.values()))


def _key_namer(columns: tuple[str, ...], *, hashed: bool) -> Callable[[str], str]:
    """How a key is shown: numbers and dates as they are, anything that may be a person's text as a digest."""
    label = ",".join(columns)

    def shown(line: str) -> str:
        if hashed:
            return f"{label}=#{hashlib.sha256(line.encode()).hexdigest()[:12]}"
        return f"{label}={line.strip('()').replace('|', ',')}"

    return shown
