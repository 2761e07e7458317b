"""Sites that a script of package.json builds, and files that are a site as they are."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass

from landfall.builds.detect.result import Match
from landfall.builds.detect.tree import Tree, first, json_of
from landfall.builds.frameworks.base import Commands, Framework
from landfall.builds.frameworks.node_common import (
    config_of,
    depends,
    folder_of,
    literal,
    needs,
    outside,
    own_server,
    refused,
    with_package_json,
)
from landfall.builds.languages.node import NODE, Node, node_of
from landfall.builds.languages.static import STATIC

_PAGE = "/index.html"
Found = tuple[str, str]  # the output folder, empty if it is unknown, and the fallback


@dataclass(frozen=True, slots=True)
class _Tool:
    """A tool that builds sites.

    `build` matches its build command in a script; `default` is the command without a script. `output` returns the output folder.
    """

    packages: tuple[str, ...]
    build: str
    default: str
    output: Callable[[Tree, str], str]
    fallback: str = ""


def _always(folder: str) -> Callable[[Tree, str], str]:
    return lambda _tree, _build: folder


def _in_config(key: str, default: str, *patterns: str) -> Callable[[Tree, str], str]:
    return lambda tree, _build: literal(config_of(tree, *patterns), key) or default


def _option(names: str, default: str) -> Callable[[Tree, str], str]:
    def output_folder(_tree: Tree, build: str) -> str:
        match = re.search(rf"(?:{names})[ =](\S+)", build)
        return match.group(1) if match else default

    return output_folder


def _react_scripts(_tree: Tree, build: str) -> str:
    match = re.search(r"BUILD_PATH=[\"']?([^\s\"']+)", build)
    return match.group(1) if match else "build"


def _angular(tree: Tree, build: str) -> str:
    """The folder of the browser's files: since the application builder of Angular 17 it is one level further down."""
    data = json_of(tree, "angular.json").data
    projects = data.get("projects")
    if not isinstance(projects, dict) or not projects:
        return ""
    match = re.search(r"ng build\s+([\w@][\w/-]*)", build)
    name = match.group(1) if match and match.group(1) in projects else str(data.get("defaultProject") or next(iter(projects)))
    project = projects.get(name)
    target = (project.get("architect") or project.get("targets") or {}).get("build") if isinstance(project, dict) else None
    if not isinstance(target, dict):
        return ""
    output = (target.get("options") or {}).get("outputPath") or f"dist/{name}"
    browser = "browser" if str(target.get("builder", "")).endswith((":application", ":browser-esbuild-application")) else ""
    if isinstance(output, dict):
        browser, output = str(output.get("browser", "browser")), str(output.get("base") or f"dist/{name}")
    return posixpath.join(str(output), browser) if browser else str(output)


def _eleventy(tree: Tree, build: str) -> str:
    option = re.search(r"--output[ =](\S+)", build)
    config = config_of(
        tree, ".eleventy.js", "eleventy.config.js", "eleventy.config.mjs", "eleventy.config.cjs", "eleventy.config.ts"
    )
    call = re.search(r"""setOutputDirectory\(\s*["']([^"']+)""", config)
    if option:
        return option.group(1)
    return call.group(1) if call else literal(config, "output") or "_site"


def _documents(tool: str) -> Callable[[Tree, str], str]:
    """VitePress and VuePress: the output is in a hidden folder of the documents' folder, which the build command names."""

    def output_folder(tree: Tree, build: str) -> str:
        match = re.search(rf"{tool} build(?:\s+(?!-)([\w./-]+))?", build)
        folder = (match.group(1) if match else "") or ""
        place = f"{folder}/.{tool}".lstrip("/")
        config = config_of(tree, *(f"{place}/config.{end}" for end in ("ts", "mts", "js", "mjs")))
        name = literal(config, "outDir" if tool == "vitepress" else "dest")
        return posixpath.normpath(posixpath.join(folder, name)) if name else f"{place}/dist"

    return output_folder


def _gridsome(tree: Tree, _build: str) -> str:
    return literal(config_of(tree, "gridsome.config.js"), "outputDir") or "dist"


