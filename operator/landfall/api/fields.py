"""What every kind shares: the envelope, references, and the rule that unknown fields are refused."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

API_VERSION: Literal["landfall.dev/v1alpha1"] = "landfall.dev/v1alpha1"

Name = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]


class Model(BaseModel):
    """The base of all API types: camelCase in YAML, frozen, and strict about what it does not know."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


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
