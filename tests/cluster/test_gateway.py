"""The door for HTTP on a real cluster: the contract's requests with a key that `landfall keys` made, and a neighbour's key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cluster import images
from tests.cluster.conftest import App, Place
from tests.cluster.door import Door
from tests.cluster.terminal import Terminal
from tests.cluster.test_apps import applied, pushed, sources

_EXAMPLE = "app-node-express"


@pytest.fixture(scope="module")
def app(place: Place) -> Iterator[App]:
    """An app that is live."""
    name = place.namespace("door")
    pushed(place, _EXAMPLE)
    live_app = applied(place, name, _EXAMPLE, observeSeconds=1, drainSeconds=1)
    live_app.until_live("greetings-1")
    yield live_app
    place.apps_end()


def test_a_deploy_and_the_way_back_over_http(app: App) -> None:
    place, door = app.place, Door(app.place, app.namespace)
    status, answer = door.ask("GET", "/v1/deployments?project_id=proj_greetings")
    assert status == 200, answer
    first = answer["data"][0]
    assert (first["id"], first["status"], first["commit_message"], first["branch"]) == (
        "dep_greetings-1",
        "live",
        "feat: first",
        "main",
    )
    assert first["live_at"] >= first["created_at"]
    assert answer["pagination"] == {"has_more": False, "next_cursor": None}

    body = {"project_id": "proj_greetings", "env_vars": {"GREETING": "the lighthouse"}}
    status, answer = door.ask("POST", "/v1/deployments", body)
    assert (status, answer["data"]["status"]) == (202, "queued"), answer
    second = answer["data"]["id"]
    place.wait("it is live", lambda: door.ask("GET", f"/v1/deployments/{second}")[1].get("data", {}).get("status") == "live", 60)
    app.serves("the lighthouse")
    assert "the lighthouse" not in json.dumps(place.get("appdeployment", app.namespace, app.name))

    status, answer = door.ask("POST", "/v1/deployments/dep_greetings-1/rollback")
    assert (status, answer["data"]["rolled_back_from"], answer["data"]["rolled_back_to"]) == (202, second, "dep_greetings-1"), (
        answer
    )
    third = answer["data"]["id"]
    place.wait("it is back", lambda: door.ask("GET", f"/v1/deployments/{third}")[1].get("data", {}).get("status") == "live", 60)
    app.serves("the harbour")
    assert door.ask("GET", f"/v1/deployments/{third}")[1]["data"]["rolled_back_to"] == "dep_greetings-1"
    assert door.ask("GET", f"/v1/deployments/{second}")[1]["data"]["status"] == "rolled_back"

    status, answer = door.ask("GET", "/v1/deployments/dep_greetings-1/logs")
    lines = answer["data"]["logs"]
    assert status == 200
    assert any("node-express" in line["message"] for line in lines)
    assert (lines[-1]["level"], lines[-1]["message"][:4]) == ("success", "live")

    server = sources(images.ROOT / "examples" / _EXAMPLE / "app")["server.js"]
    newest = pushed(place, _EXAMPLE, "feat: second", server_js=server.replace("version 1", "version 2"))
    status, answer = door.ask("POST", "/v1/deployments", {"project_id": "proj_greetings"})
    assert status == 202, answer
    place.wait("the newest is live", lambda: app.status.get("commit") == newest, 60)
    app.serves("version 2")
    assert "rollbackTo" not in place.get("appdeployment", app.namespace, app.name)["spec"], (
        "what this door said before and says no more, goes"
    )


def test_deploys_at_once_are_each_carried_out_and_known_from_the_first_moment(app: App) -> None:
    door, expected = Door(app.place, app.namespace), [f"greeting {number}" for number in range(4)]
    statuses: dict[str, list[tuple[int, str]]] = {}

    def deployed(greeting: str) -> str:
        code, answer = door.ask("POST", "/v1/deployments", {"project_id": "proj_greetings", "env_vars": {"GREETING": greeting}})
        assert (code, answer["data"]["status"]) == (202, "queued"), answer
        path, answers = f"/v1/deployments/{answer['data']['id']}", statuses.setdefault(greeting, [])

        def has_ended() -> bool:
            code, answer = door.ask("GET", path)
            answers.append((code, answer["data"]["status"]))
            return answers[-1][1] in {"live", "rolled_back", "failed"}

        app.place.wait(f"{path} has ended", has_ended, 60)
        return str(answer["data"]["id"])

    with ThreadPoolExecutor(len(expected)) as pool:
        identifiers = list(pool.map(deployed, expected))
    assert len(set(identifiers)) == len(expected)
    assert {code for answers in statuses.values() for code, _ in answers} == {200}
    by_id = {
        identifier["id"]: identifier for identifier in door.ask("GET", "/v1/deployments?project_id=proj_greetings")[1]["data"]
    }
    (live,) = [identifier for identifier in identifiers if by_id[identifier]["status"] == "live"]
    for identifier in set(identifiers) - {live}:
        answer = door.ask("GET", f"/v1/deployments/{identifier}")[1]["data"]
        assert answer["status"] == "rolled_back" or answer["error"].startswith("Superseded: "), answer
    environment = app.place.cluster.kubectl(
        *("exec", "-n", app.namespace, f"deployment.apps/{app.status['live']}", "--", "printenv", "GREETING")
    )
    assert environment.strip() in expected


def test_a_neighbour_sees_and_changes_nothing(app: App) -> None:
    door = Door(app.place, app.place.namespace("neighbour"))
    assert door.ask("GET", "/v1/deployments") == (200, {"data": [], "pagination": {"has_more": False, "next_cursor": None}})
    for method, path, body in (
        ("GET", "/v1/deployments/dep_greetings-1", None),
        ("GET", "/v1/deployments/dep_greetings-1/logs", None),
        ("POST", "/v1/deployments/dep_greetings-1/rollback", None),
        ("POST", "/v1/deployments", {"project_id": "proj_greetings"}),
        ("GET", "/v1/deployments?project_id=proj_greetings", None),
    ):
        status, answer = door.ask(method, path, body)
        assert status == 404 or answer["data"] == [], (method, path, answer)


def test_a_key_is_what_its_account_may_do(app: App) -> None:
    place, door = app.place, Door(app.place, app.namespace)
    place.cluster.kubectl("delete", "rolebinding", "-n", app.namespace, "landfall-editor-ci")
    place.wait("its account may do nothing", lambda: door.ask("GET", "/v1/deployments")[0] == 403, 15)
    assert door.ask("GET", "/v1/deployments")[1]["error"]["code"] == "forbidden"
    terminal, identifier = Terminal(place, app.namespace), door.key.split("_")[1]
    assert identifier in terminal.says("keys", "list")
    terminal.says("keys", "revoke", identifier)
    place.wait("a key that is revoked is closed", lambda: door.ask("GET", "/v1/deployments")[0] == 401, 15)
