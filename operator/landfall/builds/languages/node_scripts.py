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
    found = simple_commands(text)
    builds: list[str] = []
    if found and is_chain(found):
        while len(found) > 1 and _builds(found[0]):
            builds.append(found[0].text)
            found = found[1:]
        text = " && ".join(one.text for one in found)
    notes = (f"{' && '.join(builds)} belongs to the build, and is moved there from the start script",) if builds else ()
    return StartLine(text, tuple(builds), notes, _unresolved(tree, text))


def script_chain(tree: Tree, name: str) -> str:
    """Return the text of a script together with its `pre` and `post` scripts; empty if there is no such script."""
    return _chain(tree, _Call(name, "", ""))


def _builds(one: Simple) -> bool:
    call = _call(one.words)
    return bool(call and _BUILD_SCRIPT.fullmatch(call.script)) or _BUILDERS.match(" ".join(unwrapped(one.words))) is not None


def _expanded(tree: Tree, line: str, folder: str, depth: int) -> str:
    found = simple_commands(line)
    if not found or depth > _DEEPEST:
        return line
    chained, pieces, here = is_chain(found), [], folder
    for one in found:
        text, here = _one(tree, one, here, depth)
        grouped = f"({text})" if not chained and len(simple_commands(text)) != 1 else text
        pieces.append(f"{grouped} {one.after}".strip())
    return " ".join(pieces)


def _one(tree: Tree, one: Simple, folder: str, depth: int) -> tuple[str, str]:
    """One command, resolved, and the folder after it."""
    said = one.words
    if len(said) == 2 and said[0] == "cd":
        return one.text, posixpath.normpath(posixpath.join(folder, said[1]))
    given, rest = _split(one)
    call, bare = _call(rest), _bare(one, rest)
    if bare and not (call and _chain(tree, call)):
        return " ".join([*given, bare]), folder
    if call is None:
        return one.text, folder
    inside = posixpath.normpath(posixpath.join(folder, call.folder))
    text = _chain(tree, _Call(call.script, call.arguments, inside))
    if not text or (depth == 0 and _BUILD_SCRIPT.fullmatch(call.script)):
        return one.text, folder
    text = _expanded(tree, text, inside, depth + 1)
    if call.folder:
        text = f'cd {call.folder} && export PATH="$PWD/node_modules/.bin:$PATH" && {text}'
    elif folder not in {"", "."}:
        text = f'export PATH="$PWD/node_modules/.bin:$PATH" && {text}'
    return (_assigned(given, text), folder)


def _assigned(given: list[str], text: str) -> str:
    if not given:
        return text
    return f"{' '.join(given)} {text}" if len(simple_commands(text)) == 1 else f"export {' '.join(given)} && {text}"


def _split(one: Simple) -> tuple[list[str], list[str]]:
    """The variables of a command, also those that `cross-env` or `env` sets before a script, and the words after them."""
    given = one.assignments.split() if one.assignments and "'" not in one.assignments and '"' not in one.assignments else []
    given = given or ([one.assignments] if one.assignments else [])
    said = one.words
    if said and said[0] in {"cross-env", "cross-env-shell", "env"} and _call(unwrapped(said)):
        rest = unwrapped(said)
        given += said[1 : len(said) - len(rest)]
        return given, rest
    return given, said


def unwrapped(said: list[str]) -> list[str]:
    """Return the words of a command without programs that only set variables for it."""
    while said and (said[0] in _WRAPPERS or re.match(r"[A-Za-z_]\w*=", said[0])):
        said = said[1:]
    if said and said[0] in {"dotenv", "dotenvx", "env-cmd", "infisical", "doppler"} and "--" in said:
        return unwrapped(said[said.index("--") + 1 :])
    return said


def _call(said: list[str]) -> _Call | None:
    """The script that a command of a package manager runs."""
    if not said or said[0] not in _MANAGERS:
        if said and said[0] in {"run-s", "npm-run-all"} and len(said) == 2:
            return _Call(said[1], "", "")
        return None
    manager, rest, folder = said[0], said[1:], ""
    while rest and rest[0].startswith("-"):
        option, _, value = rest[0].partition("=")
        if option in _FOLDER_OPTIONS:
            folder, rest = (value, rest[1:]) if value else ("".join(rest[1:2]), rest[2:])
        elif option in {"-s", "--silent", "--if-present", "--quiet", "-q"}:
            rest = rest[1:]
        else:
            return None
    if rest and rest[0] in {"run", "run-script"}:
        rest = [word for word in rest[1:] if word not in {"-s", "--silent", "--if-present"}]
    elif not (rest and (rest[0] in {"start", "stop", "test"} or manager in {"yarn", "pnpm"})):
        return None
    if not rest or rest[0].startswith("-"):
        return None
    more = rest[1:]
    for option in _FOLDER_OPTIONS & set(more):
        at = more.index(option)
        folder, more = "".join(more[at + 1 : at + 2]), more[:at] + more[at + 2 :]
    more = more[more.index("--") + 1 :] if "--" in more else [] if manager == "npm" else more
    return _Call(rest[0], " ".join(map(_quoted, more)), folder)


