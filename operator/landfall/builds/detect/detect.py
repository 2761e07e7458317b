"""The answer: which one framework a tree is of, with the runtime and the package manager, or why nobody can say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from landfall.builds.detect.frameworks import NAMES, TABLE, Facts, Framework
from landfall.builds.detect.result import Detected, Match, PackageManager, Undetected, Version
from landfall.builds.detect.tree import Tree
from landfall.builds.detect.versions import newest
from landfall.builds.languages import node as of_node
from landfall.builds.languages import python as of_python

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
    """What the tree is. `known`: the versions that there are of each runtime; `framework`: a person's word, which is not doubted."""
    facts = Facts(tree, of_node.node_of(tree), of_python.python_of(tree))
    problem = (facts.node.problem if facts.node else "") or (facts.python.problem if facts.python else "")
    if problem:
        return Undetected("ManifestInvalid", f"{problem}. Correct it.")
    if framework:
        return _told(facts, known, framework)
    matches = {row.name: match for row in TABLE if (match := row.match(facts))}
    gone = {name for row in TABLE if row.name in matches for name in row.supersedes}
    left = [(row, matches[row.name]) for row in TABLE if row.name in matches and row.name not in gone]
    if len(left) > 1:
        told = "; ".join(f"{row.name} ({', '.join(match.evidence)})" for row, match in left)
        return Undetected(
            "FrameworkAmbiguous", f"more than one framework fits: {told}. Set build.framework.", tuple(m for _, m in left)
        )
    if not left:
        return Undetected("FrameworkUnknown", _nothing(tree, facts))
    return _with_runtime(facts, known, *left[0])


def _told(facts: Facts, known: Mapping[str, Sequence[str]], framework: str) -> Detected | Undetected:
    row = next((r for r in TABLE if r.name == framework), None)
    if row is None:
        return Undetected("FrameworkUnknown", f"there is no framework {framework!r}. Choose one of {', '.join(NAMES)}.")
    match = row.match(facts) or Match(framework, ("build.framework says so",))
    return _with_runtime(facts, known, row, match)


def _with_runtime(facts: Facts, known: Mapping[str, Sequence[str]], row: Framework, match: Match) -> Detected | Undetected:
    manager: PackageManager | None = None
    notes: tuple[str, ...] = ()
    if row.language == "node":
        node = facts.node or of_node.Node()
        version = of_node.node_version(facts.tree, node, known.get("node", ()))
        manager, notes = of_node.package_manager(facts.tree, node)
    elif row.language == "python":
        python = facts.python or of_python.Python()
        version = of_python.python_version(facts.tree, python, known.get("python", ()))
        manager, notes = of_python.package_manager(facts.tree, python)
    elif row.language == "go":
        version = _go_version(facts.tree, known.get("go", ()))
    else:
        version = Version("static", "", "static", "default")
    if not version.resolved:
        there = ", ".join(known.get(version.name, ())) or "none"
        message = f"{version.source} asks for {version.name} {version.requested}, which is not there. There are {there}."
        return Undetected("RuntimeMissing", message, (match,))
    return Detected(match, version, manager, (*match.notes, *notes))


def _go_version(tree: Tree, known: Sequence[str]) -> Version:
    line = next((text for text in tree.text("go.mod").splitlines() if text.startswith("go ")), "")
    asked = line.removeprefix("go ").strip()
    least = ".".join(asked.split(".")[:2])
    return Version("go", asked, newest(f">={least}" if least else "*", known), "go.mod" if asked else "default")


def _nothing(tree: Tree, facts: Facts) -> str:
    """What was looked at, and what is nearly right."""
    names = {p for p in tree.paths if "/" not in p}
    nearly = [f"{wrong} looks like {right}, but is not called so" for wrong, right in _NEARLY.items() if wrong in names]
    foreign = [f"{file} means {what}, which cannot be built" for file, what in _ELSEWHERE.items() if file in names]
    below = sorted(
        {
            p.rpartition("/")[0]
            for p in tree.paths
            if p.rpartition("/")[2] in {"package.json", "requirements.txt", "pyproject.toml", "go.mod"} and "/" in p
        }
    )
    inside = [f"manifests are in {', '.join(below[:5])}: set path to one of them"] if below else []
    seen = f"the root has {', '.join(sorted(names)[:_SHOWN]) or 'no files'}"
    why = [*nearly, *inside, *foreign, *([_plain_node(facts)] if facts.node else [])]
    return f"no framework fits: {'; '.join([seen, *why])}. Known are {', '.join(NAMES)}; set build.framework and the commands where it is one of them."


def _plain_node(facts: Facts) -> str:
    packages = sorted(facts.node.dependencies)[:8] if facts.node else []
    return f"package.json depends on {', '.join(packages) or 'nothing'}"
