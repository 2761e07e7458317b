"""Go, with any framework: one program."""

from __future__ import annotations

import re
from dataclasses import replace

from landfall.builds.detect.procfile import processes
from landfall.builds.detect.result import Match
from landfall.builds.detect.shell import simple_commands
from landfall.builds.detect.tree import Tree
from landfall.builds.frameworks.base import Framework
from landfall.builds.frameworks.node_common import refused
from landfall.builds.languages.go import GO, binary, workspace_folders

_SERVERS = ("server", "api", "web", "app", "http", "httpd", "service", "main", "backend")
_LISTENS = re.compile(r"net/http\"|gin-gonic|labstack/echo|gofiber|go-chi|fasthttp|grpc\"|ListenAndServe")


def _go(tree: Tree) -> Match | None:
    spaces = workspace_folders(tree)
    if "go.mod" not in tree.paths and not spaces:
        return _without_modules(tree)
    nested = tuple(p.removesuffix("go.mod") for p in tree.paths if p.endswith("/go.mod") and "go.mod" in tree.paths)
    sources = sorted(p for p in tree.paths if p.endswith(".go") and not p.endswith("_test.go") and not _is_left_out(p))
    sources = [p for p in sources if not p.startswith(nested)]
    if "go.mod" not in tree.paths:
        sources = [p for p in sources if any(p.startswith(f"{folder}/") for folder in spaces)]
    mains = [p for p in sources if re.search(r"^package main\b", tree.text(p), re.MULTILINE) and not _is_ignored(tree.text(p))]
    folders = sorted({p.rpartition("/")[0] for p in mains}, key=lambda f: (f != "", not f.startswith("cmd/"), f.count("/"), f))
    manifest = "go.mod" if "go.mod" in tree.paths else "go.work"
    if not folders:
        remedy = "set path to the folder of the program, or set buildCommand and startCommand with build.framework go"
        return refused("go", "a Go module without a program", "no file has `package main` and `func main`", remedy)
    program = _main_program(tree, folders, mains)
    if program is None:
        listed = ", ".join(folder or "." for folder in folders[:6])
        remedy = f"set buildCommand to `go build -o {binary(tree)} ./FOLDER`, and startCommand to `./{binary(tree)}`, with build.framework go"
        return refused("go", f"a Go module with several programs ({listed})", "it is not known which one is the app", remedy)
    evidence = (f"{manifest} exists", f"{next(p for p in mains if p.rpartition('/')[0] == program)} is a package main")
    other_programs = [f"./{f}" if f else "." for f in folders if f != program][:5]
    used = f"./{program}" if program else "the program at the root"
    notes = (
        (f"{used} is used; others: {', '.join(other_programs)}. To build another one, set buildCommand",)
        if other_programs
        else ()
    )
    arguments = _arguments(tree, program)
    match = Match("go", evidence, start=f"./{binary(tree)}{arguments}", output=program, notes=notes)
    return replace(
        match, refusal=_cgo(tree, sources) or _lambda("".join(tree.text(p) for p in mains if p.rpartition("/")[0] == program))
    )


def _is_left_out(path: str) -> bool:
    return bool(re.search(r"(^|/)(testdata|examples?|vendor|_[^/]*|\.[^/]*)/", path))


def _is_ignored(text: str) -> bool:
    return re.search(r"^//(go:build|\s*\+build)\s.*\b(ignore|tools|mage|generate)\b", text, re.MULTILINE) is not None


def _main_program(tree: Tree, folders: list[str], mains: list[str]) -> str | None:
    """The folder of the program that is the app: the only one, the root, one with the name of a server, or the one that listens.

    If no program is seen to listen, because that code is in a package of its own, it is the first one. None if several listen.
    """
    if len(folders) == 1 or "" in folders:
        return folders[0]
    web = processes(tree).get("web", "")
    command = ((simple_commands(web) or (None,))[0]) if web else None
    program = command.words[0].rpartition("/")[2] if command and command.words else ""
    module = re.search(r"^module\s+(\S+)", tree.text("go.mod"), re.MULTILINE)
    last = re.sub(r"/v\d+$", "", module.group(1)).rpartition("/")[2] if module else ""
    for name in (program, *_SERVERS, last):
        matching = [folder for folder in folders if name and folder.rpartition("/")[2] == name]
        if len(matching) == 1:
            return matching[0]
    for ends in (("-server", "-api", "-web", "server", "api"),):
        matching = [folder for folder in folders if folder.endswith(ends)]
        if len(matching) == 1:
            return matching[0]
    listening = sorted({p.rpartition("/")[0] for p in mains if _LISTENS.search(tree.text(p))})
    return (listening or folders)[0] if len(listening) < 2 else None


def _arguments(tree: Tree, folder: str) -> str:
    """Arguments of the program in the Procfile."""
    commands = simple_commands(processes(tree).get("web", ""))
    if len(commands) != 1 or not commands[0].words or commands[0].assignments:
        return ""
    name, _, arguments = commands[0].command.partition(" ")
    program = name.rpartition("/")[2]
    return (
        f" {arguments.strip()}"
        if arguments and (program == folder.rpartition("/")[2] or name.startswith(("bin/", "./bin/")))
        else ""
    )


def _cgo(tree: Tree, sources: list[str]) -> str:
    """Why a program does not work without a C compiler, which the builder does not have; empty if it does."""
    packages = ("github.com/mattn/go-sqlite3", "gorm.io/driver/sqlite")
    used = next((package for package in packages for p in sources if f'"{package}"' in tree.text(p)), "")
    if not used:
        return ""
    remedy = "use modernc.org/sqlite (for GORM: github.com/glebarez/sqlite), or set build.framework to go if the app runs without SQLite"
    return f"this is a Go program with {used}; Landfall cannot build it because that package needs a C compiler; {remedy}"


def _lambda(text: str) -> str:
    source = re.sub(r"gateway\.ListenAndServe", "", text)  # of apex/gateway, which serves only events of AWS Lambda
    if not re.search(r"aws-lambda-go|apex/gateway", text) or re.search(r"\.Listen\(|ListenAndServe|\.Run\(", source):
        return ""
    return "this is a function of AWS Lambda; Landfall cannot build it because it does not listen on a port; add a program that serves it"


def _without_modules(tree: Tree) -> Match | None:
    source = next((p for p in sorted(tree.paths) if p.endswith(".go") and "/" not in p), "")
    if not source:
        return None
    remedy = "run `go mod init NAME && go mod tidy`, and commit go.mod and go.sum"
    return refused("go", f"a Go program ({source})", "it has no go.mod, which names its packages", remedy)


ROWS = (Framework("go", GO, _go, frozenset({"static", "node", "site"})),)
