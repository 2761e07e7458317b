"""Apps that are not built here: their languages and tools by the files that show them, and what to do instead. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from landfall.builds.detect.tree import Tree, toml_of


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a tree also is: the file that shows it, its name, and whether it is certainly what the app runs on.

    `certain`: a server of this kind, not only a tool beside an app.
    """

    file: str
    name: str
    certain: bool


# Files at the root, the name, and files that make it certain; without such files one of the first is enough.
_ROWS: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...] = (
    (("artisan", "composer.json", "*.php", "public/index.php", "wp-content/*", "wp-config*"), "PHP", ("artisan", "*.php", "public/index.php", "bin/console")),
    (("Gemfile", "config.ru", "*.gemspec", "Rakefile"), "Ruby", ("config.ru", "config/application.rb", "_config.yml")),
    (("pom.xml", "build.gradle", "build.gradle.kts", "gradlew", "mvnw"), "Java", ()),
    (("build.sbt",), "Scala", ()),
    (("project.clj", "deps.edn"), "Clojure", ()),
    (("Cargo.toml",), "Rust", ("src/main.rs",)),
    (("mix.exs",), "Elixir", ()),
    (("rebar.config",), "Erlang", ()),
    (("gleam.toml",), "Gleam", ()),
    (("*.csproj", "*.fsproj", "*.vbproj", "*.sln", "*.slnx", "global.json"), ".NET", ()),
    (("deno.json", "deno.jsonc", "deno.lock"), "Deno", ()),
    (("Package.swift",), "Swift", ()),
    (("build.zig",), "Zig", ()),
    (("CMakeLists.txt", "meson.build", "*.cpp", "*.cc", "*.c"), "C or C++", ("*.cpp", "*.cc", "*.c")),
    (("pubspec.yaml",), "Dart", ()),
    (("stack.yaml", "*.cabal", "cabal.project"), "Haskell", ()),
    (("dune-project",), "OCaml", ()),
    (("shard.yml",), "Crystal", ()),
    (("*.nimble",), "Nim", ()),
    (("cpanfile", "Makefile.PL"), "Perl", ()),
    (("app.R", "server.R", "DESCRIPTION"), "R", ()),
    (("Project.toml", "Manifest.toml"), "Julia", ()),
    (("hugo.toml", "hugo.yaml", "hugo.yml", "hugo.json", "archetypes/*.md"), "Hugo", ()),
    (("_config.yml",), "Jekyll", ("_layouts/*", "_posts/*", "Gemfile")),
    (("mkdocs.yml",), "MkDocs", ()),
    (("elm.json",), "Elm", ()),
)  # fmt: skip
_NO_ROOT = {"Shell": "start.sh", "Jupyter": "*.ipynb"}
_TOOLS = frozenset(
    {"Deno", "C or C++", "Hugo", "Jekyll", "MkDocs", "Elm", "Ruby", "Rust", "PHP"}
)  # also beside apps of other languages


def foreign(tree: Tree) -> tuple[Foreign, ...]:
    """Return what a tree is besides the supported languages, the most certain first."""
    marks = []
    for patterns, name, certain in _ROWS:
        file = _first(tree, patterns)
        if file and not (name == "Jekyll" and not _first(tree, certain)) and not (name == "Julia" and not _has(tree, ".jl")):
            marks.append(Foreign(file, name, bool(_first(tree, certain)) if certain else name not in _TOOLS))
    rust = toml_of(tree, "Cargo.toml").data
    marks = [
        mark if mark.name != "Rust" or "workspace" not in rust else Foreign(mark.file, mark.name, certain=True) for mark in marks
    ]
    return tuple(sorted(marks, key=lambda mark: not mark.certain))


def also(tree: Tree) -> tuple[Foreign, ...]:
    """Return weaker signs, for the message that nothing matches: a start script of a shell, notebooks, a Dockerfile."""
    marks = [Foreign(file, name, certain=False) for name, pattern in _NO_ROOT.items() if (file := _first(tree, (pattern,)))]
    docker = _first(tree, ("Dockerfile", "Containerfile", "Dockerfile.*"))
    return (*marks, *((Foreign(docker, "a Dockerfile", certain=False),) if docker else ()))


def refusal(mark: Foreign, *, settable: bool) -> str:
    """Return in one line what an app is, why it cannot be built, and what to do. `settable`: a supported framework is there as well."""
    images = "installations have no base image or builder for it"
    if mark.name == "a Dockerfile":
        app, reason = "this is an app with a Dockerfile", "it builds frameworks, not Dockerfiles"
    else:
        kind = {"MkDocs": "a site of MkDocs", "Hugo": "a site of Hugo", "Jekyll": "a site of Jekyll"}.get(
            mark.name, f"an app of {mark.name}"
        )
        app, reason = f"this is {kind} ({mark.file} means {mark.name}, which is not supported)", images
    other = "set build.framework to build the other part, or " if settable else ""
    return f"{app}; Landfall cannot build it because {reason}; {other}build an image elsewhere and deploy it with source.image"


def functions(tree: Tree) -> tuple[str, str]:
    """Return a file with a function that a platform runs beside a site, and the platform; empty if there is none."""
    cloud = _first(tree, ("wrangler.toml", "wrangler.json", "wrangler.jsonc")) or '"wrangler"' in tree.text("package.json")
    for pattern, platform, needed in _FUNCTIONS:
        file = next((p for p in sorted(tree.paths) if re.match(pattern, p)), "")
        if (
            file
            and (needed in {"", *tree.paths} or (needed == "wrangler" and cloud))
            and not _is_an_app(tree, file.split("/")[0])
        ):
            return file, platform
    return "", ""


_CODE = r"\.(m?[jt]sx?|py|go|rb)$"
_FUNCTIONS = (
    (rf"functions/.*{_CODE}", "Cloudflare Pages", "wrangler"),
    (rf"netlify/(edge-)?functions/.*{_CODE}", "Netlify", ""),
    (rf"api/(?!.*(test|spec|types?)\.)[^/]*{_CODE}", "Vercel", ""),
    (rf"api/(?!.*(test|spec|types?)\.).*{_CODE}", "Vercel", "vercel.json"),
)
_MANIFESTS = ("package.json", "requirements.txt", "pyproject.toml", "Pipfile", "setup.py", "manage.py", "go.mod")


def _is_an_app(tree: Tree, folder: str) -> bool:
    """Return whether a folder is an app of its own, and not functions of a platform."""
    return any(f"{folder}/{name}" in tree.paths for name in _MANIFESTS)


def _first(tree: Tree, patterns: tuple[str, ...]) -> str:
    for pattern in patterns:
        paths = sorted(p for p in tree.paths if p.count("/") == pattern.count("/") and fnmatchcase(p, pattern))
        if paths:
            return paths[0]
    return ""


def _has(tree: Tree, end: str) -> bool:
    return any(re.search(rf"{re.escape(end)}$", path) for path in tree.paths)
