"""Repositories with files of several languages: the app wins over what only builds or accompanies it."""

from __future__ import annotations

import json

import pytest

from landfall.builds.detect.detect import detected
from landfall.builds.detect.result import Detected, Undetected
from landfall.builds.languages.registry import KNOWN
from landfall.builds.plan import BuildOverrides, BuildPlan, make_plan
from tests.support.trees import Files

_FLASK = {"requirements.txt": "flask\ngunicorn\n", "app.py": "from flask import Flask\napp = Flask(__name__)\n"}
_FASTAPI = {"requirements.txt": "fastapi\nuvicorn\n", "main.py": "from fastapi import FastAPI\napp = FastAPI()\n"}
_DJANGO = {
    "requirements.txt": "django\ngunicorn\n",
    "manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
    "shop/settings.py": "WSGI_APPLICATION = 'shop.wsgi.application'\n",
}
_GO = {"go.mod": "module a\n\ngo 1.24\n", "main.go": "package main\nfunc main() {}\n"}
_LITESTAR = {"requirements.txt": "litestar\nuvicorn\n", "app.py": "from litestar import Litestar\napp = Litestar([])\n"}
_TOOL = {"requirements.txt": "requests\n", "main.py": "if __name__ == '__main__':\n    print(1)\n"}


def package(needs: tuple[str, ...] = (), **scripts: str) -> str:
    return json.dumps({"name": "app", "scripts": scripts, "dependencies": dict.fromkeys(needs, "*")})


def plan_of(files: dict[str, str], overrides: BuildOverrides | None = None) -> BuildPlan:
    tree = Files(files)
    detection = detected(tree, KNOWN)
    assert isinstance(detection, Detected), detection
    return make_plan(tree, detection, overrides or BuildOverrides())


def refusal_of(files: dict[str, str]) -> str:
    detection = detected(Files(files), KNOWN)
    assert isinstance(detection, Undetected), detection
    return detection.message


_EXPRESS = {"package.json": package(("express",), start="node server.js"), "server.js": "require('express')"}
_NEXT = {"package.json": package(("next",), build="next build", start="next start")}
_VITE = {"package.json": package(("vite",), build="vite build"), "index.html": ""}
_NEST = {"package.json": package(("fastify",), start="node server.js"), "server.js": ""}


@pytest.mark.parametrize(
    ("name", "app"),
    [("flask", _FLASK), ("python-fastapi", _FASTAPI), ("django", _DJANGO), ("go", _GO), ("python", _LITESTAR)],
)
@pytest.mark.parametrize(
    "others_files",
    [
        {"Procfile": "web: gunicorn --bind 0.0.0.0:$PORT app:app\n"},
        {"package.json": package(("tailwindcss",), start="tailwindcss -i a.css -o b.css --watch")},
        {"package.json": package((), start="python manage.py runserver")},
        {"package.json": package((), start="poetry run python app.py", build="tailwindcss -o b.css")},
    ],
)
def test_an_app_of_another_language_wins_over_package_json(name: str, app: dict[str, str], others_files: dict[str, str]) -> None:
    assert plan_of({"package.json": package(("tailwindcss",)), **app, **others_files}).framework == name


@pytest.mark.parametrize("app", [_FLASK, _FASTAPI, _DJANGO, _GO])
def test_a_site_that_a_script_builds_is_a_part_of_the_app(app: dict[str, str]) -> None:
    plan = plan_of({**app, "package.json": package(("parcel",), build="parcel build src/a.js")})
    assert plan.runtime in {"python", "go"}
    assert "the build script of package.json is not executed (`parcel build src/a.js`)" in "; ".join(plan.notes)


@pytest.mark.parametrize(
    ("name", "app"), [("node-express", _EXPRESS), ("nextjs", _NEXT), ("react-vite", _VITE), ("node", _NEST), ("go", _GO)]
)
@pytest.mark.parametrize("line", ["", "web: npm start\n", "web: node server.js\n"])
def test_a_tool_of_python_beside_an_app_is_not_the_app(name: str, app: dict[str, str], line: str) -> None:
    procfile = {"Procfile": line} if line and name in {"node-express", "nextjs", "node"} else {}
    assert plan_of({**app, **_TOOL, **procfile}).framework == name


def test_two_servers_with_names_are_still_ambiguous() -> None:
    assert "more than one framework matches" in refusal_of({**_EXPRESS, **_FLASK})


