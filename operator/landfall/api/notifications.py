"""Recipients of notifications, as `Migration.spec.notifications` names them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from landfall.api.fields import LocalReference, Model


class Email(Model):
    """Notifications by e-mail."""

    to: tuple[str, ...] = Field(min_length=1, description="E-mail addresses of the recipients.")
    secret_ref: LocalReference = Field(
        default=LocalReference(name="landfall-smtp"),
        description="Secret with the key `url`: smtp://USER:PASSWORD@HOST:587?from=ADDRESS (STARTTLS if the server supports"
        " it; required with `&tls=require`) or smtps://.",
    )


class Slack(Model):
    """Notifications in a Slack channel."""

    channel: str = Field(min_length=1, description="Name or ID of the Slack channel.")
    secret_ref: LocalReference = Field(description="Secret with the key `token`, and `url` unless it is https://slack.com.")


class WebhookTarget(Model):
    """Notifications by signed HTTP requests."""

    secret_ref: LocalReference = Field(description="Secret with the keys `url` and `key` (the signing key).")


class Apprise(Model):
    """Notifications to a service that Apprise supports."""

    secret_ref: LocalReference = Field(description="Secret with the key `url`, an Apprise URL.")


EventName = Literal["Started", "Paused", "Completed", "Failed", "ApprovalRequired", "RolledBack"]
TOLD_OF: tuple[EventName, ...] = ("Completed", "Failed", "ApprovalRequired")


class Notifications(Model):
    """Recipients of notifications. Delivery is at least once, and a run does not wait for it."""

    email: Email | None = Field(default=None, description="Recipients by e-mail.")
    slack: Slack | None = Field(default=None, description="Slack channel that receives notifications.")
    webhooks: tuple[WebhookTarget, ...] = Field(default=(), description="HTTP endpoints that receive signed requests.")
    apprise: tuple[Apprise, ...] = Field(default=(), description="Other services, through Apprise.")
    on_events: tuple[EventName, ...] = Field(default=TOLD_OF, description="Events that are sent.")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the Secrets that the recipients need."""
        targets = (self.email, self.slack, *self.webhooks, *self.apprise)
        return tuple(dict.fromkeys(t.secret_ref.name for t in targets if t))
