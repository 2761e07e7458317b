"""Vite, Express, and any other server of Node.js."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace

from landfall.builds.detect.result import Match
from landfall.builds.detect.tree import Tree, first
from landfall.builds.frameworks.base import Framework
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
from landfall.builds.languages.node import NODE, Node, imports
from landfall.builds.languages.node_start import listens, runs_bun_or_deno, start_of

# Frameworks that Vite builds, and that have servers of their own.
_ON_VITE = (
    "@tanstack/react-start",
    "@tanstack/solid-start",
    "@tanstack/start",
    "@solidjs/start",
    "vinxi",
    "vike",
    "vite-plugin-ssr",
    "@builder.io/qwik-city",
    "@qwik.dev/router",
    "@analogjs/platform",
    "waku",
    "rakkasjs",
    "nitro",
    "@marko/run",
)
# What these packages belong to has a manifest or a build of another language.
_PLUGINS = {
    "laravel-vite-plugin": "PHP (Laravel)",
    "vite-plugin-ruby": "Ruby (Rails)",
    "vite-plugin-symfony": "PHP (Symfony)",
    "@tauri-apps/cli": "a desktop app (Tauri)",
    "electron": "a desktop app (Electron)",
    "vite-plugin-electron": "a desktop app (Electron)",
    "electron-vite": "a desktop app (Electron)",
    "@crxjs/vite-plugin": "a browser extension",
    "wxt": "a browser extension",
    "vite-plugin-web-extension": "a browser extension",
}
SERVERS = (
    *(
        "express",
        "fastify",
        "koa",
        "hono",
        "@hono/node-server",
        "@nestjs/core",
        "h3",
        "elysia",
        "@hapi/hapi",
        "restify",
        "polka",
        "connect",
    ),
    *(
        "ws",
        "socket.io",
        "@apollo/server",
        "apollo-server",
        "graphql-yoga",
        "@feathersjs/feathers",
        "@adonisjs/core",
        "sails",
        "moleculer",
    ),
    *(
        "discord.js",
        "telegraf",
        "grammy",
        "@slack/bolt",
        "bullmq",
        "bull",
        "@strapi/strapi",
        "parse-server",
        "json-server",
        "payload",
    ),
    *(
        "directus",
        "ghost",
        "keystone",
        "@keystone-6/core",
        "micro",
        "tinyhttp",
        "@tinyhttp/app",
        "nitropack",
        "probot",
        "node-red",
    ),
    *(
        "@medusajs/medusa",
        "@redwoodjs/api-server",
        "meilisearch",
        "@trpc/server",
        "@loopback/rest",
        "@marblejs/core",
        "foal",
        "@foal/core",
    ),
)


def _vite(tree: Tree, node: Node) -> Match | None:
    config = first(tree, "vite.config.ts", "vite.config.js", "vite.config.mts", "vite.config.mjs", "vite.config.cjs")
    build = script(node, "build")
    if not needs(node, "vite") or not build or not (config or "vite build" in build):
        return None
    if needs(node, *_ON_VITE) or own_server(tree, node):
        return None
    text = config_of(tree, config)
    evidence = (depends("vite"), *((f"{config} is there",) if config else ()), f"the build script is {build!r}")
    root = folder_of(literal(text, "root") or ".")
    option = re.search(r"--outDir[ =](\S+)", build)
    output = folder_of(posixpath.join(root, option.group(1) if option else literal(text, "outDir") or "dist"))
    if output.startswith(("..", "/")):
        return outside("react-vite", "a Vite app", output)
    return replace(_vite_refusal(tree, node, text, root) or Match("react-vite", evidence), output=output)


def _vite_refusal(tree: Tree, node: Node, text: str, root: str) -> Match | None:
    """Why the result of Vite is not a site of its own."""
    foreign = next((description for package, description in _PLUGINS.items() if package in node.every), "")
    if foreign or "src-tauri/Cargo.toml" in tree.paths:
        description = foreign or "a desktop app (Tauri)"
        return refused(
            "react-vite",
            description,
            "Vite only makes a part of it",
            "build an image of the whole app elsewhere, and set source.image",
        )
    page = "index.html" if root == "." else f"{root}/index.html"
    if page not in tree.paths and not any(p.endswith(".html") and p.rpartition("/")[2] in text for p in tree.paths):
        cause = f"{page} is missing, so the result of Vite is not a site"
        remedy = "set build.framework to node and startCommand if it has a server, or build.framework to site and outputDirectory"
        return refused("react-vite", "a Vite app without a page", cause, remedy)
    if re.search(r"\blib\s*:\s*\{", text) and "vite build" in script(node, "build"):
        return refused("react-vite", "a library that Vite builds", "it is not a site", "set path to its demo or documentation")
    return None


def _express(tree: Tree, node: Node) -> Match | None:
    if "express" not in node.dependencies:
        return None  # a dependency in devDependencies is only for development
    file = imports(tree, "express")
    if not file and not own_server(tree, node):
        return None
    evidence = (depends("express"), *((f"{file} imports it",) if file else ("it has a start script",)))
    return served("node-express", evidence, start_of(tree, node))


def _node(tree: Tree, node: Node) -> Match | None:
    """Any other server: by its start line."""
    package = needs(node, *_ON_VITE) or next((p for p in SERVERS if p in node.dependencies), "")
    start = start_of(tree, node)
    program = runs_bun_or_deno(start.text)
    evidence = (depends(package),) if package else ()
    if program and program not in node.every:
        remedy = f"add it as a dependency (`npm install {program}` writes it to package.json), so that it is in the image"
        return refused("node", f"an app of {program.capitalize()}", f"images of apps have Node.js, not {program}", remedy)
    worker = first(tree, "wrangler.toml", "wrangler.json", "wrangler.jsonc")
    if worker and not start.source:
        remedy = "add a start script that serves it (for Hono: @hono/node-server)"
        return refused("node", f"an app of Cloudflare Workers ({worker})", "its start line is only for that platform", remedy)
    if start.text and listens(tree, start):
        return served("node", (*evidence, f"it is started with `{start.text}`"), start)
    if package or start.problem:
        cause = start.problem or "no start script, main file or server file was found"
        return refused(
            "node",
            f"a Node.js app ({package or 'package.json'})",
            cause,
            "add a start script, or set startCommand with build.framework node",
        )
    return None


_BELOW = frozenset({"static", "node", "site"})
ROWS = (
    Framework("react-vite", NODE, with_package_json(_vite), frozenset({"static", "site"}), fallback="/index.html"),
    Framework("node-express", NODE, with_package_json(_express), _BELOW),
    Framework("node", NODE, with_package_json(_node), frozenset({"static"}), env={"HOST": ON_ALL_ADDRESSES}),
)
