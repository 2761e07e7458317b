"""An image as an OCI layout: blobs by their digests, a configuration, a manifest, an index. The same inputs give the same bytes."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landfall.builds.detect.shell import executed
from landfall.builds.errors import BuildError
from landfall.builds.image.layers import Packed

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CREATED = "1980-01-01T00:00:00Z"
_INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())  # as images name it
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Running:
    """Start command, environment and user of an image. `paths`: folders below `place` that come first on its PATH."""

    start: str
    env: Mapping[str, str]
    labels: Mapping[str, str]
    place: str = "/app"
    user: str = "1000:1000"
    paths: tuple[str, ...] = ()


def blob_of(layout: Path, digest: str) -> Path:
    """Return the path of a blob."""
    return layout / "blobs" / "sha256" / digest.removeprefix("sha256:")


def assembled(below: Document, layers: Sequence[Packed], running: Running) -> tuple[bytes, bytes]:
    """Return configuration and manifest of an image. `below` has the keys `manifest` and `config` of the base image."""
    config = _bytes(_configured(below["config"], layers, running))
    described_layers = [*below["manifest"]["layers"], *({"mediaType": LAYER, "digest": p.digest, "size": p.size} for p in layers)]
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, **described(config)},
        "layers": described_layers,
    }
    return config, _bytes(manifest)


def described(data: bytes) -> Document:
    """Return digest and size of a blob in the form that manifests use."""
    return {"digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)}


def write(layout: Path, layers: Sequence[Packed], running: Running, base: Path | None = None) -> str:
    """Write configuration, manifest and index for layers whose blobs exist. Return the digest of the manifest. `base`: layout of the base image."""
    below = _base(base) if base else {"manifest": {"layers": []}, "config": {}}
    if base:
        for layer in below["manifest"]["layers"]:
            shutil.copyfile(blob_of(base, layer["digest"]), blob_of(layout, layer["digest"]))
    config, manifest = assembled(below, layers, running)
    for data in (config, manifest):
        blob_of(layout, described(data)["digest"]).write_bytes(data)
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [{"mediaType": MANIFEST, **described(manifest)}]}
    (layout / "index.json").write_bytes(_bytes(index))
    (layout / "oci-layout").write_bytes(_bytes({"imageLayoutVersion": "1.0.0"}))
    return str(described(manifest)["digest"])


def _base(layout: Path) -> Document:
    try:
        index = json.loads((layout / "index.json").read_bytes())
        manifest = json.loads(blob_of(layout, index["manifests"][0]["digest"]).read_bytes())
        config = json.loads(blob_of(layout, manifest["config"]["digest"]).read_bytes())
    except (OSError, ValueError, KeyError, IndexError) as error:
        message = f"{layout} is not an OCI layout of an image"
        raise BuildError(message, advice="Use a folder with oci-layout, index.json and blobs.") from error
    return {"manifest": manifest, "config": config}


def _configured(base: Document, layers: Sequence[Packed], running: Running) -> Document:
    before = base.get("config", {})
    env = dict(e.split("=", 1) for e in before.get("Env", [f"PATH={_PATH}"]))
    env |= running.env
    env["PATH"] = ":".join([*(f"{running.place}/{path}" for path in running.paths), env.get("PATH", _PATH)])
    config: Document = {
        **before,
        "Env": [f"{k}={v}" for k, v in sorted(env.items())],
        "WorkingDir": running.place,
        "User": running.user,
        "Labels": {**before.get("Labels", {}), **dict(sorted(running.labels.items()))},
    }
    if running.start:
        config |= {"Entrypoint": ["/bin/sh", "-c", executed(running.start)], "Cmd": None}
    rootfs = [*base.get("rootfs", {}).get("diff_ids", []), *(p.diff_id for p in layers)]
    history = [*base.get("history", []), *({"created": _CREATED, "created_by": f"landfall: {p.name}"} for p in layers)]
    return {
        "created": _CREATED,
        "architecture": base.get("architecture", MACHINE),
        "os": "linux",
        "config": {k: v for k, v in config.items() if v is not None},
        "rootfs": {"type": "layers", "diff_ids": rootfs},
        "history": history,
    }


def _bytes(document: Document) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
