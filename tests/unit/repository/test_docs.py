"""What the pages show can be typed and applied: manifests, commands with their options, values of the chart, and files."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from landfall.api.crd import BY_NAME
from landfall.cli.main import app
from tests.support.printed import blocks, commands

_ROOT = Path(__file__).parents[3]
_PAGES = sorted(
    p for p in (*_ROOT.glob("*.md"), *_ROOT.glob("docs/**/*.md"), *_ROOT.glob("examples/**/*.md")) if "_site" not in p.parts
)
_NAMES = [str(page.relative_to(_ROOT)) for page in _PAGES]
_VALUES: dict[str, Any] = yaml.safe_load((_ROOT / "charts" / "landfall" / "values.yaml").read_text(encoding="utf-8"))
Object = dict[str, Any]
_ENDS = {"source": {"connectionRef": {"name": "old"}}, "target": {"connectionRef": {"name": "new"}}}
# What a part of a manifest is a part of.
_WHOLE: dict[str, Object] = {
    "Migration": {"data": _ENDS},
    "TablePlan": {"migrationRef": {"name": "shop"}, "source": {"table": "person"}},
    "Deployment": {"source": {"github": {"repository": "example-org/shop"}}},
}


def _merged(whole: Mapping[str, Any], part: Mapping[str, Any]) -> Object:
    return {
        **whole,
        **{k: _merged(whole[k], v) if isinstance(v, dict) and isinstance(whole.get(k), dict) else v for k, v in part.items()},
    }


def _fits(kind: str, spec: Object) -> bool:
    try:
        BY_NAME[kind].model.model_validate({"metadata": {"name": "shop", "namespace": "shop"}, "spec": spec})
    except ValueError:
        return False
    return True


def _commands(page: Path) -> Iterator[list[str]]:
    """Each command after a prompt, in words; those of a pipe one after the other."""
    for printed in commands(page.read_text(encoding="utf-8")):
        shell = shlex.shlex(printed.command.replace("\\\n", " "), posix=True, punctuation_chars="|;&")
        shell.whitespace_split = True
        words = list(shell)
        for follows, group in itertools.groupby(words, lambda word: set(word) <= set("|;&")):
            if not follows:
                yield list(group)


@pytest.mark.parametrize("page", _PAGES, ids=_NAMES)
def test_manifests_are_taken(page: Path) -> None:
    for document in (
        actual_document
        for block in blocks(page.read_text(encoding="utf-8"), "yaml")
        for actual_document in yaml.safe_load_all(block)
    ):
        if document.get("apiVersion") == "landfall.dev/v1alpha1":
            BY_NAME[document["kind"]].model.model_validate(document)
        elif "spec" in document:
            assert any(_fits(kind, _merged(whole, document["spec"])) for kind, whole in _WHOLE.items()), document


def _options(words: list[str]) -> tuple[list[str], set[str]]:
    """What is said to a command of ours, and the options that it has. Raises KeyError where there is no such command."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    return words, {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("page", _PAGES, ids=_NAMES)
def test_commands_and_their_options_are_there(page: Path) -> None:
    for words in _commands(page):
        own_words = words[1:] if words[:1] == ["kubectl"] else words
        if own_words[:1] == ["landfall"]:
            parsed, options = _options(own_words[1:])
            unknown = [
                word for word in parsed if re.fullmatch(r"--?[a-z][a-z-]*(=.*)?", word) and word.partition("=")[0] not in options
            ]
            assert not unknown, words


@pytest.mark.parametrize("page", _PAGES, ids=_NAMES)
def test_values_of_the_chart_are_there(page: Path) -> None:
    set_ = [word.partition("=")[0] for words in _commands(page) for flag, word in itertools.pairwise(words) if flag == "--set"]
    tops = "|".join(_VALUES)
    names = re.findall(rf"`((?:{tops})(?:\.\w+)+)(?::[^`]*)?`", page.read_text(encoding="utf-8"))
    for name in (*set_, *names):
        value: object = _VALUES
        for part in name.split("."):
            assert isinstance(value, dict), name
            assert part in value, f"{name} is no value of the chart"
            value = value[part]


@pytest.mark.parametrize("page", _PAGES, ids=_NAMES)
def test_files_that_commands_name_are_there(page: Path) -> None:
    root_names = {path.name for path in _ROOT.iterdir()}
    for words in _commands(page):
        for word in words[1:]:
            if word.split("/")[0] in root_names and re.fullmatch(r"[\w./-]+", word) and "/" in word:
                assert (_ROOT / word).exists() or word.endswith(".db"), words


_TEST_NAMES = re.compile(r"((?:[\w*]+/)*)(test_[\w*]+\.py)(?:::([\w*]+))?")


@pytest.mark.parametrize("page", _NAMES)
def test_tests_that_a_page_names_are_there(page: str) -> None:
    """A file by its path or, where it is unique, by its name; a function within it."""
    for folder, name, function in _TEST_NAMES.findall((_ROOT / page).read_text(encoding="utf-8")):
        pattern = f"{folder}{name}" if folder.startswith("tests/") else f"tests/**/{folder}{name}"
        files = [*_ROOT.glob(pattern)]
        assert files, f"{folder}{name} is not there"
        sources = [file.read_text(encoding="utf-8") for file in files]
        definition = re.compile("def " + function.replace("*", r"\w*") + r"\(")
        assert not function or any(definition.search(source) for source in sources), f"{name} has no {function}"


def test_every_field_of_the_reference_has_a_meaning() -> None:
    rows = [line for line in (_ROOT / "docs" / "reference.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert len(rows) > 500
    assert [row for row in rows if row.split(" | ")[-1].strip(" |") == ""] == []
