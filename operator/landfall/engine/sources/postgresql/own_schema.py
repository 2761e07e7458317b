"""Names with a schema in the queries of views: the server prints them where the bare name means something else, as that of a WITH query.

The view is created in a stage, and its tables are there as well. The name of the source's schema would mean nothing, or an older table.
If several schemas become one, that of the view takes their place; if they keep their names, the target replaces those that the catalog lists.
"""

from __future__ import annotations

from collections.abc import Sequence

from landfall.engine.clients.postgresql_names import qualified_names
from landfall.engine.clients.postgresql_tokens import tokens_of
from landfall.engine.model.catalog import OWN_SCHEMA


def own_schema(query: str, schemas: Sequence[str]) -> str:
    """The query with `OWN_SCHEMA` instead of the names of these schemas."""
    tokens = list(tokens_of(query))
    for name in reversed([found for found in qualified_names(tokens) if found.schema in schemas]):
        point = next(token for token in tokens if token.start >= name.token.end)
        query = query[: name.token.start] + OWN_SCHEMA + query[point.end :]
    return query


def hidden_names(query: str, schemas: Sequence[str]) -> frozenset[tuple[str, str]]:
    """What a query with WITH queries writes as a name of one of these schemas, as (schema, name)."""
    tokens = list(tokens_of(query))
    if not any(token.plain == "with" for token in tokens):
        return frozenset()
    return frozenset((found.schema, found.name) for found in qualified_names(tokens) if found.schema in schemas)
