"""Fingerprints: what makes a plan, a table of it, or a source's schema the same as before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from fnmatch import fnmatchcase
from types import MappingProxyType

from landfall.engine.model.catalog import Catalog, SourceObject, Table
from landfall.engine.model.options import Options

_ADDED = frozenset(
    {"unlogged", "within", "parent_schemas", "attach_schema"}
)  # fields of later versions, left out while they are empty: digests in stored plans stay valid


def selected(catalog: Catalog, options: Options) -> tuple[Table, ...]:
    """The tables that move: all but the excluded, parents before their partitions, by name."""
    chosen = [t for t in catalog.tables if not excluded(t.name, options.exclude_tables)]
    return tuple(sorted(chosen, key=lambda t: (t.schema, bool(t.partition_of or t.inherits), t.name)))


def excluded(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a pattern of `excludeTables` covers the name."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


_FORMAT = "format"
_LATER = frozenset(
    {
        *("aggregate", "range", "collation", "comment", "revoke", "grant", "owner", "column setting", "table setting"),
        *("domain constraint", "path", "staged path", "view default", "typed table", "constraint name"),
        "library",
    }
)
"""Kinds of objects that version 0.1 did not read, or not whole."""
_FREE = frozenset({"grant", "revoke", "owner", "schema privilege", "schema owner"})


def fingerprint(catalog: Catalog, options: Options) -> dict[str, str]:
    """A digest per moved object of the source, without counts and counters: what must not change before a run."""
    found: dict[str, str] = {_FORMAT: "2"} if any(o.kind in _LATER for o in catalog.objects) else {}
    for table in selected(catalog, options):
        found[f"{table.schema}.{table.name}"] = table_digest(table)
    for view in catalog.views:
        found[f"{view.schema}.{view.name}"] = _digest(asdict(view))
    for thing in catalog.objects:
        if (thing.severity and not thing.definition) or thing.kind in _FREE:
            continue  # it is not carried, whatever becomes of it; or it may change during a run
        found[_name(thing)] = _digest(_steady(thing))
    return found


def _name(thing: SourceObject) -> str:
    name = f"{thing.within}.{thing.name}" if thing.within else thing.name
    return f"{thing.kind} {name}{thing.signature} {thing.table}"


def former_digests(catalog: Catalog) -> dict[str, str]:
    """The digests of what an earlier version read otherwise, by the name in a fingerprint."""
    tables = {f"{table.schema}.{table.name}": table_digest(table) for table in catalog.former}
    return tables | {_name(o): _digest(_steady(replace(o, definition=o.former))) for o in catalog.objects if o.former}


def differing(before: dict[str, str], now: dict[str, str], former: Mapping[str, str] = MappingProxyType({})) -> tuple[str, ...]:
    """The names of the objects that two fingerprints of one source do not have in common.

    An object is the same, too, if it had the digest that `former` has of what is there now, as an earlier version read it.
    A fingerprint of version 0.1 lacks kinds of objects that are read since; they are left out of the comparison with it. So are
    virtual tables, which it did not move.
    """
    old = _FORMAT not in before
    virtual = {n for n in before if old and n.startswith(("virtual table ", "foreign table "))}
    before = {n: d for n, d in before.items() if n not in virtual}
    now = {
        n: d
        for n, d in now.items()
        if not n.startswith("virtual table ") and f"virtual table {n.removeprefix('.')} " not in virtual
    }
    names = {
        n for n in before.keys() | now.keys() if not old or (n != _FORMAT and not n.startswith(tuple(f"{k} " for k in _LATER)))
    }
    return tuple(sorted(n for n in names if before.get(n) != now.get(n) and not (n in before and before[n] == former.get(n))))


def table_digest(table: Table) -> str:
    """What a table is, without counts and counters."""
    return _digest(_steady(table))


_UNSTEADY = frozenset(
    {"rows", "bytes", "next_value", "of", "role", "severity", "advice", "note_severity", "folded", "operators", "former"}
)


def _steady(value: object) -> object:
    """The value as JSON has it, without what may change. Without `asdict`, which copies all of it first."""
    if is_dataclass(value):
        value = {f.name: getattr(value, f.name) for f in fields(value)}
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if k not in _UNSTEADY and (v or k not in _ADDED)}
        return {k: _steady(v) for k, v in kept.items()}
    if isinstance(value, list | tuple):
        return [_steady(v) for v in value]
    return value


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def digest(existing: Catalog, table: str) -> str:
    """What an existing table is, so that a change of it between plan and cutover is seen."""
    found = next((t for t in existing.tables if t.name == table), None)
    return table_digest(found) if found else ""
