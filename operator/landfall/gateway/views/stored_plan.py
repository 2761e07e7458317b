"""A plan as a worker stored it, as far as the gateway reads it. Plans of every version up to this one are read; fields that it does not show are left out."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from landfall.api.plan_storage import joined
from landfall.gateway.errors import ProblemError
from landfall.gateway.identifiers import MAPPING, minted
from landfall.lib.plan_code import PLAN_FORMAT


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class StoredColumn(_Stored):
    """One column. `final` and `final_type` are empty unless the column is staged under another name or type; `confidence` is in percent."""

    source: str
    target: str
    source_type: str
    target_type: str
    final: str = ""
    final_type: str = ""
    transformation: str = ""
    confidence: int
    decision: str
    reasons: tuple[str, ...] = ()


class StoredTable(_Stored):
    """One table with its columns. `schema_` is that of the source; empty if the source has none."""

    schema_: str = Field(alias="schema")
    name: str
    target: str
    columns: tuple[StoredColumn, ...]

    def mapping_id(self, column: StoredColumn) -> str:
        """The identifier of a column's mapping, which is stable as long as the column keeps its name."""
        return f"{MAPPING}{minted(self.schema_, self.name, column.source)[:16]}"


class StoredRisk(_Stored):
    """Something that a user should know before approving."""

    severity: str
    kind: str
    affected: str
    description: str
    mitigation: str


class StoredStatement(_Stored):
    """A statement of the target."""

    kind: str
    name: str
    table: str
    sql: str


class StoredPlan(_Stored):
    """A plan. `schemas`: each goes into one of the same name; if empty, everything goes into `target_schema`. `estimates` are in seconds."""

    tables: tuple[StoredTable, ...]
    statements: tuple[StoredStatement, ...]
    risks: tuple[StoredRisk, ...]
    estimates: Mapping[str, float]
    target_schema: str
    schemas: tuple[str, ...] = ()

    def columns(self) -> Iterator[tuple[StoredTable, StoredColumn]]:
        """Every column with its table."""
        for table in self.tables:
            for column in table.columns:
                yield table, column


def unpack(maps: Sequence[dict[str, Any]], digest: str) -> StoredPlan:
    """Read a plan.

    Args:
        maps: The ConfigMaps of its Run.
        digest: The digest of the plan.

    Returns:
        The plan.

    Raises:
        ProblemError: It is not stored completely yet, or a newer version than the gateway's made the plan.
    """
    try:
        packed = joined(maps, digest)
        if not packed:
            raise ProblemError(409, "plan_not_ready", "the plan is being stored. Retry in a moment", retry_seconds=2)
        document = json.loads(gzip.decompress(packed))
        if document.get("format", 1) > PLAN_FORMAT:
            message = "the plan was made by a newer version than this gateway's. Upgrade the gateway, or plan again"
            raise ProblemError(409, "plan_not_ready", message)
        return StoredPlan.model_validate(document)
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, ValidationError) as error:
        raise ProblemError(500, "internal", "the stored plan cannot be read. Plan again") from error