def _quoted(word: str) -> str:
    return word if re.fullmatch(r"[\w./:=@$,+-]*", word) else json.dumps(word)


def _chain(tree: Tree, call: _Call) -> str:
    file = posixpath.normpath(posixpath.join(call.folder, "package.json")) if call.folder else "package.json"
    data = json_of(tree, file).data
    scripts = data.get("scripts")
    if not isinstance(scripts, dict) or not isinstance(scripts.get(call.script), str) or not scripts[call.script].strip():
        return ""
    own = f"{scripts[call.script].strip()} {call.arguments}".strip()
    around = [str(scripts.get(f"{when}{call.script}") or "").strip() for when in ("pre", "post")]
    text = " && ".join(part for part in (around[0], own, around[1]) if part)
    return re.sub(r"\$\{?npm_package_(\w+)\}?", lambda m: _field(data, m.group(1)) or m.group(0), text)


def _field(data: object, name: str) -> str:
    value = data.get(name) if isinstance(data, dict) else None
    if value is None and isinstance(data, dict) and "_" in name:
        head, _, tail = name.partition("_")
        return _field(data.get(head), tail)
    return str(value) if isinstance(value, str | int | float) else ""


def _bare(one: Simple, said: list[str]) -> str:
    """The program that `npx` and its like run, which is in node_modules/.bin; empty for other commands."""
    if not said:
        return ""
    programs = {("pnpm", "exec"), ("npm", "exec"), ("yarn", "exec"), ("bun", "x"), ("pnpm", "dlx"), ("yarn", "dlx")}
    implied = said[0] in {"yarn", "pnpm"} and len(said) > 1 and said[1] not in _VERBS and not said[1].startswith("-")
    count = 2 if tuple(said[:2]) in programs else 1
    if count == 1 and said[0] not in {"npx", "bunx", "pnpx"} and not implied:
        return ""
    rest = said[count:]
    while rest and rest[0] in {"--yes", "-y", "--no-install", "--no", "--", "--bun"}:
        rest = rest[1:]
    if not rest or rest[0].startswith("-"):
        return ""
    program = re.sub(r"(?<=.)@[\w.^~-]+$", "", rest[0])
    at = one.command.find(rest[0])
    return program + one.command[at + len(rest[0]) :]


def _unresolved(tree: Tree, text: str) -> str:
    """Why a line cannot run: it calls a package manager for something that is not a script."""
    for one in simple_commands(text):
        said = unwrapped(one.words)
        if said and said[0] in _MANAGERS - {"bun"}:
            call = _call(said)
            if call and not _chain(tree, call):
                return f"`{one.text}` calls the script {call.script!r}, which package.json does not have"
            return f"`{one.text}` needs {said[0]}, which is not in the image of a running app"
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
    return any(_DEVELOPMENT.match(" ".join(unwrapped(one.words))) for one in simple_commands(line))


def serves_files(line: str) -> bool:
    """Return whether a line starts a server that only serves a folder of files."""
    found = simple_commands(line)
    return bool(found) and _SITE_SERVERS.match(" ".join(unwrapped(found[-1].words))) is not None


def platform_of(line: str) -> str:
    """Return the platform for which a line starts an emulator or a program; empty if it starts a server of its own."""
    names = ((unwrapped(one.words) or [""])[0] for one in simple_commands(line))
    return next((where for name in names if (where := _ELSEWHERE.get(name, ""))), "")


def for_production(line: str) -> str:
    """Return a developers' line without the tool that watches the sources; empty if that leaves no command."""
    found = simple_commands(line)
    if len(found) != 1:
        return ""
    said = unwrapped(found[0].words)
    before = found[0].assignments + " " if found[0].assignments else ""
    watched = _watched(said)
    return before + watched if watched else ""


def _watched(said: list[str]) -> str:
    if said[:1] == ["node"]:
        rest = [word for word in said if not re.fullmatch(r"--watch(-path=\S+|-preserve-output)?", word)]
        return " ".join(map(_quoted, rest))
    if said[:2] in (["tsx", "watch"], ["tsx", "--watch"], ["bun", "--watch"], ["bun", "--hot"]):
        return " ".join(map(_quoted, [said[0], *said[2:]]))
    if said[:1] != ["nodemon"]:
        return ""
    rest = said[1:]
    for option in ("--exec", "-x"):
        if option in rest and rest.index(option) + 1 < len(rest):
            at = rest.index(option)
            ran = rest[at + 1] if " " in rest[at + 1] else " ".join(map(_quoted, rest[at + 1 :]))
            return "" if words(ran)[:1] in ([], ["babel-node"]) or _MANAGERS & set(words(ran)[:1]) else ran
    while rest and rest[0].startswith("-"):
        takes = rest[0] in {"--watch", "-w", "-e", "--ext", "--ignore", "-i", "--delay", "-d", "--config", "--signal"}
        rest = rest[2:] if takes and "=" not in rest[0] else rest[1:]
    return f"node {' '.join(map(_quoted, rest))}" if rest and re.search(r"\.[cm]?[jt]s$", rest[0]) else ""
