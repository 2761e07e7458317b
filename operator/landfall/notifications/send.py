"""Sends notifications by e-mail, Slack, signed webhooks and Apprise: at least once to each receiver, with retries.

A webhook is a POST of JSON with `Landfall-Signature: t=SECONDS,v1=HEX`, where HEX is the HMAC-SHA256 of `SECONDS.BODY` under
the signing key, and with `Idempotency-Key`, which is the same for every try of a notification.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import smtplib
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from functools import partial
from urllib.parse import parse_qs

from landfall.api.migration import Migration, Notice
from landfall.api.notifications import Email, Slack
from landfall.api.webhook import Webhook
from landfall.engine.errors import EngineError
from landfall.errors import LandfallError
from landfall.lib import outgoing
from landfall.lib import urls as addresses
from landfall.lib.backoff import Backoff
from landfall.lib.retry import Attempts, retried

_DELIVERY, _PINGING = Attempts(8, Backoff(1, 60)), Attempts(3, Backoff(1, 60))
# Errors of a receiver that can pass. `_RefusedError` and a missing key of the Secret do not.
_PASSING = (OSError, outgoing.OutgoingError, smtplib.SMTPException)
_TIMEOUT_SECONDS = 20
_LARGEST_ANSWER = 1_000_000
_SLACK = "https://slack.com"
_TOO_MANY, _SERVERS_FAULT = 429, 500
_SMTP_PERMANENT = 500
_TITLES = {
    "Started": "has started",
    "Paused": "is paused",
    "Completed": "is completed",
    "Failed": "needs attention",
    "ApprovalRequired": "needs your approval",
    "RolledBack": "is rolled back",
}
_PING = "this webhook receives events of the migrations of its namespace"
Secret = Mapping[str, str]
Sleep = Callable[[float], None]


class NotDeliveredError(EngineError):
    """A notification could not be delivered to some receiver."""

    reason = "NotDelivered"


class _RefusedError(LandfallError):
    """The receiver rejects the notification for good."""

    reason = "NotDelivered"


def send(migration: Migration, notice: Notice, secret: Callable[[str], Secret], sleep: Sleep = time.sleep) -> None:
    """Send a notification to all receivers. Raises NotDeliveredError with the receivers that failed, after all were tried."""
    spec = migration.spec.notifications
    if spec is None:
        return
    identity = f"{migration.metadata.namespace}/{migration.metadata.name}"
    title = f"Migration {identity} {_TITLES[notice.event]}"
    body = _body(migration, notice)
    tasks: list[tuple[str, str, Callable[[Secret], None]]] = []
    if spec.email:
        email = spec.email
        tasks.append(("email", email.secret_ref.name, lambda secret_data: _mail(email, secret_data, title, notice)))
    if spec.slack:
        slack = spec.slack
        tasks.append(("slack", slack.secret_ref.name, lambda secret_data: _slack(slack, secret_data, f"{title}: {notice.text}")))
    tasks += [
        (
            f"webhook {w.secret_ref.name}",
            w.secret_ref.name,
            lambda secret_data: _webhook(secret_data, notice.id, notice.event, body),
        )
        for w in spec.webhooks
    ]
    tasks += [
        (f"apprise {a.secret_ref.name}", a.secret_ref.name, lambda secret_data: _apprise(secret_data, title, notice.text))
        for a in spec.apprise
    ]
    failures = [
        f"{name}: {problem}"
        for name, secret_name, send in tasks
        if (problem := _send_with_retries(send, partial(secret, secret_name), sleep))
    ]
    if failures:
        message = f"notification {notice.event} was not delivered: {'; '.join(failures)}"
        raise NotDeliveredError(message, advice="Correct its Secret; the next event is sent to it.")


def ping(webhook: Webhook, secret: Callable[[str], Secret], sleep: Sleep = time.sleep) -> str:
    """Send a test event to a webhook; returns the host that accepted it. Raises NotDeliveredError."""
    name, identity = webhook.spec.secret_ref.name, {"namespace": webhook.metadata.namespace, "name": webhook.metadata.name}
    at = int(time.time())
    key = f"Ping/{identity['namespace']}/{identity['name']}/{at}"
    payload = {
        "id": key,
        "event": "Ping",
        "at": datetime.fromtimestamp(at, UTC).isoformat(),
        "webhook": identity,
        "message": _PING,
    }
    body = json.dumps(payload, separators=(",", ":")).encode()
    problem = _send_with_retries(
        lambda secret_data: _webhook(secret_data, key, "Ping", body), partial(secret, name), sleep, _PINGING
    )
    if problem:
        raise NotDeliveredError(problem, advice=f"Correct the Secret {name!r} or its receiver; the ping is retried.")
    return _parts(secret(name)["url"]).host


def _send_with_retries(
    send: Callable[[Secret], None], secret: Callable[[], Secret], sleep: Sleep, attempts: Attempts = _DELIVERY
) -> str:
    """What is wrong after the last try; empty if it was delivered."""
    try:
        retried(lambda: send(secret()), *_PASSING, attempts=attempts, sleep=sleep)
    except KeyError as error:
        return f"the Secret has no key {error}"
    except (_RefusedError, *_PASSING) as error:
        return str(error) or type(error).__name__
    return ""


def _body(migration: Migration, notice: Notice) -> bytes:
    """The JSON document of a webhook."""
    payload = {
        "id": notice.id,
        "event": notice.event,
        "at": notice.at.isoformat() if notice.at else None,
        "migration": {"namespace": migration.metadata.namespace, "name": migration.metadata.name},
        "message": notice.text,
    }
    return json.dumps(payload, separators=(",", ":")).encode()


def signature(key: str, moment: int, body: bytes) -> str:
    """The value of `Landfall-Signature`."""
    return f"t={moment},v1={hmac.new(key.encode(), f'{moment}.'.encode() + body, hashlib.sha256).hexdigest()}"


def _webhook(secret_data: Secret, key: str, event: str, body: bytes) -> None:
    moment = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": key,
        "Landfall-Event": event,
        "Landfall-Signature": signature(secret_data["key"], moment, body),
    }
    _post(secret_data["url"], body, headers)


def _slack(slack: Slack, secret_data: Secret, text: str) -> None:
    body = json.dumps({"channel": slack.channel, "text": text}).encode()
    headers = {"Content-Type": "application/json; charset=utf-8", "Authorization": f"Bearer {secret_data['token']}"}
    url = secret_data.get("url", _SLACK).rstrip("/") + "/api/chat.postMessage"
    answer = json.loads(_post(url, body, headers) or b"{}")
    if not answer.get("ok"):
        message = f"Slack returned the error {answer.get('error', 'nothing')}"
        raise _RefusedError(message)


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """Send a request. Raises OSError if a retry may succeed, _RefusedError if not."""
    if _parts(url).scheme not in {"http", "https"}:
        raise _RefusedError("its url is not an http or https URL")
    if any(letter <= " " or letter == "\x7f" for letter in url):
        raise _RefusedError("its url contains a space or a control character")
    try:
        status, answer = outgoing.post(url, body, headers, outgoing.Timeouts(total=_TIMEOUT_SECONDS), most=_LARGEST_ANSWER)
    except outgoing.BadUrlError as error:
        raise _RefusedError("its url is invalid. Correct it") from error
    if status < 300:
        return answer
    message = f"it returned status {status}"
    if status == _TOO_MANY or status >= _SERVERS_FAULT:
        raise OSError(message)
    raise _RefusedError(message)


def _parts(url: str) -> addresses.Parts:
    try:
        return addresses.split(url)
    except addresses.AddressError as error:
        message = f"its url: {error}"
        raise _RefusedError(message) from error


def _mail(email: Email, secret_data: Secret, title: str, notice: Notice) -> None:
    parts = _parts(secret_data["url"])
    if parts.scheme not in {"smtp", "smtps"} or not parts.host:
        raise _RefusedError("its url is not smtp://HOST or smtps://HOST")
    options = {name: values[0] for name, values in parse_qs(parts.query).items()}
    mail = EmailMessage()
    mail["Subject"], mail["To"] = title, ", ".join(email.to)
    mail["From"] = options.get("from") or parts.username or f"landfall@{parts.host}"
    mail["Message-ID"] = f"<{hashlib.sha256(notice.id.encode()).hexdigest()[:32]}@landfall>"
    mail.set_content(f"{title}.\n\n{notice.text}\n")
    context = ssl.create_default_context()
    server: smtplib.SMTP
    if parts.scheme == "smtps":
        server = smtplib.SMTP_SSL(parts.host, parts.port or 465, timeout=_TIMEOUT_SECONDS, context=context)
    else:
        server = smtplib.SMTP(parts.host, parts.port or 587, timeout=_TIMEOUT_SECONDS)
    with server:
        server.ehlo()
        if parts.scheme == "smtp" and (server.has_extn("starttls") or options.get("tls") == "require"):
            server.starttls(context=context)
        try:
            if parts.username:
                server.login(parts.username, parts.password)
            server.send_message(mail)
        except smtplib.SMTPResponseException as error:
            if error.smtp_code >= _SMTP_PERMANENT:
                message = f"the mail server returned status {error.smtp_code}"
                raise _RefusedError(message) from error
            raise
        except smtplib.SMTPRecipientsRefused as error:
            raise _RefusedError("the mail server rejected every recipient") from error


def _apprise(secret_data: Secret, title: str, text: str) -> None:
    import apprise  # noqa: PLC0415  large, and rarely needed

    target = apprise.Apprise()
    if not target.add(secret_data["url"]):
        raise _RefusedError("Apprise does not support its url")
    if not target.notify(body=text or title, title=title):
        raise OSError("Apprise could not deliver it")
