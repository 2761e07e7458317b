"""Plans as bytes and back: gzipped JSON, with the format in it."""

from __future__ import annotations

import gzip

from pydantic import TypeAdapter

from landfall.engine.errors import LedgerTooNewError
from landfall.engine.model.plan import Plan
from landfall.lib.plan_code import PLAN_FORMAT

_ADAPTER = TypeAdapter(Plan)
_FORMAT = TypeAdapter(dict[str, object])


def packed(plan: Plan) -> bytes:
    """The plan for the ledger."""
    return gzip.compress(_ADAPTER.dump_json(plan), mtime=0)


def unpacked(data: bytes) -> Plan:
    """The plan from the ledger. Raises LedgerTooNewError for a format that this version does not know."""
    text = gzip.decompress(data)
    plan_format = _FORMAT.validate_json(text).get("format", 1)  # first, because a newer plan may hold what no longer validates
    if isinstance(plan_format, int) and plan_format > PLAN_FORMAT:
        message = f"the plan in the ledger has format {plan_format}; this version knows {PLAN_FORMAT}"
        raise LedgerTooNewError(message, advice="Use the newer version of Landfall that began this run.")
    return _ADAPTER.validate_json(text)


def as_json(plan: Plan) -> str:
    """The whole plan as JSON, for machines."""
    return _ADAPTER.dump_json(plan, indent=1).decode()
