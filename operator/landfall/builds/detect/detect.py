"""Detection: the framework of a file tree, with runtime and package manager, or why there is no unique result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from landfall.builds.detect.foreign import Foreign, also, foreign, functions, refusal
from landfall.builds.detect.result import Detected, Match, Undetected, Version
from landfall.builds.detect.tree import Tree
from landfall.builds.detect.unused import unused
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
_SHOWN = 12
_PAGES = frozenset({"react-vite", "site", "static"})
_GENERIC = frozenset({"python", "site", "static"})
_WEAK = frozenset({"react-vite", "site", "static", "node", "python"})  # what is also there beside apps of other languages


def detected(tree: Tree, versions: Mapping[str, Sequence[str]], framework: str = "") -> Detected | Undetected:
    """Detect the framework of a tree. `versions`: available versions of each runtime; `framework`: from the spec, used without detection."""
    problem = next((problem for language in LANGUAGES if (problem := language.problem(tree))), "")
    if problem:
        return Undetected("ManifestInvalid", f"{problem}. Correct it.")
    if framework:
        return _configured(tree, versions, framework)
    candidates, marks = _matches(tree), foreign(tree)
    if len(candidates) != 1 or candidates[0][1].refusal or _foreign_first(candidates, marks):
        return _undecided(tree, candidates, marks)
    row, match = candidates[0]
    file, platform = functions(tree)
    if file and row.name in _PAGES and not match.start:
        return Undetected("FrameworkUnsupported", _with_functions(file, platform), (match,))
    unused_notes = tuple(f"{mark.file} means {mark.name}, which is not used" for mark in marks)
    return _with_runtime(tree, versions, row, replace(match, notes=(*match.notes, *unused_notes)))


def _with_functions(file: str, platform: str) -> str:
    return (
        f"this is a site with functions of {platform} ({file}); Landfall cannot build it because only {platform} runs them, and the site "
        "would be without them; move them to a server with a start script, or set build.framework to build only the site"
    )


def _undecided(tree: Tree, matches: Sequence[tuple[Framework, Match]], marks: Sequence[Foreign]) -> Undetected:
    """Why there is no unique framework that can be built."""
    candidates = tuple(match for _, match in matches)
    if _foreign_first(matches, marks):
        return Undetected("FrameworkUnknown", refusal(marks[0], settable=bool(matches)), candidates)
    if not matches:
        return Undetected("FrameworkUnknown", _nothing(tree, marks))
    if len(matches) > 1:
        listed = "; ".join(f"{row.name} ({', '.join(match.evidence)})" for row, match in matches)
        return Undetected("FrameworkAmbiguous", f"more than one framework matches: {listed}. Set build.framework.", candidates)
    return Undetected("FrameworkUnsupported", matches[0][1].refusal, candidates)


def _matches(tree: Tree) -> list[tuple[Framework, Match]]:
    """The rows that match, without those that another one supersedes."""
    matches = {row.name: match for row in TABLE if (match := row.match(tree))}
    serving = any(name not in _PAGES and not match.refusal for name, match in matches.items())
    for name, also_beside in (
        ("node", True),
        ("site", False),
        ("go", "go.mod" not in tree.paths),
    ):  # what could be a server, and a page that a server may use
        if name in matches and matches[name].refusal and (serving or (also_beside and len(matches) > 1)):
            del matches[name]
    if any(name not in _GENERIC and not match.refusal for name, match in matches.items()):
        matches.pop("python", None)  # scripts beside an app
    superseded = {name for row in TABLE if row.name in matches for name in row.supersedes}
    return [(row, matches[row.name]) for row in TABLE if row.name in matches and row.name not in superseded]


def _foreign_first(matches: Sequence[tuple[Framework, Match]], marks: Sequence[Foreign]) -> bool:
    """Return whether a tree is certainly an app of another language, or has only a page or a script beside one."""
    weakly = all(row.name in _WEAK and (row.name != "react-vite" or match.refusal) for row, match in matches)
    return bool(marks) and weakly and (bool(matches) or marks[0].certain)


def _configured(tree: Tree, versions: Mapping[str, Sequence[str]], framework: str) -> Detected | Undetected:
    if framework not in NAMES:
        return Undetected("FrameworkUnknown", f"unknown framework {framework!r}. Choose one of {', '.join(NAMES)}.")
    row = framework_of(framework)
    own_match = row.match(tree)
    if (own_match is None or own_match.refusal) and row.language.name in NAMES and not row.fallback and row.name != "site":
        own_match = framework_of(row.language.name).match(tree) or own_match  # its start line, as for any app of the language
    match = own_match or Match(framework, ())
    notes = (*match.notes, *((match.refusal,) if match.refusal else ()))
    configured = replace(
        match, framework=framework, evidence=(*match.evidence, "build.framework is set"), notes=notes, refusal=""
    )
    return _with_runtime(tree, versions, row, configured)


def _with_runtime(tree: Tree, versions: Mapping[str, Sequence[str]], row: Framework, match: Match) -> Detected | Undetected:
    language = row.language
    version = language.version(tree, versions.get(language.name, ()))
    if not version.resolved:
        return Undetected("RuntimeMissing", _missing(version, versions), (match,))
    near = f"{version.source} asks for {version.name} {version.requested}, which is not available: {version.resolved} is used"
    manager, notes = language.package_manager(tree)
    return Detected(match, version, manager, (*match.notes, *notes, *((near,) if version.near else ()), *unused(tree, match)))


def _missing(version: Version, versions: Mapping[str, Sequence[str]]) -> str:
    available = ", ".join(versions.get(version.name, ()))
    if not available:
        return f"this installation has no image for {version.name}, which the app needs. Add one to the chart's builds.images."
    return f"{version.source} asks for {version.name} {version.requested}, which is not available. Available: {available}."


def _nothing(tree: Tree, languages: Sequence[Foreign]) -> str:
    """Describe what was checked, and files that are nearly correct."""
    names = {p for p in tree.paths if "/" not in p}
    nearly = [f"{wrong} looks like {right}, but has another name" for wrong, right in _NEARLY.items() if wrong in names]
    manifests = frozenset[str]().union(*(language.manifests for language in LANGUAGES))
    below = sorted(
        {p.rpartition("/")[0] for p in tree.paths if p.rpartition("/")[2] in manifests and "/" in p},
        key=lambda p: (p.count("/"), p),
    )
    inside = [f"manifests are in {', '.join(below[:5])}: set path to one of them"] if below else []
    marks = [*languages, *also(tree)]
    foreign_ = [f"{mark.file} means {mark.name}, which is not supported" for mark in marks]
    root_files = f"the root has {', '.join(sorted(names)[:_SHOWN]) or 'no files'}"
    reasons = [*nearly, *inside, *foreign_, *(summary for language in LANGUAGES if (summary := language.summary(tree)))]
    if marks and not nearly and not inside:
        return f"{refusal(marks[0], settable=False)}. No framework matches: {'; '.join([root_files, *reasons])}."
    return f"no framework matches: {'; '.join([root_files, *reasons])}. Known are {', '.join(NAMES)}; set build.framework and the commands if it is one of them."
