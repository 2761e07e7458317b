"""From a folder to how it is built: what it is an app of, and the plan of it, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from landfall.builds.detect.detect import detected
from landfall.builds.detect.result import Undetected
from landfall.builds.errors import NoStartError, UndetectedError
from landfall.builds.languages.registry import KNOWN
from landfall.builds.plan import BuildPlan, Wishes, planned
from landfall.builds.source_tree import Folder


def tree_of(root: Path) -> Folder:
    """The tree of a folder. Raises BuildError where there is none."""
    if not root.is_dir():
        raise UndetectedError("FolderMissing", f"there is no folder {root}: correct its name, or the path in it")
    return Folder(root)


def plan_of(tree: Folder, wishes: Wishes, known: Mapping[str, Sequence[str]] = KNOWN) -> BuildPlan:
    """The plan of a tree's app. `known`: the versions that there are of each runtime. Raises BuildError."""
    found = detected(tree, known, wishes.framework)
    if isinstance(found, Undetected):
        raise UndetectedError(found.reason, found.message)
    plan = planned(tree, found, wishes)
    if not plan.start and not plan.output and plan.framework != "static":
        message = f"it is a {plan.framework} app, and how it is started is not known"
        raise NoStartError(message, advice="Set build.startCommand (--start-command).")
    return plan
