"""Repositories as people have them: what each is, how it is built and started, and what the plan says about it.

`repositories.json` has the files of each by its name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from landfall.builds.detect.detect import detected
from landfall.builds.detect.result import Detected, Undetected
from landfall.builds.languages.registry import KNOWN
from landfall.builds.plan import BuildOverrides, BuildPlan, make_plan
from tests.support.trees import Files

_TREES: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("repositories.json").read_text(encoding="utf-8"))
_SERVED = "--server.port $PORT --server.address 0.0.0.0 --server.headless true"


@dataclass(frozen=True)
class Right:
    """What is right for a repository; empty fields are not compared, except `start` and `output`."""

    framework: str
    start: str = ""
    output: str = ""
    version: str = ""
    build: str = ""
    manager: str = ""
    install: str = ""
    notes: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()


PLANNED: dict[str, Right] = {
    "cra": Right("site", output="build", build="npm run build", env=(("FALLBACK", "/index.html"),)),
    "tanstack-start": Right("node", start="node .output/server/index.mjs", build="npm run build"),
    "express-start-sets-variable": Right("node-express", start="MODE=production node server.js"),
    "express-start-from-bin": Right("node-express", start="cross-env MODE=production node server.js"),
    "express-start-npm-run": Right("node-express", start="node server.js"),
    "express-prestart": Right("node-express", start="node first.js && node server.js"),
    "express-dev-start": Right("node-express", start="node server.js", notes=("`nodemon server.js` watches the sources",)),
    "express-typescript-no-script": Right("node-express", start="node src/index.ts"),
    "vite-and-express": Right("node-express", start="node server.js", build="npm run build"),
    "plain-node": Right("node", start="node index.js"),
    "fastify": Right("node", start="node server.js"),
    "nestjs": Right("node", start="node dist/main", build="npm run build"),
    "flask-factory-with-argument": Right("flask", start="python3 -m gunicorn --bind 0.0.0.0:$PORT 'flaskr:create_app()'"),
    "fastapi-made-by-factory": Right("python-fastapi", start="python3 -m uvicorn main:app --host 0.0.0.0 --port $PORT"),
    "python-version-with-comment": Right("flask", start="python3 -m gunicorn --bind 0.0.0.0:$PORT 'app:app'", version="3.12"),
    "procfile-web-and-release": Right(
        "django",
        start="python3 -m gunicorn --workers 3 --timeout 120 site1.asgi:application -k uvicorn.workers.UvicornWorker",
        notes=("release line of the Procfile is not executed", "worker line of the Procfile is not started"),
    ),
    "django-requirements-folder": Right(
        "django",
        start="python3 -m gunicorn --bind 0.0.0.0:$PORT config.wsgi:application",
        install="-r requirements/production.txt",
        build="python3 manage.py collectstatic --noinput",
        env=(("DJANGO_SETTINGS_MODULE", "config.settings.production"),),
    ),
    "streamlit": Right("python", start=f"python3 -m streamlit run app.py {_SERVED}"),
    "gradio": Right("python", start="GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=$PORT python3 app.py"),
    "starlette": Right("python", start="python3 -m uvicorn main:app --host 0.0.0.0 --port $PORT"),
    "worker-without-http": Right("python", start="python3 main.py", notes=("it answers no HTTP requests",)),
    "dockerfile-and-express": Right(
        "node-express",
        start="node server.js",
        notes=("Dockerfile is not used; the packages that it installs are not in the image: ffmpeg",),
    ),
    "go-reads-files": Right("go", start="./out"),
    "go-several-commands": Right("go", start="./out", build="-o out ./cmd/server", notes=("others: ./cmd/admin, ./cmd/migrate",)),
    "remix-start-from-bin": Right("remix", start="react-router-serve ./build/server/index.js"),
    "node-18-engine": Right(
        "node-express", start="node server.js", version="20.19.5", notes=("asks for node 18.x, which is not available",)
    ),
    "nvmrc-lts-codename-upper": Right("node-express", start="node server.js", version="22.20.0"),
    "mise-toml": Right("node-express", start="node server.js", version="22.20.0"),
    "setup-py": Right("flask", start="python3 -m gunicorn --bind 0.0.0.0:$PORT 'app:app'"),
    "lfs-pointer": Right("static", output=".", notes=("pointers of Git LFS without their contents, for example logo.png",)),
    "submodule": Right("static", output=".", notes=("the submodule theme is left out",)),
    "next-prisma": Right("nextjs", start="prisma migrate deploy && next start", build="npm run build"),
    "static-serving": Right("static", output=".", notes=("_redirects has no effect",)),
    "dev-engines": Right(
        "node-express", start="node server.js", version="22.20.0", manager="pnpm 11.8.0", install="npx --yes pnpm@11.8.0 install"
    ),
}
REFUSED: dict[str, tuple[str, ...]] = {
    "laravel": ("this is an app of PHP", "build an image elsewhere"),
    "rails-with-vite": ("this is an app of Ruby", "build an image elsewhere"),
    "php-with-index-html": ("this is an app of PHP", "build an image elsewhere"),
    "deno": ("this is an app of Deno", "build an image elsewhere"),
    "dockerfile-only": ("this is an app with a Dockerfile", "build an image elsewhere"),
    "vite-output-outside": ("its output folder is ../server/public, outside the app", "build into the app"),
    "npm-workspaces": ("manifests are in apps/api", "set path"),
}


def plan_of(files: dict[str, str], framework: str = "") -> BuildPlan:
    tree = Files(files)
    detection = detected(tree, KNOWN, framework)
    assert isinstance(detection, Detected), detection
    return make_plan(tree, detection, BuildOverrides())


def refusal_of(files: dict[str, str]) -> str:
    detection = detected(Files(files), KNOWN)
    assert isinstance(detection, Undetected), detection
    assert "\n" not in detection.message
    return detection.message


def test_every_repository_has_an_answer() -> None:
    assert set(PLANNED) | set(REFUSED) == set(_TREES)


@pytest.mark.parametrize("name", PLANNED)
def test_what_a_repository_is_and_how_it_starts(name: str) -> None:
    right, plan = PLANNED[name], plan_of(_TREES[name])
    assert (plan.framework, plan.start, plan.output) == (right.framework, right.start, right.output)
    assert right.version in plan.version
    assert right.build in " && ".join(plan.build)
    assert right.manager in plan.package_manager
    assert right.install in " && ".join(plan.install)
    assert set(right.env) <= set(plan.env.items())
    assert [note for note in right.notes if note not in "; ".join(plan.notes)] == []


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_built_is_refused_in_one_line_with_what_to_do(name: str) -> None:
    message = refusal_of(_TREES[name])
    assert [part for part in REFUSED[name] if part not in message] == []


def package(scripts: dict[str, str] | None = None, needs: tuple[str, ...] = (), **more: object) -> str:
    return json.dumps({"name": "app", "scripts": scripts or {}, "dependencies": dict.fromkeys(needs, "*"), **more})


# -- start lines -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scripts", "start", "build"),
    [
        ({"start": "npm run build && node dist/a.js", "build": "tsc"}, "node dist/a.js", "npm run build"),
        ({"start": "tsc && node dist/a.js"}, "node dist/a.js", 'PATH="$PWD/node_modules/.bin:$PATH" tsc'),
        ({"prestart": "npm run build", "start": "node dist/a.js", "build": "tsup"}, "node dist/a.js", "npm run build"),
        ({"start": "yarn serve --port 80", "serve": "node a.js"}, "node a.js --port 80", ""),
        ({"start": "npm run serve -- --port 80", "serve": "node a.js"}, "node a.js --port 80", ""),
        ({"start": "run-s migrate", "migrate": "node m.js && node a.js"}, "node m.js && node a.js", ""),
        ({"start": "NODE_ENV=production npm run s", "s": "node a.js"}, "NODE_ENV=production node a.js", ""),
        ({"start": "npx tsx src/a.ts"}, "tsx src/a.ts", ""),
        ({"start": "pnpm exec prisma migrate deploy && node a.js"}, "prisma migrate deploy && node a.js", ""),
        ({"start": "node --watch a.js"}, "node a.js", ""),
        ({"start": "nodemon --exec 'tsx src/a.ts'"}, "tsx src/a.ts", ""),
        ({"start": "nodemon -w src -e js a.js"}, "node a.js", ""),
        ({"start": "nodemon a.js", "start:prod": "node b.js"}, "node b.js", ""),
        ({"start": "node a.js & node b.js"}, "node a.js & node b.js", ""),
        ({"start": "cross-env A=1 npm run s", "s": "node a.js && node b.js"}, "export A=1 && node a.js && node b.js", ""),
        ({"start": "node a.js --name $npm_package_name"}, "node a.js --name app", ""),
        ({"poststart": "node z.js", "start": "node a.js"}, "node a.js && node z.js", ""),
    ],
)
def test_scripts_are_resolved_to_what_they_run(scripts: dict[str, str], start: str, build: str) -> None:
    plan = plan_of({"package.json": package(scripts, ("fastify",)), "a.js": "", "b.js": ""})
    assert (plan.start, " && ".join(plan.build)) == (start, build)


@pytest.mark.parametrize(
    ("scripts", "words"),
    [
        ({"start": "npm run missing"}, "calls the script 'missing', which package.json does not have"),
        ({"start": "npm install && node a.js"}, "needs npm, which is not in the image of a running app"),
        ({"start": "vite", "dev": "vite"}, "no start script, main file or server file was found"),
        ({"start": "bun index.ts"}, "images of apps have Node.js, not bun"),
        ({"start": "wrangler dev"}, "no start script, main file or server file was found"),
    ],
)
def test_a_start_line_that_cannot_run_is_refused(scripts: dict[str, str], words: str) -> None:
    assert words in refusal_of({"package.json": package(scripts, ("hono",))})


def test_a_script_of_another_folder_runs_in_it_with_its_own_programs() -> None:
    files = {
        "package.json": package({"start": "cd server && npm start"}, ("express",)),
        "server/package.json": package({"start": "x-serve"}),
        "server/index.js": "require('express')",
    }
    assert plan_of(files).start == 'cd server && export PATH="$PWD/node_modules/.bin:$PATH" && x-serve'
    files["package.json"] = package({"start": "npm --prefix server start"}, ("express",))
    assert plan_of(files).start == 'cd server && export PATH="$PWD/node_modules/.bin:$PATH" && x-serve'


def test_a_persons_start_command_is_resolved_as_well() -> None:
    tree = Files(_TREES["express-start-npm-run"])
    detection = detected(tree, KNOWN)
    assert isinstance(detection, Detected)
    plan = make_plan(tree, detection, BuildOverrides(start="A=b npm run serve"))
    assert (plan.start, plan.paths) == ("A=b node server.js", ("node_modules/.bin",))
    flask = Files(_TREES["setup-py"])
    detection = detected(flask, KNOWN)
    assert isinstance(detection, Detected)
    assert make_plan(flask, detection, BuildOverrides(start="gunicorn app:app")).start == "python3 -m gunicorn app:app"


def test_a_framework_that_is_set_takes_the_start_line_of_the_repository() -> None:
    assert plan_of(_TREES["plain-node"], "node-express").start == "node index.js"
    assert plan_of(_TREES["laravel"], "react-vite").output == "dist"


# -- sites and adapters ----------------------------------------------------------------------------------------------------------

_ANGULAR = {"projects": {"shop": {"architect": {"build": {"builder": "@angular/build:application", "options": {}}}}}}
_OLD_ANGULAR = {
    "projects": {
        "shop": {
            "architect": {"build": {"builder": "@angular-devkit/build-angular:browser", "options": {"outputPath": "dist/x"}}}
        }
    }
}


@pytest.mark.parametrize(
    ("needs", "scripts", "more", "output"),
    [
        ("@vue/cli-service", {"build": "vue-cli-service build"}, {"public/index.html": "<%= BASE_URL %>"}, "dist"),
        ("@vue/cli-service", {"build": "vue-cli-service build"}, {"vue.config.js": "module.exports = {outputDir: 'web'}"}, "web"),
        (
            "@angular/core",
            {"build": "ng build", "start": "ng serve"},
            {"angular.json": json.dumps(_ANGULAR)},
            "dist/shop/browser",
        ),
        ("@angular/core", {"build": "ng build"}, {"angular.json": json.dumps(_OLD_ANGULAR)}, "dist/x"),
        ("gatsby", {"build": "gatsby build", "start": "gatsby develop"}, {}, "public"),
        (
            "@docusaurus/core",
            {"build": "docusaurus build", "start": "docusaurus start", "serve": "docusaurus serve"},
            {},
            "build",
        ),
        ("@11ty/eleventy", {"build": "npx @11ty/eleventy", "start": "eleventy --serve"}, {}, "_site"),
        ("@11ty/eleventy", {"build": "eleventy"}, {".eleventy.js": "return {dir: {input: 'src', output: 'public'}}"}, "public"),
        ("vitepress", {"build": "vitepress build docs", "docs:dev": "vitepress dev docs"}, {}, "docs/.vitepress/dist"),
        ("parcel", {"build": "parcel build src/index.html", "start": "parcel src/index.html"}, {"src/index.html": ""}, "dist"),
        ("ember-cli", {"build": "ember build", "start": "ember serve"}, {}, "dist"),
        ("preact-cli", {"build": "preact build"}, {}, "build"),
        ("sanity", {"build": "sanity build", "start": "sanity start"}, {}, "dist"),
        (
            "react-scripts",
            {"build": "BUILD_PATH=web react-scripts build", "start": "react-scripts start"},
            {"src/index.js": ""},
            "web",
        ),
        ("react-scripts", {"build": "react-scripts build", "start": "serve -s build"}, {}, "build"),
        ("hexo", {"build": "hexo generate", "server": "hexo server"}, {"_config.yml": "public_dir: web\n"}, "web"),
    ],
)
def test_a_site_that_a_script_builds_is_what_the_script_writes(
    needs: str, scripts: dict[str, str], more: dict[str, str], output: str
) -> None:
    plan = plan_of({"package.json": package(scripts, (needs,)), **more})
    assert (plan.framework, plan.start, plan.output) == ("site", "", output)
    assert "npm run build" in plan.build[0]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"index.html": "<script src=app.js>", "package.json": package({"build": "make"})},
            "it is not known where `make` writes it",
        ),
        ({"public/index.html": "<title>%PUBLIC_URL%</title>"}, "a template for a tool"),
        ({"index.html": '<script type="module" src="/src/main.tsx"></script>'}, "a template for a tool"),
        ({"index.html": "", "Cargo.toml": "[package]\nname = 'a'\n", "api/main.rs": ""}, "an app of Rust"),
        ({"public/index.html": "", "pom.xml": "<project/>"}, "an app of Java"),
        ({"index.html": "", "Gemfile": "gem 'jekyll'"}, "Gemfile means Ruby"),
        ({"index.html": "", "app.csproj": ""}, "an app of .NET"),
        ({"hugo.toml": "", "content/a.md": ""}, "a site of Hugo"),
        ({"public/index.html": "", "public/send.php": ""}, "public/send.php would be served as text"),
        ({"package.json": package({"build": "vite build"}, ("vite", "electron")), "index.html": ""}, "a desktop app (Electron)"),
        (
            {
                "package.json": package({"build": "vite build"}, ("vite",)),
                "vite.config.ts": "build: {lib: {entry: 'a'}}",
                "index.html": "",
            },
            "a library",
        ),
        ({"package.json": package({"build": "vite build"}, ("vite",)), "vite.config.ts": ""}, "index.html is missing"),
    ],
)
def test_files_that_are_no_site_are_not_served(files: dict[str, str], words: str) -> None:
    assert words in refusal_of(files)


_KIT = {"package.json": package({"build": "vite build", "start": "node build"}, ("@sveltejs/kit", "vite")), "vite.config.ts": ""}


@pytest.mark.parametrize(
    ("adapter", "start", "output", "build"),
    [
        ("import a from '@sveltejs/adapter-node';", "node build", "", "npm run build"),
        ("import a from '@sveltejs/adapter-node'; adapter: a({out: 'server'})", "node server", "", "npm run build"),
        (
            "import a from '@sveltejs/adapter-static'; adapter: a({pages: 'web', fallback: '200.html'})",
            "",
            "web",
            "npm run build",
        ),
        ("import a from '@sveltejs/adapter-auto';", "node build", "", "GCP_BUILDPACKS=1 npm run build"),
    ],
)
def test_an_adapter_of_sveltekit_is_used(adapter: str, start: str, output: str, build: str) -> None:
    files = {**_KIT, "package.json": package({"build": "vite build"}, ("@sveltejs/kit", "vite")), "svelte.config.js": adapter}
    plan = plan_of(files)
    assert (plan.framework, plan.start, plan.output, plan.build) == ("sveltekit", start, output, (build,))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {**_KIT, "svelte.config.js": "import a from '@sveltejs/adapter-vercel'"},
            "@sveltejs/adapter-vercel builds for another platform",
        ),
        ({**_KIT, "svelte.config.js": "import a from 'svelte-adapter-bun'"}, "svelte-adapter-bun builds for another platform"),
        ({**_KIT, "svelte.config.js": "export default {}"}, "has no adapter"),
        (
            {
                "package.json": package(needs=("astro",)),
                "astro.config.mjs": "import v from '@astrojs/vercel'; export default {adapter: v()}",
            },
            "an Astro app with @astrojs/vercel",
        ),
        (
            {"package.json": package(needs=("astro",)), "astro.config.mjs": "export default {output: 'server'}"},
            "it has no adapter",
        ),
        ({"package.json": package(needs=("nuxt",)), "nuxt.config.ts": "nitro: {preset: 'vercel'}"}, "the preset vercel"),
        (
            {"package.json": package({"start": "shopify hydrogen preview"}, ("@shopify/hydrogen", "@react-router/dev"))},
            "@shopify/hydrogen",
        ),
        (
            {"package.json": package({"start": "wrangler dev"}, ("@remix-run/cloudflare", "@remix-run/dev"))},
            "@remix-run/cloudflare",
        ),
    ],
)
def test_an_adapter_of_another_platform_is_refused_by_its_name(files: dict[str, str], words: str) -> None:
    message = refusal_of(files)
    assert words in message
    assert "use " in message or "add " in message or "remove " in message


# -- versions --------------------------------------------------------------------------------------------------------------------

_NODE = {"package.json": package({"start": "node a.js"}, ("express",)), "a.js": ""}
_PYTHON = {"requirements.txt": "flask", "app.py": "from flask import Flask\napp = Flask(__name__)\n"}


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({**_NODE, ".nvmrc": "# what we use\n22\n"}, "22.20.0"),
        ({**_NODE, ".nvmrc": "v20.11.0\n"}, "20.19.5"),
        ({**_NODE, ".node-version": "22.1.0 # the one\n"}, "22.20.0"),
        ({**_NODE, ".tool-versions": "python 3.12\nnodejs 22.4.1\n"}, "22.20.0"),
        ({**_NODE, ".mise.toml": '[tools]\nnode = ["20", "22"]\n'}, "20.19.5"),
        ({**_NODE, ".config/mise.toml": '[tools.node]\nversion = "22.1"\n'}, "22.20.0"),
        ({**_NODE, "package.json": package({"start": "node a.js"}, ("express",), volta={"node": "20.10.0"})}, "20.19.5"),
        (
            {
                **_NODE,
                "package.json": package(
                    {"start": "node a.js"}, ("express",), devEngines={"runtime": [{"name": "node", "version": "22"}]}
                ),
            },
            "22.20.0",
        ),
        ({**_PYTHON, ".python-version": "\n# a comment\n3.12.4\n"}, "3.12"),
        ({**_PYTHON, ".tool-versions": "python 3.11.9\n"}, "3.11"),
        ({**_PYTHON, "mise.toml": '[tools]\npython = "3.12"\n'}, "3.12"),
        ({**_PYTHON, "runtime.txt": "python-3.11.9\n"}, "3.11"),
        ({**_PYTHON, "pyproject.toml": '[tool.poetry.dependencies]\npython = "~3.12"\n'}, "3.12"),
        ({**_PYTHON, "pyproject.toml": '[project]\nname="a"\nrequires-python = ">=3.12.3,<3.13"\n'}, "3.12"),
        ({**_PYTHON, "pyproject.toml": '[project]\nname="a"\nrequires-python = "==3.12.4"\n'}, "3.12"),
        ({**_PYTHON, "Pipfile": '[requires]\npython_full_version = "3.12.1"\n'}, "3.12"),
    ],
)
def test_the_version_that_a_repository_names_is_used(files: dict[str, str], version: str) -> None:
    assert plan_of(files).version == version


# -- Python and Go ---------------------------------------------------------------------------------------------------------------

_LIST = {"requirements.txt": "fastapi\nuvicorn\nflask\ngunicorn\ndjango\n"}
_MANAGE = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n"


@pytest.mark.parametrize(
    ("needs", "files", "start"),
    [
        ("flask", {"app/__init__.py": "from flask import Flask\ndef create_app(config=None, *, debug=False):\n  return Flask(__name__)\n", "wsgi.py": "from app import create_app\napp = create_app()\n"}, "gunicorn --bind 0.0.0.0:$PORT 'wsgi:app'"),
        ("flask", {"app/__init__.py": "from flask import Flask\ndef create_app(config):\n  return Flask(__name__)\n", "wsgi.py": "import app\napplication = app.create_app('x')\n"}, "gunicorn --bind 0.0.0.0:$PORT 'wsgi:application'"),
        ("fastapi", {"app/main.py": "from fastapi import FastAPI\nfrom routers import a\napp = FastAPI()\n", "app/routers/a.py": ""}, "uvicorn main:app --app-dir app --host 0.0.0.0 --port $PORT"),
        ("fastapi", {"backend/app/main.py": "from fastapi import FastAPI\nfrom app.core import x\napp = FastAPI()\n", "backend/app/core.py": ""}, "uvicorn app.main:app --app-dir backend --host 0.0.0.0 --port $PORT"),
        ("fastapi", {"main.py": "from fastapi import FastAPI\napp = FastAPI()\n", "Procfile": "web: uvicorn main:app --reload-dir x\n"}, "uvicorn main:app --reload-dir x --host 0.0.0.0 --port $PORT"),
        ("django", {"mysite/manage.py": _MANAGE, "mysite/mysite/settings.py": "WSGI_APPLICATION = 'mysite.wsgi.application'\n"}, "gunicorn --bind 0.0.0.0:$PORT --pythonpath mysite mysite.wsgi:application"),
        ("litestar", {"app.py": "from litestar import Litestar\napp = Litestar([])\n"}, "uvicorn app:app --host 0.0.0.0 --port $PORT"),
        ("python-fasthtml", {"main.py": "from fasthtml.common import *\napp, rt = fast_app()\nserve()\n"}, "uvicorn main:app --host 0.0.0.0 --port $PORT"),
    ],
)  # fmt: skip
def test_the_app_of_a_python_server_is_found(needs: str, files: dict[str, str], start: str) -> None:
    assert plan_of({"requirements.txt": needs, **files}).start == f"python3 -m {start}"


def test_go_keeps_the_files_beside_the_program_and_uses_vendored_modules() -> None:
    plan = plan_of({**_TREES["go-reads-files"], "vendor/modules.txt": ""})
    assert (plan.install, plan.layers[0].include) == ((), (".",))
    assert {"*.go", "vendor"} <= set(plan.layers[0].exclude)
    assert "-mod=vendor" in plan.build[0]
    main = "package main\nfunc main() {}\n"
    listens = f'{main}import "net/http"\n'
    several = refusal_of({"go.mod": "module a\n\ngo 1.24\n", "cmd/one/main.go": listens, "cmd/two/main.go": listens})
    assert "several programs (cmd/one, cmd/two)" in several
    assert "it has no go.mod" in refusal_of({"main.go": main})
    space = {
        "go.work": "go 1.24\n\nuse (\n\t./api\n\t./lib\n)\n",
        "api/go.mod": "module a\n",
        "api/main.go": main,
        "lib/go.mod": "",
        "lib/l.go": "package lib",
    }
    assert plan_of(space).build == ('CGO_ENABLED=0 go build -ldflags="-w -s" -o out ./api',)


def test_a_go_program_that_cannot_work_here_is_refused() -> None:
    main = 'package main\nimport _ "github.com/mattn/go-sqlite3"\nfunc main() {}\n'
    files = {"go.mod": "module a\n\ngo 1.24\n", "main.go": main, "tools/go.mod": "module t\n", "tools/main.go": "package main\n"}
    assert "needs a C compiler" in refusal_of(files)
    assert plan_of(files, "go").start == "./out"
    assert "others" not in " ".join(plan_of(files, "go").notes)
    hook = 'package main\nimport "github.com/aws/aws-lambda-go/lambda"\nfunc main() { lambda.Start(x) }\n'
    assert "AWS Lambda" in refusal_of({"go.mod": "module a\n", "main.go": hook})
    wrapped = 'package main\nimport "github.com/apex/gateway"\nfunc main() { gateway.ListenAndServe("n/a", x) }\n'
    assert "AWS Lambda" in refusal_of({"go.mod": "module a\n", "main.go": wrapped})


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"index.html": "", "netlify/functions/a.ts": ""}, "functions of Netlify (netlify/functions/a.ts)"),
        ({"public/index.html": "", "api/hello.py": ""}, "functions of Vercel (api/hello.py)"),
        ({"index.html": "", "functions/api/a.js": "", "wrangler.toml": ""}, "functions of Cloudflare Pages"),
        (
            {"package.json": package(needs=("hono",)), "src/index.ts": "export default app", "wrangler.jsonc": ""},
            "an app of Cloudflare Workers",
        ),
    ],
)
def test_functions_of_a_platform_are_not_left_out_silently(files: dict[str, str], words: str) -> None:
    assert words in refusal_of(files)


def test_a_site_beside_a_server_in_a_folder_of_its_own_is_a_site() -> None:
    assert plan_of({"index.html": "", "api/package.json": "{}", "api/index.js": ""}).output == "."


def test_what_is_there_and_not_used_is_said() -> None:
    files = {**_NODE, "vercel.json": "{}", "compose.yaml": "services:\n  db:\n    image: postgres:17\n", "Gemfile": ""}
    notes = "; ".join(plan_of(files).notes)
    assert "vercel.json is not used" in notes
    assert "compose.yaml is not used: create a Connection or a service for postgres" in notes
    assert "Gemfile means Ruby, which is not used" in notes
