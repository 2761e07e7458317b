"""Names with a schema in the queries of views: the server prints them where the bare name means something else, as that of a WITH query.

The view is created in a stage, and its tables are there as well. The name of the source's schema would mean nothing, or an older table.
If several schemas become one, that of the view takes their place; if they keep their names, the target replaces those that the catalog lists.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from landfall.engine.model.catalog import OWN_SCHEMA

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_PARTS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[A-Za-z_\u0080-\uffff][\w$]*|.""", re.DOTALL)


def own_schema(query: str, schemas: Sequence[str]) -> str:
    """The query with `OWN_SCHEMA` instead of the names of these schemas. An alias of that name leaves the query as it is."""
    parts, spelled = _PARTS.findall(query), _spelled(schemas)
    found = [at for at, part in enumerate(parts) if part in spelled]
    if not found or any(parts[at + 1 : at + 2] != ["."] or parts[at - 1 : at] == ["."] for at in found):
        return query
    for at in found:
        parts[at], parts[at + 1] = OWN_SCHEMA, ""
    return "".join(parts)


def hidden_names(query: str, schemas: Sequence[str]) -> frozenset[tuple[str, str]]:
    """What a query with WITH queries writes as a name of one of these schemas, as (schema, name). It can be an alias and a column."""
    parts, spelled = _PARTS.findall(query), _spelled(schemas)
    if "WITH" not in parts:
        return frozenset()
    places = [at for at, part in enumerate(parts) if part in spelled and parts[at + 1 : at + 2] == ["."]]
    return frozenset((spelled[parts[at]], _bare("".join(parts[at + 2 : at + 3]))) for at in places)


def _spelled(schemas: Sequence[str]) -> dict[str, str]:
    """The schemas by how the server prints them."""
    return {'"' + s.replace('"', '""') + '"': s for s in schemas} | {s: s for s in schemas if _PLAIN.fullmatch(s)}


def _bare(word: str) -> str:
    return word[1:-1].replace('""', '"') if word.startswith('"') else word
