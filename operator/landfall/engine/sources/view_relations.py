"""What a view's query may read in the target, and what its translation is: the values between planning and the dialects. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

Rename = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class RelationColumn:
    """A column of a table or view.

    Attributes:
        source: Its name in the source.
        target: Its name in the target.
        target_type: Its type in the target as the plan writes it; empty for a column of a view.
        exact: It is a text that the source compares exactly.
        foreign: It is a text in another character set than UTF-8, so that its octets change.
        unread: For a column of a view: why its values are not compared; empty where they are.
        kind: For a column of a view: what its dialect calls the kind of its values.
        scale: With a `kind`: decimals, or digits of the fraction of a second.
        case: With a `kind`: how the dialect says that it compares.
    """

    source: str
    target: str
    target_type: str = ""
    exact: bool = False
    foreign: bool = False
    unread: str = ""
    kind: str = ""
    scale: int = 0
    case: str = ""


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or a view that is migrated, by its name in the source and in the target.

    Attributes:
        schema: Its schema in the source.
        name: Its name in the source.
        target: Its name in the target.
        columns: Those that a query may read.
        unread: For a view: as in `WrittenView`.
        changed: For a table: why its rows in the target are by plan not those of the source, as a clause that follows its name.
    """

    schema: str
    name: str
    target: str
    columns: tuple[RelationColumn, ...]
    unread: str = ""
    changed: str = ""


@dataclass(frozen=True, slots=True)
class WrittenView:
    """A view's query in the target's SQL.

    Attributes:
        sql: The query.
        columns: Its columns, for views that read it.
        changing: What makes it return something else each time, as the source names it.
        unread: Why its rows cannot be compared with those of the source; empty where they can.
        lower: The query compares texts without case.
    """

    sql: str
    columns: tuple[RelationColumn, ...] = ()
    changing: tuple[str, ...] = ()
    unread: str = ""
    lower: bool = False


@dataclass(slots=True)
class Relations:
    """The tables and views that queries may read. Views are added when they are translated. `schemas`: those that are migrated."""

    by_name: dict[tuple[str, str], Relation] = field(default_factory=dict)
    schemas: frozenset[str] = frozenset()

    @classmethod
    def from_list(cls, relations: Iterable[Relation], schemas: Iterable[str] = ()) -> Relations:
        """Those of a plan."""
        return cls({(r.schema, r.name): r for r in relations}, frozenset(schemas))

    def add(self, relation: Relation) -> None:
        """Add a view."""
        self.by_name[(relation.schema, relation.name)] = relation

    def find(self, schema: str, name: str) -> Relation:
        """The relation that a query names. Raises ValueError where it is not migrated."""
        in_schema = [r for r in self.by_name.values() if not schema or r.schema.lower() == schema.lower()]
        like = [r for r in in_schema if r.name.lower() == name.lower()]
        relation = next((r for r in like if r.name == name), like[0] if len(like) == 1 else None)
        if relation is None:
            message = f"it reads {name}, which is not carried"
            raise ValueError(message)
        return relation
