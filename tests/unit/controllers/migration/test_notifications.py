"""Who is told of what, and that they hear of it: once recorded, with patience, each for itself."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from landfall.api.migration import Migration, MigrationStatus, Notice, PlanSummary
from landfall.api.progress import Progress
from landfall.api.run import RunFailure, RunStatus
from landfall.api.webhook import Webhook
from landfall.controllers.decision import ReconcileDecision
from landfall.controllers.migration.notifications import delivery_condition, new_notices, recorded_notices, targets
from landfall.controllers.migration.observed import ObservedMigration
from landfall.lifecycle import Phase
from landfall.notifications.send import NotDeliveredError, ping, send
from tests.support import receivers

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOOK = {"secretRef": {"name": "hook"}}
ALL = ["Started", "Paused", "Completed", "Failed", "ApprovalRequired", "RolledBack"]
NOTICE = Notice(id="Completed/shop-1", event="Completed", text="20 rows are in the target", state="Pending", at=NOW)


def migration(**notifications: object) -> Migration:
    data = {"source": {"connectionRef": {"name": "a"}}, "target": {"connectionRef": {"name": "b"}}}
    return Migration.model_validate(
        {"metadata": {"name": "shop", "namespace": "store"}, "spec": {"data": data, "notifications": notifications}}
    )


def seen(state: str = "", **more: object) -> ObservedMigration:
    run = RunStatus(state=state, plan=PlanSummary(digest="sha256:" + "ab" * 32), progress=Progress(checkpoint="t/3"), **more)
    return ObservedMigration(
        now=NOW, generation=3, migration=migration(webhooks=[HOOK], onEvents=ALL), run_name="shop-1", run=run
    )


def told_of(observed: ObservedMigration, decision: ReconcileDecision, before: tuple[Notice, ...] = ()) -> tuple[Notice, ...]:
    assert observed.migration
    return recorded_notices(observed.migration, before, new_notices(observed, decision, before))


ROWS = {
    "approval": (
        seen(),
        ReconcileDecision(Phase.PLAN_READY, ("False", "ApprovalRequired"), "m", awaits_approval=True),
        ["ApprovalRequired/abababababab"],
    ),
    "a beginning": (
        seen("copying"),
        ReconcileDecision(Phase.RUNNING, ("False", "Running"), "m", working=True),
        ["Started/shop-1"],
    ),
    "a pause": (
        seen("copying"),
        ReconcileDecision(Phase.PAUSED, ("True", "Paused"), "m"),
        ["Started/shop-1", "Paused/shop-1/t/3"],
    ),
    "a failure": (
        seen(failure=RunFailure(job="shop-1-run-2", reason="DiskFull", message="m")),
        ReconcileDecision(Phase.FAILED, ("False", "DiskFull"), "m", stalled=True),
        ["Failed/shop-1-run-2/DiskFull"],
    ),
    "an end": (
        seen("cut_over"),
        ReconcileDecision(Phase.COMPLETED, ("True", "Completed"), "m"),
        ["Started/shop-1", "Completed/shop-1"],
    ),
    "an end that was known before": (
        seen("cut_over", adopted=True),
        ReconcileDecision(Phase.COMPLETED, ("True", "AlreadyCompleted"), "m"),
        [],
    ),
    "a way back": (seen("rolled_back"), ReconcileDecision(Phase.ROLLED_BACK, ("True", "RolledBack"), "m"), ["RolledBack/shop-1"]),
}


@pytest.mark.parametrize("row", ROWS)
def test_what_is_noted_and_that_it_is_noted_once(row: str) -> None:
    observed, decision, ids = ROWS[row]
    first = told_of(observed, decision)
    assert [n.id for n in first] == ids
    assert all((n.state, n.text, n.at) == ("Pending", "m", NOW) for n in first)
    sent_notices = tuple(n.model_copy(update={"state": "Sent"}) for n in first)
    assert told_of(observed, decision, sent_notices) == sent_notices


def test_only_what_was_asked_for_is_noted() -> None:
    observed, decision, _ = ROWS["a pause"]
    assert told_of(replace(observed, migration=migration(webhooks=[HOOK])), decision) == ()
    assert told_of(replace(observed, migration=migration(onEvents=ALL)), decision) == ()  # and nobody to tell
    assert told_of(replace(observed, deleting=True), decision) == ()


def test_a_webhook_of_the_namespace_hears_of_what_it_asks_for_and_the_migration_s_own_of_theirs() -> None:
    observed, decision, _ = ROWS["an end"]
    hears = Webhook.model_validate(
        {"metadata": {"name": "all", "namespace": "store"}, "spec": {"secretRef": {"name": "all"}, "onEvents": ["Completed"]}}
    )
    without_targets = Migration.model_validate({**migration().model_dump(by_alias=True), "spec": {"data": migration().spec.data}})
    for spec_migration, started, completed in (
        (without_targets, (), ("all",)),
        (migration(webhooks=[HOOK], onEvents=["Started"]), ("hook",), ("all",)),
        (migration(webhooks=[HOOK]), (), ("hook", "all")),
        (migration(webhooks=[{"secretRef": {"name": "all"}}]), (), ("all",)),
    ):
        seen_so = replace(observed, migration=spec_migration)
        new = recorded_notices(spec_migration, (), new_notices(seen_so, decision, ()), (hears,))
        assert [n.event for n in new] == [e for e, name in (("Started", started), ("Completed", completed)) if name]
        assert targets(spec_migration, "Started", (hears,)).secrets == started
        assert targets(spec_migration, "Completed", (hears,)).secrets == completed


def test_old_ones_go_and_those_to_be_sent_stay() -> None:
    old = tuple(Notice(id=f"Paused/{n}", event="Paused", state="Pending" if n == 0 else "Sent") for n in range(30))
    observed, decision, _ = ROWS["an end"]
    notices = told_of(observed, decision, old)
    assert len(notices) == 30
    assert [notices[0].id, notices[1].id, notices[-1].id] == ["Paused/0", "Paused/3", "Completed/shop-1"]
    MigrationStatus(notices=notices)


def test_a_target_that_could_not_be_reached_is_a_condition() -> None:
    assert delivery_condition((NOTICE,)) == ()
    assert delivery_condition((NOTICE.model_copy(update={"state": "Sent"}),))[0][1][0] == "True"
    failed = NOTICE.model_copy(update={"state": "Failed", "text": "not told"})
    assert delivery_condition((NOTICE, failed)) == (("Notified", ("False", "NotDelivered", "not told")),)


# -- telling ----------------------------------------------------------------------------------------------------------


class Naps(list[float]):
    """Pauses that are noted instead of waited."""

    def __call__(self, seconds: float) -> None:
        """Note one."""
        self.append(seconds)


def test_a_webhook_is_signed_and_comes_again_with_the_same_name() -> None:
    naps = Naps()
    with receivers.http(answers=(500, 429)) as hook:
        secret = {"url": f"{hook.url}/hook", "key": "k3y"}
        send(migration(webhooks=[{"secretRef": {"name": "hook"}}]), NOTICE, lambda _: secret, naps)
    assert naps == [1, 2]
    assert {p.headers["idempotency-key"] for p in hook.posts} == {NOTICE.id}
    post = hook.posts[-1]
    moment, signature = (part.partition("=")[2] for part in post.headers["landfall-signature"].split(","))
    assert signature == hmac.new(b"k3y", f"{moment}.".encode() + post.body, hashlib.sha256).hexdigest()
    assert json.loads(post.body) == {
        "id": NOTICE.id,
        "event": "Completed",
        "at": NOW.isoformat(),
        "migration": {"namespace": "store", "name": "shop"},
        "message": NOTICE.text,
    }


def test_a_ping_tells_who_took_it_or_what_is_wrong() -> None:
    raw = {"metadata": {"name": "ops", "namespace": "store"}, "spec": {"secretRef": {"name": "hook"}}}
    webhook, naps = Webhook.model_validate(raw), Naps()
    with receivers.http(answers=(503,)) as hook:
        secret = {"url": f"{hook.url}/hook?token=t", "key": "k3y"}
        assert ping(webhook, lambda _: secret, naps) == "127.0.0.1"
    assert naps == [1]
    payload = json.loads(hook.posts[-1].body)
    assert (payload["event"], payload["webhook"]) == ("Ping", {"namespace": "store", "name": "ops"})
    assert hook.posts[-1].headers["landfall-event"] == "Ping"
    with pytest.raises(NotDeliveredError, match=r"the Secret has no key 'key'.*Correct the Secret 'hook'"):
        ping(webhook, lambda _: {"url": hook.url}, naps)
    with pytest.raises(NotDeliveredError, match="not an http or https URL"):
        ping(webhook, lambda _: {**secret, "url": "file:///etc/passwd"}, naps)


def test_slack_is_told_and_its_refusal_is_final() -> None:
    spec_migration = migration(slack={"channel": "#data-ops", "secretRef": {"name": "slack"}})
    with receivers.http(token="xoxb") as slack:  # noqa: S106  of this test
        send(spec_migration, NOTICE, lambda _: {"url": slack.url, "token": "xoxb"}, Naps())
        assert slack.posts[0].path == "/api/chat.postMessage"
        payload = json.loads(slack.posts[0].body)
        assert (payload["channel"], payload["text"]) == ("#data-ops", f"Migration store/shop is completed: {NOTICE.text}")
        naps = Naps()
        with pytest.raises(NotDeliveredError, match="slack: Slack returned the error invalid_auth"):
            send(spec_migration, NOTICE, lambda _: {"url": slack.url, "token": "wrong"}, naps)
        assert naps == []


def test_mail_goes_out_again_after_a_passing_refusal() -> None:
    naps = Naps()
    spec_migration = migration(email={"to": ["a@x.de", "b@x.de"]})
    with receivers.smtp("me@x.de", "p&ss", refuse=(451,)) as server:
        url = f"smtp://me%40x.de:p%26ss@127.0.0.1:{server.port}?from=landfall@x.de"
        send(spec_migration, NOTICE, lambda name: {"url": url} if name == "landfall-smtp" else {}, naps)
        ((to, mail),) = server.mails
        assert (to, mail["From"], mail["To"]) == (["a@x.de", "b@x.de"], "landfall@x.de", "a@x.de, b@x.de")
        assert mail["Subject"] == "Migration store/shop is completed"
        assert NOTICE.text in str(mail.get_payload())
        assert naps == [1]
        with pytest.raises(NotDeliveredError, match="the mail server returned status 535"):
            send(spec_migration, NOTICE, lambda _: {"url": url.replace("p%26ss", "wrong")}, naps)


def test_apprise_reaches_the_rest() -> None:
    with receivers.http() as other:
        url = other.url.replace("http://", "json://") + "/told"
        send(migration(apprise=[{"secretRef": {"name": "x"}}]), NOTICE, lambda _: {"url": url}, Naps())
    assert NOTICE.text in other.posts[0].body.decode()


def test_one_that_is_away_keeps_nobody_else_from_hearing() -> None:
    naps = Naps()
    spec_migration = migration(
        webhooks=[{"secretRef": {"name": "away"}}, {"secretRef": {"name": "there"}}, {"secretRef": {"name": "bare"}}]
    )
    with receivers.http() as hook:
        secrets = {
            "away": {"url": "http://127.0.0.1:1/", "key": "k"},
            "there": {"url": hook.url, "key": "k"},
            "bare": {"url": hook.url},
        }
        with pytest.raises(NotDeliveredError, match=r"webhook away: .*refused.*webhook bare: the Secret has no key 'key'"):
            send(spec_migration, NOTICE, secrets.__getitem__, naps)
    assert len(hook.posts) == 1
    assert naps == [1, 2, 4, 8, 16, 32, 60]
