"""What every kind shares: the envelope, references, and the rule that unknown fields are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, model_validator
from pydantic.alias_generators import to_camel

API_VERSION: Literal["landfall.dev/v1alpha1"] = "landfall.dev/v1alpha1"

Name = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]


_RFC3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})")


def _moment(value: object) -> object:
    """A time as the API server takes it: with date, time and zone."""
    if isinstance(value, str) and not _RFC3339.fullmatch(value):
        message = "is not a time as in 2026-02-15T02:00:00Z"
        raise ValueError(message)
    if not isinstance(value, str | datetime):
        message = "is not a string"
        raise ValueError(message)  # noqa: TRY004  pydantic's validators raise ValueError
    return value


def _number(value: object) -> object:
    """Numbers as the API server keeps them: 5.0 is whole, and whole numbers have 64 bits."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        message = f"{value} is too large"
        raise ValueError(message)
    return value


# The server takes no number for a truth and no text for a number; neither do we.
Integer = Annotated[int, Strict()]
Boolean = Annotated[bool, Strict()]
Moment = Annotated[datetime, BeforeValidator(_moment)]


class Model(BaseModel):
    """The base of all API types: camelCase in YAML, frozen, and strict about what it does not know.

    They take what the API server takes: null means left out, and in lists with keys no key comes twice.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _as_the_server_reads_it(cls, data: Any) -> Any:  # noqa: ANN401  whatever was read
        return {k: _number(v) for k, v in data.items() if v is not None} if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _keys_are_unique(self) -> Self:
        for name, keys in self._keyed:
            found = [tuple(getattr(one, key) for key in keys) for one in getattr(self, name)]
            if len(set(found)) < len(found):
                message = f"{to_camel(name)}: an entry comes twice; each has a {', '.join(keys)} of its own"
                raise ValueError(message)
        return self

    # Lists with keys, as (field, keys).
    _keyed: ClassVar[tuple[tuple[str, tuple[str, ...]], ...]] = ()

    @classmethod
    def __pydantic_init_subclass__(cls, **more: Any) -> None:  # noqa: ANN401  pydantic's
        super().__pydantic_init_subclass__(**more)
        extras = {name: f.json_schema_extra for name, f in cls.model_fields.items() if isinstance(f.json_schema_extra, dict)}
        keyed = {name: extra.get("x-kubernetes-list-map-keys") for name, extra in extras.items()}
        cls._keyed = tuple((name, tuple(map(str, keys))) for name, keys in keyed.items() if isinstance(keys, list))


def said(mistake: Mapping[str, Any]) -> str:
    """What one of a ValidationError's `errors()` says, without the words that pydantic puts before ours."""
    return str(mistake["msg"]).removeprefix("Value error, ")


class Metadata(BaseModel):
    """Standard object metadata. Only name, namespace, labels and annotations are read without a cluster."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: Name = Field(description="Name of the object, unique in its namespace and kind.")
    namespace: str = Field(default="default", description="Namespace of the object.")
    labels: dict[str, str] = Field(default_factory=dict, description="Labels, as on any object.")
    annotations: dict[str, str] = Field(default_factory=dict, description="Annotations, as on any object.")


class LocalReference(Model):
    """Another object of the same namespace, by name."""

    name: Name = Field(description="Name of the object.")


class SecretKey(Model):
    """One key of a Secret of the same namespace."""

    name: Name = Field(description="Name of the Secret.")
    key: str = Field(default="", description="Key in the Secret's data.")


def list_map(*keys: str) -> dict[str, Any]:
    """Schema of a list whose entries are told apart by keys, so that managers own single entries."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


class Condition(Model):
    """One fact about the object, in the shape that every Kubernetes tool reads."""

    type: str = Field(max_length=316, description="The fact: Ready, Succeeded, Stalled, PlanReady and so on.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: str = Field(min_length=1, max_length=1024, description="Why, in one word for machines.")
    message: str = Field(default="", max_length=32768, description="Why, for a person; with what to do where a person must act.")
    last_transition_time: Moment = Field(description="When status last changed.")
    observed_generation: Integer = Field(default=0, ge=0, description="The generation of the spec that this was found for.")


class Status(Model):
    """What every kind tells about itself. The operator alone writes it."""

    observed_generation: Integer = Field(
        default=-1, description="The generation of the spec that the rest was found for; -1: not seen yet."
    )
    conditions: tuple[Condition, ...] = Field(
        default=(),
        description="Facts. Ready is always there; Reconciling and Stalled only while they are true.",
        json_schema_extra=list_map("type"),
    )
    phase: str = Field(default="", description="Where it stands, in one word for people. Nothing should depend on it.")


class ProbedStatus(Status):
    """Of what is asked whether it is there: when it is new or changed, on request, and again while it is not."""

    probed_at: Moment | None = Field(default=None, description="When the last probe ended.")
    probe: str = Field(default="", description="Job of the last probe.")
    last_handled_request: str = Field(default="", description="The last request annotation that was handled.")


ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}


def rules(*pairs: tuple[str, str]) -> ConfigDict:
    """CEL rules of a model as (expression, message): the same that its validators check, for the API server."""
    found: list[Any] = [{"rule": rule, "message": message} for rule, message in pairs]
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": found})
