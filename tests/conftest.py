"""What all tests share: how long something takes says nothing about whether it is right, on a machine that others work on, too."""

from __future__ import annotations

import gc

from hypothesis import HealthCheck, settings

from tests.support.examples import EXAMPLES

settings.register_profile(
    "patient", settings.default, max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")

_OBJECTS, _ROUNDS = 20_000, 20


def pytest_configure() -> None:
    """What is imported and collected stays: to search it for garbage takes a sixth of a process's time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """From here on, garbage is collected, less often than usual."""
    gc.freeze()
    gc.set_threshold(_OBJECTS, _ROUNDS, _ROUNDS)
    gc.enable()
