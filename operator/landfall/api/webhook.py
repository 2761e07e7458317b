"""Webhook: who hears of every Migration of its namespace."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from landfall.api.fields import API_VERSION, LocalReference, Metadata, Model, ProbedStatus
from landfall.api.migration import TOLD_OF, EventName


class WebhookSpec(Model):
    """Desired state of a Webhook."""

    secret_ref: LocalReference = Field(description="Secret with `url` and `key`, the signing key.")
    on_events: tuple[EventName, ...] = Field(default=TOLD_OF, description="Which events.")


class WebhookStatus(ProbedStatus):
    """What became of the last ping."""

    host: str = Field(default="", description="Host that took it.")


class Webhook(Model):
    """Who hears of every Migration of its namespace, by a signed HTTP request. It is pinged when it is new or changed."""

    api_version: Literal["landfall.dev/v1alpha1"] = Field(default=API_VERSION, description="API version.")
    kind: Literal["Webhook"] = Field(default="Webhook", description="Kind.")
    metadata: Metadata = Field(description="Standard object metadata.")
    spec: WebhookSpec = Field(description="Desired state.")
    status: WebhookStatus | None = Field(default=None, description="What became of the last ping.")
