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


def detected(tree: Tree, known: Mapping[str, Sequence[str]], framework: str = "") -> Detected | Undetected:
    """Detect the framework of a tree. `known`: available versions of each runtime; `framework`: from the spec, used without detection."""
    problem = next((problem for language in LANGUAGES if (problem := language.problem(tree))), "")
    if problem:
        return Undetected("ManifestInvalid", f"{problem}. Correct it.")
    if framework:
        return _configured(tree, known, framework)
    left, others = _matches(tree), foreign(tree)
    if len(left) != 1 or left[0][1].refusal or _foreign_first(left, others):
        return _undecided(tree, left, others)
    row, match = left[0]
    file, platform = functions(tree)
    if file and row.name in _PAGES and not match.start:
        return Undetected("FrameworkUnsupported", _with_functions(file, platform), (match,))
    beside = tuple(f"{one.file} means {one.name}, which is not used" for one in others)
    return _with_runtime(tree, known, row, replace(match, notes=(*match.notes, *beside)))


def _with_functions(file: str, platform: str) -> str:
    return (
        f"this is a site with functions of {platform} ({file}); Landfall cannot build it because only {platform} runs them, and the site "
        "would be without them; move them to a server with a start script, or set build.framework to build only the site"
    )


def _undecided(tree: Tree, left: Sequence[tuple[Framework, Match]], others: Sequence[Foreign]) -> Undetected:
    """Why there is no unique framework that can be built."""
    candidates = tuple(match for _, match in left)
    if _foreign_first(left, others):
        return Undetected("FrameworkUnknown", refusal(others[0], settable=bool(left)), candidates)
    if not left:
        return Undetected("FrameworkUnknown", _nothing(tree, others))
    if len(left) > 1:
        named = "; ".join(f"{row.name} ({', '.join(match.evidence)})" for row, match in left)
        return Undetected("FrameworkAmbiguous", f"more than one framework matches: {named}. Set build.framework.", candidates)
    return Undetected("FrameworkUnsupported", left[0][1].refusal, candidates)


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


def _foreign_first(left: Sequence[tuple[Framework, Match]], others: Sequence[Foreign]) -> bool:
    """Return whether a tree is certainly an app of another language, or has only a page or a script beside one."""
    weakly = all(row.name in _WEAK and (row.name != "react-vite" or match.refusal) for row, match in left)
    return bool(others) and weakly and (bool(left) or others[0].certain)


def _configured(tree: Tree, known: Mapping[str, Sequence[str]], framework: str) -> Detected | Undetected:
    if framework not in NAMES:
        return Undetected("FrameworkUnknown", f"unknown framework {framework!r}. Choose one of {', '.join(NAMES)}.")
    row = framework_of(framework)
    found = row.match(tree)
    if (found is None or found.refusal) and row.language.name in NAMES and not row.fallback and row.name != "site":
        found = framework_of(row.language.name).match(tree) or found  # its start line, as for any app of the language
    match = found or Match(framework, ())
    notes = (*match.notes, *((match.refusal,) if match.refusal else ()))
    said = replace(match, framework=framework, evidence=(*match.evidence, "build.framework is set"), notes=notes, refusal="")
    return _with_runtime(tree, known, row, said)


def _with_runtime(tree: Tree, known: Mapping[str, Sequence[str]], row: Framework, match: Match) -> Detected | Undetected:
    language = row.language
    version = language.version(tree, known.get(language.name, ()))
    if not version.resolved:
        return Undetected("RuntimeMissing", _missing(version, known), (match,))
    near = f"{version.source} asks for {version.name} {version.requested}, which is not available: {version.resolved} is used"
    manager, notes = language.package_manager(tree)
    return Detected(match, version, manager, (*match.notes, *notes, *((near,) if version.near else ()), *unused(tree, match)))


def _missing(version: Version, known: Mapping[str, Sequence[str]]) -> str:
    there = ", ".join(known.get(version.name, ()))
    if not there:
        return f"this installation has no image for {version.name}, which the app needs. Add one to the chart's builds.images."
    return f"{version.source} asks for {version.name} {version.requested}, which is not available. Available: {there}."


def _nothing(tree: Tree, others: Sequence[Foreign]) -> str:
    """Describe what was checked, and files that are nearly correct."""
    names = {p for p in tree.paths if "/" not in p}
    nearly = [f"{wrong} looks like {right}, but has another name" for wrong, right in _NEARLY.items() if wrong in names]
    manifests = frozenset[str]().union(*(language.manifests for language in LANGUAGES))
    below = sorted(
        {p.rpartition("/")[0] for p in tree.paths if p.rpartition("/")[2] in manifests and "/" in p},
        key=lambda p: (p.count("/"), p),
    )
    inside = [f"manifests are in {', '.join(below[:5])}: set path to one of them"] if below else []
    meant = [*others, *also(tree)]
    foreign_ = [f"{one.file} means {one.name}, which is not supported" for one in meant]
    seen = f"the root has {', '.join(sorted(names)[:_SHOWN]) or 'no files'}"
    why = [*nearly, *inside, *foreign_, *(told for language in LANGUAGES if (told := language.summary(tree)))]
    if meant and not nearly and not inside:
        return f"{refusal(meant[0], settable=False)}. No framework matches: {'; '.join([seen, *why])}."
    return f"no framework matches: {'; '.join([seen, *why])}. Known are {', '.join(NAMES)}; set build.framework and the commands if it is one of them."
