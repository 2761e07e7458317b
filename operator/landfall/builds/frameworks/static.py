"""Static sites without a build."""

from __future__ import annotations

from landfall.builds.detect.result import Match
from landfall.builds.detect.tree import Tree, first
from landfall.builds.frameworks.base import Framework
from landfall.builds.languages.static import STATIC


def _static(tree: Tree) -> Match | None:
    page = first(tree, "index.html", "public/index.html", "dist/index.html", "site/index.html")
    if not page:
        return None
    return Match("static", (f"{page} is there",), output=page.rpartition("/")[0] or ".")


ROWS = (Framework("static", STATIC, _static),)
