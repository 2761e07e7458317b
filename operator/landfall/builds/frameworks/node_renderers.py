"""Frameworks of Node.js that render pages: each on a server of its own, or as a site."""

from __future__ import annotations

import re

from landfall.builds.detect.result import Match
from landfall.builds.detect.tree import Tree, first
from landfall.builds.frameworks.base import Commands, Framework
from landfall.builds.frameworks.node_common import (
    ON_ALL_ADDRESSES,
    config_of,
    depends,
    folder_of,
    literal,
    needs,
    outside,
    own_server,
    refused,
    script,
    served,
    with_package_json,
)
from landfall.builds.languages.base import Layer
from landfall.builds.languages.node import NODE, Node
from landfall.builds.languages.node_scripts import StartLine

STANDALONE = "node server.js"  # Next.js: its server with only the packages that it needs


def _next(tree: Tree, node: Node) -> Match | None:
    if not needs(node, "next"):
        return None
    config = first(tree, "next.config.js", "next.config.mjs", "next.config.ts", "next.config.cjs")
    text = config_of(tree, config)
    evidence = (depends("next"), *((f"{config} is there",) if config else ()))
    folder = folder_of(literal(text, "distDir") or ".next")
    if re.search(r"""output:\s*["'`]export""", text):
        return Match("nextjs", (*evidence, "it exports a static site"), output="out" if folder == ".next" else folder)
    build, start = script(node, "build"), script(node, "start")
    if "nx.json" in tree.paths and re.search(r"\bnx (run |build\b)", build):
        return refused(
            "nextjs",
            "an Nx workspace with Next.js",
            "nx decides what it builds",
            "set buildCommand, outputDirectory or startCommand",
        )
    server = own_server(tree, node)
    is_default = server is None or re.fullmatch(r"(\S+=\S+ +)*(cross-env +(\S+=\S+ +)*)?next start( .*)?", server.text)
    if server is None or is_default or re.search(r"node (\./)?\S*standalone/server\.js$", start):
        builds = server.builds if server else ()
        return Match("nextjs", evidence, start=STANDALONE, output=folder, builds=builds)
    return served("nextjs", evidence, server, (f"its own server is used: {server.text}",))


def _next_build(_tree: Tree, match: Match, commands: Commands) -> Commands:
    run = commands or ("npx next build",)
    if match.start == STANDALONE:
        return tuple(f"NEXT_TELEMETRY_DISABLED=1 NEXT_PRIVATE_STANDALONE=true {command}" for command in run)
    return run


def _next_layers(match: Match) -> tuple[Layer, ...]:
    if match.start != STANDALONE:
        return ()
    folder = match.output or ".next"
    inside, modules = f"{folder}/standalone", f"{folder}/standalone/node_modules"
    return (
        Layer("dependencies", (modules,), rooted=(inside,)),
        Layer("app", (inside, f"{folder}/static", "public"), (modules,), (inside,)),
    )


def _svelte(tree: Tree, node: Node) -> Match | None:
    if not needs(node, "@sveltejs/kit"):
        return None
    config = first(tree, "svelte.config.js", "svelte.config.ts", "svelte.config.mjs", "vite.config.ts", "vite.config.js")
    text = config_of(tree, config)
    match = re.search(r"""(?:from|import|require\()\s*["']((?:@[\w.-]+/)?[\w.-]*adapter-?[\w.-]*)["']""", text)
    listed = sorted(name for name in node.every if re.search(r"svelte.*adapter|adapter-svelte", name))
    adapter = match.group(1) if match else next(iter(listed), "")
    evidence = (
        depends("@sveltejs/kit"),
        f"{config if match else 'package.json'} names {adapter}" if adapter else "it names no adapter",
    )
    if adapter == "@sveltejs/adapter-static":
        page = literal(text, "fallback")
        output = folder_of(literal(text, "pages") or "build")
        return Match(
            "sveltekit", (*evidence, "adapter-static builds a static site"), output=output, fallback=f"/{page}" if page else ""
        )
    if adapter == "@sveltejs/adapter-node":
        server = own_server(tree, node)
        start = (
            server.text if server and re.match(r"node \S", server.text) else f"node {folder_of(literal(text, 'out') or 'build')}"
        )
        return Match("sveltekit", evidence, start=start, builds=server.builds if server else ())
    if adapter == "@sveltejs/adapter-auto":
        note = "adapter-auto is configured to add and use @sveltejs/adapter-node: list it in package.json to pin its version"
        return Match("sveltekit", evidence, start="node build", notes=(note,))
    cause = f"{adapter} builds for another platform" if adapter else "it has no adapter, so its build makes no server"
    remedy = "use @sveltejs/adapter-node or @sveltejs/adapter-static in svelte.config.js"
    return refused(
        "sveltekit", f"a SvelteKit app with {adapter}" if adapter else "a SvelteKit app without an adapter", cause, remedy
    )


def _svelte_build(_tree: Tree, match: Match, commands: Commands) -> Commands:
    """adapter-auto chooses the adapter for Node.js where it finds this variable."""
    if any("adapter-auto" in text for text in match.evidence):
        return tuple(f"GCP_BUILDPACKS=1 {command}" for command in commands)
    return commands


