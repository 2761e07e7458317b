"""Settings of every process that talks to the API server, from its environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from landfall.lib.environment import Environment

_Namespace = Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]


def _words(value: object) -> object:
    return value.split() if isinstance(value, str) else value


class ClusterSettings(Environment):
    """The namespaces that an installation is limited to; empty for the whole cluster."""

    namespaces: Annotated[tuple[_Namespace, ...], BeforeValidator(_words)] = Field(
        (), validation_alias="LANDFALL_NAMESPACES", description="names of namespaces, separated by spaces"
    )
