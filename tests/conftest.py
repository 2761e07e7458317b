"""What all tests share: how long something takes says nothing about whether it is right, on a machine that others work on, too."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.support.examples import EXAMPLES

settings.register_profile(
    "patient", settings.default, max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")
