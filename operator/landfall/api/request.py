"""A one-shot request: the annotation `landfall.dev/request`, a JSON object that is handled once and then recorded in status."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationError

from landfall.api.fields import Boolean, Model

ANNOTATION = "landfall.dev/request"
PhaseName = Literal["schema_migration", "data_transfer", "validation", "cutover"]


class Request(Model):
    """What is asked for once. It is no part of the spec, for it is an event."""

    id: str = Field(
        min_length=1, max_length=63, description="Tells this request from others; one that was handled is not handled again."
    )
    verb: Literal["plan", "rehearse", "start"] = Field(
        description="plan: plan anew. rehearse: do everything but the cutover, measure it, and leave nothing. start: begin, on terms."
    )
    from_: PhaseName | None = Field(
        default=None,
        alias="from",
        description="start: the phase to begin with. Refused where the ledger does not prove those before it.",
    )
    skip_approval: Boolean = Field(default=False, description="start: run the plan as it is, whatever needs review.")


def requested(text: str) -> tuple[Request | None, str]:
    """The request in an annotation, or what is wrong with it; neither where there is none."""
    if not text.strip():
        return None, ""
    try:
        return Request.model_validate_json(text), ""
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        example = '{"id": "1", "verb": "rehearse"}'
        return (
            None,
            f"the annotation {ANNOTATION} is no request: {where + ': ' if where else ''}{first['msg']}. It looks like {example}",
        )
