"""Reasons: each has one rule, which the worker, the operator and the documentation share."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import landfall
from landfall.controllers.migration.outcomes import failed as decided
from landfall.engine.errors import CredentialRefusedError, InterruptedRunError, SupersededError, UnreachableError
from landfall.errors import REASONS, LandfallError, Retry, rule_of
from landfall.lib.backoff import Backoff
from landfall.providers.errors import ProviderError
from tests.support.migrations import failed

_HOUSE = Path(landfall.__file__).parent
_PAGE = (_HOUSE.parent.parent / "docs" / "guides" / "troubles.md").read_text(encoding="utf-8")


def subclasses(kind: type[LandfallError]) -> Iterator[type[LandfallError]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from subclasses(subclass)


def test_every_class_has_a_rule() -> None:
    for room in ("builds", "engine", "providers", "worker"):
        for module in pkgutil.walk_packages([str(_HOUSE / room)], f"landfall.{room}."):
            if not module.name.endswith("runner"):
                importlib.import_module(module.name)
    kinds = [error_class for error_class in subclasses(LandfallError) if error_class.__module__.startswith("landfall.")]
    assert len(kinds) > 30
    assert [error_class.__name__ for error_class in kinds if error_class.reason not in REASONS] == []


def test_a_class_that_nobody_decided_about_cannot_be_defined() -> None:
    with pytest.raises(TypeError, match=r"'Baffled' is not in landfall\.errors\.REASONS"):
        type("BaffledError", (LandfallError,), {"reason": "Baffled"})


def _reasons_of(tree: ast.AST) -> Iterator[str]:
    """Literal reasons that instances are given: `ProviderError("X", …)`, `Undetected("X", …)`, `error.reason = "X"`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"ProviderError", "UndetectedError", "Undetected"}:
            words: list[Any] = [a.value for a in node.args[:1] if isinstance(a, ast.Constant)]
            yield from words
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            target = node.targets[0]
            if isinstance(target, ast.Attribute) and target.attr == "reason":
                yield str(node.value.value)


def test_every_reason_that_an_instance_is_given_has_a_rule() -> None:
    given_to = {r for f in _HOUSE.rglob("*.py") for r in _reasons_of(ast.parse(f.read_text(encoding="utf-8")))}
    assert len(given_to) > 12
    assert sorted(given_to - set(REASONS)) == []


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_is_explained_where_its_rule_says(reason: str) -> None:
    sections = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", _PAGE, re.MULTILINE))
    assert f"`{reason}`" in sections[REASONS[reason].section]
    assert REASONS[reason].hint.endswith(".")


@pytest.mark.parametrize(
    ("error", "retry"),
    [
        (InterruptedRunError("stopped"), Retry.NOW),
        (UnreachableError("no server answers"), Retry.BACKOFF),
        (SupersededError("taken over"), Retry.BACKOFF),
        (CredentialRefusedError("turned away"), Retry.AFTER_CHANGE),
        (ProviderError("RateLimited", "used up", after_seconds=7), Retry.BACKOFF),
        (ProviderError("DatabaseRefused", "no"), Retry.AFTER_CHANGE),
        (LandfallError("no idea"), Retry.NEVER),
    ],
)
def test_whether_to_try_again(error: LandfallError, retry: Retry) -> None:
    assert error.retry is retry
    assert error.retry.by_itself == (retry in {Retry.NOW, Retry.BACKOFF})


def test_the_case_knows_better_than_the_registry() -> None:
    assert UnreachableError("no", advice="Start it.").hint == "Start it."
    assert UnreachableError("no").hint == REASONS["Unreachable"].hint


@pytest.mark.parametrize("reason", [r for r in REASONS if not REASONS[r].retry.by_itself])
def test_the_operator_tries_again_what_may_have_been_mended_outside(reason: str) -> None:
    early, late = (
        decided(failed("run", transient=False, reason=reason, ended=ended_seconds), "run") for ended_seconds in (10, 400)
    )
    assert early
    assert late
    assert (early.stalled, late.stalled, early.action) == (True, True, None)
    assert bool(late.action) == (rule_of(reason).retry is Retry.AFTER_CHANGE)


def test_a_reason_of_another_version_is_for_a_person() -> None:
    observed = failed("run", transient=False, reason="FromTheFuture", ended=400)
    decision = decided(observed, "run")
    assert decision
    assert (decision.stalled, decision.action, decision.again_seconds) == (True, None, None)
    assert decided(replace(observed, inputs="corrected"), "run") is None


# -- back-off ---------------------------------------------------------------------------------------------------------


def test_pauses_double_up_to_the_longest() -> None:
    assert [Backoff(1, 60).pause(attempt) for attempt in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [Backoff(5, 300, factor=3).pause(attempt) for attempt in range(1, 6)] == [5, 15, 45, 135, 300]
    assert [Backoff(60, 300).after(seconds) for seconds in (0, 400, 9000)] == [60, 100, 300]


@given(st.floats(0.01, 100), st.floats(1, 1000), st.integers(-5, 10**9), st.floats(0, 1))
def test_a_pause_is_never_longer_than_the_longest(first: float, more: float, attempt: int, chance: float) -> None:
    backoff = Backoff(first, first + more)
    assert first <= backoff.pause(attempt) <= backoff.pause(attempt + 1) <= backoff.longest
    assert backoff.pause(attempt) / 2 <= backoff.jittered(attempt, chance) <= backoff.pause(attempt)
