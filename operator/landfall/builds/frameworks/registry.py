"""The table of frameworks.

Every row is tested; a match that another match supersedes is dropped. So the order of the table has no effect. If two matches remain,
the user has to choose.
"""

from __future__ import annotations

from landfall.builds.frameworks import go, node, node_renderers, python, sites
from landfall.builds.frameworks.base import Framework

TABLE: tuple[Framework, ...] = (*node_renderers.ROWS, *node.ROWS, *python.ROWS, *go.ROWS, *sites.ROWS)
NAMES = tuple(row.name for row in TABLE)


def framework_of(name: str) -> Framework:
    """Return the framework with this name. Raises KeyError if there is none."""
    return {row.name: row for row in TABLE}[name]
