"""The shape of a table that queries are built from."""

from __future__ import annotations

from dataclasses import dataclass

from landfall.engine.model.mapping import Mapping


@dataclass(frozen=True, slots=True)
class Shape:
    """What the queries need of a table: names on both sides and the mappings of its columns.

    `engine` is the source engine's name.
    `key` is the source's unique integer, where the table has one, and `ordered_by` the column that holds it on both sides.
    """

    engine: str
    schema: str
    name: str
    target: str
    copied: tuple[tuple[str, str, Mapping], ...]
    compared: tuple[tuple[str, str, Mapping], ...]
    row_key: tuple[str, ...]
    hashed: bool = True
    key: str = ""
    ordered_by: tuple[str, str] = ("", "")

    @property
    def keys(self) -> list[tuple[str, str, Mapping]]:
        """The compared columns of the row key: source name, target name, mapping."""
        return [entry for key in self.row_key for entry in self.compared if entry[0] == key]
