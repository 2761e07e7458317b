"""docs/benchmarks.md, which several benchmarks write: each its own sections, by their titles.

LANDFALL_BENCH_PAGE names another file, which a small trial writes in place of the page.
"""

from __future__ import annotations

import os
from pathlib import Path

PAGE = Path(os.environ.get("LANDFALL_BENCH_PAGE") or Path(__file__).parent.parent.parent / "docs" / "benchmarks.md")


def put(text: str) -> None:
    """Write a section, or the head of the page: in place of the one of the same title, else at the end."""
    first, *other_parts = (PAGE.read_text(encoding="utf-8") if PAGE.exists() else "").split("\n## ")
    sections = {part.splitlines()[0]: part.strip() for part in other_parts}
    if text.startswith("# "):
        first = text
    else:
        title = text.strip().removeprefix("## ")
        sections[title.splitlines()[0]] = title
    PAGE.write_text("\n\n## ".join([first.strip(), *sections.values()]) + "\n", encoding="utf-8")
    print(f"written to {PAGE}")
