"""Where the names in a plan's statements are looked up on the target."""

from __future__ import annotations

import re
from collections.abc import Callable

from landfall.engine.model.identifiers import quoted, search_path
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


_TOKEN = re.compile(
    r"""(?P<body>\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$)|(?P<comment>--[^\n]*|/\*.*?\*/)"""
    r"""|(?P<reg>'(?:[^']|'')*')(?=::(?:pg_catalog\.)?reg)|(?P<text>\b[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')"""
    r"""|(?P<name>(?P<schema>"(?:[^"]|"")+"|[^\W\d][\w$]*)\.(?P<own>"(?:[^"]|"")+"|[^\W\d][\w$]*))|"(?:[^"]|"")*"|[\w$]+""",
    re.DOTALL,
)


def staged(plan: Plan, sql: str, stage: str) -> str:
    """A statement of a plan whose `qualified` names are those in the stage schemas.

    Texts, comments and bodies of functions stay as they are: they mean the schemas as they are after the cutover. A text that is cast to
    `regclass` or another type of names is a name.
    """
    places = {(schema, name): plan.place(stage, schema) for schema, name in plan.qualified if schema in plan.schemas}
    return _moved(sql, lambda schema, name: places.get((schema, name))) if places else sql


def _moved(sql: str, place: Callable[[str, str], str | None]) -> str:
    def put(match: re.Match[str]) -> str:
        if match["reg"]:
            inner = _moved(match["reg"][1:-1].replace("''", "'"), place)
            return "'" + inner.replace("'", "''") + "'"
        if not match["name"] or sql[match.start() - 1 : match.start()] == ".":
            return match.group()
        there = place(_name(match["schema"]), _name(match["own"]))
        return f"{quoted(there)}.{match['own']}" if there else match.group()

    return _TOKEN.sub(put, sql)


def _name(word: str) -> str:
    return word[1:-1].replace('""', '"') if word.startswith('"') else word.lower()
