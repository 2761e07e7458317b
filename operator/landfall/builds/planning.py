"""Detection and build plan of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from landfall.builds.detect.detect import detected
from landfall.builds.detect.result import Undetected
from landfall.builds.errors import NoStartError, UndetectedError
from landfall.builds.languages.registry import KNOWN
from landfall.builds.plan import BuildOverrides, BuildPlan, planned
from landfall.builds.source_tree import Folder


def tree_of(root: Path) -> Folder:
    """Return the file tree of a folder. Raises BuildError if the folder does not exist."""
    if not root.is_dir():
        raise UndetectedError("FolderMissing", f"there is no folder {root}: correct its name, or the path in it")
    return Folder(root)


def plan_of(tree: Folder, overrides: BuildOverrides, known: Mapping[str, Sequence[str]] = KNOWN) -> BuildPlan:
    """Return the build plan of an app. `known`: available versions of each runtime. Raises BuildError."""
    found = detected(tree, known, overrides.framework)
    if isinstance(found, Undetected):
        raise UndetectedError(found.reason, found.message)
    plan = planned(tree, found, overrides)
    if not plan.start and not plan.output and plan.framework != "static":
        message = f"it is a {plan.framework} app, but its start command is unknown"
        raise NoStartError(message, advice="Set build.startCommand (--start-command).")
    return plan
