"""The command that starts a Node.js server: from the Procfile, scripts, `main`, or a file with a usual name. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from landfall.builds.detect.procfile import processes
from landfall.builds.detect.shell import simple_commands
from landfall.builds.detect.tree import Tree
from landfall.builds.languages.node import Node, entries
from landfall.builds.languages.node_scripts import (
    StartLine,
    for_production,
    is_for_developers,
    platform_of,
    resolved,
    script_chain,
    serves_files,
    unwrapped,
)

_PRODUCTION = (
    *("start:prod", "start:production", "start-prod", "production", "prod", "serve:prod", "start:server", "server", "serve"),
    *("start:app", "start:api", "api"),
)
_COMPILED = re.compile(r"(\./)?(dist|build|lib|out|output|bin|\.output)/")
_COMPILERS = re.compile(r"\b(tsc|tsup|tsdown|swc|esbuild|babel|rollup|webpack|unbuild|pkgroll|nest build|ncc|vite build)\b")
_LISTENS = re.compile(r"createServer\(|\.listen\(|\bserve\(|\.login\(|\.launch\(|startStandaloneServer|setInterval\(")
_UNTYPED = re.compile(
    r"^\s*(export\s+)?(const\s+)?(enum|namespace)\s|^\s*@\w+\(|\b(private|public|readonly)\s+\w+\s*[:,)]", re.MULTILINE
)
_RELATIVE = re.compile(r"""(?:from|import)\s+["'](\.{1,2}/[^"']*)["']""")
_OTHERS = re.compile(
    r"python[\d.]*|gunicorn|uvicorn|hypercorn|daphne|waitress-serve|granian|uwsgi|flask|fastapi|streamlit|chainlit|celery|django-admin"
    r"|manage\.py|newrelic-admin|ddtrace-run|opentelemetry-instrument|poetry|pipenv|uv|pdm|go|php|ruby|bundle|rails|java"
)
_RUNNERS = ("tsx", "ts-node", "jiti", "esno")


def start_of(tree: Tree, node: Node) -> StartLine:
    """Return the start line of a server; empty, with a problem if one is known, if there is none."""
    problem = ""
    lines = list(_lines(tree, node))
    for source, line in lines:
        start = resolved(tree, line)
        problem = problem or (f"{source}: {start.problem}" if start.problem else "")
        if start.text and not start.problem and not _only_for_developers(start.text):
            source_note = () if source == "start" else (f"the start command is from {source}",)
            return replace(start, notes=(*start.notes, *source_note), source=source)
    developers = next((text for _, line in lines if (text := _without_watching(tree, node, line))), None)
    if developers:
        return developers
    file = _started_file(tree, node)
    return StartLine(file, problem="" if file else problem)


def runs_bun_or_deno(line: str) -> str:
    """Return `bun` or `deno` if a line needs that program; empty otherwise."""
    programs = ((unwrapped(command.words) or [""])[0] for command in simple_commands(line))
    return next((program for program in programs if program in {"bun", "deno"}), "")


def _lines(tree: Tree, node: Node) -> Iterator[tuple[str, str]]:
    """Possible start lines, the most likely first."""
    web = processes(tree).get("web", "")
    if web:
        yield "the Procfile", web
    for name in ("start", *_PRODUCTION):
        if name in node.scripts:
            yield "start" if name == "start" else f"the script {name}", script_chain(tree, name)


def _only_for_developers(line: str) -> bool:
    return is_for_developers(line) or serves_files(line) or platform_of(line) != "" or _runs_another_language(line)


def _runs_another_language(line: str) -> bool:
    """Return whether the last command of a line is a program of another language, beside which package.json only builds pages."""
    commands = simple_commands(line)
    program = (unwrapped(commands[-1].words) or [""])[0].rpartition("/")[2] if commands else ""
    return _OTHERS.fullmatch(program) is not None


def _without_watching(tree: Tree, node: Node, line: str) -> StartLine | None:
    start = resolved(tree, line)
    text = "" if start.problem else for_production(start.text)
    file = re.fullmatch(r"node (\S+\.[cm]?ts)", text)
    if file:
        text = _typescript(tree, node, file.group(1))
    if not text or _only_for_developers(text):
        return None
    return StartLine(
        text, start.builds, (*start.notes, f"`{start.text}` watches the sources: `{text}` is started"), source="start"
    )


def _started_file(tree: Tree, node: Node) -> str:
    main = node.main.removeprefix("./")
    for name in (main, f"{main}.js", f"{main}/index.js"):
        if main and name in tree.paths and re.search(r"\.[cm]?js$", name):
            return f"node {name}"
    if main and _COMPILED.match(main) and "build" in node.scripts:
        return f"node {main}"
    files = entries(tree)
    javascript = [entry for entry in files if not entry.endswith("ts")]
    typed = [entry for entry in files if entry.endswith("ts")]
    if javascript and not (typed and "build" in node.scripts):
        return f"node {javascript[0]}"
    return _typescript(tree, node, typed[0]) if typed else ""


def _typescript(tree: Tree, node: Node, entry: str) -> str:
    """The command for a TypeScript file: its compiled file, a program that runs it, or Node.js if it can."""
    if _COMPILERS.search(node.scripts.get("build", "")):
        folder, root = _compiler_option(tree, "outDir") or "dist", _compiler_option(tree, "rootDir")
        inside = entry.removeprefix(f"{root}/") if root else entry.removeprefix("src/")
        return f"node {folder}/{re.sub('ts$', 'js', inside)}"
    runner = next((name for name in _RUNNERS if name in node.every), "")
    if runner:
        return f"{runner} {entry}"
    return f"node {entry}" if _runs_as_it_is(tree, entry) else ""


def _runs_as_it_is(tree: Tree, entry: str) -> bool:
    """Return whether Node.js can run a TypeScript file: it removes types, and resolves only imports with the names of files."""
    text = tree.text(entry)
    return not _UNTYPED.search(text) and all(re.search(r"\.[cm]?[jt]s$|\.json$", name) for name in _RELATIVE.findall(text))


def _compiler_option(tree: Tree, name: str) -> str:
    match = re.search(rf'^\s*"{name}"\s*:\s*"([^"]+)"', tree.text("tsconfig.json"), re.MULTILINE)
    return match.group(1).removeprefix("./").rstrip("/") if match else ""


def listens(tree: Tree, start: StartLine) -> bool:
    """Return whether a start line is that of a server or of a process that stays: its author says so, or its file looks like one."""
    file = re.search(r"[\w./-]+\.[cm]?[jt]sx?", start.text)
    return bool(start.source) or _LISTENS.search(tree.text(file.group(0).removeprefix("./")) if file else "") is not None
