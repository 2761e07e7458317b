"""Start scripts of package.json: resolved to what they run, because run images have Node.js without a package manager. Pure.

A script that calls other scripts is replaced by their texts, with those of its `pre` and `post` scripts. What builds is moved to the
build, and what only serves developers is recognised.
"""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass

from landfall.builds.detect.shell import Simple, is_chain, simple_commands, words
from landfall.builds.detect.tree import Tree, json_of

_MANAGERS = frozenset({"npm", "pnpm", "yarn", "bun"})
_WRAPPERS = frozenset({"cross-env", "cross-env-shell", "env", "exec", "time"})
_FOLDER_OPTIONS = frozenset({"--prefix", "-C", "--dir", "--cwd"})
_BUILD_SCRIPT = re.compile(r"(pre|post)?(build|compile|transpile|clean|bundle|tsc)(\b.*)?")
_BUILDERS = re.compile(
    r"(tsc|tsup|tsdown|swc|babel|esbuild|rollup|rimraf|webpack|copyfiles|cpx|cpy|unbuild|pkgroll|tsc-alias|ncc)\b(?!.*\s(-w|--watch)\b)"
    r"|(vite|next|nuxt|nuxi|astro|nest|remix|react-router|vue-cli-service|react-scripts|parcel|svelte-kit) build\b"
    r"|prisma generate\b|rm -rf? (dist|build|out|lib)\b|mkdir\b"
)
_VERBS = frozenset(
    {"run", "run-script", "install", "i", "add", "ci", "start", "stop", "test", "workspace", "workspaces", "build", "pack", "set"}
)
_DEEPEST = 12


@dataclass(frozen=True, slots=True)
class StartLine:
    """A resolved start line.

    `builds` are commands that belong to the build; `problem` says why the line cannot run; `source` names the script or the file that it
    is from, and is empty if the line was found by the name of a file.
    """

    text: str
    builds: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class _Call:
    script: str
    arguments: str
    folder: str


def resolved(tree: Tree, line: str) -> StartLine:
    """Return a start line without calls of a package manager. Its leading commands that build are separate."""
    text = _expanded(tree, line, "", 0)
    commands = simple_commands(text)
    builds: list[str] = []
    if commands and is_chain(commands):
        while len(commands) > 1 and _builds(commands[0]):
            builds.append(commands[0].text)
            commands = commands[1:]
        text = " && ".join(command.text for command in commands)
    notes = (f"{' && '.join(builds)} belongs to the build, and is moved there from the start script",) if builds else ()
    return StartLine(text, tuple(builds), notes, _unresolved(tree, text))


def script_chain(tree: Tree, name: str) -> str:
    """Return the text of a script together with its `pre` and `post` scripts; empty if there is no such script."""
    return _chain(tree, _Call(name, "", ""))


def _builds(command: Simple) -> bool:
    call = _call(command.words)
    return bool(call and _BUILD_SCRIPT.fullmatch(call.script)) or _BUILDERS.match(" ".join(unwrapped(command.words))) is not None


def _expanded(tree: Tree, line: str, folder: str, depth: int) -> str:
    commands = simple_commands(line)
    if not commands or depth > _DEEPEST:
        return line
    chained, pieces, current = is_chain(commands), [], folder
    for command in commands:
        text, current = _resolve_command(tree, command, current, depth)
        grouped = f"({text})" if not chained and len(simple_commands(text)) != 1 else text
        pieces.append(f"{grouped} {command.after}".strip())
    return " ".join(pieces)


def _resolve_command(tree: Tree, command: Simple, folder: str, depth: int) -> tuple[str, str]:
    """One command, resolved, and the folder after it."""
    words = command.words
    if len(words) == 2 and words[0] == "cd":
        return command.text, posixpath.normpath(posixpath.join(folder, words[1]))
    variables, program_words = _split(command)
    call, program = _call(program_words), _local_program(command, program_words)
    if program and not (call and _chain(tree, call)):
        return " ".join([*variables, program]), folder
    if call is None:
        return command.text, folder
    inside = posixpath.normpath(posixpath.join(folder, call.folder))
    text = _chain(tree, _Call(call.script, call.arguments, inside))
    if not text or (depth == 0 and _BUILD_SCRIPT.fullmatch(call.script)):
        return command.text, folder
    text = _expanded(tree, text, inside, depth + 1)
    if call.folder:
        text = f'cd {call.folder} && export PATH="$PWD/node_modules/.bin:$PATH" && {text}'
    elif folder not in {"", "."}:
        text = f'export PATH="$PWD/node_modules/.bin:$PATH" && {text}'
    return (_assigned(variables, text), folder)


def _assigned(variables: list[str], text: str) -> str:
    if not variables:
        return text
    return f"{' '.join(variables)} {text}" if len(simple_commands(text)) == 1 else f"export {' '.join(variables)} && {text}"


