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
    status, made = door.ask("POST", "/v1/migrations", body)
    assert (status, made["data"]["status"]) == (201, "pending"), made
    identifier, project = made["data"]["id"], made["data"]["project_id"]
    done = door.until(identifier, "complete", 120)
    assert (done["repo"], done["framework"], done["project_id"]) == (moody.REPOSITORY, "node-express", project)
    app = App(place, name, project.removeprefix("proj_"))
    app.serves("mood: calm")
    told = json.dumps(door.ask("GET", f"/v1/migrations/{identifier}/logs?limit=1000")[1])
    assert "npm install" in told
    assert "is live at http" in told
    assert door.ask("GET", f"/v1/deployments?project_id={project}")[1]["data"][0]["status"] == "live"


def test_an_app_from_an_upload(place: Place) -> None:
    name = place.namespace("door-uploads")
    door, packed = Door(place, name), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file, text in moody.FILES.items():
            archive.writestr(f"moody/{file}", text)
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    assert door.ask("POST", f"/v1/uploads?sha256={'0' * 64}", packed.getvalue())[0] == 409
    status, told = door.ask("POST", f"/v1/uploads?sha256={digest}", packed.getvalue())
    assert (status, told["data"]["artifact"]) == (201, f"sha256:{digest}"), told
    viewer = Door(place, name, "viewer")
    assert viewer.ask("POST", f"/v1/uploads?sha256={digest}", packed.getvalue())[0] == 403
    status, made = door.ask("POST", "/v1/migrations", {"source": "zip", "artifact": told["data"]["artifact"]})
    assert status == 201, made
    door.until(made["data"]["id"], "complete", 120)
    App(place, name, made["data"]["project_id"].removeprefix("proj_")).serves("mood: well")
