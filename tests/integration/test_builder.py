"""A build from its repository to its image as its three containers do it, side by side, without a cluster."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from landfall.api.worker_protocol import EXIT_DONE, EXIT_FAILED, BuildTask, RunImage, Task
from landfall.builds import runner
from landfall.builds.pod_protocol import Places
from landfall.lib.backoff import Backoff
from landfall.lib.retry import Attempts
from landfall.worker.build import Builder
from landfall.worker.fetch import main as fetch
from landfall.worker.reporter import Reporter
from tests.support.github import GitHub
from tests.support.registry import Registry as Server

_MANIFEST = (
    '{"engines": {"node": "22"}, "dependencies": {"ms": "2.1.3", "express": "5.1.0"}, "scripts": {"start": "node server.js"}}'
)
_EXPRESS = {"package.json": _MANIFEST, "server.js": 'require("express")().listen(process.env.PORT);\n'}
_IMAGES = ("node", "22.20.0", 3000), ("python", "3.11", 8000), ("static", "", 8080)


@dataclass
class Told:
    """A reporter that keeps what it is told."""

    lines: list[str] = field(default_factory=list)
    last: dict[str, Any] = field(default_factory=dict)

    def start(self) -> None:
        """Begin."""

    def update(self, **fields: Any) -> None:
        """Something changed."""
        self.last |= fields

    def line(self, message: str, level: str = "info") -> None:
        """A line of the log."""
        del level
        self.lines.append(message)

    def finish(self, **fields: Any) -> bool:
        """The end."""
        self.last |= fields
        return True


@pytest.fixture
def github() -> Iterator[GitHub]:
    """Where sources are."""
    with GitHub() as made:
        yield made


def build(folder: Path, github: GitHub, registry: Server, sha: str, **spec: Any) -> tuple[int, Told, dict[str, Any]]:
    """The exit status, what was told, and what was left in the pod."""
    for name in ("meta", "go", "out", "app", "task", "registry", "tmp"):
        (folder / name).mkdir(parents=True)
    login = {"auths": {registry.host: {"username": "mover", "password": "s3cret"}}}
    (folder / "registry" / ".dockerconfigjson").write_text(json.dumps(login))
    told = {
        "deploymentRef": {"name": "shop"},
        "revision": 1,
        "trigger": "x",
        "inputs": "x",
        "workload": "shop-1",
        "commit": sha,
        "buildKey": "k",
        "source": {"github": {"repository": "org/shop", "commit": sha}},
    }
    task = BuildTask(
        release="shop-1",
        spec=cast("Any", {**told, **spec}),
        builder="builder",
        images=tuple(
            RunImage(runtime=cast("Any", name), version=version, image=f"{registry.host}/base/node:22", port=port)
            for name, version, port in _IMAGES
        ),
        repository=f"{registry.host}/store/shop",
        uploads=f"{registry.host}/store/uploads",
        insecure=True,
        github=github.url,
    )
    (folder / "task" / "task.json").write_text(
        Task(verb="build", intake="", build=task).model_dump_json(by_alias=True, exclude_none=True)
    )
    places, reporter = Places(folder), Told()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # uv is there, as it is in the builder's image
    env = {**os.environ, "PATH": path, "LANDFALL_HANDOFF": str(folder), "LANDFALL_APP": str(folder / "app")}

    def commands() -> None:
        while not places.program.exists():
            if places.failed.exists():
                return
            time.sleep(0.01)
        subprocess.run([sys.executable, "-I", runner.__file__], env=env, check=True, timeout=300, stdout=subprocess.DEVNULL)

    beside = [
        threading.Thread(target=commands),
        threading.Thread(target=lambda: fetch(folder, places, folder / "app", folder / "tmp")),
    ]
    for thread in beside:
        thread.start()
    made = Builder(task, cast("Reporter", reporter), folder, places, folder / "app", folder / "tmp", folder / "words")
    status = made.work()
    for thread in beside:
        thread.join(300)
    return status, reporter, json.loads((folder / "words").read_text())


def test_from_a_commit_to_an_image_and_packages_once(github: GitHub, registry: Server, tmp_path: Path) -> None:
    sha = github.push("org/shop", _EXPRESS, "x")
    first = build(tmp_path / "1", github, registry, sha)
    assert first[0] == EXIT_DONE, first[1].last
    assert first[1].last["image"].startswith(f"{registry.host}/store/shop@sha256:")
    assert first[2]["image"] == first[1].last["image"], "its last words are those of its last report"
    summary = first[1].last["build"]
    assert (summary.framework, summary.version, summary.port, summary.installed) == ("node-express", "22.20.0", 3000, "installed")
    assert "$ npm install --no-save --no-audit --no-fund" in first[1].lines
    again = build(tmp_path / "2", github, registry, github.push("org/shop", {**_EXPRESS, "README.md": "more"}, "y"))
    assert again[1].last["build"].installed == "reused"
    assert not (tmp_path / "2" / "app" / "node_modules").exists()
    assert again[1].last["build"].pushed_bytes < summary.pushed_bytes / 10
    alike = build(tmp_path / "3", github, registry, sha)
    assert alike[1].last["build"].installed == "reused"
    assert alike[1].last["image"] == first[1].last["image"], "what is kept makes no other image"


def test_a_list_of_packages_is_read_whole(github: GitHub, registry: Server, tmp_path: Path) -> None:
    """However large it is: lock files are."""
    wishes = {"framework": "python-fastapi", "startCommand": "python3 main.py"}
    found = []
    for number, version in enumerate(("2.1.2", "2.2.0")):
        listed = f"# {'x' * 80}\n" * 20_000 + f"itsdangerous=={version}\n"
        sha = github.push("org/shop", {"requirements.txt": listed, "main.py": "import fastapi\n"}, "x")
        done = build(tmp_path / str(number), github, registry, sha, build=wishes)
        assert done[0] == EXIT_DONE, done[1].last
        found.append(done[1].last["build"].installed)
    assert found == ["installed", "installed"]


def test_what_a_build_needs_on_disk_is_installed_once(github: GitHub, registry: Server, tmp_path: Path) -> None:
    site = {
        "package.json": '{"engines": {"node": "22"}, "dependencies": {"ms": "2.1.3"}, "scripts": {"build": "node build.js"}}',
        "build.js": 'require("fs").mkdirSync("dist"); require("fs").writeFileSync("dist/index.html", String(require("ms")("2 days")));',
    }
    wishes = {
        "framework": "react-vite",
        "installCommand": "npm install --no-save --omit=dev",
        "outputDirectory": "dist",
    }
    builds = []
    for number, more in enumerate(({}, {"README.md": "more"}, {"package.json": site["package.json"].replace("2.1.3", "2.1.2")})):
        sha = github.push("org/shop", {**site, **more}, "x")
        done = build(tmp_path / str(number), github, registry, sha, build=wishes)
        assert done[0] == EXIT_DONE, done[1].last
        builds.append(done[1])
    assert [told.last["build"].installed for told in builds] == ["installed", "reused", "installed"]
    assert ["$ " + wishes["installCommand"] in told.lines for told in builds] == [True, False, True]
    assert (tmp_path / "1" / "app" / "dist" / "index.html").read_text() == "172800000", "built with the packages that were kept"
    assert not (tmp_path / "1" / "app" / ".landfall-packages").exists()


def test_what_a_build_command_writes_into_packages_stays_in_its_build(github: GitHub, registry: Server, tmp_path: Path) -> None:
    manifest = _MANIFEST.replace('"start": "node server.js"', '"build": "sh build.sh"')
    app = {"package.json": manifest, "server.js": "// express"}
    wishes = {"framework": "node-express", "startCommand": "node server.js"}
    hostile = "echo 'steal()' >> node_modules/ms/index.js; echo 'steal()' > node_modules/ms/more.js"
    first = build(tmp_path / "1", github, registry, github.push("org/shop", {**app, "build.sh": hostile}, "x"), build=wishes)
    assert first[0] == EXIT_DONE, first[1].last
    assert "steal()" in (tmp_path / "1" / "app/node_modules/ms/index.js").read_text()
    mended = build(tmp_path / "2", github, registry, github.push("org/shop", {**app, "build.sh": "true"}, "y"), build=wishes)
    assert (mended[0], mended[1].last["build"].installed) == (EXIT_DONE, "reused")
    packages = tmp_path / "2" / "app/node_modules/ms"
    assert "steal()" not in (packages / "index.js").read_text()
    assert not (packages / "more.js").exists()


def test_packages_that_cannot_be_taken_are_installed(github: GitHub, registry: Server, tmp_path: Path) -> None:
    site = {"package.json": _MANIFEST.replace("start", "build").replace("node server.js", "true"), "server.js": "// express"}
    wishes = {"framework": "node-express", "startCommand": "node server.js"}
    first = build(tmp_path / "1", github, registry, github.push("org/shop", site, "x"), build=wishes)
    assert first[0] == EXIT_DONE, first[1].last
    kept = json.loads(registry.store.manifests[("store/shop", "packages")])["layers"][0]["digest"]
    registry.store.blobs[("store/shop", kept)] = b"no archive"
    again = build(tmp_path / "2", github, registry, github.push("org/shop", {**site, "more": ""}, "y"), build=wishes)
    assert (again[0], again[1].last["build"].installed) == (EXIT_DONE, "installed")


def test_an_archive_from_the_registry(github: GitHub, registry: Server, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in _EXPRESS.items():
            archive.writestr(f"shop/{name}", text)
    digest = f"sha256:{hashlib.sha256(packed.getvalue()).hexdigest()}"
    registry.store.blobs[("store/uploads", digest)] = packed.getvalue()
    status, told, _ = build(tmp_path / "1", github, registry, "", source={"zip": {"artifact": digest}})
    assert status == EXIT_DONE, told.last
    assert told.last["build"].framework == "node-express"
    status, told, _ = build(tmp_path / "2", github, registry, "", source={"zip": {"artifact": f"sha256:{'0' * 64}"}})
    assert (status, told.last["failure"].reason) == (EXIT_FAILED, "SourceMissing")


@pytest.mark.parametrize(
    ("files", "spec", "reason", "words"),
    [
        ({**_EXPRESS, "package.json": _MANIFEST.replace("5.1.0", "999.0.0")}, {}, "BuildFailed", "not in the registry"),
        ({"Gemfile": ""}, {}, "FrameworkUnknown", "Gemfile means Ruby"),
        (_EXPRESS, {"path": "apps/web"}, "SourceMissing", "no folder 'apps/web'"),
        (_EXPRESS, {"build": {"buildCommand": "kill -9 $$"}}, "BuildOutOfMemory", "builds.memory"),
        (_EXPRESS, {"build": {"buildCommand": "echo ENOSPC; exit 1"}}, "BuildDiskFull", "disk is full"),
        (_EXPRESS, {"build": {"buildCommand": "ln -s /etc/passwd stolen"}}, "SourceRefused", "leaves the app"),
        (_EXPRESS, {"build": {"framework": "python-fastapi"}}, "NoStartCommand", "startCommand"),
    ],
)
def test_what_ends_a_build(
    github: GitHub,
    registry: Server,
    tmp_path: Path,
    files: dict[str, str],
    spec: dict[str, Any],
    reason: str,
    words: str,
) -> None:
    status, told, last = build(tmp_path / "1", github, registry, github.push("org/shop", files, "x"), **spec)
    assert status == EXIT_FAILED
    failure = told.last["failure"]
    assert (failure.reason, failure.transient) == (reason, False), failure
    assert words in failure.message
    assert last["failure"]["reason"] == reason


def test_a_registry_that_is_away_is_for_another_try(
    github: GitHub, registry: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("landfall.lib.retry.REMOTE", Attempts(1, Backoff(2, 8)))
    registry.store.breaks = 99
    _, told, _ = build(tmp_path / "1", github, registry, github.push("org/shop", _EXPRESS, "x"))
    assert (told.last["failure"].reason, told.last["failure"].transient) == ("RegistryUnreachable", True)


def test_packages_that_do_not_get_through_are_for_another_try(github: GitHub, registry: Server, tmp_path: Path) -> None:
    files = {**_EXPRESS, "broken.sh": "echo 'npm error code ECONNRESET'; exit 152"}
    sha = github.push("org/shop", files, "x")
    _, told, _ = build(tmp_path / "1", github, registry, sha, build={"installCommand": "sh broken.sh"})
    assert (told.last["failure"].reason, told.last["failure"].transient) == ("PackagesUnreachable", True)
    assert "set a mirror" in told.last["failure"].message
