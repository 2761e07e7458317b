"""Layers and images: the same files give the same bytes, and nothing gets in that is not the app's."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import time
from pathlib import Path

import pytest

from landfall.builds import local
from landfall.builds.errors import BuildError, HostileSourceError
from landfall.builds.failure_hints import advice
from landfall.builds.image import layout as image
from landfall.builds.image.layers import Packed, packed
from landfall.builds.languages.base import Layer
from landfall.builds.plan import BuildPlan


def _tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


_FILES = {
    "server.js": "x",
    "node_modules/a/index.js": "a",
    "node_modules/.bin/tool": "#!",
    ".env": "SECRET=1",
    "src/deep/er/b.txt": "b",
}
_APP = Layer("app", (".",), ("node_modules", ".env", ".env.*"))


def _read(path: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(path.read_bytes()))) as tar:
        return {m.name: m for m in tar.getmembers()}


def test_the_same_files_give_the_same_layer_whenever_and_wherever(tmp_path: Path) -> None:
    first_tree, other = _tree(tmp_path / "one", _FILES), _tree(tmp_path / "two" / "deeper", dict(reversed(_FILES.items())))
    for file in other.rglob("*"):
        os.utime(file, (time.time() - 9999, time.time() - 9999))
    (other / "server.js").chmod(0o600)
    first, second = packed(first_tree, _APP, "/app", tmp_path / "a"), packed(other, _APP, "/app", tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert first == second
    data = (tmp_path / "a").read_bytes()
    assert first.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert first.diff_id == f"sha256:{hashlib.sha256(gzip.decompress(data)).hexdigest()}"
    assert first.size == len(data)


def test_what_is_in_it(tmp_path: Path) -> None:
    root = _tree(tmp_path / "app", _FILES)
    (root / "run.sh").write_text("#!/bin/sh")
    (root / "run.sh").chmod(0o700)
    (root / "here").symlink_to("src/deep")
    packed(root, _APP, "/app", tmp_path / "a")
    members = _read(tmp_path / "a")
    assert set(members) == {
        "app",
        "app/server.js",
        "app/run.sh",
        "app/here",
        "app/src",
        "app/src/deep",
        "app/src/deep/er",
        "app/src/deep/er/b.txt",
    }
    assert {(m.uid, m.gid, m.uname, m.gname) for m in members.values()} == {(0, 0, "", "")}
    assert (members["app/run.sh"].mode, members["app/server.js"].mode) == (0o755, 0o644)
    assert members["app/here"].linkname == "src/deep"
    packed(root, Layer("dependencies", ("node_modules",)), "/app", tmp_path / "b")
    assert "app/node_modules/.bin/tool" in _read(tmp_path / "b")


def test_a_files_time_follows_from_its_content(tmp_path: Path) -> None:
    moments = []
    for text in ("one", "two", "one"):
        packed(_tree(tmp_path / text, {"a.txt": text}), Layer("site", (".",)), "/app", tmp_path / "x")
        moments.append(_read(tmp_path / "x")["app/a.txt"].mtime)
    assert moments[0] == moments[2] != moments[1]
    assert all(315532800 <= m < time.time() for m in moments)


def test_a_site_lies_at_the_root(tmp_path: Path) -> None:
    root = _tree(tmp_path / "app", {"dist/index.html": "<h1>", "dist/assets/a.js": "", "src/x": ""})
    packed(root, Layer("site", ("dist",), (), ("dist",)), "/app", tmp_path / "a")
    assert set(_read(tmp_path / "a")) == {"app", "app/index.html", "app/assets", "app/assets/a.js"}


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside", "../app/../../x"])
def test_links_that_lead_out_are_refused(tmp_path: Path, target: str) -> None:
    root = _tree(tmp_path / "app", {"a.txt": ""})
    (root / "link").symlink_to(target)
    with pytest.raises(HostileSourceError, match="leaves the app"):
        packed(root, Layer("app", (".",)), "/app", tmp_path / "a")
    (root / "link").unlink()
    (root / "dist").symlink_to(tmp_path)
    with pytest.raises(HostileSourceError, match="dist is a link"):
        packed(root, Layer("site", ("dist",)), "/app", tmp_path / "a")


def test_nothing_to_pack_is_said(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no files in dist"):
        packed(_tree(tmp_path / "app", {"a": ""}), Layer("site", ("dist",)), "/app", tmp_path / "a")


def _layout(folder: Path, root: Path, running: image.Running, base: Path | None = None) -> tuple[str, Packed]:
    (folder / "blobs" / "sha256").mkdir(parents=True)
    layer = packed(root, Layer("app", (".",)), "/app", folder / "tmp")
    (folder / "tmp").rename(image.blob_of(folder, layer.digest))
    return image.write(folder, [layer], running, base), layer


def test_an_image_is_a_layout_that_others_read(tmp_path: Path) -> None:
    root = _tree(tmp_path / "app", {"server.js": "x"})
    running = image.Running("node server.js", {"NODE_ENV": "production"}, {"a": "b"})
    digest, layer = _layout(tmp_path / "one", root, running)
    again, _ = _layout(tmp_path / "two", root, running)
    assert digest == again
    index = json.loads((tmp_path / "one" / "index.json").read_text())
    assert index["manifests"][0]["digest"] == digest
    for blob in (tmp_path / "one" / "blobs" / "sha256").iterdir():
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    manifest = json.loads(image.blob_of(tmp_path / "one", digest).read_text())
    config = json.loads(image.blob_of(tmp_path / "one", manifest["config"]["digest"]).read_text())
    assert config["rootfs"]["diff_ids"] == [layer.diff_id]
    assert config["config"]["Entrypoint"] == ["/bin/sh", "-c", "exec node server.js"]
    assert "NODE_ENV=production" in config["config"]["Env"]
    assert (config["config"]["User"], config["config"]["WorkingDir"]) == ("1000:1000", "/app")


def test_an_image_on_top_of_another_has_its_layers_below(tmp_path: Path) -> None:
    ground = _tree(tmp_path / "ground", {"bin/sh": "#!"})
    _, lower = _layout(tmp_path / "base", ground, image.Running("", {"PATH": "/bin", "A": "1"}, {}))
    digest, upper = _layout(
        tmp_path / "top", _tree(tmp_path / "app", {"x": "y"}), image.Running("./x", {"A": "2"}, {}), tmp_path / "base"
    )
    manifest = json.loads(image.blob_of(tmp_path / "top", digest).read_text())
    assert [d["digest"] for d in manifest["layers"]] == [lower.digest, upper.digest]
    config = json.loads(image.blob_of(tmp_path / "top", manifest["config"]["digest"]).read_text())
    assert config["config"]["Env"] == ["A=2", "PATH=/bin"]
    assert image.blob_of(tmp_path / "top", lower.digest).exists()
    with pytest.raises(BuildError, match="not an OCI layout"):
        _layout(tmp_path / "third", ground, image.Running("", {}, {}), tmp_path / "nowhere")


_STATIC = BuildPlan("static", "static", "static", "default", "", (), (), "", ".", "", layers=(Layer("site", (".",)),))


def test_a_build_leaves_the_folder_as_it_is_and_tells_why_it_fails(tmp_path: Path) -> None:
    root = _tree(tmp_path / "app", {"index.html": "<h1>", "node_modules/old/x": ""})
    lines: list[str] = []
    plan = BuildPlan(**{**_fields(_STATIC), "build": ('echo made > made.txt; ls; echo "${SECRET:-none}"',)})
    os.environ["SECRET"] = "s3cret"  # noqa: S105  what a build must not see
    result = local.built(root, plan, tmp_path / "out", lines.append)
    del os.environ["SECRET"]
    assert sorted(p.name for p in root.iterdir()) == ["index.html", "node_modules"]
    assert "none" in lines
    assert "node_modules" not in lines
    assert "app/made.txt" in _read(image.blob_of(tmp_path / "out", result.layers[0].digest))
    with pytest.raises(BuildError, match="already contains an image"):
        local.built(root, plan, tmp_path / "out", lines.append)
    broken = BuildPlan(**{**_fields(_STATIC), "install": ("echo first; nosuchprogram --now",)})
    with pytest.raises(BuildError) as error:
        local.built(root, broken, tmp_path / "other", lines.append)
    assert "status 127" in error.value.message
    assert "add the package that contains it" in error.value.advice
    assert "first" in error.value.log
    assert not (tmp_path / "other" / "index.json").exists()


def _fields(plan: BuildPlan) -> dict[str, object]:
    return {name: getattr(plan, name) for name in plan.__dataclass_fields__}


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("npm error code ERESOLVE\nnpm error could not resolve", "--legacy-peer-deps"),
        ("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", "out of memory"),
        ("npm error code ENOSPC", "disk is full"),
        (" ERR_PNPM_OUTDATED_LOCKFILE  Cannot install", "lock file does not match"),
        ("YN0028: The lockfile would have been modified by this install", "lock file does not match"),
        ("pyproject.toml changed significantly since poetry.lock was last generated.", "lock file does not match"),
        ("npm error code E404\nnpm error 404 Not Found", "not in the registry"),
        ("npm error errno ENOTFOUND", "cannot be reached"),
        ("npm error code ECONNRESET", "cannot be reached"),
        ("src/a.ts(1,2): error TS2304: Cannot find name", "compiler"),
        ('npm error Missing script: "build"', "no build script"),
        ("all is well", ""),
    ],
)
def test_advice_follows_from_the_log(log: str, words: str) -> None:
    assert words in advice(log)
    assert bool(advice(log)) == bool(words)
