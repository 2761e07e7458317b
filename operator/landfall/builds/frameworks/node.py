"""Frameworks of Node.js."""

from __future__ import annotations

import re
from collections.abc import Callable

from landfall.builds.detect.result import Match
from landfall.builds.detect.tree import Tree, first
from landfall.builds.frameworks.base import Commands, Framework
from landfall.builds.languages.base import Layer
from landfall.builds.languages.node import NODE, Node, imports, node_of, start_of

_STANDALONE = "node server.js"  # Next.js: its server with only the packages that it needs
_ON_ALL_ADDRESSES = "0.0.0.0"  # noqa: S104  the pod has its own network namespace


def _with_package_json(match: Callable[[Tree, Node], Match | None]) -> Callable[[Tree], Match | None]:
    """Restrict a match to trees with a package.json."""

    def asked(tree: Tree) -> Match | None:
        node = node_of(tree)
        return match(tree, node) if node else None

    return asked


def _needs(node: Node, *packages: str) -> str:
    """The first of these packages that the app depends on, at run time or to build."""
    return next((p for p in packages if p in node.every), "")


def _script(node: Node, name: str) -> str:
    return node.scripts.get(name, "")


def _depends(package: str) -> str:
    return f"package.json depends on {package}"


def _vite(tree: Tree, node: Node) -> Match | None:
    config = first(tree, "vite.config.ts", "vite.config.js", "vite.config.mts", "vite.config.mjs")
    build = _script(node, "build")
    if not _needs(node, "vite") or not build or not (config or "vite build" in build):
        return None
    told = re.search(r"--outDir[ =](\S+)", build) or re.search(r"""outDir:\s*["'`]([^"'`]+)""", tree.text(config))
    evidence = (_depends("vite"), *((f"{config} is there",) if config else ()), f"the build script is {build!r}")
    notes = () if "index.html" in tree.paths else ("index.html is missing at the root",)
    return Match("react-vite", evidence, output=told.group(1).removeprefix("./").rstrip("/") if told else "dist", notes=notes)


def _next(tree: Tree, node: Node) -> Match | None:
    if not _needs(node, "next"):
        return None
    config = first(tree, "next.config.js", "next.config.mjs", "next.config.ts", "next.config.cjs")
    text = tree.text(config)
    evidence = (_depends("next"), *((f"{config} is there",) if config else ()))
    if re.search(r"""output:\s*["'`]export""", text):
        told = re.search(r"""distDir:\s*["'`]([^"'`]+)""", text)
        return Match("nextjs", (*evidence, "it exports a static site"), output=told.group(1) if told else "out")
    start = _script(node, "start")
    own = start if start and "next start" not in start else ""
    return Match("nextjs", evidence, start=own or _STANDALONE, notes=(f"its own server is used: {own}",) if own else ())


def _express(tree: Tree, node: Node) -> Match | None:
    if "express" not in node.dependencies:
        return None  # a dependency in devDependencies is only for development
    file = imports(tree, "express")
    start = start_of(tree, node)
    if not file and not _script(node, "start"):
        return None
    evidence = (_depends("express"), *((f"{file} imports it",) if file else ("it has a start script",)))
    return Match("node-express", evidence, start=start)


def _svelte(_tree: Tree, node: Node) -> Match | None:
    if not _needs(node, "@sveltejs/kit"):
        return None
    if _needs(node, "@sveltejs/adapter-static"):
        return Match("sveltekit", (_depends("@sveltejs/kit"), "adapter-static builds a static site"), output="build")
    notes = (
        ()
        if _needs(node, "@sveltejs/adapter-node")
        else ("@sveltejs/adapter-node is missing: adapter-auto is configured to use it",)
    )
    return Match("sveltekit", (_depends("@sveltejs/kit"),), start="node build", notes=notes)


def _nuxt(_tree: Tree, node: Node) -> Match | None:
    package = _needs(node, "nuxt", "nuxt3", "nuxt-nightly", "nuxt-edge")
    if not package:
        return None
    if "generate" in _script(node, "build"):
        return Match("nuxt", (_depends(package), "its build script generates a static site"), output=".output/public")
    return Match("nuxt", (_depends(package),), start="node .output/server/index.mjs")


def _astro(tree: Tree, node: Node) -> Match | None:
    if not _needs(node, "astro"):
        return None
    config = first(tree, "astro.config.mjs", "astro.config.ts", "astro.config.js")
    served = re.search(r"""output:\s*["'`](server|hybrid)""", tree.text(config)) or _needs(node, "@astrojs/node")
    if served:
        return Match("astro", (_depends("astro"), "it renders on a server"), start="node dist/server/entry.mjs")
    return Match("astro", (_depends("astro"), "it builds a static site"), output="dist")


def _remix(tree: Tree, node: Node) -> Match | None:
    package = _needs(node, "@react-router/dev", "@remix-run/dev")
    if not package:
        return None
    config = first(tree, "react-router.config.ts", "react-router.config.js", "vite.config.ts", "vite.config.js")
    if re.search(r"ssr:\s*false", tree.text(config)):
        return Match("remix", (_depends(package), f"{config} says ssr: false"), output="build/client")
    serve = "react-router-serve" if package.startswith("@react-router") else "remix-serve"
    return Match("remix", (_depends(package),), start=_script(node, "start") or f"{serve} ./build/server/index.js")


def _next_build(_tree: Tree, match: Match, commands: Commands) -> Commands:
    run = commands or ("npx next build",)
    if match.start == _STANDALONE:
        return tuple(f"NEXT_TELEMETRY_DISABLED=1 NEXT_PRIVATE_STANDALONE=true {command}" for command in run)
    return run


def _next_layers(match: Match) -> tuple[Layer, ...]:
    if match.start != _STANDALONE:
        return ()
    inside, modules = ".next/standalone", ".next/standalone/node_modules"
    return (
        Layer("dependencies", (modules,), rooted=(inside,)),
        Layer("app", (inside, ".next/static", "public"), (modules,), (inside,)),
    )


_RENDERERS = frozenset({"react-vite", "node-express", "static"})
_STATIC = frozenset({"static"})
_HOST = {"HOST": _ON_ALL_ADDRESSES}
ROWS = (
    Framework(
        "nextjs",
        NODE,
        _with_package_json(_next),
        _RENDERERS,
        build=_next_build,
        layers=_next_layers,
        env={"HOSTNAME": _ON_ALL_ADDRESSES},  # the default would be the name of the pod
    ),
    Framework("nuxt", NODE, _with_package_json(_nuxt), _RENDERERS, env=_HOST),
    Framework("sveltekit", NODE, _with_package_json(_svelte), _RENDERERS, env=_HOST),
    Framework("astro", NODE, _with_package_json(_astro), _RENDERERS, env=_HOST),
    Framework("remix", NODE, _with_package_json(_remix), _RENDERERS),
    Framework("react-vite", NODE, _with_package_json(_vite), _STATIC, fallback="/index.html"),
    Framework("node-express", NODE, _with_package_json(_express), _STATIC),
)
