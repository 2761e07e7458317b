"""Pushes a built folder as an image: layers, base image, configuration, manifest, tags."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from landfall.builds.errors import BuildError
from landfall.builds.image import layers
from landfall.builds.image.layers import Packed
from landfall.builds.image.layout import LAYER, MANIFEST, Document, Running, assembled, described
from landfall.builds.image.registry import Reference, Registry
from landfall.builds.image.start import check_start
from landfall.builds.languages.base import Layer
from landfall.builds.plan import BuildPlan

_DIFF_ID, _FILES = "landfall.dev/diff-id", "landfall.dev/files"
_KEPT, _KEY = "packages", "landfall.dev/key"
_EMPTY = b"{}"
DEPENDENCIES = "dependencies"


@dataclass(frozen=True, slots=True)
class Pushed:
    """A pushed image: its digest, its compressed size including the base image, and the number of bytes sent."""

    digest: str
    octets: int
    sent: int


@dataclass(frozen=True, slots=True)
class Target:
    """The destination of an image, and its base image."""

    registry: Registry
    repository: str
    base_registry: Registry
    base: Reference


async def known_dependencies(registry: Registry, repository: str, key: str) -> Packed | None:
    """Return the layer of packages of an earlier build with the same manifests; None if there is none."""
    document = await registry.manifest(repository, f"deps-{key}")
    if document is None:
        return None
    layer = document[0]["layers"][0]
    annotations = layer.get("annotations", {})
    return Packed(DEPENDENCIES, layer["digest"], annotations[_DIFF_ID], int(layer["size"]), int(annotations[_FILES]))


async def kept_packages(registry: Registry, repository: str, key: str) -> str:
    """Return the digest of the packages that the last build stored, if its manifests are the same; otherwise empty."""
    document = await registry.manifest(repository, _KEPT)
    layer = document[0]["layers"][0] if document else {}
    return str(layer["digest"]) if layer.get("annotations", {}).get(_KEY) == key else ""


def packed_packages(root: Path, folder: str, file: Path) -> Packed:
    """Pack a folder of packages into a file."""
    return layers.packed(root, Layer(_KEPT, (folder,), (f"{folder}/.cache",)), "/app", file)


async def keep_packages(registry: Registry, repository: str, key: str, packed: Packed, file: Path) -> None:
    """Store packed packages for the next build; they replace the previous ones."""
    await registry.put_blob(repository, packed.digest, file, packed.size)
    await _tagged(registry, repository, _KEPT, packed, {_KEY: key})


async def pushed(  # noqa: PLR0913, PLR0917  the parts of an image
    root: Path,
    plan: BuildPlan,
    target: Target,
    scratch: Path,
    dependencies: Packed | None,
    key: str,
    tag: str,
    labels: dict[str, str],
) -> Pushed:
    """Check what the image will run, pack it and push it. A layer is sent while the next one is packed. Raises BuildError."""
    registry, repository = target.registry, target.repository
    check_start(root, plan, installed=dependencies is None)
    sending: list[asyncio.Task[int]] = [asyncio.create_task(_base(target))]
    packed_layers: list[Packed] = []
    try:
        for number, layer in enumerate(plan.layers):
            if dependencies and layer.name == DEPENDENCIES:
                packed_layers.append(dependencies)
                continue
            file = scratch / f"layer-{number}"
            packed = await asyncio.to_thread(layers.packed, root, layer, "/app", file)
            packed_layers.append(packed)
            sending.append(asyncio.create_task(registry.put_blob(repository, packed.digest, file, packed.size)))
        octets_sent = sum(await asyncio.gather(*sending))
    except BaseException:
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        raise
    below = await _below(target)
    config, manifest = assembled(below, packed_layers, Running(plan.start, plan.env, labels, paths=plan.paths))
    octets_sent += await registry.put_blob(repository, described(config)["digest"], config, len(config))
    digest = str(described(manifest)["digest"])
    stored_digest = await registry.put_manifest(repository, digest, manifest)
    if stored_digest not in {"", digest}:
        message = f"the registry has the image as {stored_digest}, and it is {digest}"
        raise BuildError(message, advice="A proxy between this pod and the registry changes the data.")
    await registry.put_manifest(repository, tag, manifest)  # garbage collection keeps tagged manifests
    if key and not dependencies:
        await _remember(registry, repository, key, packed_layers)
    octets = sum(int(entry["size"]) for entry in json.loads(manifest)["layers"])
    return Pushed(digest, octets, octets_sent)


async def _below(target: Target) -> Document:
    document = await target.base_registry.manifest(target.base.repository, target.base.version)
    if document is None:
        message = f"there is no image {target.base.host}/{target.base.repository} of {target.base.version}"
        raise BuildError(message, advice="Correct the chart's builds.images, which lists the base images of apps.")
    manifest = document[0]
    config = json.loads(await target.base_registry.blob(target.base.repository, manifest["config"]["digest"]))
    return {"manifest": manifest, "config": config}


async def _base(target: Target) -> int:
    """Copy all layers of the base image, concurrently."""
    below = await _below(target)
    copied = [
        target.registry.copied(target.base_registry, target.base.repository, target.repository, layer)
        for layer in below["manifest"]["layers"]
    ]
    return sum(await asyncio.gather(*copied))


async def _remember(registry: Registry, repository: str, key: str, packed_layers: Sequence[Packed]) -> None:
    """Tag the layer of packages, so that a build with the same manifests can reuse it."""
    for packed in packed_layers:
        if packed.name == DEPENDENCIES:
            await _tagged(registry, repository, f"deps-{key}", packed, {_DIFF_ID: packed.diff_id, _FILES: str(packed.files)})


async def _tagged(registry: Registry, repository: str, tag: str, packed: Packed, annotations: dict[str, str]) -> None:
    """Push a layer with a separate tag."""
    layer = {"mediaType": LAYER, "digest": packed.digest, "size": packed.size, "annotations": annotations}
    config = {"mediaType": "application/vnd.oci.empty.v1+json", **described(_EMPTY)}
    await registry.put_blob(repository, config["digest"], _EMPTY, len(_EMPTY))
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    await registry.put_manifest(repository, tag, json.dumps(manifest, sort_keys=True).encode())
