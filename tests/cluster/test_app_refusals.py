"""What bad input, and a bad app, gets: its own reason and a way out; and what serves is untouched by all of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.conftest import App, Place
from tests.cluster.moody import FAST, FILES, REPOSITORY, deployment


@pytest.fixture(scope="module")
def moody(place: Place) -> Iterator[App]:
    """An app that is live and well."""
    name = place.namespace("moody")
    place.github.push(REPOSITORY, FILES, "feat: moods")
    place.apply(deployment(name, "moody", runtime={"healthCheck": {"timeoutSeconds": 10}}))
    app = App(place, name, "moody")
    app.until_live("moody-1")
    app.serves("mood: well")
    yield app
    place.apps_end()


@pytest.mark.parametrize(
    ("mood", "reason", "words"),
    [
        ("dies", "CrashLoop", ("exited with status 3", "the harbour is closed")),
        ("silent", "NotListening", ("nothing listens on port 3000", "not on 127")),
        ("loopback", "NotListening", ("nothing listens on port 3000", "127.0.0.1")),
        ("port", "NotListening", ("nothing listens on port 3000", "runtime.port")),
        ("500", "HealthCheckFailed", ("returns status 500", "healthCheck.path")),
    ],
)
def test_an_app_that_does_not_come_up(moody: App, mood: str, reason: str, words: tuple[str, ...]) -> None:
    moody.patch(env=[{"name": "MOOD", "value": mood}])
    message = moody.until(reason, 60)
    assert all(word in message for word in (*words, "moody-1 stays live")), message
    assert moody.condition("Available")["status"] == "True"
    moody.serves("mood: well")
    moody.patch(env=None)
    moody.until("Live", 30)
    assert moody.status["live"] == "moody-1", "what the spec asks for again is live already"


def test_an_app_that_dies_soon_after_it_went_live(moody: App) -> None:
    moody.patch(env=[{"name": "MOOD", "value": "sinks"}], rollout={"observeSeconds": 15})  # a busy kubelet tells it late
    message = moody.until("CrashLoop", 60)
    assert "hull breached" in message
    moody.serves("mood: well")
    moody.place.wait("the first release is told", lambda: moody.status["live"] == "moody-1", 10)
    failed = next(
        r for r in moody.place.listed("releases.landfall.dev", moody.namespace) if r["status"].get("phase") == "RolledBack"
    )
    assert failed["status"]["liveAt"]
    moody.patch(env=None, rollout=FAST)
    moody.until("Live", 30)


def test_sources_that_are_not_there(place: Place) -> None:
    name = place.namespace("no-source")
    place.github.push("example-org/vault", FILES, "secret", private=True)
    place.github.push(REPOSITORY, FILES, "feat: moods")
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "old-token", "namespace": name},
        "stringData": {"token": "ghp_old"},
    }
    place.apply(
        secret,
        deployment(name, "nowhere", source={"github": {"repository": "example-org/nowhere"}}),
        deployment(name, "branch", source={"github": {"repository": REPOSITORY, "branch": "gone"}}),
        deployment(name, "commit", source={"github": {"repository": REPOSITORY, "commit": "abcdef1"}}),
        deployment(name, "private", source={"github": {"repository": "example-org/vault"}}),
        deployment(
            name, "refused", source={"github": {"repository": "example-org/vault", "tokenSecretRef": {"name": "old-token"}}}
        ),
        deployment(name, "token", source={"github": {"repository": "example-org/vault", "tokenSecretRef": {"name": "no-token"}}}),
        deployment(name, "folder", path="apps/none"),
        deployment(name, "image", source={"image": "10.244.0.1:5000/none/none@sha256:" + "0" * 64}),
        deployment(name, "region", region="mars-north-1"),
        deployment(name, "instance", runtime={"instanceType": "z9.huge"}),
    )
    expected = {
        "nowhere": ("SourceMissing", "example-org/nowhere"),
        "branch": ("SourceMissing", "gone"),
        "commit": ("SourceMissing", "abcdef1"),
        "private": ("SourceMissing", "give a token"),
        "refused": ("SourceRefused", "renew it"),
        "token": ("SecretMissing", "'no-token'"),
        "folder": ("SourceMissing", "no folder 'apps/none'"),
        "image": ("ImagePullFailed", "cannot be pulled"),
        "region": ("RegionUnavailable", "mars-north-1"),
        "instance": ("InstanceTypeUnknown", "t3.small"),
    }
    for app_name, (reason, words) in expected.items():
        message = App(place, name, app_name).until(reason, 60)
        assert words in message, (app_name, message)
        assert App(place, name, app_name).condition("Available")["status"] == "False"


def test_trees_that_nobody_can_start(place: Place) -> None:
    name = place.namespace("no-start")
    trees = {
        "ruby": {"Gemfile": "source 'https://rubygems.org'"},
        "both": {
            "package.json": FILES["package.json"],
            "server.js": FILES["server.js"],
            "requirements.txt": "fastapi\n",
            "main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
        },
        "old": {
            **FILES,
            "package.json": '{"engines": {"node": "8"}, "dependencies": {"express": "4"}, "scripts": {"start": "node server.js"}}',
        },
    }
    expected = {
        "ruby": ("FrameworkUnknown", "Gemfile means Ruby"),
        "both": ("FrameworkAmbiguous", "build.framework"),
        "old": ("RuntimeMissing", "22.20.0"),
    }
    for app_name, files in trees.items():
        place.github.push(f"example-org/{app_name}", files, "x")
        place.apply(deployment(name, app_name, source={"github": {"repository": f"example-org/{app_name}"}}))
    for app_name, (reason, words) in expected.items():
        assert words in App(place, name, app_name).until(reason, 60)


def test_a_domain_that_another_one_has_and_a_quota_that_is_used_up(moody: App) -> None:
    place, name = moody.place, moody.namespace
    image = moody.release("moody-1")["status"]["image"]
    moody.patch(route={"domain": "moody.example.com", "ingressClassName": "nginx", "tls": {"clusterIssuer": "letsencrypt"}})
    place.wait("it is routed", lambda: moody.condition("Routed").get("status") == "True", 30)
    ingress = place.get("ingress", name, "moody")
    assert ingress["spec"]["rules"][0]["host"] == "moody.example.com"
    assert ingress["metadata"]["annotations"]["cert-manager.io/cluster-issuer"] == "letsencrypt"
    assert moody.status["url"] == "https://moody.example.com"
    runtime = {"port": 3000, "healthCheck": {"timeoutSeconds": 10}}
    other = {"source": {"image": image}, "runtime": runtime, "route": {"domain": "moody.example.com"}}
    place.apply(deployment(name, "rival", **other))
    rival = App(place, name, "rival")
    assert f"{name}/moody" in rival.until("DomainTaken", 60)
    assert rival.condition("Routed")["status"] == "False"
    assert rival.condition("Available")["status"] == "True"
    moody.patch(route=None)
    place.wait("the domain is free, and the rival's", lambda: rival.condition("Routed").get("status") == "True", 60)
    assert place.get("ingress", name, "moody") == {}

    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": name},
        "spec": {"hard": {"count/pods": "1"}},
    }
    place.apply(quota)
    moody.patch(env=[{"name": "MOOD", "value": "fine"}], rollout={"progressDeadlineSeconds": 10})
    assert "exceeded quota" in moody.until("QuotaExceeded", 60)
    moody.serves("mood: well")
    place.cluster.kubectl("delete", "resourcequota", "-n", name, "few")
    moody.patch(env=None, rollout={"progressDeadlineSeconds": None})
    moody.until("Live", 60)
