"""What an image will run is in it, or nothing is pushed."""

from __future__ import annotations

from pathlib import Path

import pytest

from landfall.builds.errors import StartMissingError
from landfall.builds.image.start import check_start
from landfall.builds.languages.base import Layer
from landfall.builds.languages.registry import language_of
from landfall.builds.plan import BuildPlan


def plan(start: str, runtime: str = "node", output: str = "", layers: tuple[Layer, ...] = ()) -> BuildPlan:
    language = language_of(runtime)
    return BuildPlan(
        "x", runtime, "1", "", "", (), (), start, output, "", layers=layers or language.layers(), paths=language.paths
    )  # fmt: skip


def folder(root: Path, *files: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    return root


_FILES = (
    *(
        "server.js",
        "lib/www.js",
        "app/index.js",
        "dist/main.js",
        "run.sh",
        "out",
        "node_modules/.bin/cross-env",
        "node_modules/x/cli.js",
    ),
    *(
        "main.py",
        "shop/wsgi.py",
        "src/late/app.py",
        "api/asgi.py",
        ".packages/gunicorn/__main__.py",
        ".packages/uvicorn/__init__.py",
    ),
    *("web/node_modules/.bin/serve", "web/a.js", ".env"),
)


@pytest.mark.parametrize(
    ("start", "runtime"),
    [
        ("node server.js", "node"),
        ("node server", "node"),
        ("node --max-old-space-size=100 -r ./x dist/main", "node"),
        ("node app", "node"),
        ("node .", "node"),
        ("A=b node lib/www", "node"),
        ("cross-env A=b node server.js", "node"),
        ("echo hi && cd web && serve -p 1", "node"),
        ("cd web && node a.js", "node"),
        ("missing || node server.js", "node"),
        ("node $FILE", "node"),
        ("node -e 'x'", "node"),
        ("node /app/server.js", "node"),
        ("./run.sh", "node"),
        ("sh run.sh", "node"),
        ("./out --flag", "go"),
        ("python3 main.py", "python"),
        ("python3 -m gunicorn --bind 0.0.0.0:$PORT 'shop.wsgi:application'", "python"),
        ("python3 -m gunicorn --pythonpath src 'late.app:create_app()'", "python"),
        ("python3 -m uvicorn asgi:app --app-dir api", "python"),
        ("python3 -m http.server $PORT", "python"),
        ("python3 -c 'x'", "python"),
    ],
)
def test_what_is_there_may_start(tmp_path: Path, start: str, runtime: str) -> None:
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "index.js").write_text("")
    check_start(folder(tmp_path, *_FILES), plan(start, runtime))


@pytest.mark.parametrize(
    ("start", "runtime", "missing"),
    [
        ("node build", "node", "build is not in the image"),
        ("node first.js && node server.js", "node", "first.js is not in the image"),
        ("node server.js && node build/last.js", "node", "build/last.js is not in the image"),
        ("nodemon server.js", "node", "the program nodemon is not in the image"),
        ("cross-env A=b tsx a.ts", "node", "the program tsx is not in the image"),
        ("cd web && node server.js", "node", "server.js is not in the image"),
        ("./gone.sh", "node", "./gone.sh is not in the image"),
        ("npm run serve", "node", "the program npm is not in the image"),
        ("node .env", "node", ".env is not in the image"),
        ("./server", "go", "./server is not in the image"),
        ("python3 gone.py", "python", "gone.py is not in the image"),
        ("python3 -m celery worker", "python", "the module celery is not in the image"),
        ("python3 -m gunicorn gone.wsgi:application", "python", "the module gone.wsgi of the app is not in the image"),
        ("gunicorn shop.wsgi", "python", "the program gunicorn is not in the image"),
    ],
)
def test_what_is_missing_is_named_before_the_push(tmp_path: Path, start: str, runtime: str, missing: str) -> None:
    with pytest.raises(StartMissingError) as raised:
        check_start(folder(tmp_path, *_FILES), plan(start, runtime))
    assert missing in raised.value.message
    assert raised.value.advice


def test_packages_of_an_earlier_build_are_not_missed(tmp_path: Path) -> None:
    folder(tmp_path, "server.js", "shop/wsgi.py")
    check_start(tmp_path, plan("cross-env A=b node server.js"), installed=False)
    check_start(tmp_path, plan("python3 -m gunicorn shop.wsgi:application", "python"), installed=False)
    with pytest.raises(StartMissingError):
        check_start(tmp_path, plan("python3 -m gunicorn shop.gone:application", "python"), installed=False)
    with pytest.raises(StartMissingError):
        check_start(tmp_path, plan("node gone.js"), installed=False)


def test_files_of_a_standalone_build_are_found_where_the_image_has_them(tmp_path: Path) -> None:
    layers = (Layer("app", (".next/standalone", "public"), (), (".next/standalone",)),)
    check_start(folder(tmp_path, ".next/standalone/server.js"), plan("node server.js", layers=layers))
    with pytest.raises(StartMissingError):
        check_start(folder(tmp_path, "other.js"), plan("node other.js", layers=layers))


def test_a_site_has_a_page_at_its_address(tmp_path: Path) -> None:
    folder(tmp_path, "dist/server/a.js", "build/index.html")
    with pytest.raises(StartMissingError) as raised:
        check_start(tmp_path, plan("", "static", "dist"))
    assert "no index.html in dist" in raised.value.message
    assert "Set outputDirectory to build" in raised.value.advice
    check_start(tmp_path, plan("", "static", "build"))
