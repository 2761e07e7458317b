"""The command line as somebody at a terminal has it."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys

from rich.console import Console
from rich.text import Text

from tests.cluster import images
from tests.cluster.api import PATIENCE
from tests.cluster.conftest import Place

_WIDTH = 160
_SECONDS = 120


class Terminal:
    """Somebody's terminal, in one namespace."""

    def __init__(self, place: Place, namespace: str) -> None:
        self._session: list[tuple[str, str]] = []
        self._where = ["-n", namespace, "--kubeconfig", str(place.cluster.kubeconfig), "--context", "landfall"]

    def says(self, *words: str, code: int = 0) -> str:
        """What a command prints, both ways; `code` is its exit status."""
        result = subprocess.run(
            [sys.executable, "-m", "landfall", *words, *self._where],
            check=False,
            timeout=PATIENCE * _SECONDS,
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(images.ROOT / "operator"), "PATH": "/usr/bin:/bin"},
        )
        assert result.returncode == code, (words, result.stdout, result.stderr)
        self._session.append((" ".join(words), result.stdout + result.stderr))
        return result.stdout + result.stderr

    def kept(self, name: str, *but: str) -> None:
        """The session as a picture for the documentation, where one is asked for, without commands that begin with these words."""
        if not os.environ.get("LANDFALL_PICTURES"):
            return
        console = Console(record=True, width=_WIDTH, file=io.StringIO())
        for command, output in self._session:
            if not command.startswith(but):
                console.print(Text(f"$ kubectl landfall {command}", style="bold"))
                console.print(Text(output))
        picture = console.export_svg(title="kubectl landfall")
        # The fonts that it names are somebody else's to serve; every system has one that will do.
        picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)
        (images.ROOT / "docs" / "images" / f"{name}.svg").write_text(picture, encoding="utf-8")
