"""Requests about apps that the public contracts print, sent as printed to the gateway of a real cluster; the answers are checked field by field.

Printed identifiers that only an answer can tell are replaced by what was told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.cluster import moody
from tests.cluster.authority import ADDRESS, NODE
from tests.cluster.conftest import Place
from tests.cluster.door import Door
from tests.cluster.install import SUPABASE_PORT
from tests.support.providers import Supabase
from tests.support.shapes import LOGS, TIME, like

pytestmark = pytest.mark.usefixtures("apps_end")

_PAGE = {"has_more": bool, "next_cursor": (str, type(None))}
_DEPLOYMENT = {
    "id": re.compile("dep_.+"),
    "project_id": re.compile("proj_.+"),
    "commit_sha": re.compile("[0-9a-f]{7,40}"),
    "commit_message": str,
    "branch": "main",
    "status": {"live", "rolled_back"},
    "url": re.compile("https?://.+"),
    "created_at": TIME,
    "live_at": TIME,
}
_APP = {
    "id": re.compile("mig_.+"),
    "project_id": re.compile("proj_.+"),
    "source": "github",
    "repo": "your-org/your-app",
    "branch": "main",
    "framework": "node-express",
    "status": "complete",
    "created_at": TIME,
    "completed_at": TIME,
}
_ASKED = {"id": re.compile("dep_.+"), "project_id": re.compile("proj_.+"), "status": "queued", "created_at": TIME}


@pytest.fixture
def supabase(place: Place) -> Iterator[Supabase]:
    """Supabase, as the operator is told to reach it; and a node in the region that is printed."""
    with Supabase(ADDRESS, SUPABASE_PORT) as server:
        place.cluster.kubectl("label", "node", NODE, "topology.kubernetes.io/region=us-east-1")
        yield server
        place.cluster.kubectl("label", "node", NODE, "topology.kubernetes.io/region-")


def test_apps_and_their_deployments(place: Place, supabase: Supabase) -> None:
    name = place.namespace("contract-apps")
    place.github.push("your-org/your-app", moody.FILES, "feat: add payment flow")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "landfall-supabase", "namespace": name}}
    place.apply({**secret, "stringData": {"token": "sbp_good"}})
    door = Door(place, name)
    printed = {
        "source": "github",
        "repo": "your-org/your-app",
        "branch": "main",
        "env_vars": {
            "NEXT_PUBLIC_SUPABASE_URL": "https://xxx.supabase.co",
            "NEXT_PUBLIC_SUPABASE_ANON_KEY": "eyJ...",
            "STRIPE_SECRET_KEY": "sk_live_...",
        },
        "database": {"type": "supabase", "action": "create"},
        "domain": "app.yourcompany.com",
        "region": "us-east-1",
    }
    status, created = door.ask("POST", "/v1/migrations", printed)
    assert status == 201, created
    words = {"pending", "processing"}
    like(created, {"data": {"id": _APP["id"], "status": words, "project_id": _APP["project_id"], "created_at": TIME}})
    migration, project = created["data"]["id"], created["data"]["project_id"]
    door.until(migration, "complete", 150)
    assert len(supabase.projects) == 1
    like(door.ask("GET", "/v1/migrations")[1], {"data": [_APP], "pagination": _PAGE})
    answer = door.ask("GET", f"/v1/migrations/{migration}")[1]
    database = {"type": "supabase", "project_id": next(iter(supabase.projects))}
    like(answer, {"data": {**_APP, "database": database, "logs_url": re.compile(rf"http://.+/v1/migrations/{migration}/logs")}})
    like(door.ask("GET", f"/v1/migrations/{migration}/logs")[1], LOGS)

    first = door.ask("GET", f"/v1/deployments?project_id={project}")[1]
    like(first, {"data": [_DEPLOYMENT], "pagination": _PAGE})
    previous = first["data"][0]["id"]
    place.github.push("your-org/your-app", {**moody.FILES, "NOTES": "second"}, "fix: auth redirect")
    status, answer = door.ask("POST", "/v1/deployments", {"project_id": project})
    assert status == 202, answer
    like(answer, {"data": _ASKED})
    latest = answer["data"]["id"]
    path = f"/v1/deployments/{latest}"
    place.wait("it is live", lambda: door.ask("GET", path)[1].get("data", {}).get("status") == "live", 120)
    whole = {
        **_DEPLOYMENT,
        "preview_url": (str, type(None)),
        "region": "us-east-1",
        "instance_type": (str, type(None)),
        "build_duration_seconds": (int, type(None)),
        "logs_url": re.compile(rf"http://.+{path}/logs"),
    }
    like(door.ask("GET", path)[1], {"data": whole})
    like(door.ask("GET", f"{path}/logs")[1], LOGS)
    status, answer = door.ask("POST", f"/v1/deployments/{previous}/rollback")
    assert status == 202, answer
    like(answer, {"data": {**_ASKED, "rolled_back_from": latest, "rolled_back_to": previous}})
    path = f"/v1/deployments/{answer['data']['id']}"
    place.wait("it is back", lambda: door.ask("GET", path)[1].get("data", {}).get("status") == "live", 60)
    listed = door.ask("GET", f"/v1/deployments?project_id={project}&status=rolled_back")[1]["data"]
    assert latest in {deployment["id"] for deployment in listed}
