"""The packages of Python apps: the commands that install them into a folder, and the files that determine them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from landfall.builds.detect.result import Detected
from landfall.builds.detect.tree import Tree
from landfall.builds.languages.base import present

# A folder of packages instead of a virtual environment: it does not contain the path of an interpreter.
PACKAGES = ".packages"
_INTO = f"uv pip install --target {PACKAGES}"
LIST = ".requirements.txt"
_COMPILED = f"uv pip compile --quiet pyproject.toml --output-file {LIST}"
_PIPENV = "uv tool run --quiet --from pipenv==2025.0.4 pipenv"
_LISTED = f"{_PIPENV} requirements --hash > {LIST} && sed -i /^-i/d {LIST}"
# Commands that convert a lock file, or otherwise a manifest, to a list of packages; none creates a lock file.
_LISTS = {
    "uv": (f"uv export --quiet --locked --no-dev --no-emit-project --output-file {LIST}", _COMPILED),
    "poetry": (
        f"uv tool run --quiet --from poetry==2.2.1 --with poetry-plugin-export==1.9.0 poetry export --quiet --only main --output {LIST}",
        _COMPILED,
    ),
    "pdm": (_COMPILED, _COMPILED),
    "pipenv": (_LISTED, f"{_PIPENV} lock --quiet && {_LISTED} && rm Pipfile.lock"),
}
_FILES = ("requirements.txt", "pyproject.toml", "Pipfile", "uv.toml")
_OWN = re.compile(r"\b(path|workspace|editable|develop)\s*=|file:")  # a package in the tree, in TOML
_EXECUTED = re.compile(r"^\s*(backend-path|dynamic)\s*=", re.MULTILINE)  # the app's own code says what it depends on
_INCLUDED = re.compile(r"\s*(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)")
_REFERENCE = re.compile(r"\s*(-e|--editable|-f|--find-links|[.]|/|[\w.-]+/)|.*file:")


def install(detection: Detected) -> tuple[str, ...]:
    """Return the shell commands that install an app's packages into the folder PACKAGES; empty without a package manager."""
    manager = detection.package_manager
    if manager is None:
        return ()
    lists = _LISTS.get(manager.name)
    if lists:
        listed = f"{lists[0] if manager.lockfile else lists[1]} && {_INTO} -r {LIST}"
    else:
        listed = f"{_INTO} {f'-r {manager.lockfile}' if manager.lockfile else '.'}"
    more = " ".join(detection.match.adds)
    # Bytecode without times: the same for the same packages.
    compiled = f"python3 -m compileall -q --invalidation-mode unchecked-hash {PACKAGES}"
    return (listed, *((f"{_INTO} {more}",) if more else ()), compiled)


def cache_keys(tree: Tree, detection: Detected) -> tuple[str, ...]:
    """Return the files that determine the packages, sorted; empty if there may be other inputs."""
    manager = detection.package_manager
    if manager and manager.name == "pip" and not manager.lockfile:
        return ()  # the project itself is installed
    listed = manager.lockfile if manager and manager.name == "pip" else ""
    lists = set(_lists(tree, listed or "requirements.txt", frozenset()))
    lock = (manager.lockfile,) if manager else ()
    if not (manager and manager.name == "pip") and _EXECUTED.search(tree.text("pyproject.toml")):
        return ()
    return present(tree, *_FILES, *lock, *lists) if _follow_from_files(tree, lists) else ()


def _follow_from_files(tree: Tree, lists: set[str]) -> bool:
    if any(_OWN.search(tree.text(name)) for name in ("pyproject.toml", "Pipfile", "uv.toml")):
        return False
    if any(name not in tree.paths or not tree.text(name) for name in lists - {"requirements.txt"}):
        return False
    return not any(_REFERENCE.match(line) for name in lists for line in tree.text(name).splitlines())


def _lists(tree: Tree, path: str, visited: frozenset[str]) -> Iterator[str]:
    """A requirements file, and the files that it includes."""
    yield path
    folder = path.rpartition("/")[0]
    for line in tree.text(path).splitlines():
        included = _INCLUDED.match(line)
        if included:
            name = f"{folder}/{included.group(1)}" if folder else included.group(1)
            name = re.sub(r"(^|/)(\./)+", r"\1", name)
            if name not in visited:
                yield from _lists(tree, name, visited | {path, name})
