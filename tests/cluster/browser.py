"""A headless Chromium, as Debian has it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.cluster import images
from tests.cluster.api import PATIENCE
from tests.cluster.door import Door

_SECONDS = 20
_NAMED = ("button", "link", "textbox", "checkbox", "table", "progressbar", "log", "dialog", "navigation")
# Chromium ends its requests when the machine gets an address, as it does with each pod that starts. The page tries again.
_OF_THE_MACHINE = "net::ERR_NETWORK_CHANGED"


class Browser:
    """One tab."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def sees(self, text: str) -> None:
        """Wait for a text on the page."""
        message = f"the page has no {text!r}"
        WebDriverWait(self.driver, PATIENCE * _SECONDS).until(lambda _: text in self.text(), message)

    def text(self) -> str:
        """What is to be read."""
        return str(self.driver.execute_script("return document.body.innerText"))  # type: ignore[no-untyped-call]

    def find(self, selector: str) -> WebElement:
        """Wait for an element."""
        return WebDriverWait(self.driver, PATIENCE * _SECONDS).until(
            lambda driver: driver.find_element(By.CSS_SELECTOR, selector), f"the page has no {selector}"
        )

    def press(self, selector: str) -> None:
        """Wait for a button, and press it."""

        def pressed(_: object) -> bool:
            with contextlib.suppress(Exception):  # it may be replaced by its successor in between
                self.driver.find_element(By.CSS_SELECTOR, selector).click()
                return True
            return False

        WebDriverWait(self.driver, PATIENCE * _SECONDS).until(pressed, f"the page has no {selector} to press")

    def enter(self, door: Door, section: str = "") -> None:
        """Come in with a key."""
        self.driver.get(f"http://{door.host}/{section}")
        self.sees("API key required")
        self.find("#key").send_keys(door.key, Keys.ENTER)

    def kept(self, name: str) -> None:
        """A picture for the documentation, where one is asked for; and nothing on it that a screen reader could not name."""
        tree = self.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        nodes = [node for node in tree if not node.get("ignored") and node.get("role", {}).get("value") in _NAMED]
        assert [node for node in nodes if not node.get("name", {}).get("value")] == []
        assert any(node["role"]["value"] == "button" for node in nodes)
        if os.environ.get("LANDFALL_PICTURES"):
            self.driver.save_screenshot(str(images.ROOT / "docs" / "images" / f"{name}.png"))

    def complaints(self) -> list[str]:
        """What the console has of errors: of scripts, and of what the page's policy refuses."""
        entries = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        severe = [str(entry["message"]) for entry in entries if entry["level"] == "SEVERE"]
        return [message for message in severe if not message.endswith(_OF_THE_MACHINE)]


@contextlib.contextmanager
def browser(width: int = 1200, height: int = 1000) -> Iterator[Browser]:
    """A browser that ends with the test."""
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        f"--window-size={width},{height}",
        "--no-proxy-server",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=ChromeService("/usr/bin/chromedriver"))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
