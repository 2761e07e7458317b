"""The table of frameworks.

Every row is asked; what another row that matched supersedes is dropped. So the order of the table means nothing, and two rows that
are left are an ambiguity that a person resolves.
"""

from __future__ import annotations

from landfall.builds.frameworks import go, node, python, static
from landfall.builds.frameworks.base import Framework

TABLE: tuple[Framework, ...] = (*node.ROWS, *python.ROWS, *go.ROWS, *static.ROWS)
NAMES = tuple(row.name for row in TABLE)


def framework_of(name: str) -> Framework:
    """The framework of that name. Raises KeyError where there is none."""
    return {row.name: row for row in TABLE}[name]
