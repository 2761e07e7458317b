"""The check after a build, before anything is pushed: what the start command runs is in the image, and a site has its page."""

from __future__ import annotations

import os
import posixpath
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from landfall.builds.detect.shell import BUILTINS, Simple, simple_commands
from landfall.builds.errors import StartMissingError
from landfall.builds.image.layers import is_packed
from landfall.builds.languages.node_scripts import unwrapped
from landfall.builds.languages.registry import language_of
from landfall.builds.plan import BuildPlan

_PLACE = "/app/"
_PAGES = ("index.html", "200.html", "index.htm")
_OUTPUTS = (
    "dist",
    "build",
    "out",
    "_site",
    "public",
    "www",
    "docs",
    "site",
    "dist/client",
    "build/client",
    ".output/public",
    "dist/browser",
)
# Programs of every base image.
_EVERYWHERE = frozenset(
    [
        "sh",
        "bash",
        "dash",
        "env",
        "echo",
        "printf",
        "test",
        "[",
        "true",
        "false",
        "sleep",
        "cat",
        "cp",
        "mv",
        "rm",
        "mkdir",
        "ls",
        "ln",
        "chmod",
        "touch",
        "date",
        "sed",
        "awk",
        "grep",
        "find",
        "xargs",
        "head",
        "tail",
        "cut",
        "tr",
        "sort",
        "uniq",
        "wc",
        "tee",
        "timeout",
        "nohup",
        "nice",
        "kill",
        "basename",
        "dirname",
        "realpath",
        "readlink",
        "id",
        "whoami",
        "uname",
        "hostname",
        "seq",
        "expr",
        "stat",
        "tar",
        "gzip",
        "perl",
    ]
)
_NODE_VALUES = frozenset(
    {"-r", "--require", "--import", "--loader", "--experimental-loader", "--env-file", "-C", "--conditions", "--title"}
)
_NODE_CODE = frozenset({"-e", "--eval", "-p", "--print", "--run", "--test", "-v", "--version", "-"})
_NODE_ENDS = ("", ".js", ".json", ".node", "/index.js", "/package.json", ".mjs", ".cjs")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(\(.*\))?")


def check_start(root: Path, plan: BuildPlan, *, installed: bool = True) -> None:
    """Check that what an image will run is in it.

    Args:
        root: The folder of the built app.
        plan: Its build plan.
        installed: Whether the packages are in the folder; otherwise programs and modules of packages are not checked.

    Raises:
        StartMissingError: The start command names a program or file that is not in the image, or a site has no page.
    """
    problem = _Image(root, plan, installed).problem() if plan.start else _page(root, plan)
    if problem:
        raise StartMissingError(problem[0], advice=problem[1])


def _page(root: Path, plan: BuildPlan) -> tuple[str, str] | None:
    folder = root / (plan.output or ".")
    if not folder.is_dir() or any((folder / page).is_file() for page in _PAGES):
        return None  # layers say what is wrong with a missing folder
    folders = [name for name in _OUTPUTS if (root / name / "index.html").is_file()]
    remedy = (
        f"Set outputDirectory to {folders[0]}, which has one."
        if folders
        else "Set outputDirectory to the folder with index.html, or startCommand if the app has a server."
    )
    return f"the site has no index.html in {plan.output or '.'}, so its address would have no page", remedy