def _webpack(tree: Tree, build: str) -> str:
    """The output folder of webpack, if a page is made there: by a plugin that writes pages."""
    config = config_of(
        tree, "webpack.config.js", "webpack.config.ts", "webpack.prod.js", "webpack.config.prod.js", "config/webpack.prod.js"
    )
    if "html-webpack-plugin" not in tree.text("package.json") or "HtmlWebpack" not in config:
        return ""
    option = re.search(r"(?:--output-path|-o)[ =](\S+)", build)
    path = re.search(r"""path:\s*path\.(?:resolve|join)\(\s*__dirname\s*,\s*["']([^"']+)["']\s*\)""", config)
    return option.group(1) if option else path.group(1) if path else "" if re.search(r"\bpath:", config) else "dist"


def _yaml(tree: Tree, file: str, key: str) -> str:
    match = re.search(rf"^{key}:\s*[\"']?([^\s\"'#]+)", tree.text(file), re.MULTILINE)
    return match.group(1) if match else ""


_TOOLS: tuple[_Tool, ...] = (
    _Tool(("react-scripts", "react-app-rewired", "@craco/craco"), r"(react-scripts|react-app-rewired|craco) build", "react-scripts build", _react_scripts, _PAGE),
    _Tool(("@vue/cli-service",), r"vue-cli-service build", "vue-cli-service build", lambda t, b: _option("--dest", "")(t, b) or _in_config("outputDir", "dist", "vue.config.js", "vue.config.cjs", "vue.config.ts")(t, b), _PAGE),
    _Tool(("@angular/core", "@angular/cli"), r"ng build", "ng build", _angular, _PAGE),
    _Tool(("@docusaurus/core",), r"docusaurus build", "docusaurus build", _option("--out-dir", "build")),
    _Tool(("gatsby",), r"gatsby build", "gatsby build", _always("public")),
    _Tool(("@11ty/eleventy",), r"(@11ty/)?eleventy\b", "eleventy", _eleventy),
    _Tool(("vitepress",), r"vitepress build", "vitepress build", _documents("vitepress")),
    _Tool(("vuepress", "@vuepress/cli"), r"vuepress build", "vuepress build", _documents("vuepress")),
    _Tool(("ember-cli", "ember-source"), r"ember build", "ember build --environment=production", _option("--output-path|-o", "dist"), _PAGE),
    _Tool(("preact-cli",), r"preact build", "preact build", _option("--dest", "build"), _PAGE),
    _Tool(("hexo",), r"hexo (generate|g)\b", "hexo generate", lambda tree, _build: _yaml(tree, "_config.yml", "public_dir") or "public"),
    _Tool(("gridsome",), r"gridsome build", "gridsome build", _gridsome),
    _Tool(("@slidev/cli",), r"slidev build", "slidev build", _option("--out|-o", "dist"), _PAGE),
    _Tool(("umi", "@umijs/max"), r"(umi|max) build", "umi build", _in_config("outputPath", "dist", ".umirc.ts", ".umirc.js", "config/config.ts"), _PAGE),
    _Tool(("@rsbuild/core",), r"rsbuild build", "rsbuild build", _always("dist"), _PAGE),
    _Tool(("@farmfe/cli", "@farmfe/core"), r"farm build", "farm build", _always("dist"), _PAGE),
    _Tool(("@rspress/core", "rspress"), r"rspress build", "rspress build", _in_config("outDir", "doc_build", "rspress.config.ts", "rspress.config.js")),
    _Tool(("sanity",), r"sanity build", "sanity build", _always("dist"), _PAGE),
    _Tool(("metalsmith",), r"metalsmith\b", "", _always("")),
    _Tool(("parcel", "parcel-bundler"), r"parcel build", "", _option("--dist-dir|-d|--out-dir", "dist")),
    _Tool(("@stencil/core",), r"stencil build", "", _in_config("dir", "www", "stencil.config.ts"), _PAGE),
    _Tool(("storybook", "@storybook/react"), r"(storybook build|build-storybook)", "", _option("-o|--output-dir", "storybook-static")),
    _Tool(("webpack", "webpack-cli"), r"webpack\b", "", _webpack),
    _Tool(("@quasar/app-vite", "@quasar/app-webpack"), r"quasar build", "quasar build", _always("dist/spa"), _PAGE),
)  # fmt: skip