def _split(command: Simple) -> tuple[list[str], list[str]]:
    """The variables of a command, also those that `cross-env` or `env` sets before a script, and the words after them."""
    variables = (
        command.assignments.split()
        if command.assignments and "'" not in command.assignments and '"' not in command.assignments
        else []
    )
    variables = variables or ([command.assignments] if command.assignments else [])
    words = command.words
    if words and words[0] in {"cross-env", "cross-env-shell", "env"} and _call(unwrapped(words)):
        program_words = unwrapped(words)
        variables += words[1 : len(words) - len(program_words)]
        return variables, program_words
    return variables, words


def unwrapped(arguments: list[str]) -> list[str]:
    """Return the words of a command without programs that only set variables for it."""
    while arguments and (arguments[0] in _WRAPPERS or re.match(r"[A-Za-z_]\w*=", arguments[0])):
        arguments = arguments[1:]
    if arguments and arguments[0] in {"dotenv", "dotenvx", "env-cmd", "infisical", "doppler"} and "--" in arguments:
        return unwrapped(arguments[arguments.index("--") + 1 :])
    return arguments


def _call(arguments: list[str]) -> _Call | None:
    """The script that a command of a package manager runs."""
    if not arguments or arguments[0] not in _MANAGERS:
        if arguments and arguments[0] in {"run-s", "npm-run-all"} and len(arguments) == 2:
            return _Call(arguments[1], "", "")
        return None
    manager, remaining, folder = arguments[0], arguments[1:], ""
    while remaining and remaining[0].startswith("-"):
        option, _, value = remaining[0].partition("=")
        if option in _FOLDER_OPTIONS:
            folder, remaining = (value, remaining[1:]) if value else ("".join(remaining[1:2]), remaining[2:])
        elif option in {"-s", "--silent", "--if-present", "--quiet", "-q"}:
            remaining = remaining[1:]
        else:
            return None
    if remaining and remaining[0] in {"run", "run-script"}:
        remaining = [word for word in remaining[1:] if word not in {"-s", "--silent", "--if-present"}]
    elif not (remaining and (remaining[0] in {"start", "stop", "test"} or manager in {"yarn", "pnpm"})):
        return None
    if not remaining or remaining[0].startswith("-"):
        return None
    more = remaining[1:]
    for option in _FOLDER_OPTIONS & set(more):
        at = more.index(option)
        folder, more = "".join(more[at + 1 : at + 2]), more[:at] + more[at + 2 :]
    more = more[more.index("--") + 1 :] if "--" in more else [] if manager == "npm" else more
    return _Call(remaining[0], " ".join(map(_quoted, more)), folder)


def _quoted(word: str) -> str:
    return word if re.fullmatch(r"[\w./:=@$,+-]*", word) else json.dumps(word)


def _chain(tree: Tree, call: _Call) -> str:
    file = posixpath.normpath(posixpath.join(call.folder, "package.json")) if call.folder else "package.json"
    data = json_of(tree, file).data
    scripts = data.get("scripts")
    if not isinstance(scripts, dict) or not isinstance(scripts.get(call.script), str) or not scripts[call.script].strip():
        return ""
    body = f"{scripts[call.script].strip()} {call.arguments}".strip()
    around = [str(scripts.get(f"{when}{call.script}") or "").strip() for when in ("pre", "post")]
    text = " && ".join(part for part in (around[0], body, around[1]) if part)
    return re.sub(r"\$\{?npm_package_(\w+)\}?", lambda m: _field(data, m.group(1)) or m.group(0), text)


def _field(data: object, name: str) -> str:
    value = data.get(name) if isinstance(data, dict) else None
    if value is None and isinstance(data, dict) and "_" in name:
        head, _, tail = name.partition("_")
        return _field(data.get(head), tail)
    return str(value) if isinstance(value, str | int | float) else ""


def _local_program(command: Simple, arguments: list[str]) -> str:
    """The program that `npx` and its like run, which is in node_modules/.bin; empty for other commands."""
    if not arguments:
        return ""
    programs = {("pnpm", "exec"), ("npm", "exec"), ("yarn", "exec"), ("bun", "x"), ("pnpm", "dlx"), ("yarn", "dlx")}
    implied = (
        arguments[0] in {"yarn", "pnpm"}
        and len(arguments) > 1
        and arguments[1] not in _VERBS
        and not arguments[1].startswith("-")
    )
    count = 2 if tuple(arguments[:2]) in programs else 1
    if count == 1 and arguments[0] not in {"npx", "bunx", "pnpx"} and not implied:
        return ""
    remaining = arguments[count:]
    while remaining and remaining[0] in {"--yes", "-y", "--no-install", "--no", "--", "--bun"}:
        remaining = remaining[1:]
    if not remaining or remaining[0].startswith("-"):
        return ""
    program = re.sub(r"(?<=.)@[\w.^~-]+$", "", remaining[0])
    at = command.command.find(remaining[0])
    return program + command.command[at + len(remaining[0]) :]


def _unresolved(tree: Tree, text: str) -> str:
    """Why a line cannot run: it calls a package manager for something that is not a script."""
    for command in simple_commands(text):
        arguments = unwrapped(command.words)
        if arguments and arguments[0] in _MANAGERS - {"bun"}:
            call = _call(arguments)
            if call and not _chain(tree, call):
                return f"`{command.text}` calls the script {call.script!r}, which package.json does not have"
            return f"`{command.text}` needs {arguments[0]}, which is not in the image of a running app"
    return ""


