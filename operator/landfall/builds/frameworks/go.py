"""Go, with any framework: one program."""

from __future__ import annotations

import re

from landfall.builds.detect.result import Match
from landfall.builds.detect.tree import Tree
from landfall.builds.frameworks.base import Framework
from landfall.builds.languages.go import GO


def _go(tree: Tree) -> Match | None:
    if "go.mod" not in tree.paths:
        return None
    sources = sorted(p for p in tree.paths if p.endswith(".go") and not p.endswith("_test.go"))
    mains = [p for p in sources if re.search(r"^package main\b", tree.text(p), re.MULTILINE)]
    folders = sorted({p.rpartition("/")[0] for p in mains}, key=lambda f: (f != "", not f.startswith("cmd/"), f.count("/"), f))
    if not folders:
        return Match("go", ("go.mod exists",), notes=("no package main found: set buildCommand and startCommand",))
    notes = (f"./{folders[0] or '.'} is used; others: {', '.join(folders[1:5])}",) if len(folders) > 1 else ()
    return Match("go", ("go.mod exists", f"{mains[0]} is a package main"), start="./out", output=folders[0], notes=notes)


ROWS = (Framework("go", GO, _go, frozenset({"static"})),)
