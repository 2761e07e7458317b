"""Webhook: an HTTP endpoint that receives the notifications of all Migrations of its namespace."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from landfall.api.fields import API_VERSION, LocalReference, Metadata, Model, ProbedStatus
from landfall.api.notifications import TOLD_OF, EventName


class WebhookSpec(Model):
    """Desired state of a Webhook."""

    secret_ref: LocalReference = Field(description="Secret with the keys `url` and `key` (the signing key).")
    on_events: tuple[EventName, ...] = Field(default=TOLD_OF, description="Events that are sent.")


class WebhookStatus(ProbedStatus):
    """Result of the last ping."""

    host: str = Field(default="", description="Host that accepted the last ping.")


class Webhook(Model):
    """An HTTP endpoint that receives the notifications of all Migrations of its namespace. It is pinged when it is created or changed."""

    api_version: Literal["landfall.dev/v1alpha1"] = Field(default=API_VERSION, description="API version of the object.")
    kind: Literal["Webhook"] = Field(default="Webhook", description="Kind of the object.")
    metadata: Metadata = Field(description="Standard object metadata.")
    spec: WebhookSpec = Field(description="Desired state.")
    status: WebhookStatus | None = Field(default=None, description="Result of the last ping.")
