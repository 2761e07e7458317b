"""How Sphinx makes a site of these pages, which are read in the repository, too: `make docs`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_DOCS = Path(__file__).parent
_ROOT = _DOCS.parent
_REPOSITORY = "https://github.com/landfall/landfall/blob/main/"
_LINK = re.compile(r"\]\(([^)#:]+)(#[^)]*)?\)")

project = "Landfall"
html_title = "Landfall"
copyright = "the Landfall authors, Apache-2.0"  # noqa: A001  Sphinx's name for it
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_site"]
myst_heading_anchors = 3
html_theme = "furo"
html_static_path: list[str] = []
html_copy_source = False
nitpicky = True


def _outward(_app: Sphinx, page: str, source: list[str]) -> None:
    """What lies beside these pages is linked to where it is read: in the repository. What is not there stays as it is, and Sphinx warns of it."""

    def linked(match: re.Match[str]) -> str:
        there = (_DOCS / f"{page}.md").parent.joinpath(match[1]).resolve()
        outside = there.is_relative_to(_ROOT) and not there.is_relative_to(_DOCS) and there.exists()
        return f"]({_REPOSITORY}{there.relative_to(_ROOT)}{match[2] or ''})" if outside else match[0]

    source[0] = _LINK.sub(linked, source[0])


def setup(app: Sphinx) -> None:
    """Sphinx's entry."""
    app.connect("source-read", _outward)
