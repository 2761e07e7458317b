"""Detection: the framework of a file tree, with runtime and package manager, or why there is no unique result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from landfall.builds.detect.result import Detected, Match, Undetected
from landfall.builds.detect.tree import Tree
from landfall.builds.frameworks.base import Framework
from landfall.builds.frameworks.registry import NAMES, TABLE, framework_of
from landfall.builds.languages.registry import LANGUAGES

_NEARLY = {
    "requirement.txt": "requirements.txt",
    "requirments.txt": "requirements.txt",
    "requirements.text": "requirements.txt",
    "Requirements.txt": "requirements.txt",
    "package.jsn": "package.json",
    "Package.json": "package.json",
}
_ELSEWHERE = {
    "Gemfile": "Ruby",
    "composer.json": "PHP",
    "pom.xml": "Java",
    "build.gradle": "Java",
    "build.gradle.kts": "Java",
    "Cargo.toml": "Rust",
    "mix.exs": "Elixir",
    "deno.json": "Deno",
    "Dockerfile": "a Dockerfile",
}
_SHOWN = 12


def detected(tree: Tree, known: Mapping[str, Sequence[str]], framework: str = "") -> Detected | Undetected:
    """Detect the framework of a tree. `known`: available versions of each runtime; `framework`: from the spec, used without detection."""
    problem = next((problem for language in LANGUAGES if (problem := language.problem(tree))), "")
    if problem:
        return Undetected("ManifestInvalid", f"{problem}. Correct it.")
    if framework:
        return _configured(tree, known, framework)
    matches = {row.name: match for row in TABLE if (match := row.match(tree))}
    superseded = {name for row in TABLE if row.name in matches for name in row.supersedes}
    left = [(row, matches[row.name]) for row in TABLE if row.name in matches and row.name not in superseded]
    if len(left) > 1:
        candidates = "; ".join(f"{row.name} ({', '.join(match.evidence)})" for row, match in left)
        return Undetected(
            "FrameworkAmbiguous",
            f"more than one framework matches: {candidates}. Set build.framework.",
            tuple(m for _, m in left),
        )
    if not left:
        return Undetected("FrameworkUnknown", _nothing(tree))
    return _with_runtime(tree, known, *left[0])


def _configured(tree: Tree, known: Mapping[str, Sequence[str]], framework: str) -> Detected | Undetected:
    if framework not in NAMES:
        return Undetected("FrameworkUnknown", f"unknown framework {framework!r}. Choose one of {', '.join(NAMES)}.")
    row = framework_of(framework)
    match = row.match(tree) or Match(framework, ("build.framework is set",))
    return _with_runtime(tree, known, row, match)


def _with_runtime(tree: Tree, known: Mapping[str, Sequence[str]], row: Framework, match: Match) -> Detected | Undetected:
    language = row.language
    version = language.version(tree, known.get(language.name, ()))
    if not version.resolved:
        there = ", ".join(known.get(version.name, ())) or "none"
        message = f"{version.source} asks for {version.name} {version.requested}, which is not available. Available: {there}."
        return Undetected("RuntimeMissing", message, (match,))
    manager, notes = language.package_manager(tree)
    return Detected(match, version, manager, (*match.notes, *notes))


def _nothing(tree: Tree) -> str:
    """Describe what was checked, and files that are nearly correct."""
    names = {p for p in tree.paths if "/" not in p}
    nearly = [f"{wrong} looks like {right}, but has another name" for wrong, right in _NEARLY.items() if wrong in names]
    foreign = [f"{file} means {what}, which is not supported" for file, what in _ELSEWHERE.items() if file in names]
    manifests = frozenset[str]().union(*(language.manifests for language in LANGUAGES))
    below = sorted({p.rpartition("/")[0] for p in tree.paths if p.rpartition("/")[2] in manifests and "/" in p})
    inside = [f"manifests are in {', '.join(below[:5])}: set path to one of them"] if below else []
    seen = f"the root has {', '.join(sorted(names)[:_SHOWN]) or 'no files'}"
    why = [*nearly, *inside, *foreign, *(told for language in LANGUAGES if (told := language.summary(tree)))]
    return f"no framework matches: {'; '.join([seen, *why])}. Known are {', '.join(NAMES)}; set build.framework and the commands if it is one of them."
