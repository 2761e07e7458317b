"""Commands that a page prints, and a terminal that they are typed at, as printed."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import site
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_LIMIT_SECONDS = 900


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, in their order, without the indentation that they have in common."""
    matches = re.findall(rf"(?ms)^( *)```{language}\n(.*?)^\1```$", text)
    return [textwrap.dedent(block) for _, block in matches]


def section(text: str, title: str) -> str:
    """What stands below a heading, up to the next heading of its level or above."""
    level, after = re.findall(rf"(?ms)^(#+) {re.escape(title)}\n(.*)", text)[0]
    return re.split(rf"(?m)^#{{1,{len(level)}}} ", after, maxsplit=1)[0]


def person(home: Path, *programs: Path) -> dict[str, str]:
    """The environment of somebody at a terminal: an empty virtual environment, and these folders of programs.

    The virtual environment sees what the tests have installed, so that `pip install` makes our package alone.
    """
    subprocess.run([sys.executable, "-m", "venv", str(home / "venv")], check=True)
    packages = next(home.glob("venv/lib/python*/site-packages"))
    (packages / "tests.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
    path = (home / "venv" / "bin", *programs)
    return {
        **{name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}},
        "PATH": os.pathsep.join((*map(str, path), os.environ["PATH"])),
        "HOME": str(home),
        "TERM": "xterm",
    }


@dataclass(frozen=True, slots=True)
class Printed:
    """A command after its prompt. `status`: the exit status that a comment on its line says, otherwise 0."""

    command: str
    status: int

    @classmethod
    def parse(cls, command: str) -> Printed:
        """From what stands after the prompt."""
        told = re.search(r"#.*exit status (\d+)", command)
        return cls(command, int(told[1]) if told else 0)


def commands(text: str) -> Iterator[Printed]:
    """Each command of the console blocks of a text; what they print is passed over."""
    for block in blocks(text, "console"):
        for typed in re.findall(r"(?ms)^\$ (.*?)$(?=\n\$ |\n[^ ]|\Z)", block):
            yield Printed.parse(typed)


def typed(printed: Printed, folder: Path, environment: Mapping[str, str], answer: str = "y") -> str:
    """Type a command at a terminal and give its question, if it has one, an answer; what the terminal shows, without colours.

    Raises:
        AssertionError: It ended with another exit status than the page says.
    """
    controller, terminal = pty.openpty()
    command = ["timeout", str(_LIMIT_SECONDS), "bash", "-o", "pipefail", "-c", printed.command]
    process = subprocess.Popen(
        command, cwd=folder, env=dict(environment), stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    )
    os.close(terminal)
    os.write(controller, f"{answer}\n".encode())
    output = bytearray()
    with contextlib.suppress(OSError):  # how a terminal ends that nobody has open any more
        while part := os.read(controller, 65536):
            output += part
    os.close(controller)
    text, status = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.decode(errors="replace")), process.wait()
    assert status == printed.status, f"$ {printed.command}\n{text}\nexit status {status}, and the page says {printed.status}"
    return text
