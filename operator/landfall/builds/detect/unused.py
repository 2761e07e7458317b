"""Files that other tools use and this build does not: each is named, with what to do instead. Pure."""

from __future__ import annotations

import re

from landfall.builds.detect.procfile import processes
from landfall.builds.detect.result import Match
from landfall.builds.detect.tree import Tree, first, json_of

_CONFIGURATIONS = (
    *(
        "nixpacks.toml",
        "railpack.json",
        "railway.json",
        "railway.toml",
        "render.yaml",
        "fly.toml",
        "heroku.yml",
        "app.json",
        "captain-definition",
    ),
    *(
        "netlify.toml",
        "vercel.json",
        "now.json",
        "app.yaml",
        ".platform.app.yaml",
        "apprunner.yaml",
        "Aptfile",
        "project.toml",
        "wrangler.toml",
    ),
)
_INSTALLS = re.compile(r"(?:apk add|apt-get install|apt install|dnf install|yum install)\s+((?:[^\n&;\\]|\\\n)+)")
_OTHERS = frozenset({"python-fastapi", "flask", "django", "python", "go"})
_MOST_FILES = 2000
_POINTER = "version https://git-lfs.github.com/spec/"


def unused(tree: Tree, match: Match) -> tuple[str, ...]:
    """Return notes about files that are there and have no effect on the build plan."""
    return (
        *_docker(tree),
        *_compose(tree),
        *_processes(tree, match),
        *_configurations(tree),
        *_pointers(tree),
        *_submodules(tree),
        *_rules(tree, match),
        *_scripts(tree, match),
    )


def _docker(tree: Tree) -> tuple[str, ...]:
    file = first(tree, "Dockerfile", "Containerfile")
    if not file:
        return ()
    match = _INSTALLS.search(tree.text(file))
    packages = " ".join(word for word in match.group(1).replace("\\", " ").split() if not word.startswith("-")) if match else ""
    missing = f"; the packages that it installs are not in the image: {packages}" if packages else ""
    return (f"{file} is not used{missing}. To use it, build its image elsewhere and set source.image",)


def _compose(tree: Tree) -> tuple[str, ...]:
    file = first(tree, "compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
    if not file:
        return ()
    images = re.findall(
        r"^\s*image:\s*[\"']?(?:[\w.-]+/)*(postgres|mysql|mariadb|mongo|redis|valkey|rabbitmq)\b", tree.text(file), re.MULTILINE
    )
    needed = f": create a Connection or a service for {', '.join(sorted(set(images)))}" if images else ""
    return (f"{file} is not used{needed}",)


def _processes(tree: Tree, match: Match) -> tuple[str, ...]:
    listed = processes(tree)
    used = {"web"} if any("Procfile" in text for text in (*match.notes, *match.evidence)) else set()
    if len(listed) == 1 and used:
        used = set(listed)
    notes = []
    for name, line in listed.items():
        if name in used:
            continue
        if name == "release":
            notes.append(
                f"the release line of the Procfile is not executed: run `{line}` before the switch, for example in the start command"
            )
        else:
            notes.append(
                f"the {name} line of the Procfile is not started: `{line}`. Deploy it as an app of its own with build.startCommand"
                if name != "web"
                else f"the web line of the Procfile is not used: `{line}`"
            )
    return tuple(notes)


def _configurations(tree: Tree) -> tuple[str, ...]:
    files = [name for name in _CONFIGURATIONS if name in tree.paths]
    return (
        (f"{', '.join(files)} {'is' if len(files) == 1 else 'are'} not used: set what is needed in build and env",)
        if files
        else ()
    )


def _pointers(tree: Tree) -> tuple[str, ...]:
    if "filter=lfs" not in "".join(tree.text(p) for p in sorted(tree.paths) if p.rpartition("/")[2] == ".gitattributes"):
        return ()
    pointers = [p for p in sorted(tree.paths)[:_MOST_FILES] if tree.text(p).startswith(_POINTER)]
    if not pointers:
        return ()
    return (
        f"{len(pointers)} files are pointers of Git LFS without their contents, for example {pointers[0]}: commit the files, or fetch them before the upload",
    )


def _submodules(tree: Tree) -> tuple[str, ...]:
    paths = re.findall(r"^\s*path\s*=\s*(\S+)", tree.text(".gitmodules"), re.MULTILINE)
    return tuple(f"the submodule {path} is left out" for path in paths if not any(p.startswith(f"{path}/") for p in tree.paths))


def _rules(tree: Tree, match: Match) -> tuple[str, ...]:
    """Rules of static hosts, beside a site."""
    if match.start:
        return ()
    files = [
        name
        for folder in ("", "public/", "static/")
        for name in (f"{folder}_redirects", f"{folder}_headers")
        if name in tree.paths
    ]
    return (
        (
            f"{', '.join(files)} {'has' if len(files) == 1 else 'have'} no effect: redirects and headers belong to the Ingress or Gateway of the app",
        )
        if files
        else ()
    )


def _scripts(tree: Tree, match: Match) -> tuple[str, ...]:
    """A build script of package.json beside an app of another language, for example for its styles."""
    scripts = json_of(tree, "package.json").data.get("scripts")
    if match.framework not in _OTHERS or not isinstance(scripts, dict) or "build" not in scripts:
        return ()
    return (
        f"the build script of package.json is not executed (`{scripts['build']}`): commit what it makes, or set buildCommand",
    )