class _Image:
    """The files of an image, as its start command finds them."""

    def __init__(self, root: Path, plan: BuildPlan, installed: bool) -> None:  # noqa: FBT001  passed on
        self._root, self._plan, self._installed = root, plan, installed
        self._language = language_of(plan.runtime)

    def problem(self) -> tuple[str, str] | None:
        """What is missing, and what to do; None if nothing is."""
        folder, before = "", ""
        for command in simple_commands(self._plan.start):
            words = command.words
            if words[:1] == ["cd"] and len(words) == 2:
                folder = posixpath.normpath(posixpath.join(folder, words[1]))
            elif "||" not in {command.after, before} and (missing := self._missing(words, folder)):
                return f"`{self._plan.start}` cannot start: {missing}", self._advice(command)
            before = command.after
        return None

    def _advice(self, command: Simple) -> str:
        program = (unwrapped(command.words) or ["it"])[0]
        if self._plan.build:
            return f"Correct the start script, or set startCommand to what `{self._plan.build[-1]}` makes."
        return f"Add the package with {program}, a build script that makes the file, or set startCommand."

    def _missing(self, arguments: Sequence[str], folder: str) -> str:
        inner = unwrapped(list(arguments))
        for words in (list(arguments), inner):
            if words and not re.match(r"[A-Za-z_]\w*=", words[0]) and (missing := self._program(words[0], folder)):
                return missing
        if inner[:1] == ["node"]:
            return self._script(inner[1:], folder)
        return self._python(inner[1:], folder) if inner[:1] in (["python3"], ["python"]) else ""

    def _program(self, name: str, folder: str) -> str:
        if "$" in name or name in BUILTINS or name in _EVERYWHERE or name in self._language.programs:
            return ""
        if "/" in name:
            outside = name.startswith("/") and not name.startswith(_PLACE)
            return "" if outside or self._has(name, folder) else f"{name} is not in the image"
        places = [posixpath.normpath(posixpath.join(folder, path)) for path in self._plan.paths] + list(self._plan.paths)
        exists = any(os.path.lexists(self._root / place / name) for place in places)
        return "" if exists or not self._installed else f"the program {name} is not in the image"

    def _script(self, arguments: Sequence[str], folder: str) -> str:
        """The file that Node.js runs."""
        remaining = list(arguments)
        while remaining and remaining[0].startswith("-"):
            if remaining[0] in _NODE_CODE or remaining[0].startswith(("--eval=", "--run=")):
                return ""
            remaining = remaining[2:] if remaining[0] in _NODE_VALUES else remaining[1:]
        if not remaining or "$" in remaining[0] or any(self._has(f"{remaining[0]}{end}", folder) for end in _NODE_ENDS):
            return ""
        if not self._installed and remaining[0].lstrip("./").startswith("node_modules/"):
            return ""
        return f"{remaining[0]} is not in the image"

    def _python(self, arguments: Sequence[str], folder: str) -> str:
        """The file or module that Python runs, and the module with the app of its server."""
        remaining = list(arguments)
        while remaining and remaining[0].startswith("-") and remaining[0] not in {"-m", "-c", "-"}:
            remaining = remaining[2:] if remaining[0] in {"-W", "-X"} else remaining[1:]
        if not remaining or remaining[0] in {"-c", "-"} or "$" in remaining[0]:
            return ""
        if remaining[0] != "-m":
            return "" if self._has(remaining[0], folder) else f"{remaining[0]} is not in the image"
        module, more = remaining[1] if len(remaining) > 1 else "", remaining[2:]
        if self._installed and module.split(".")[0] not in sys.stdlib_module_names and not self._module(module, folder, ()):
            return f"the module {module} is not in the image"
        target = (
            next((word for word in more if _TARGET.fullmatch(word)), "")
            if module in {"gunicorn", "uvicorn", "hypercorn", "daphne"}
            else ""
        )
        name = target.partition(":")[0]
        if name and not self._module(name, folder, _folders(more)) and (self._installed or name.split(".")[0] in self._top()):
            return f"the module {name} of the app is not in the image"
        return ""

    def _module(self, name: str, folder: str, more: Sequence[str]) -> bool:
        path = name.replace(".", "/")
        packages = [".packages", "src"] if not more else [".packages"]
        places = [folder, *(posixpath.join(folder, place) for place in more), *packages]
        ends = (".py", "/__init__.py", "", ".so")
        return any(os.path.lexists(self._root / place / f"{path}{end}") for place in places for end in ends)

    def _top(self) -> set[str]:
        return {path.name.removesuffix(".py") for path in self._root.iterdir()}

    def _has(self, name: str, folder: str) -> bool:
        path = name.removeprefix(_PLACE) if name.startswith(_PLACE) else posixpath.join(folder, name)
        return is_packed(self._root, self._plan.layers, posixpath.normpath(path))


def _folders(arguments: Sequence[str]) -> list[str]:
    """The folders that a server of Python adds to the path of modules."""
    folders = []
    for position, word in enumerate(arguments):
        option, _, value = word.partition("=")
        if option in {"--pythonpath", "--app-dir", "--chdir"}:
            folders += (value or "".join(arguments[position + 1 : position + 2])).split(",")
    return folders
