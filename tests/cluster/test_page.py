"""The gateway's page in a browser, with a real cluster: an app and its releases, by keyboard."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from tests.cluster import moody
from tests.cluster.browser import Browser
from tests.cluster.conftest import App, Place
from tests.cluster.door import Door
from tests.cluster.moody import deployment

pytestmark = pytest.mark.usefixtures("apps_end")


def test_an_app_and_its_releases_by_keyboard(place: Place, page: Browser) -> None:
    name = place.namespace("page-apps")
    place.github.push(moody.REPOSITORY, moody.FILES, "feat: moods")
    place.apply(deployment(name, "moody"))
    app = App(place, name, "moody")
    app.until_live("moody-1")
    app.patch(env=[{"name": "MOOD", "value": "fine"}])
    app.until_live("moody-2")
    page.enter(Door(place, name), "#/apps")
    page.sees("moody-1")
    page.kept("releases")
    for _ in range(20):
        page.driver.switch_to.active_element.send_keys(Keys.TAB)
        if page.driver.switch_to.active_element.get_attribute("id") == "back-dep_moody-1":
            break
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    page.sees("Its image and environment go live again.")
    page.driver.switch_to.active_element.send_keys(Keys.TAB, Keys.ENTER)
    app.until_live("moody-3")
    app.serves("mood: well")
