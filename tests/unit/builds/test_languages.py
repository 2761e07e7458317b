"""What every language and framework keeps: the registries are what the API, the gateway and the builds go by."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import TypeAdapter

from landfall.api.deployment import FrameworkName
from landfall.api.worker_protocol import RunImage
from landfall.builds.detect.result import Detected, Match
from landfall.builds.frameworks.base import Framework
from landfall.builds.frameworks.registry import NAMES, TABLE, framework_of
from landfall.builds.languages.base import Language
from landfall.builds.languages.registry import KNOWN, LANGUAGES, language_of
from landfall.builds.plan import BuildOverrides, make_plan
from landfall.gateway.requests import CreateBody
from tests.support.trees import Files

_ROWS = pytest.mark.parametrize("row", TABLE, ids=NAMES)
_LANGUAGES = pytest.mark.parametrize("language", LANGUAGES, ids=[language.name for language in LANGUAGES])


def test_the_api_has_every_framework_and_every_runtime() -> None:
    assert sorted(NAMES) == sorted(get_args(FrameworkName))
    assert sorted(language.name for language in LANGUAGES) == sorted(get_args(RunImage.model_fields["runtime"].annotation))


@_ROWS
def test_the_gateway_takes_every_framework(row: Framework) -> None:
    body = {"source": "github", "repo": "org/shop", "framework": row.name}
    assert TypeAdapter(CreateBody).validate_python(body).framework == row.name


@_ROWS
def test_a_framework_supersedes_others_that_there_are_and_has_a_registered_language(row: Framework) -> None:
    assert row.supersedes < set(NAMES)
    assert row.name not in row.supersedes
    assert language_of(row.language.name) is row.language
    assert framework_of(row.name) is row


@_ROWS
def test_a_framework_is_planned_on_a_persons_word_alone(row: Framework) -> None:
    tree = Files({})
    version = row.language.version(tree, KNOWN.get(row.language.name, ()))
    manager, notes = row.language.package_manager(tree)
    plan = make_plan(
        tree, Detected(Match(row.name, ("said",)), version, manager, notes), BuildOverrides(start="serve", install="get")
    )
    assert (plan.framework, plan.runtime, plan.start, plan.install) == (row.name, row.language.name, "serve", ("get",))
    assert plan.layers
    assert not plan.fallback


@_LANGUAGES
def test_a_language_says_nothing_of_an_empty_tree_and_takes_its_newest_version(language: Language) -> None:
    tree = Files({})
    assert (language.problem(tree), language.summary(tree), language.start(tree, "")) == ("", "", "")
    version = language.version(tree, language.versions)
    assert version.name == language.name
    assert version.resolved == (language.versions[-1] if language.versions else "static")
    assert version.source == "default"
