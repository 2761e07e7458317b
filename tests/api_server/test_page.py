"""The gateway's page in a browser: a database from its plan to the rollback, a viewer, and somebody without a key."""

from __future__ import annotations

from selenium.webdriver.common.keys import Keys

from tests.cluster.browser import Browser, browser
from tests.cluster.conftest import Place
from tests.cluster.door import Door

_ROWS = 5_000
_BODY = {"name": "The shop by night", "source": {"connection_id": "conn_old"}, "target": {"connection_id": "conn_new"}}


def test_a_database_from_its_plan_to_the_way_back(place: Place, page: Browser) -> None:
    name = place.namespace("page-moves")
    place.databases(name, _ROWS)
    place.maria.sql(
        "ALTER TABLE item ADD COLUMN seen DATETIME; SET sql_mode=''; UPDATE item SET seen='0000-00-00' WHERE id=7", name
    )
    place.apply(*place.move(name, name)[:-1])
    door = Door(place, name)
    status, created = door.ask("POST", "/v1/migrations", _BODY)
    assert status == 201, created
    page.enter(door)
    page.press(f"a[href='#/migrations/{created['id']}']")
    page.sees("plan ready")
    page.sees("pending review")
    page.kept("plan")
    page.press("[aria-label='Approve item.seen']")
    page.sees("Plan ready")
    assert place.rows(name) == -1, "nothing moves before somebody starts it"
    page.press("#start")
    page.sees("Verification: equal")
    page.sees("5,100 of 5,100 rows")
    page.sees("cutover")
    assert page.find(".log").text.count("\n") > 3
    page.kept("migration")
    page.press("#back")
    page.sees("The cutover is undone")
    page.find("#question button[autofocus]").send_keys(Keys.ENTER)
    assert place.reason(name, created["id"].removeprefix("mig_")) == "Completed", "who leaves it has changed nothing"
    page.press("#back")
    page.press("#answer")
    page.sees("rolled back")
    assert place.rows(name) == -1


def test_who_may_look_is_told_so_and_a_stranger_stays_outside(place: Place) -> None:
    name = place.namespace("page-viewer")
    place.databases(name, 100)
    place.apply(*place.move(name, name)[:-1])
    door = Door(place, name, "viewer")
    with browser(420, 800) as page:
        page.enter(door, "#/connections")
        page.sees("reachable")
        page.press("[aria-label='Test old']")
        page.sees("this key is read-only")
        page.press("#leave")
        page.sees("API key required")
        page.find("#key").send_keys("lf_nobody", Keys.ENTER)
        page.sees("API key required")
        assert "reachable" not in page.text()
