"""A one-shot request: the annotation `landfall.dev/request`, a JSON object that is handled once and then recorded in status."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal, TypeVar

from pydantic import Field, ValidationError

from landfall.api.deployment import Variable
from landfall.api.fields import Boolean, Model, list_map, said
from landfall.lifecycle import REQUEST, PhaseName

ANNOTATION = REQUEST


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


class DeployRequest(Model):
    """One deploy that is asked for once: of another commit, or with other values, than the spec says."""

    id: str = Field(
        min_length=1, max_length=63, description="Tells this request from others; one that was handled is not handled again."
    )
    verb: Literal["deploy"] = Field(description="deploy: make a release now.")
    commit: str = Field(default="", pattern=r"^([0-9a-f]{7,40})?$", description="Commit to deploy. Default: what the spec says.")
    env: tuple[Variable, ...] = Field(
        default=(),
        description="Variables that go before those of the spec, for this release alone.",
        json_schema_extra=list_map("name"),
    )


class LookRequest(Model):
    """One look at a database, or one ping of a webhook, that is asked for once, though nothing has changed."""

    id: str = Field(
        min_length=1, max_length=63, description="Tells this request from others; one that was handled is not handled again."
    )
    verb: Literal["test"] = Field(description="test: ask now.")


_Asked = TypeVar("_Asked", Request, DeployRequest, LookRequest)


def requested(text: str) -> tuple[Request | None, str]:
    """The request to a Migration in an annotation, or what is wrong with it; neither where there is none."""
    return _read(Request, text, '{"id": "1", "verb": "rehearse"}')


def deploy_requested(text: str) -> tuple[DeployRequest | None, str]:
    """The same of a Deployment."""
    return _read(DeployRequest, text, '{"id": "1", "verb": "deploy"}')


def deploy_requests(text: str) -> tuple[tuple[DeployRequest, ...], str]:
    """The deploys in an annotation, one or a list in the order in which they are carried out, or what is wrong with one of them."""
    if not text.lstrip().startswith("["):
        one, problem = deploy_requested(text)
        return (one,) if one else (), problem
    try:
        listed = json.loads(text)
    except ValueError:
        return (), f"the annotation {ANNOTATION} is no list of requests: invalid JSON"
    read = [deploy_requested(json.dumps(one)) for one in listed]
    wrong = next((problem for _, problem in read if problem), "")
    return ((), wrong) if wrong else (tuple(one for one, _ in read if one), "")


def waiting(ids: Sequence[str], handled: str) -> list[str]:
    """Those of a list of requests that come after the one that was handled last: they are handled in order."""
    return list(ids[ids.index(handled) + 1 :] if handled in ids else ids)


def look_requested(text: str) -> tuple[LookRequest | None, str]:
    """The same of a Connection or a Webhook."""
    return _read(LookRequest, text, '{"id": "1", "verb": "test"}')


def _read(model: type[_Asked], text: str, example: str) -> tuple[_Asked | None, str]:
    if not text.strip():
        return None, ""
    try:
        return model.model_validate_json(text), ""
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        told = f"{where + ': ' if where else ''}{said(first)}"
        return None, f"the annotation {ANNOTATION} is no request: {told}. It looks like {example}"