def _site(tree: Tree, node: Node) -> Match | None:
    tool = next((tool for tool in _TOOLS if needs(node, *tool.packages) and (tool.default or _builds(tool, node))), None)
    if own_server(tree, node):
        return None
    build = node.scripts.get("build", "") if "build" in node.scripts or tool is None else tool.default
    if tool is None or not re.search(tool.build, build):
        return _unknown(tree, node, needs(node, *tool.packages) if tool else "")
    package, output = needs(node, *tool.packages), tool.output(tree, build)
    if needs(node, "@angular/ssr", "@nguniversal/express-engine"):
        remedy = "set build.framework to node, and startCommand (`node dist/NAME/server/server.mjs`)"
        return refused("site", "an Angular app that renders on a server", "its start script is for developers", remedy)
    output = folder_of(output) if output else ""
    if output.startswith(("..", "/")):
        return outside("site", f"a site of {package}", output)
    if not output:
        remedy = "set outputDirectory to it, with build.framework site"
        return refused("site", f"a site of {package}", "its output folder is not known", remedy)
    builds = () if "build" in node.scripts else (tool.default,)
    return Match("site", (depends(package), f"`{build}` builds it"), output=output, fallback=tool.fallback, builds=builds)


def _builds(tool: _Tool, node: Node) -> bool:
    return re.search(tool.build, node.scripts.get("build", "")) is not None


def _unknown(tree: Tree, node: Node, package: str = "") -> Match | None:
    """A page and a build script of no known tool: the page may be a template, so that it is not served as it is."""
    page = first(tree, "index.html", "public/index.html", "src/index.html", "app/index.html")
    build = node.scripts.get("build", "")
    if not package and not (page and build):
        return None
    cause = f"it is not known where `{build}` writes it" if build else "package.json has no build script"
    remedy = "set build.framework to site, buildCommand if it is not `build`, and outputDirectory to the folder that is served"
    return refused("site", f"a site that a script builds ({package or page})", cause, remedy)


def _files(tree: Tree) -> Match | None:
    page = first(tree, "index.html", "public/index.html", "dist/index.html", "site/index.html")
    if not page:
        return None
    text = tree.text(page)
    template = re.search(r"%PUBLIC_URL%|%sveltekit\.|<%=|\{\{\s*content\s*\}\}|src=[\"'][^\"']+\.(tsx?|jsx)[\"']", text)
    folder = page.rpartition("/")[0]
    if template and "docsify" not in text:
        cause = f"{page} is a template for a tool ({template.group(0)}), and no build was found"
        return refused(
            "static",
            "a page that a tool has to build",
            cause,
            "add the tool and a build script to package.json, or set build.framework",
        )
    code = next(
        (
            p
            for p in sorted(tree.paths)
            if p.startswith(f"{folder}/" if folder else "") and p.endswith((".php", ".asp", ".aspx", ".jsp", ".cgi"))
        ),
        "",
    )
    if code:
        return refused(
            "static",
            "a site with code of a server",
            f"{code} would be served as text",
            "remove such files, or build it with a Dockerfile",
        )
    return Match("static", (f"{page} is there",), output=folder or ".")


_OLD_WEBPACK = {"react-scripts": 4, "@vue/cli-service": 4, "webpack": 4, "@angular/cli": 11, "gatsby": 2, "@craco/craco": 5}


def _site_build(tree: Tree, _match: Match, commands: Commands) -> Commands:
    """Variables that old tools need: webpack 4 uses a digest that today's OpenSSL refuses; CI turns warnings of react-scripts into errors."""
    node = node_of(tree) or Node()
    old = any(_major(node.every.get(package, "")) in range(1, last + 1) for package, last in _OLD_WEBPACK.items())
    variables = [
        *(["CI=false"] if "react-scripts" in node.every else []),
        *(["NODE_OPTIONS=--openssl-legacy-provider"] if old else []),
    ]
    return tuple(" ".join([*variables, command]) for command in commands)


def _major(version: str) -> int:
    match = re.match(r"[\^~>=v ]*(\d+)", version)
    return int(match.group(1)) if match else 0


ROWS = (
    Framework("site", NODE, with_package_json(_site), frozenset({"static", "node"}), build=_site_build),
    Framework("static", STATIC, _files),
)
