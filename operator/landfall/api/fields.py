"""Fields that all kinds share: metadata, references, conditions. Unknown fields are rejected."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel

from landfall.ledger_states import State, StateName

API_VERSION: Literal["landfall.dev/v1alpha1"] = "landfall.dev/v1alpha1"

Name = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]


_RFC3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})")


def _moment(value: object) -> object:
    """Validate an RFC 3339 time: with date, time and time zone."""
    if isinstance(value, str) and not _RFC3339.fullmatch(value):
        message = "is not a valid time (example: 2026-02-15T02:00:00Z)"
        raise ValueError(message)
    if not isinstance(value, str | datetime):
        message = "is not a string"
        raise ValueError(message)  # noqa: TRY004  pydantic's validators raise ValueError
    return value


def _number(value: object) -> object:
    """Normalize a number as the API server does: 5.0 is an integer, and integers have 64 bits."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        message = f"{value} is too large"
        raise ValueError(message)
    return value


# As in the API server: a number is not accepted as a boolean, and text is not accepted as a number.
Integer = Annotated[int, Strict()]
Boolean = Annotated[bool, Strict()]
Moment = Annotated[datetime, BeforeValidator(_moment)]
# The state of a run; empty before it begins. The schema lists the words, as the API server knows no union.
RunState = Annotated[StateName, WithJsonSchema({"type": "string", "enum": ["", *(state.value for state in State)]})]


class Model(BaseModel):
    """Base class of all API types: camelCase in YAML, immutable, and unknown fields are rejected.

    The rules are those of the API server: null means that a field is not set, and keys of map lists are unique.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _as_the_server_reads_it(cls, data: Any) -> Any:  # noqa: ANN401  whatever was read
        return {k: _number(v) for k, v in data.items() if v is not None} if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _keys_are_unique(self) -> Self:
        for name, keys in self._keyed:
            keys_of_entries = [tuple(getattr(entry, key) for key in keys) for entry in getattr(self, name)]
            if len(set(keys_of_entries)) < len(keys_of_entries):
                message = f"{to_camel(name)}: duplicate entry; {', '.join(keys)} must be unique"
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


def message_of(mistake: Mapping[str, Any]) -> str:
    """Message of one of a ValidationError's `errors()`, without the prefix that pydantic adds."""
    return str(mistake["msg"]).removeprefix("Value error, ")


class Metadata(BaseModel):
    """Standard object metadata. Only name, namespace, labels and annotations are read without a cluster."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: Name = Field(description="Name of the object, unique in its namespace and kind.")
    namespace: str = Field(default="default", description="Namespace of the object.")
    labels: dict[str, str] = Field(default_factory=dict, description="Labels of the object.")
    annotations: dict[str, str] = Field(default_factory=dict, description="Annotations of the object.")


class LocalReference(Model):
    """Reference to another object in the same namespace."""

    name: Name = Field(description="Name of the referenced object.")


class SecretKey(Model):
    """Reference to one key of a Secret in the same namespace."""

    name: Name = Field(description="Name of the Secret.")
    key: str = Field(default="", description="Key in the data of the Secret.")


def list_map(*keys: str) -> dict[str, Any]:
    """Schema extension of a list whose entries are identified by keys, so that field managers own single entries."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


class Condition(Model):
    """One status condition of the object, in the standard Kubernetes format."""

    type: str = Field(max_length=316, description="Type of the condition, for example Ready, Succeeded, Stalled or PlanReady.")
    status: Literal["True", "False", "Unknown"] = Field(description="Status of the condition.")
    reason: str = Field(min_length=1, max_length=1024, description="Machine-readable reason, in CamelCase.")
    message: str = Field(
        default="", max_length=32768, description="Human-readable explanation, with the required action if there is one."
    )
    last_transition_time: Moment = Field(description="Time at which status last changed.")
    observed_generation: Integer = Field(default=0, ge=0, description="Generation of the spec that this condition refers to.")


class Status(Model):
    """Status fields that every kind has. Written by the operator only."""

    observed_generation: Integer = Field(
        default=-1,
        description="Generation of the spec that the status refers to. -1 until the operator has reconciled the object.",
    )
    conditions: tuple[Condition, ...] = Field(
        default=(),
        description="Status conditions. Ready is always present; Reconciling and Stalled only while they are True.",
        json_schema_extra=list_map("type"),
    )
    phase: str = Field(
        default="", description="Human-readable summary of the status, in one word. Do not build automation on it."
    )


class ProbedStatus(Status):
    """Status of an object whose availability is tested: when it is created or changed, on request, and repeatedly while the test fails."""

    probed_at: Moment | None = Field(default=None, description="Time at which the last test finished.")
    probe: str = Field(default="", description="Name of the Job of the last test.")
    last_handled_request: str = Field(default="", description="ID of the last processed request annotation.")


ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}


def rules(*pairs: tuple[str, str]) -> ConfigDict:
    """CEL rules of a model as (expression, message). They check the same as the model's validators, in the API server."""
    validations: list[Any] = [{"rule": rule, "message": message} for rule, message in pairs]
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": validations})
