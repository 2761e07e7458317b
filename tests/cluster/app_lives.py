"""What may happen to a Deployment in its life, each with its end, which is the same whatever goes wrong on the way."""

from __future__ import annotations

from collections.abc import Callable

from landfall.builds.failure_hints import is_broken_off
from tests.cluster import moody
from tests.cluster.conftest import App, Object, Place

_PATIENCE_SECONDS = 120
_APP = "moody"
_WELL = [{"name": "MOOD", "value": "well"}]
_CALM = [{"name": "MOOD", "value": "calm"}]
_DIES = [{"name": "MOOD", "value": "dies"}]
_LEFT = "pods,releases.landfall.dev,services,secrets,jobs,deployments.apps,ingresses"


def _live(place: Place, name: str) -> App:
    """Built, started, switched to."""
    app = _applied(place, name)
    app.until_live("moody-1", _PATIENCE_SECONDS)
    app.serves("mood: well")
    return app


def _arrived(place: Place, name: str) -> None:
    _settled(_live(place, name), {"moody-1": "Live"})


def _released(place: Place, name: str) -> None:
    """Another release takes its place."""
    app = _live(place, name)
    _calmed(app, "moody-2")
    _settled(app, {"moody-1": "Superseded", "moody-2": "Live"})


def _mended(place: Place, name: str) -> None:
    """A release dies, what serves goes on serving, and the next one is well."""
    app = _live(place, name)
    app.patch(env=_DIES)
    app.until("CrashLoop", _PATIENCE_SECONDS)
    app.serves("mood: well")
    _calmed(app, "moody-3")
    _settled(app, {"moody-1": "Superseded", "moody-2": "Failed", "moody-3": "Live"})


def _sent_back(place: Place, name: str) -> None:
    """It goes back to the release before."""
    app = _live(place, name)
    _calmed(app, "moody-2")
    app.patch(rollbackTo={"revision": 1})
    app.until_live("moody-3", _PATIENCE_SECONDS)
    app.serves("mood: well")
    _settled(app, {"moody-1": "Superseded", "moody-2": "RolledBack", "moody-3": "Live"})


def _scaled(place: Place, name: str) -> None:
    """To none, and up again, which makes no release."""
    app = _live(place, name)
    for replicas in (0, 2):
        app.patch(replicas=replicas)
        place.wait(f"it has {replicas}", lambda: app.status.get("replicas", 0) == replicas, _PATIENCE_SECONDS)  # noqa: B023  asked at once
    app.until_live("moody-1", _PATIENCE_SECONDS)
    app.serves("mood: well")
    _settled(app, {"moody-1": "Live"})


def _held(place: Place, name: str) -> None:
    """Somebody freezes what is live, and lets it go on."""
    app = _live(place, name)
    place.objects.annotate("appdeployment", name, _APP, hold="the night")
    app.until("Paused", _PATIENCE_SECONDS)
    app.patch(env=_CALM)
    place.wait("it was seen", lambda: _is_observed(app), _PATIENCE_SECONDS)
    assert app.status["live"] == "moody-1"
    app.serves("mood: well")
    place.objects.annotate("appdeployment", name, _APP, hold=None)
    app.until_live("moody-2", _PATIENCE_SECONDS)
    app.serves("mood: calm")
    _settled(app, {"moody-1": "Superseded", "moody-2": "Live"})


def _withdrawn(place: Place, name: str) -> None:
    """Deleted while it is built."""
    app = _applied(place, name)
    place.wait("it is built", lambda: bool(place.listed("jobs", name)), _PATIENCE_SECONDS)
    gone(place, name)
    assert app.status == {}


APP_LIVES: dict[str, Callable[[Place, str], None]] = {
    "arrived": _arrived,
    "released": _released,
    "mended": _mended,
    "sent-back": _sent_back,
    "scaled": _scaled,
    "held": _held,
    "withdrawn": _withdrawn,
}


def gone(place: Place, name: str) -> None:
    """Deleted; and nothing is left."""
    place.objects.delete("appdeployment", name, _APP)
    place.wait("nothing is left over", lambda: place.listed(_LEFT, name) == [], _PATIENCE_SECONDS)


def _applied(place: Place, name: str) -> App:
    if moody.REPOSITORY not in place.github.repositories:
        place.github.push(moody.REPOSITORY, moody.FILES, "feat: moods")
    place.apply(moody.deployment(name, _APP, env=_WELL))
    return App(place, name, _APP)


def _calmed(app: App, release: str) -> None:
    app.patch(env=_CALM)
    app.until_live(release, _PATIENCE_SECONDS)
    app.serves("mood: calm")


def _is_observed(app: App) -> bool:
    raw: Object = app.place.get("appdeployment", app.namespace, app.name)
    return bool(raw["status"].get("observedGeneration") == raw["metadata"]["generation"])


def _settled(app: App, phases: dict[str, str]) -> None:
    """The Releases that there should be stand where they should; one build made all of them; nobody but people wrote a spec."""

    def stand() -> dict[str, str]:
        releases = app.place.listed("releases.landfall.dev", app.namespace)
        return {raw["metadata"]["name"]: raw.get("status", {}).get("phase", "") for raw in releases}

    app.place.wait(f"{phases} is how its releases stand", lambda: stand() == phases, _PATIENCE_SECONDS)
    _built_once(app)
    fields = app.place.get("appdeployment", app.namespace, app.name)["metadata"]["managedFields"]
    assert all(raw["manager"].startswith("kubectl") for raw in fields if "f:spec" in raw.get("fieldsV1", {})), fields
    assert app.place.orphans(app.namespace) == []


def _built_once(app: App) -> None:
    """By one builder; or by as many as the registry of packages broke off, and one more."""
    builders = {job["metadata"]["name"]: job["status"].get("succeeded", 0) for job in app.place.listed("jobs", app.namespace)}
    *broken, last = sorted(builders)
    assert [*broken, last] == [f"moody-1-build-{number}" for number in range(1, len(builders) + 1)]
    assert builders[last] == 1
    for name in broken:
        log = app.place.cluster.kubectl("logs", "-n", app.namespace, f"job/{name}", "--all-containers")
        assert is_broken_off(log), f"{name} did not end for the network:\n{log}"