@pytest.mark.parametrize("manifest", ["requirements.txt", "pyproject.toml", "Pipfile", "go.mod", "manage.py", "package.json"])
def test_a_site_beside_an_app_in_the_folder_api_is_a_site(manifest: str) -> None:
    assert plan_of({"index.html": "", f"api/{manifest}": "", "api/main.py": "", "api/x.go": ""}).output == "."


def test_functions_of_vercel_are_files_of_the_folder_or_configured() -> None:
    assert plan_of({"index.html": "", "api/src/client.js": ""}).output == "."
    assert "functions of Vercel (api/users/a.js)" in refusal_of({"index.html": "", "api/users/a.js": "", "vercel.json": "{}"})
    assert "functions of Vercel (api/a.js)" in refusal_of({"index.html": "", "api/a.js": ""})


@pytest.mark.parametrize("file", ["pom.xml", "gradlew", "phpinfo.php", "native.c", "DESCRIPTION", "Package.swift"])
@pytest.mark.parametrize("app", [_EXPRESS, _NEXT, _VITE, _FLASK, _DJANGO, _GO])
def test_a_file_of_another_language_does_not_refuse_an_app(app: dict[str, str], file: str) -> None:
    plan = plan_of({**app, file: ""})
    assert f"{file} means" in "; ".join(plan.notes)


@pytest.mark.parametrize("app", [{"index.html": ""}, _NEST, {}])
def test_a_page_or_a_script_does_not_hide_an_app_of_another_language(app: dict[str, str]) -> None:
    assert "this is an app of Java" in refusal_of({**app, "pom.xml": ""})


# -- start lines and programs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "newrelic-admin run-program gunicorn app:app",
        "ddtrace-run gunicorn app:app",
        "sh -c 'cd x && gunicorn app:app'",
        "bash start.sh",
        "python manage.py migrate && newrelic-admin run-program gunicorn app:app",
        "bin/start-nginx gunicorn app:app",
        "node server.js",
    ],
)
@pytest.mark.parametrize("app", [_FLASK, _FASTAPI, _DJANGO])
def test_a_wrapper_in_the_procfile_does_not_replace_the_detected_start_line(app: dict[str, str], line: str) -> None:
    plan = plan_of({**app, "Procfile": f"web: {line}\n"})
    assert plan.start == plan_of(app).start
    assert f"the web line of the Procfile is not used: {line}" in plan.notes


@pytest.mark.parametrize(
    ("line", "start"),
    [
        ("gunicorn -w 2 app:app", "python3 -m gunicorn -w 2 app:app"),
        ("cd x && A=1 gunicorn app:app", "cd x && A=1 python3 -m gunicorn app:app"),
        ("poetry run gunicorn app:app", "python3 -m gunicorn app:app"),
        ("python3.12 app.py", "python3 app.py"),
    ],
)
def test_a_line_of_the_procfile_that_runs_python_is_the_start_line(line: str, start: str) -> None:
    assert plan_of({**_FLASK, "Procfile": f"web: {line}\n"}).start == start


def test_go_programs_whose_listening_code_is_in_another_package_are_the_first_one_with_a_note() -> None:
    main = 'package main\nimport "a/internal/serve"\nfunc main() { serve.Run() }\n'
    files = {"go.mod": "module a\n\ngo 1.24\n", "internal/serve/s.go": 'package serve\nimport "net/http"\n'}
    plan = plan_of({**files, "cmd/gateway/main.go": main, "cmd/worker/main.go": main})
    assert plan.build[0].endswith(" ./cmd/gateway")
    assert "./cmd/gateway is used; others: ./cmd/worker. To build another one, set buildCommand" in plan.notes
    plan = plan_of({**files, "cmd/admin/main.go": main, "cmd/server/main.go": main})
    assert "./cmd/server is used; others: ./cmd/admin. To build another one, set buildCommand" in plan.notes


@pytest.mark.parametrize(
    ("command", "start"),
    [
        ("npx prisma generate && node server.js", "prisma generate && node server.js"),
        ("mkdir -p data && npx tsc && node server.js", "mkdir -p data && tsc && node server.js"),
        ("npm run build && node server.js", "node server.js"),
        ("npm run first && node server.js", "node first.js && node server.js"),
        ("node server.js", "node server.js"),
    ],
)
def test_a_persons_start_command_keeps_its_leading_commands(command: str, start: str) -> None:
    files = {**_EXPRESS, "package.json": package(("express",), start="node server.js", build="tsc", first="node first.js")}
    plan = plan_of(files, BuildOverrides(start=command))
    assert (plan.start, plan.build) == (start, ("npm run build",))