def _nuxt(tree: Tree, node: Node) -> Match | None:
    package = needs(node, "nuxt", "nuxt3", "nuxt-nightly", "nuxt-edge")
    if not package:
        return None
    text = config_of(tree, "nuxt.config.ts", "nuxt.config.js", "nuxt.config.mjs")
    preset = literal(text, "preset")
    old = re.match(r"[\^~>=v ]*2\b", node.every[package]) is not None
    if "generate" in script(node, "build"):
        output = "dist" if old else ".output/public"
        return Match("nuxt", (depends(package), "its build script generates a static site"), output=output)
    if preset in {"static", "github-pages"}:
        return Match("nuxt", (depends(package), f"its preset is {preset}"), output=".output/public")
    if preset and not preset.startswith("node"):
        remedy = "remove the preset, or use node-server"
        return refused("nuxt", f"a Nuxt app with the preset {preset}", "that preset builds for another platform", remedy)
    if old:
        return Match("nuxt", (depends(package), "it is Nuxt 2"), start="nuxt start")
    return Match("nuxt", (depends(package),), start="node .output/server/index.mjs")


def _astro_refusal(adapter: str, folder: str, *, rendered: bool) -> Match | None:
    if folder.startswith(".."):
        return outside("astro", "an Astro app", folder)
    if adapter and not adapter.startswith("@astrojs/node"):
        remedy = "use @astrojs/node in astro.config, or remove the adapter for a static site"
        return refused("astro", f"an Astro app with {adapter}", "that adapter builds for another platform", remedy)
    if rendered and not adapter:
        return refused("astro", "an Astro app that renders on a server", "it has no adapter", "add @astrojs/node to astro.config")
    return None


def _astro(tree: Tree, node: Node) -> Match | None:
    if not needs(node, "astro"):
        return None
    text = config_of(tree, "astro.config.mjs", "astro.config.ts", "astro.config.js", "astro.config.mts")
    match = re.search(
        r"""from\s+["'](@astrojs/(?:node|vercel|netlify|cloudflare|deno)[\w/]*|[\w@/.-]*astro[\w/.-]*adapter[\w/.-]*)["']""", text
    )
    rendered = re.search(r"""output:\s*["'`](server|hybrid)""", text) is not None
    adapter = (match.group(1) if match else "an unknown adapter") if re.search(r"\badapter\s*[:,]", text) else ""
    adapter = adapter or ("" if text else needs(node, "@astrojs/node"))
    folder = folder_of(literal(text, "outDir") or "dist")
    if refusal := _astro_refusal(adapter, folder, rendered=rendered):
        return refusal
    if adapter and literal(text, "mode") == "middleware":
        evidence = (depends("astro"), "it is a middleware of a server")
        return served("astro", evidence, own_server(tree, node) or StartLine(""))
    if adapter:
        return Match("astro", (depends("astro"), "it renders on a server"), start=f"node {folder}/server/entry.mjs")
    return Match("astro", (depends("astro"), "it builds a static site"), output=folder)


def _remix(tree: Tree, node: Node) -> Match | None:
    package = needs(node, "@react-router/dev", "@remix-run/dev")
    if not package:
        return None
    evidence = (depends(package),)
    elsewhere = needs(node, "@shopify/hydrogen", "@shopify/remix-oxygen", "@react-router/cloudflare", "@remix-run/cloudflare")
    elsewhere = elsewhere or needs(
        node, "@remix-run/vercel", "@vercel/remix", "@remix-run/netlify", "@netlify/remix-adapter", "@remix-run/deno"
    )
    elsewhere = elsewhere or needs(
        node, "@netlify/vite-plugin-react-router", "@cloudflare/vite-plugin", "@react-router/architect"
    )
    serving = needs(node, "@react-router/serve", "@remix-run/serve", "@react-router/express", "@remix-run/express")
    if elsewhere and not serving:
        remedy = "use @react-router/serve (or @remix-run/serve) with a start script"
        return refused(
            "remix", f"a Remix or React Router app with {elsewhere}", "that package builds for another platform", remedy
        )
    texts = {
        name: config_of(tree, name)
        for name in sorted(tree.paths)
        if re.fullmatch(r"(react-router|vite)\.config\.[cm]?[jt]s", name)
    }
    config = next((name for name, text in texts.items() if re.search(r"ssr:\s*false", text)), "")
    folder = next((folder_name for text in texts.values() if (folder_name := literal(text, "buildDirectory"))), "build")
    if config:
        output = f"{folder_of(folder)}/client"
        return Match("remix", (*evidence, f"{config} says ssr: false"), output=output, fallback="/index.html")
    server = own_server(tree, node)
    if server:
        return served("remix", evidence, server)
    serve = "react-router-serve" if package.startswith("@react-router") else "remix-serve"
    built = f"{folder_of(folder)}/server/index.js" if texts else "build/index.js"
    return Match("remix", evidence, start=f"{serve} ./{built}")


_RENDERERS = frozenset({"react-vite", "node-express", "static", "node", "site"})
_HOST = {"HOST": ON_ALL_ADDRESSES}
ROWS = (
    Framework(
        "nextjs",
        NODE,
        with_package_json(_next),
        _RENDERERS,
        build=_next_build,
        layers=_next_layers,
        env={"HOSTNAME": ON_ALL_ADDRESSES},  # the default would be the name of the pod
    ),
    Framework("nuxt", NODE, with_package_json(_nuxt), _RENDERERS, env=_HOST),
    Framework("sveltekit", NODE, with_package_json(_svelte), _RENDERERS, build=_svelte_build, env=_HOST),
    Framework("astro", NODE, with_package_json(_astro), _RENDERERS, env=_HOST),
    Framework("remix", NODE, with_package_json(_remix), _RENDERERS),
)
