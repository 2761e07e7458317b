"""Detection, on trees that developers really have, and on near misses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.builds.detect.detect import detected
from landfall.builds.detect.result import Detected, Undetected
from landfall.builds.detect.versions import newest, parts
from landfall.builds.frameworks.registry import NAMES
from landfall.builds.languages.registry import KNOWN
from landfall.builds.plan import BuildOverrides, make_plan
from landfall.builds.source_tree import Folder
from tests.support.trees import Files


def package(dependencies: dict[str, str] | None = None, dev: dict[str, str] | None = None, **more: object) -> str:
    return json.dumps({"name": "app", "dependencies": dependencies or {}, "devDependencies": dev or {}, **more})


_VITE = {"scripts": {"dev": "vite", "build": "tsc && vite build"}}
_MANAGE = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n"

TREES: dict[str, tuple[dict[str, str], str, str, str]] = {
    "Vite's template for React and TypeScript": (
        {
            "package.json": package({"react": "^19"}, {"vite": "^7"}, **_VITE),
            "vite.config.ts": "export default defineConfig({ plugins: [react()] })",
            "index.html": "<div id=root>",
            "package-lock.json": "{}",
        },
        "react-vite",
        "",
        "dist",
    ),
    "Vite with another output folder": (
        {"package.json": package({}, {"vite": "^7"}, scripts={"build": "vite build --outDir=build"}), "index.html": ""},
        "react-vite",
        "",
        "build",
    ),
    "Vite whose config names the folder": (
        {
            "package.json": package({}, {"vite": "^7"}, **_VITE),
            "vite.config.js": "export default { build: { outDir: './public/app/' } }",
            "index.html": "",
        },
        "react-vite",
        "",
        "public/app",
    ),
    "create-next-app": (
        {
            "package.json": package({"next": "15", "react": "19"}, scripts={"build": "next build", "start": "next start"}),
            "app/page.tsx": "",
        },
        "nextjs",
        "node server.js",
        "",
    ),
    "Next.js that exports files": (
        {
            "package.json": package({"next": "15"}, scripts={"build": "next build"}),
            "next.config.mjs": "export default { output: 'export' }",
        },
        "nextjs",
        "",
        "out",
    ),
    "Next.js behind a server of its own": (
        {
            "package.json": package({"next": "15", "express": "5"}, scripts={"build": "next build", "start": "node srv.js"}),
            "srv.js": "",
        },
        "nextjs",
        "node srv.js",
        "",
    ),
    "Express with a start script": (
        {
            "package.json": package({"express": "^4"}, scripts={"start": "node src/index.js"}),
            "src/index.js": "const e = require('express')",
        },
        "node-express",
        "node src/index.js",
        "",
    ),
    "Express with nothing but a file": (
        {"package.json": package({"express": "^4"}), "app.js": 'import express from "express"'},
        "node-express",
        "node app.js",
        "",
    ),
    "Express by its main": (
        {"package.json": package({"express": "^4"}, main="lib/www"), "lib/www.js": "", "server.js": "require('express')"},
        "node-express",
        "node lib/www.js",
        "",
    ),
    "FastAPI as its tutorial has it": (
        {"requirements.txt": "fastapi[standard]>=0.115\n", "main.py": "from fastapi import FastAPI\n\napp = FastAPI()\n"},
        "python-fastapi",
        "python3 -m uvicorn main:app --host 0.0.0.0 --port $PORT",
        "",
    ),
    "FastAPI in a package, with uv": (
        {
            "pyproject.toml": '[project]\nname="x"\nrequires-python=">=3.12"\ndependencies=["FastAPI","uvicorn"]\n',
            "uv.lock": "",
            "app/__init__.py": "",
            "app/main.py": "import fastapi\napi: fastapi.FastAPI = fastapi.FastAPI(title='x')\n",
            "tests/test_main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
        },
        "python-fastapi",
        "python3 -m uvicorn app.main:api --host 0.0.0.0 --port $PORT",
        "",
    ),
    "FastAPI made by a function under src": (
        {
            "requirements.txt": "-r base.txt\n",
            "base.txt": "# what it needs\nfastapi\nuvicorn\n",
            "src/shop/server.py": "from fastapi import FastAPI\ndef create_app():\n    app = FastAPI()\n    return app\n",
        },
        "python-fastapi",
        "python3 -m uvicorn shop.server:create_app --factory --app-dir src --host 0.0.0.0 --port $PORT",
        "",
    ),
    "Flask": (
        {
            "Pipfile": '[packages]\nflask = "*"\ngunicorn = "*"\n',
            "app.py": "from flask import Flask\napplication = Flask(__name__)\n",
        },
        "flask",
        "python3 -m gunicorn --bind 0.0.0.0:$PORT 'app:application'",
        "",
    ),
    "Flask made by a function": (
        {
            "requirements.txt": "Flask==3.0\n",
            "shop/__init__.py": "import flask\ndef create_app():\n    return flask.Flask(__name__)\n",
        },
        "flask",
        "python3 -m gunicorn --bind 0.0.0.0:$PORT 'shop:create_app()'",
        "",
    ),
    "Django": (
        {
            "manage.py": _MANAGE,
            "requirements.txt": "Django>=5\ngunicorn\n",
            "shop/settings.py": "WSGI_APPLICATION = 'shop.wsgi.application'\nSTATIC_ROOT = 'static'\n",
        },
        "django",
        "python3 -m gunicorn --bind 0.0.0.0:$PORT shop.wsgi:application",
        "",
    ),
    "SvelteKit for Node": (
        {
            "package.json": package({}, {"@sveltejs/kit": "2", "@sveltejs/adapter-node": "5", "vite": "7"}, **_VITE),
            "vite.config.ts": "",
        },
        "sveltekit",
        "node build",
        "",
    ),
    "Nuxt": (
        {"package.json": package({"nuxt": "4"}, scripts={"build": "nuxt build"})},
        "nuxt",
        "node .output/server/index.mjs",
        "",
    ),
    "Astro as files": (
        {"package.json": package({"astro": "5"}, scripts={"build": "astro build"}), "astro.config.mjs": ""},
        "astro",
        "",
        "dist",
    ),
    "Astro on a server": (
        {"package.json": package({"astro": "5", "@astrojs/node": "9"}, scripts={"build": "astro build"})},
        "astro",
        "node dist/server/entry.mjs",
        "",
    ),
    "React Router": (
        {
            "package.json": package(
                {"@react-router/node": "7"}, {"@react-router/dev": "7", "vite": "7"}, scripts={"build": "react-router build"}
            ),
            "vite.config.ts": "",
        },
        "remix",
        "react-router-serve ./build/server/index.js",
        "",
    ),
    "Go with its main in cmd": (
        {"go.mod": "module x\n\ngo 1.24\n", "cmd/web/main.go": "package main\n", "internal/a.go": "package internal\n"},
        "go",
        "./out",
        "",
    ),
    "plain files": ({"index.html": "<h1>", "style.css": ""}, "static", "", "."),
    "a site in public": ({"public/index.html": "<h1>", "README.md": ""}, "static", "", "public"),
    "Python beside a package.json of formatters": (
        {
            "requirements.txt": "fastapi\nuvicorn\n",
            "main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
            "package.json": package({}, {"prettier": "3"}),
        },
        "python-fastapi",
        "python3 -m uvicorn main:app --host 0.0.0.0 --port $PORT",
        "",
    ),
}


@pytest.mark.parametrize("name", TREES)
def test_what_a_tree_is(name: str) -> None:
    files, framework, start, output = TREES[name]
    detection = detected(Files(files), KNOWN)
    assert isinstance(detection, Detected), detection
    plan = make_plan(Files(files), detection, BuildOverrides())
    assert (detection.framework, plan.start, plan.output) == (framework, start, output)
    assert detection.match.evidence
    assert plan.install or framework == "static"
    assert plan.layers
    assert set(plan.keys) <= set(files)


NEAR_MISSES: dict[str, tuple[dict[str, str], str, str]] = {
    "nothing": ({}, "FrameworkUnknown", "the root has no files"),
    "Express only on a developer's machine": (
        {"package.json": package({"react": "19"}, {"express": "4"}), "mock/server.js": "require('express')"},
        "FrameworkUnknown",
        "package.json depends on react",
    ),
    "a library with Vite for its demo, without a build script": (
        {"package.json": package({}, {"vite": "7"}), "vite.config.ts": ""},
        "FrameworkUnknown",
        "Known are",
    ),
    "a misspelled manifest": ({"requirments.txt": "fastapi", "main.py": ""}, "FrameworkUnknown", "looks like requirements.txt"),
    "a monorepo": (
        {
            "package.json": package({}, {"turbo": "2"}),
            "apps/web/package.json": package({"next": "15"}),
            "apps/api/pyproject.toml": "",
        },
        "FrameworkUnknown",
        "manifests are in apps/api, apps/web: set path",
    ),
    "another language": ({"Gemfile": "", "config.ru": ""}, "FrameworkUnknown", "Gemfile means Ruby"),
    "a Dockerfile": ({"Dockerfile": "FROM scratch"}, "FrameworkUnknown", "a Dockerfile, which is not supported"),
    "a server and a site in one": (
        {
            "package.json": package({"express": "5"}, {"vite": "7"}, scripts={"build": "vite build", "start": "vite"}),
            "server.js": "import express from 'express'",
            "index.html": "",
        },
        "FrameworkAmbiguous",
        "Set build.framework",
    ),
    "two frameworks of Python": (
        {
            "requirements.txt": "flask\nfastapi\n",
            "main.py": "from fastapi import FastAPI\napp=FastAPI()",
            "old.py": "from flask import Flask\napp=Flask('x')",
        },
        "FrameworkAmbiguous",
        "flask",
    ),
    "a broken package.json": ({"package.json": "{", "index.html": ""}, "ManifestInvalid", "package.json is not valid JSON"),
    "a Node that is too old": (
        {"package.json": package({"next": "12"}, engines={"node": "14.x"})},
        "RuntimeMissing",
        "asks for node 14.x, which is not available. Available: 20",
    ),
    "a Python that is not there": (
        {"requirements.txt": "fastapi", ".python-version": "2.7.18", "main.py": "from fastapi import FastAPI\napp=FastAPI()"},
        "RuntimeMissing",
        ".python-version asks for python 2.7.18",
    ),
}


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_what_cannot_be_said_says_what_was_looked_at(name: str) -> None:
    files, reason, words = NEAR_MISSES[name]
    detection = detected(Files(files), KNOWN)
    assert isinstance(detection, Undetected)
    assert detection.reason == reason
    assert words in detection.message


def test_a_persons_word_is_not_doubted() -> None:
    files = NEAR_MISSES["a server and a site in one"][0]
    detection = detected(Files(files), KNOWN, "node-express")
    assert isinstance(detection, Detected)
    plan = make_plan(Files(files), detection, BuildOverrides(install="npm ci", build="make", start="node dist/x.js"))
    assert (plan.install, plan.build, plan.start) == (("npm ci",), ("make",), "node dist/x.js")
    assert isinstance(detected(Files({}), KNOWN, "cobol"), Undetected)
    static = detected(Files({"a.txt": ""}), KNOWN, "static")
    assert isinstance(static, Detected)


_POETRY = '[tool.poetry]\nname = "x"\n[tool.poetry.dependencies]\npython = "^3.11"\nflask = "3"\n'
_PROJECT = '[project]\nname = "x"\ndependencies = ["flask"]\n'
_BERRY = "YARN_NODE_LINKER=node-modules YARN_ENABLE_GLOBAL_CACHE=true npx --yes --package=@yarnpkg/cli-dist"


@pytest.mark.parametrize(
    ("files", "name", "install"),
    [
        ({"package-lock.json": "{}"}, "npm (package-lock.json)", "npm install --no-save --no-audit --no-fund"),
        (
            {"pnpm-lock.yaml": "lockfileVersion: '9.0'\n"},
            "pnpm 9 (pnpm-lock.yaml)",
            "pnpm install --frozen-lockfile --prefer-offline",
        ),
        ({"yarn.lock": "# yarn lockfile v1\n"}, "yarn 1 (yarn.lock)", "yarn install --frozen-lockfile"),
        (
            {"pnpm-lock.yaml": "lockfileVersion: '6.0'\n"},
            "pnpm 8 (pnpm-lock.yaml)",
            "npx --yes pnpm@8.15.9 install --frozen-lockfile --prefer-offline",
        ),
        ({"yarn.lock": "__metadata:\n  version: 8\n"}, "yarn 4 (yarn.lock)", f"{_BERRY}@4.12.0 yarn install --immutable"),
        ({"yarn.lock": "__metadata:\n  version: 6\n"}, "yarn 3 (yarn.lock)", f"{_BERRY}@3.8.7 yarn install --immutable"),
        ({"bun.lock": ""}, "bun (bun.lock)", "npx --yes bun@1.3.3 install --frozen-lockfile"),
        ({}, "npm (default)", "npm install --no-save --no-audit --no-fund"),
    ],
)
def test_who_installs_packages_of_node(files: dict[str, str], name: str, install: str) -> None:
    tree = Files({"package.json": package({"next": "15"}, scripts={"build": "next build"}), **files})
    detection = detected(tree, KNOWN)
    assert isinstance(detection, Detected)
    plan = make_plan(tree, detection, BuildOverrides())
    assert (plan.package_manager, plan.install) == (name, (install,))
    assert ("no lock file found" in " ".join(plan.notes)) == (not files)


@pytest.mark.parametrize(
    ("manager", "install", "build"),
    [
        ("pnpm@10.5.2+sha512.abc", "npx --yes pnpm@10.5.2 install --no-lockfile", "npx --yes pnpm@10.5.2 run build"),
        ("pnpm@9.1.0", "pnpm install --no-lockfile", "pnpm run build"),
        ("yarn@1.22.22", "yarn install --no-lockfile", "yarn run build"),
        ("yarn@4.5.0", f"{_BERRY}@4.5.0 yarn install --no-immutable", f"{_BERRY}@4.5.0 yarn run build"),
        ("bun@1.1.34", "npx --yes bun@1.1.34 install --no-save", "npx --yes bun@1.1.34 run build"),
        ("npm@11.0.0", "npm install --no-save --no-audit --no-fund", "npm run build"),
    ],
)
def test_a_package_manager_is_run_in_the_version_that_is_asked_for(manager: str, install: str, build: str) -> None:
    tree = Files({"package.json": package({"astro": "5"}, scripts={"build": "astro build"}, packageManager=manager)})
    detection = detected(tree, KNOWN)
    assert isinstance(detection, Detected)
    plan = make_plan(tree, detection, BuildOverrides())
    assert (plan.install, plan.build) == ((install,), (build,))


@pytest.mark.parametrize(
    ("files", "first"),
    [
        (
            {"pyproject.toml": _POETRY, "poetry.lock": "# x"},
            "poetry export --quiet --only main --output .requirements.txt && uv pip",
        ),
        ({"pyproject.toml": _POETRY}, "uv pip compile --quiet pyproject.toml --output-file .requirements.txt && uv pip"),
        ({"pyproject.toml": _PROJECT, "pdm.lock": ""}, "uv pip compile --quiet pyproject.toml"),
        ({"pyproject.toml": _PROJECT, "uv.lock": ""}, "uv export --quiet --locked"),
        ({"Pipfile": "[packages]\nflask = '*'\n", "Pipfile.lock": "{}"}, "pipenv requirements --hash > .requirements.txt"),
        ({"pyproject.toml": _PROJECT, "pdm.lock": "", "requirements.txt": "flask"}, "--target .packages -r requirements.txt"),
    ],
)
def test_packages_of_python_come_into_one_folder(files: dict[str, str], first: str) -> None:
    tree = Files({"app.py": "from flask import Flask\napp = Flask(__name__)\n", **files})
    detection = detected(tree, KNOWN)
    assert isinstance(detection, Detected), detection
    plan = make_plan(tree, detection, BuildOverrides())
    assert first in plan.install[0]
    assert all(" --target .packages " in command for command in plan.install if command.startswith("uv pip install"))
    assert (plan.env["PYTHONPATH"], plan.layers[0].include) == ("/app/.packages", (".packages",))
    assert ("pdm.lock is not supported" in " ".join(plan.notes)) == ("--quiet pyproject" in first and "pdm.lock" in files)


def test_what_is_odd_is_noted() -> None:
    tree = Files(
        {
            "package.json": package({"next": "15"}, packageManager="pnpm@9.1.0+sha512.x"),
            "yarn.lock": "",
            "package-lock.json": "{}",
        }
    )
    detection = detected(tree, KNOWN)
    assert isinstance(detection, Detected)
    assert detection.package_manager is not None
    assert (detection.package_manager.name, detection.package_manager.version) == ("pnpm", "9.1.0")
    assert any("packageManager says pnpm, but the lock file is yarn.lock" in n for n in detection.notes)
    assert any("several package managers" in n for n in detection.notes)


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        ("22", "22.20.0"),
        ("v20.1.0", ""),
        (">=18", "24.9.0"),
        (">=18 <23", "22.20.0"),
        ("^20.9.0 || >=23", "24.9.0"),
        ("20.x", "20.19.5"),
        ("~22.20", "22.20.0"),
        ("18 - 20", "20.19.5"),
        ("lts/*", "24.9.0"),
        ("lts/jod", "22.20.0"),
        ("<=20", "20.19.5"),
        (">22.20", "24.9.0"),
        ("*", "24.9.0"),
        ("16", ""),
        ("what", ""),
    ],
)
def test_which_node_a_range_means(requested: str, expected: str) -> None:
    assert newest(requested, KNOWN["node"]) == expected


_VERSIONS = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30)).map(lambda v: ".".join(map(str, v)))


@given(st.lists(_VERSIONS, min_size=1, max_size=8), st.sampled_from(["^", "~", ">=", "<=", "<", ">", ""]), _VERSIONS)
def test_ranges_hold_what_they_say(versions: list[str], sign: str, requested: str) -> None:
    version = newest(f"{sign}{requested}", versions)
    assert version == "" or version in versions
    least = parts(requested)
    fitting = {
        "": [k for k in versions if parts(k) == least],
        ">=": [k for k in versions if parts(k) >= least],
        ">": [k for k in versions if parts(k) > least],
        "<": [k for k in versions if parts(k) < least],
        "<=": [k for k in versions if parts(k) <= least],
        "~": [k for k in versions if parts(k)[:2] == least[:2] and parts(k) >= least],
        "^": [k for k in versions if parts(k) >= least and parts(k)[: 1 if least[0] else 2] == least[: 1 if least[0] else 2]],
    }[sign]
    assert (parts(version) if version else None) == max((parts(k) for k in fitting), default=None)


@given(
    st.dictionaries(st.sampled_from(sorted({p for files, *_ in TREES.values() for p in files})), st.text(max_size=60), max_size=8)
)
def test_whatever_is_there_it_answers(files: dict[str, str]) -> None:
    detection = detected(Files(files), KNOWN)
    assert isinstance(detection, Undetected) or detection.framework in NAMES


def test_a_folder_is_read_without_what_tools_leave_and_without_links(tmp_path: Path) -> None:
    (tmp_path / "node_modules" / "next").mkdir(parents=True)
    (tmp_path / "node_modules" / "next" / "package.json").write_text("{}")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.py").write_text("x = 1")
    (tmp_path / "secret").symlink_to("/etc/passwd")
    (tmp_path / "big.txt").write_bytes(b"x" * (1024 * 1024 + 1))
    (tmp_path / "bytes.bin").write_bytes(b"\xff\xfe")
    folder = Folder(tmp_path)
    assert folder.paths == {"src/main.py", "big.txt", "bytes.bin"}
    assert [folder.text(p) for p in ("src/main.py", "secret", "big.txt", "bytes.bin", "../x")] == ["x = 1", "", "", "", ""]


_SITE = {"manage.py": _MANAGE, "shop/settings.py": "STATIC_ROOT = 'static'\n"}
_STANDALONE = "NEXT_TELEMETRY_DISABLED=1 NEXT_PRIVATE_STANDALONE=true"


@pytest.mark.parametrize(
    ("files", "build"),
    [
        ({**_SITE, "requirements.txt": "django"}, "PYTHONPATH=.packages python3 manage.py collectstatic --noinput"),
        ({"package.json": package({"next": "15"})}, f"{_STANDALONE} npx next build"),
        ({"package.json": package({"next": "15"}, scripts={"build": "next build"})}, f"{_STANDALONE} npm run build"),
        ({"package.json": package({"express": "5", "build": "1"}), "app.js": "require('express')"}, ""),
    ],
    ids=[
        "Django",
        "Next.js without a script",
        "with one",
        "a package of that name",
    ],
)
def test_how_it_is_built(files: dict[str, str], build: str) -> None:
    detection = detected(Files(files), KNOWN)
    assert isinstance(detection, Detected), detection
    assert make_plan(Files(files), detection, BuildOverrides()).build == ((build,) if build else ())
