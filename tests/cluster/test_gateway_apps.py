"""An app that the gateway is asked for, in a real cluster: from a repository, and from an upload."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

import pytest

from tests.cluster import moody
from tests.cluster.conftest import App, Place
from tests.cluster.door import Door

pytestmark = pytest.mark.usefixtures("apps_end")


def test_an_app_is_brought_live(place: Place) -> None:
    name = place.namespace("door-app")
    place.github.push(moody.REPOSITORY, moody.FILES, "feat: moods")
    door = Door(place, name)
    body = {"source": "github", "repo": moody.REPOSITORY, "branch": "main", "env_vars": {"MOOD": "calm"}}
    status, created = door.ask("POST", "/v1/migrations", body)
    assert (status, created["data"]["status"]) == (201, "pending"), created
    identifier, project = created["data"]["id"], created["data"]["project_id"]
    detail = door.until(identifier, "complete", 120)
    assert (detail["repo"], detail["framework"], detail["project_id"]) == (moody.REPOSITORY, "node-express", project)
    app = App(place, name, project.removeprefix("proj_"))
    app.serves("mood: calm")
    log_text = json.dumps(door.ask("GET", f"/v1/migrations/{identifier}/logs?limit=1000")[1])
    assert "npm install" in log_text
    assert "is live at http" in log_text
    assert door.ask("GET", f"/v1/deployments?project_id={project}")[1]["data"][0]["status"] == "live"


def test_an_app_from_an_upload(place: Place) -> None:
    name = place.namespace("door-uploads")
    door, packed = Door(place, name), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file, text in moody.FILES.items():
            archive.writestr(f"moody/{file}", text)
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    assert door.ask("POST", f"/v1/uploads?sha256={'0' * 64}", packed.getvalue())[0] == 409
    status, uploaded = door.ask("POST", f"/v1/uploads?sha256={digest}", packed.getvalue())
    assert (status, uploaded["data"]["artifact"]) == (201, f"sha256:{digest}"), uploaded
    viewer = Door(place, name, "viewer")
    assert viewer.ask("POST", f"/v1/uploads?sha256={digest}", packed.getvalue())[0] == 403
    status, created = door.ask("POST", "/v1/migrations", {"source": "zip", "artifact": uploaded["data"]["artifact"]})
    assert status == 201, created
    door.until(created["data"]["id"], "complete", 120)
    App(place, name, created["data"]["project_id"].removeprefix("proj_")).serves("mood: well")
