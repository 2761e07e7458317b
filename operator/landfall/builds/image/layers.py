"""Image layers from files: equal files give equal bytes, independent of owner, time and machine.

Entries are sorted; owners, modes and times are normalised. The time of a file is derived from its content, because web servers build
validators from size and time: with a constant time, a changed file of the same size would look unchanged. Links are not followed.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, BinaryIO, cast

from landfall.builds.errors import BuildError, HostileSourceError
from landfall.builds.languages.base import Layer

_EPOCH = 315_532_800  # 1980: the first year that all archive formats can store
_SPAN = 40 * 365 * 86_400
_LEVEL = 1
_INTERPRETER = re.compile(
    r"/usr/(local/)?bin/python3(\.\d+)?"
)  # interpreters of a virtual environment; run images have them at the same path


@dataclass(frozen=True, slots=True)
class Packed:
    """A written layer: digest and size of the compressed bytes, digest of the tar file, and the path."""

    name: str
    digest: str
    diff_id: str
    size: int
    files: int


class _Both:
    """Compresses a tar stream with gzip and computes both digests. The gzip header contains no file name and no time."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._zip = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
        self.plain, self.packed, self.size = hashlib.sha256(), hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self.plain.update(data)
        self._put(self._zip.compress(data))
        return len(data)

    def close(self) -> None:
        self._put(self._zip.flush())

    def _put(self, data: bytes) -> None:
        self.packed.update(data)
        self.size += len(data)
        self._out.write(data)


def packed(root: Path, layer: Layer, place: str, out: Path) -> Packed:
    """Write the files of a layer to `out`, with paths under `place` in the image. Raises HostileSourceError if a link leaves the app."""
    paths = sorted(_selected(root, layer), key=lambda p: p.as_posix())
    if not any((root / p).is_file() for p in paths):
        message = f"no files in {', '.join(layer.include)}"
        raise BuildError(message, advice="Check the output folder of the build, and set outputDirectory.")
    with out.open("wb") as file:
        both = _Both(file)
        with tarfile.open(fileobj=cast("IO[bytes]", both), mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for folder in _above(place):
                tar.addfile(_entry(folder, tarfile.DIRTYPE))
            for path in paths:
                _add(tar, root, path, f"{place.strip('/')}/{_landed(path, layer)}")
        both.close()
    return Packed(layer.name, f"sha256:{both.packed.hexdigest()}", f"sha256:{both.plain.hexdigest()}", both.size, len(paths))


def is_packed(root: Path, layers: Sequence[Layer], path: str) -> bool:
    """Return whether layers hold this path of the image, relative to the app's folder in it."""
    for layer in layers:
        sources = [path, *(f"{folder}/{path}" for folder in layer.rooted)]
        for source in sources:
            included = any(i in (".", source) or source.startswith(f"{i}/") for i in layer.include)
            above = [Path(source), *Path(source).parents]
            if included and os.path.lexists(root / source) and not any(_left_out(p, layer) for p in above if p.name):
                return True
    return False


def _landed(path: Path, layer: Layer) -> str:
    """The path of a file in the image: the contents of the output folder of a site or a standalone build are at the app's root."""
    text = path.as_posix()
    for folder in layer.rooted:
        if text == folder or text.startswith(f"{folder}/"):
            return text[len(folder) :].lstrip("/")
    return text


def _above(place: str) -> Iterator[str]:
    parts = place.strip("/").split("/")
    for count in range(1, len(parts) + 1):
        yield "/".join(parts[:count])


def _selected(root: Path, layer: Layer) -> Iterator[Path]:
    for include in layer.include:
        start = root / include
        if not start.exists() or not Path(os.path.realpath(start)).is_relative_to(root.resolve()):
            if start.is_symlink():
                message = f"{include} is a link that leaves the app"
                raise HostileSourceError(message, advice="Remove the link.")
            continue
        if include != ".":
            yield Path(include)
        for folder, below, files in os.walk(start):
            relative = Path(folder).relative_to(root)
            below[:] = [d for d in below if not _left_out(relative / d, layer)]
            links = [d for d in below if (Path(folder) / d).is_symlink()]
            below[:] = [d for d in below if d not in links]
            yield from (relative / d for d in below)
            yield from (relative / f for f in [*files, *links] if not _left_out(relative / f, layer))


def _left_out(path: Path, layer: Layer) -> bool:
    text = path.as_posix()
    return any(fnmatchcase(text, p) or fnmatchcase(path.name, p.removeprefix("**/")) for p in layer.exclude)


def _entry(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = kind, 0o755, _EPOCH
    return info


def _add(tar: tarfile.TarFile, root: Path, path: Path, name: str) -> None:
    source = root / path
    if name.endswith("/"):
        return
    if source.is_symlink():
        target = os.readlink(source)  # noqa: PTH115  the text of the link, not a path
        inside = not target.startswith("/") and Path(os.path.realpath(source.parent / target)).is_relative_to(root.resolve())
        if not inside and not _INTERPRETER.fullmatch(target):
            message = f"{path} is a link to {target}, which leaves the app"
            raise HostileSourceError(message, advice="Remove the link.")
        info = _entry(name, tarfile.SYMTYPE)
        info.linkname, info.mode = target, 0o777
        tar.addfile(info)
    elif source.is_dir():
        tar.addfile(_entry(name, tarfile.DIRTYPE))
    elif source.is_file():
        with _inside(root, source) as file:
            status = os.fstat(file.fileno())
            info = _entry(name, tarfile.REGTYPE)
            info.size, info.mode = status.st_size, 0o755 if status.st_mode & 0o111 else 0o644
            info.mtime = _moment(file)
            file.seek(0)
            tar.addfile(info, file)


def _inside(root: Path, source: Path) -> BinaryIO:
    """Open a file. The opened file is checked, not its path, because the path could have been replaced by a link."""
    file = os.fdopen(os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
    real = Path(os.readlink(f"/proc/self/fd/{file.fileno()}"))  # noqa: PTH115  the path that the kernel reports
    if real.is_relative_to(root.resolve()):
        return file
    file.close()
    message = f"{source.name} no longer exists in the app"
    raise HostileSourceError(message, advice="Make sure that the build commands wait for all processes that they start.")


def _moment(file: BinaryIO) -> int:
    """A time derived from the content."""
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return _EPOCH + int.from_bytes(digest.digest()[:6]) % _SPAN
