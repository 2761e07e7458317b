"""One-time requests: the annotation `landfall.dev/request`, a JSON object that is processed once and then recorded in status."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal, TypeVar

from pydantic import Field, ValidationError

from landfall.api.deployment import Variable
from landfall.api.fields import Boolean, Model, list_map, message_of
from landfall.lifecycle import REQUEST, PhaseName

ANNOTATION = REQUEST


class Request(Model):
    """One-time request to a Migration. It is an event, and therefore not part of the spec."""

    id: str = Field(min_length=1, max_length=63, description="Unique ID of the request. Each ID is processed once.")
    verb: Literal["plan", "rehearse", "start"] = Field(
        description="Requested action. plan: create a new plan. rehearse: run everything except the cutover, measure it,"
        " and clean up. start: start the run with options."
    )
    from_: PhaseName | None = Field(
        default=None,
        alias="from",
        description="With start: phase to start from. Rejected unless the ledger proves that the earlier phases are complete.",
    )
    skip_approval: Boolean = Field(default=False, description="With start: skip the review of the plan.")


class DeployRequest(Model):
    """One-time request to deploy, with another commit or other values than the spec."""

    id: str = Field(min_length=1, max_length=63, description="Unique ID of the request. Each ID is processed once.")
    verb: Literal["deploy"] = Field(description="Requested action. deploy: create a release now.")
    commit: str = Field(
        default="", pattern=r"^([0-9a-f]{7,40})?$", description="Commit to deploy. Default: the commit that the spec resolves to."
    )
    env: tuple[Variable, ...] = Field(
        default=(),
        description="Environment variables for this release only. They override those of the spec.",
        json_schema_extra=list_map("name"),
    )


class LookRequest(Model):
    """One-time request to test a connection or to ping a webhook."""

    id: str = Field(min_length=1, max_length=63, description="Unique ID of the request. Each ID is processed once.")
    verb: Literal["test"] = Field(description="Requested action. test: run the test now.")


_Asked = TypeVar("_Asked", Request, DeployRequest, LookRequest)


def requested(text: str) -> tuple[Request | None, str]:
    """Parse the request annotation of a Migration: (request, error message); (None, "") for an empty annotation."""
    return _read(Request, text, '{"id": "1", "verb": "rehearse"}')


def deploy_requested(text: str) -> tuple[DeployRequest | None, str]:
    """Parse the request annotation of a Deployment, if it is one request."""
    return _read(DeployRequest, text, '{"id": "1", "verb": "deploy"}')


def deploy_requests(text: str) -> tuple[tuple[DeployRequest, ...], str]:
    """Parse the request annotation of a Deployment, one request or a list in the order of processing: (requests, error message)."""
    if not text.lstrip().startswith("["):
        request, problem = deploy_requested(text)
        return (request,) if request else (), problem
    try:
        listed = json.loads(text)
    except ValueError:
        return (), f"the annotation {ANNOTATION} is not a valid list of requests: invalid JSON"
    read = [deploy_requested(json.dumps(request)) for request in listed]
    wrong = next((problem for _, problem in read if problem), "")
    return ((), wrong) if wrong else (tuple(request for request, _ in read if request), "")


def waiting(ids: Sequence[str], handled: str) -> list[str]:
    """IDs of the requests after the last processed one. Requests are processed in order."""
    return list(ids[ids.index(handled) + 1 :] if handled in ids else ids)


def look_requested(text: str) -> tuple[LookRequest | None, str]:
    """Parse the request annotation of a Connection or a Webhook."""
    return _read(LookRequest, text, '{"id": "1", "verb": "test"}')


def _read(model: type[_Asked], text: str, example: str) -> tuple[_Asked | None, str]:
    if not text.strip():
        return None, ""
    try:
        return model.model_validate_json(text), ""
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        problem = f"{field + ': ' if field else ''}{message_of(first)}"
        return None, f"the annotation {ANNOTATION} is not a valid request: {problem}. Example: {example}"
