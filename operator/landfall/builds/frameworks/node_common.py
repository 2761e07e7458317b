"""What the frameworks of Node.js share: the reading of manifests and configurations, and the forms of their matches. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from landfall.builds.detect.procfile import processes
from landfall.builds.detect.result import Match
from landfall.builds.detect.tree import Tree, first
from landfall.builds.languages.node import Node, node_of
from landfall.builds.languages.node_scripts import StartLine, is_for_developers, platform_of, resolved, serves_files
from landfall.builds.languages.node_start import start_of

ON_ALL_ADDRESSES = "0.0.0.0"  # noqa: S104  the pod has its own network namespace


def with_package_json(match: Callable[[Tree, Node], Match | None]) -> Callable[[Tree], Match | None]:
    """Restrict a match to trees with a package.json."""

    def checked(tree: Tree) -> Match | None:
        node = node_of(tree)
        return match(tree, node) if node else None

    return checked


def needs(node: Node, *packages: str) -> str:
    """Return the first of these packages that the app depends on, at run time or to build; empty if there is none."""
    return next((p for p in packages if p in node.every), "")


def depends(package: str) -> str:
    """Return the evidence that package.json lists a package."""
    return f"package.json depends on {package}"


def config_of(tree: Tree, *patterns: str) -> str:
    """Return the text of the first of these configuration files, without comments; empty if there is none."""
    text = re.sub(r"/\*[\s\S]*?\*/", "", tree.text(first(tree, *patterns)))
    return re.sub(r"(^|[\s,;{}()\[\]])//.*", r"\1", text)


def literal(text: str, key: str) -> str:
    """Return the value of a key in a configuration file of JavaScript, where it is a plain text; empty otherwise."""
    match = re.search(rf"""(?<![\w.]){key}\s*:\s*["'`]([^"'`$]+)["'`]""", text)
    return match.group(1) if match else ""


def refused(name: str, app: str, cause: str, remedy: str) -> Match:
    """Return a match that says in one line what an app is, why it cannot be built, and what to do."""
    return Match(name, (app,), refusal=f"this is {app}; Landfall cannot build it because {cause}; {remedy}")


def served(name: str, evidence: tuple[str, ...], start: StartLine, notes: tuple[str, ...] = ()) -> Match:
    """Return a match with a resolved start line."""
    all_notes = (*notes, *start.notes, *((start.problem,) if start.problem else ()))
    return Match(name, evidence, start=start.text, builds=start.builds, notes=all_notes)


def script(node: Node, name: str) -> str:
    """Return the text of a script; empty if there is none."""
    return node.scripts.get(name, "")


def own_server(tree: Tree, node: Node) -> StartLine | None:
    """Return the start line of a server that the app itself has; None for a developers' server or a server of files."""
    line = processes(tree).get("web", "") or script(node, "start")
    text = resolved(tree, line).text
    if not text or is_for_developers(text) or serves_files(text) or platform_of(text):
        return None
    start = start_of(tree, node)
    return start if start.text else None


def folder_of(path: str) -> str:
    """Return a folder in a configuration as a path relative to the app's root."""
    return posixpath.normpath(path)


def outside(name: str, app: str, output: str) -> Match:
    """Return the refusal of an output folder that is not in the app."""
    return refused(
        name,
        app,
        f"its output folder is {output}, outside the app",
        "set path to the folder that holds both, or build into the app",
    )
