"""Procfile: the processes of an app by name. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from landfall.builds.detect.tree import Tree


def processes(tree: Tree) -> Mapping[str, str]:
    """Return the commands of the Procfile by their names; empty without one."""
    lines = (re.match(r"\s*([A-Za-z0-9_-]+)\s*:\s*(\S.*)", line) for line in tree.text("Procfile").splitlines())
    return {line.group(1): line.group(2).strip() for line in lines if line}
