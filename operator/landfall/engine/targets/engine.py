"""What a target engine is: a name and its parts. The definition of a supported target.

Everything above asks the engine of the registry by these protocols; nothing outside an engine's own folder knows its SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from landfall.engine.model.catalog import Column
from landfall.engine.model.mapping import Mapping, SourceMapping
from landfall.engine.sources.engine import Dialect, SourceEngine


class UnfitError(Exception):
    """Values of this type cannot become values of that type unchanged. Its text says which."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The mapping into an existing column. `raw`: the type in which it is staged beside a column that is computed from it."""

    mapping: Mapping
    confidence: int = 100
    reasons: tuple[str, ...] = ()
    raw: str = ""


class TargetTypes(Protocol):
    """How values of a source are stored, and how they are read back for the comparison. Pure."""

    def mapping(self, column: SourceMapping) -> Mapping:
        """The column in a new table. In its `target_type`, `{type}` stands for the name of a type that `type_statement` creates."""

    def fitted(self, mapped: Mapping, column: Column, wanted: Column, source: SourceEngine) -> Fit:
        """The mapping of a new table, changed for an existing column. Raises UnfitError where values would not survive it."""

    def renewed(self, mapping: Mapping, dialect: Dialect) -> Mapping:
        """The mapping of a stored plan as it is compared now; see `Dialect.renewed_check`."""


@runtime_checkable
class TargetEngine(Protocol):
    """A database product that data is written to.

    Attributes:
        name: As `Connection.spec.type` has it.
        max_name_bytes: The longest identifier, in octets of UTF-8.
        types: How it stores values.
    """

    name: str
    max_name_bytes: int
    types: TargetTypes