# -- what a line is for ----------------------------------------------------------------------------------------------------------

_DEVELOPMENT = re.compile(
    r"(ts-node-dev|tsnd|webpack-dev-server|live-server|browser-sync|concurrently|run-p|npm-run-all|storybook|start-storybook|gulp|grunt)\b"
    r"|nodemon\b|(vite|next|nuxt|nuxi|astro|remix|react-router|vinxi|svelte-kit|vitepress|vuepress|rsbuild|farm|waku|rspack)( (dev|vite:dev|develop|serve|server|preview)\b| *$| -)"
    r"|(react-scripts|react-app-rewired|craco|nest|docusaurus|react-native|expo|electron-forge|gatsby|umi|max|rescripts|preact|elder|tsdx|tauri|sanity) (start|develop|dev|serve|watch)\b"
    r"|(ng|ember|vue-cli-service|nx|ionic|hexo|gridsome|gatsby|docusaurus|stencil|polymer|rspack|webpack|jekyll|hugo|slidev|sls|serverless|turbo|lerna|moon) (serve|server|s|dev|develop|run|start)\b"
    r"|(eleventy|@11ty/eleventy|webpack|rollup|tsc|esbuild|babel|tsup|parcel|swc|tailwindcss|postcss|sass|node-sass|lessc)\b.*\s(--serve|--watch|-w|--servedir\S*)\b"
    r"|parcel (?!build|watch)\S|(tsx|bun|deno) (watch|--watch|--hot)|node (.*\s)?--watch\b|babel-node\b|vite-node (-w|--watch)|nitropack dev|wmr *$"
)
_ELSEWHERE = {
    "wrangler": "Cloudflare Workers",
    "vercel": "Vercel",
    "netlify": "Netlify",
    "shopify": "Shopify Oxygen",
    "firebase": "Firebase",
    "func": "Azure Functions",
    "sam": "AWS Lambda",
    "functions-framework": "",
    "electron": "the desktop (Electron)",
    "expo": "phones (Expo)",
    "react-native": "phones (React Native)",
    "docker": "Docker",
    "docker-compose": "Docker",
}
_SITE_SERVERS = re.compile(
    r"(serve|http-server|sirv|superstatic|live-server|local-web-server)\b|vite preview|astro preview|gatsby serve"
)


def is_for_developers(line: str) -> bool:
    """Return whether a line starts a server of a development tool: it compiles or watches sources."""
    return any(_DEVELOPMENT.match(" ".join(unwrapped(command.words))) for command in simple_commands(line))


def serves_files(line: str) -> bool:
    """Return whether a line starts a server that only serves a folder of files."""
    commands = simple_commands(line)
    return bool(commands) and _SITE_SERVERS.match(" ".join(unwrapped(commands[-1].words))) is not None


def platform_of(line: str) -> str:
    """Return the platform for which a line starts an emulator or a program; empty if it starts a server of its own."""
    names = ((unwrapped(command.words) or [""])[0] for command in simple_commands(line))
    return next((platform for name in names if (platform := _ELSEWHERE.get(name, ""))), "")


def for_production(line: str) -> str:
    """Return a developers' line without the tool that watches the sources; empty if that leaves no command."""
    commands = simple_commands(line)
    if len(commands) != 1:
        return ""
    arguments = unwrapped(commands[0].words)
    before = commands[0].assignments + " " if commands[0].assignments else ""
    watched = _watched(arguments)
    return before + watched if watched else ""


def _watched(arguments: list[str]) -> str:
    if arguments[:1] == ["node"]:
        remaining = [word for word in arguments if not re.fullmatch(r"--watch(-path=\S+|-preserve-output)?", word)]
        return " ".join(map(_quoted, remaining))
    if arguments[:2] in (["tsx", "watch"], ["tsx", "--watch"], ["bun", "--watch"], ["bun", "--hot"]):
        return " ".join(map(_quoted, [arguments[0], *arguments[2:]]))
    if arguments[:1] != ["nodemon"]:
        return ""
    remaining = arguments[1:]
    for option in ("--exec", "-x"):
        if option in remaining and remaining.index(option) + 1 < len(remaining):
            at = remaining.index(option)
            ran = remaining[at + 1] if " " in remaining[at + 1] else " ".join(map(_quoted, remaining[at + 1 :]))
            return "" if words(ran)[:1] in ([], ["babel-node"]) or _MANAGERS & set(words(ran)[:1]) else ran
    while remaining and remaining[0].startswith("-"):
        takes = remaining[0] in {"--watch", "-w", "-e", "--ext", "--ignore", "-i", "--delay", "-d", "--config", "--signal"}
        remaining = remaining[2:] if takes and "=" not in remaining[0] else remaining[1:]
    return f"node {' '.join(map(_quoted, remaining))}" if remaining and re.search(r"\.[cm]?[jt]s$", remaining[0]) else ""
