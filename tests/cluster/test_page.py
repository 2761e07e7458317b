"""The gateway's page in a browser: a database from its plan to the way back, an app and its releases, and whoever has no mouse or no right."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from selenium.webdriver.common.keys import Keys

from tests.cluster import images, moody
from tests.cluster.browser import Browser, browser
from tests.cluster.conftest import App, Place
from tests.cluster.door import Door
from tests.cluster.moody import deployment

pytestmark = pytest.mark.usefixtures("apps_end")

_ROWS = 5_000
_BODY = {"name": "The shop by night", "source": {"connection_id": "conn_old"}, "target": {"connection_id": "conn_new"}}
_NAMED = ("button", "link", "textbox", "checkbox", "table", "progressbar", "log", "dialog", "navigation")


@pytest.fixture
def page() -> Iterator[Browser]:
    """A browser; what its console complains of fails the test."""
    with browser() as opened:
        yield opened
        assert opened.complaints() == []


def _inside(page: Browser, door: Door, section: str = "") -> None:
    """Come in with a key."""
    page.driver.get(f"http://{door.host}/{section}")
    page.sees("API key required")
    page.found("#key").send_keys(door.key, Keys.ENTER)


def _kept(page: Browser, name: str) -> None:
    """A picture for the documentation, where one is asked for; and nothing on it that a screen reader could not name."""
    tree = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    nodes = [node for node in tree if not node.get("ignored") and node.get("role", {}).get("value") in _NAMED]
    assert [node for node in nodes if not node.get("name", {}).get("value")] == []
    assert any(node["role"]["value"] == "button" for node in nodes)
    if os.environ.get("LANDFALL_PICTURES"):
        page.driver.save_screenshot(str(images.ROOT / "docs" / "images" / f"{name}.png"))


def test_a_database_from_its_plan_to_the_way_back(place: Place, page: Browser) -> None:
    name = place.namespace("page-moves")
    place.databases(name, _ROWS)
    place.maria.sql(
        "ALTER TABLE item ADD COLUMN seen DATETIME; SET sql_mode=''; UPDATE item SET seen='0000-00-00' WHERE id=7", name
    )
    place.apply(*place.move(name, name)[:-1])
    door = Door(place, name)
    status, made = door.ask("POST", "/v1/migrations", _BODY)
    assert status == 201, made
    _inside(page, door)
    page.press(f"a[href='#/migrations/{made['id']}']")
    page.sees("plan ready")
    page.sees("pending review")
    _kept(page, "plan")
    page.press("[aria-label='Approve item.seen']")
    page.sees("Plan ready")
    assert place.rows(name) == -1, "nothing moves before somebody starts it"
    page.press("#start")
    page.sees("Verification: equal")
    page.sees("5,100 of 5,100 rows")
    page.sees("cutover")
    assert page.found(".log").text.count("\n") > 3
    _kept(page, "migration")
    page.press("#back")
    page.sees("The cutover is undone")
    page.found("#question button[autofocus]").send_keys(Keys.ENTER)
    assert place.reason(name, made["id"].removeprefix("mig_")) == "Completed", "who leaves it has changed nothing"
    page.press("#back")
    page.press("#answer")
    page.sees("rolled back")
    assert place.rows(name) == -1


def test_an_app_and_its_releases_by_keyboard(place: Place, page: Browser) -> None:
    name = place.namespace("page-apps")
    place.github.push(moody.REPOSITORY, moody.FILES, "feat: moods")
    place.apply(deployment(name, "moody"))
    app = App(place, name, "moody")
    app.until_live("moody-1")
    app.patch(env=[{"name": "MOOD", "value": "fine"}])
    app.until_live("moody-2")
    _inside(page, Door(place, name), "#/apps")
    page.sees("moody-1")
    _kept(page, "releases")
    for _ in range(20):
        page.driver.switch_to.active_element.send_keys(Keys.TAB)
        if page.driver.switch_to.active_element.get_attribute("id") == "back-dep_moody-1":
            break
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    page.sees("Its image and environment go live again.")
    page.driver.switch_to.active_element.send_keys(Keys.TAB, Keys.ENTER)
    app.until_live("moody-3")
    app.serves("mood: well")


def test_who_may_look_is_told_so_and_a_stranger_stays_outside(place: Place) -> None:
    name = place.namespace("page-viewer")
    place.databases(name, 100)
    place.apply(*place.move(name, name)[:-1])
    door = Door(place, name, "viewer")
    with browser(420, 800) as page:
        _inside(page, door, "#/connections")
        page.sees("reachable")
        page.press("[aria-label='Test old']")
        page.sees("this key is read-only")
        page.press("#leave")
        page.sees("API key required")
        page.found("#key").send_keys("lf_nobody", Keys.ENTER)
        page.sees("API key required")
        assert "reachable" not in page.text()
