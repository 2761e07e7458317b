"""Detection and build plan of a folder."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path

from landfall.builds.detect.detect import detected
from landfall.builds.detect.result import Undetected
from landfall.builds.detect.tree import Tree
from landfall.builds.errors import NoStartError, UndetectedError
from landfall.builds.languages.registry import KNOWN
from landfall.builds.plan import BuildOverrides, BuildPlan, make_plan
from landfall.builds.source_tree import Folder
from landfall.builds.workspaces import Member, internal, is_member, of_the_whole


def tree_of(root: Path) -> Folder:
    """Return the file tree of a folder. Raises BuildError if the folder does not exist."""
    if not root.is_dir():
        raise UndetectedError("FolderMissing", f"there is no folder {root}: correct its name, or the path in it")
    return Folder(root)


def located(root: Path, path: str) -> tuple[Path, str]:
    """Return the folder that a build works in, and the app's folder in it: the whole repository if the app belongs to its workspace."""
    if posixpath.normpath(path) == "." or not root.is_dir() or not is_member(Folder(root), path):
        return root / path, "."
    return root, path


def plan_of(tree: Folder, overrides: BuildOverrides, versions: Mapping[str, Sequence[str]] = KNOWN, path: str = ".") -> BuildPlan:
    """Return the build plan of an app. `versions`: available versions of each runtime; `path`: its folder, if the tree is a workspace with it.

    Raises BuildError.
    """
    member = path != "." and is_member(tree, path)
    app: Tree = Member(tree, posixpath.normpath(path)) if member else tree
    if not member and (name := internal(app)):
        message = f"{name} is a package of a workspace, and this folder is not the workspace's root; the public registry may have another package of this name"
        raise UndetectedError(
            "WorkspaceMissing", f"{message}. Use the whole repository as source, and set path to the folder of the app."
        )
    detection = detected(app, versions, overrides.framework)
    if isinstance(detection, Undetected):
        raise UndetectedError(detection.reason, detection.message)
    plan = make_plan(app, detection, overrides)
    if not plan.start and not plan.output and plan.framework != "static":
        message = f"it is a {plan.framework} app, but its start command is unknown"
        raise NoStartError(message, advice="Set build.startCommand (--start-command).")
    return of_the_whole(tree, path, plan) if member else plan
