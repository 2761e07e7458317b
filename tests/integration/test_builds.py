"""Real apps, built from real registries: the same image twice, and what is in it serves."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from landfall.builds.image.layout import blob_of
from tests.integration.test_command import landfall
from tests.support.packages import BERRY, BUN, PIPENV, PNPM, POETRY, UV
from tests.support.servers import free_port

_EXPRESS = {
    "package.json": '{"name": "hello", "dependencies": {"express": "5.1.0"}, "scripts": {"start": "node server.js"}}',
    "server.js": 'const app = require("express")();\napp.get("/", (_, res) => res.send("hello"));\napp.listen(process.env.PORT);\n',
}
_FASTAPI = {
    "requirements.txt": "fastapi==0.115.6\nuvicorn==0.34.0\n",
    "main.py": 'from fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get("/")\ndef root() -> str:\n    return "hello"\n',
}
_VITE = {
    "package.json": '{"name": "v", "private": true, "type": "module", "scripts": {"build": "vite build"}, "devDependencies": {"vite": "5.4.11"}}',
    "index.html": '<!doctype html><title>hello</title><script type="module" src="/main.js"></script>',
    "main.js": 'document.body.append("hello");\n',
}
_BROKEN = {
    **_EXPRESS,
    "package.json": '{"name": "x", "dependencies": {"express": "999.0.0"}, "scripts": {"start": "node server.js"}}',
}


def _app(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def _built(app: Path, out: Path, *more: str) -> str:
    result = landfall("build", app, "--to", out, "--json", *more)
    assert result.returncode == 0, result.stderr + result.stdout
    return str(json.loads(result.stdout.splitlines()[-1])["digest"])


def _unpacked(layout: Path, digest: str, root: Path) -> tuple[str, dict[str, str]]:
    """The layers, one over the other; how it is started, and with which environment."""
    manifest = json.loads(blob_of(layout, digest).read_text())
    for layer in manifest["layers"]:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob_of(layout, layer["digest"]).read_bytes()))) as tar:
            tar.extractall(root, filter="fully_trusted")  # noqa: S202  we made it
    config = json.loads(blob_of(layout, manifest["config"]["digest"]).read_text())["config"]
    env = dict(e.split("=", 1) for e in config["Env"])
    return config.get("Entrypoint", ["", "", ""])[2], env


@pytest.mark.parametrize("files", [_EXPRESS, _FASTAPI], ids=["node-express", "python-fastapi"])
def test_an_app_is_built_twice_alike_and_serves(tmp_path: Path, files: dict[str, str]) -> None:
    app = _app(tmp_path / "shop", files)
    digest = _built(app, tmp_path / "one")
    assert _built(app, tmp_path / "two") == digest
    start, env = _unpacked(tmp_path / "one", digest, tmp_path / "root")
    place, port = tmp_path / "root" / "app", free_port()
    env = {k: v.replace("/app/", f"{place}/") for k, v in env.items()} | {"PORT": str(port), "PATH": os.environ["PATH"]}
    server = subprocess.Popen(["sh", "-c", start], cwd=place, env=env, start_new_session=True)
    try:
        assert "hello" in _answer(f"http://127.0.0.1:{port}/")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


@pytest.mark.parametrize(
    ("framework", "start", "files"),
    [
        ("python-fastapi", "python3 main.py", POETRY),
        ("python-fastapi", "python3 main.py", PIPENV),
        ("python-fastapi", "python3 main.py", UV),
        ("node-express", "node server.js", BUN),
        ("node-express", "node server.js", BERRY),
        ("node-express", "node server.js", PNPM),
    ],
    ids=["poetry", "pipenv", "a project without a lock file", "bun", "yarn 4", "pnpm 10"],
)
def test_what_another_package_manager_installs_runs(tmp_path: Path, framework: str, start: str, files: dict[str, str]) -> None:
    app = _app(tmp_path / "shop", files)
    digest = _built(app, tmp_path / "image", "--framework", framework, "--start-command", start)
    _, env = _unpacked(tmp_path / "image", digest, tmp_path / "root")
    place = tmp_path / "root" / "app"
    assert {p.name for p in place.iterdir()} - {".packages", "node_modules"} == set(files), "and it leaves nothing else there"
    env = {k: v.replace("/app/", f"{place}/") for k, v in env.items()} | {"PATH": os.environ["PATH"]}
    output = subprocess.run(start.split(), cwd=place, env=env, check=True, capture_output=True, text=True).stdout
    assert output.startswith("hello")


def _answer(address: str) -> str:
    deadline = time.monotonic() + 300
    while True:
        try:
            with urlopen(address, timeout=5) as answer:  # noqa: S310  our own server
                return str(answer.read().decode())
        except URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_a_site_is_its_files_twice_alike(tmp_path: Path) -> None:
    app = _app(tmp_path / "site", _VITE)
    digest = _built(app, tmp_path / "one")
    assert _built(app, tmp_path / "two") == digest
    start, _ = _unpacked(tmp_path / "one", digest, tmp_path / "root")
    assert start == ""
    page = (tmp_path / "root" / "app" / "index.html").read_text()
    assert "<title>hello</title>" in page
    assert any((tmp_path / "root" / "app" / "assets").glob("*.js"))


def test_a_plan_builds_nothing_and_a_failure_says_what_to_do(tmp_path: Path) -> None:
    app = _app(tmp_path / "shop", _BROKEN)
    result = landfall("build", app, "--plan", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["framework"] == "node-express"
    assert not (tmp_path / "shop-image").exists()
    failed = landfall("build", app)
    assert failed.returncode == 1
    assert "ended with status" in failed.stderr
    assert "registry" in failed.stderr
    assert not (tmp_path / "shop-image" / "index.json").exists()
    unknown = landfall("build", _app(tmp_path / "none", {"Gemfile": ""}))
    assert unknown.returncode == 2
    assert "Gemfile means Ruby" in unknown.stderr
    packed = shutil.make_archive(str(tmp_path / "shop"), "zip", tmp_path, "shop")
    assert json.loads(landfall("build", packed, "--plan", "--json").stdout)["framework"] == "node-express"
    (tmp_path / "rubbish.zip").write_text("no archive")
    assert "cannot be read" in landfall("build", tmp_path / "rubbish.zip").stderr
    missing = landfall("build", tmp_path / "nowhere")
    assert missing.returncode == 2
    assert "there is no folder" in missing.stderr
