"""Where the names in a plan's statements are looked up on the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from landfall.engine.clients.postgresql_names import qualified_names
from landfall.engine.clients.postgresql_tokens import Token, TokenKind, tokens_of
from landfall.engine.model.identifiers import literal, quoted, search_path
from landfall.engine.model.options import OnExisting
from landfall.engine.model.plan import Plan
from landfall.engine.sources.registry import engine_of


def plan_search_path(plan: Plan, stage: str, within: str = "") -> str:
    """The value of `search_path` under which statements of the plan run in a stage schema.

    The target's own schemas are visible only where definitions are written in the target's SQL and may name what is there (extensions,
    types of filled tables); the translations for other sources name nothing there, and so nothing there can stand in for what they name.

    Args:
        plan: The plan.
        stage: The name of the first stage schema.
        within: As `Statement.schema`: it comes first, as it did when the source was read.
    """
    schemas = target_path(plan, within)
    stages = [plan.place(stage, schema) for schema in schemas]
    return search_path(*stages, *schemas) if sees_target_schema(plan) else search_path(*stages)


def target_path(plan: Plan, within: str = "") -> tuple[str, ...]:
    """The target schemas, that of a statement first."""
    first = within or plan.target_schemas[0]
    return (first, *(schema for schema in plan.target_schemas if schema != first))


def sees_target_schema(plan: Plan) -> bool:
    """Whether statements of the plan may name what is in the target's own schema."""
    return engine_of(plan.engine).capabilities.speaks_target_sql or plan.on_existing == OnExisting.FILL


def staged(plan: Plan, sql: str, stage: str) -> str:
    """A statement of a plan whose `qualified` names are those in the stage schemas.

    Texts, comments and bodies of functions stay as they are: they mean the schemas as they are after the cutover. A text that is cast to
    `regclass` or another type of names is a name. A column of an alias that is called as a schema is none.
    """
    places = {(schema, name): plan.place(stage, schema) for schema, name in plan.qualified if schema in plan.schemas}
    return _moved(sql, places) if places else sql


def _moved(sql: str, places: Mapping[tuple[str, str], str]) -> str:
    """The SQL with other schemas for these names, as (schema, name)."""
    tokens = list(tokens_of(sql))
    texts = [t for at, t in enumerate(tokens) if _is_name(tokens, at)]
    changes = {t: literal(moved) for t in texts if (moved := _moved(t.text, places)) != t.text}
    for found in qualified_names(tokens):
        if there := places.get((found.schema, found.name)):
            changes[found.token] = quoted(there)
    for token, text in sorted(changes.items(), key=lambda change: -change[0].start):
        sql = sql[: token.start] + text + sql[token.end :]
    return sql


def _is_name(tokens: Sequence[Token], at: int) -> bool:
    """Whether a constant is cast to a type of names: `'a.b'::regclass`."""
    following = [t.text for t in tokens[at + 1 : at + 4]]
    path = following[1:3] == ["pg_catalog", "."]
    kind = (tokens[at + 4].text if at + 4 < len(tokens) else "") if path else "".join(following[1:2])
    return tokens[at].kind is TokenKind.TEXT and following[:1] == ["::"] and kind.startswith("reg")
