"""Files as a layer: the same files give the same bytes, whoever made them, when and where.

Entries are sorted; owners, modes and times are ours. A file's time follows from its content, because servers make validators of size
and time: with one time for all, a changed file of the same size would pass for the old one. Nothing is read through a link.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, BinaryIO, cast

from landfall.builds.errors import BuildError, HostileSourceError
from landfall.builds.languages.base import Layer

_EPOCH = 315_532_800  # 1980: the first year that every archive can write
_SPAN = 40 * 365 * 86_400
_LEVEL = 1
_INTERPRETER = re.compile(r"/usr/(local/)?bin/python3(\.\d+)?")  # an environment's own, which run images have at the same place


@dataclass(frozen=True, slots=True)
class Packed:
    """A layer that was written: digest and size of the compressed bytes, digest of the tar in them, and where they are."""

    name: str
    digest: str
    diff_id: str
    size: int
    files: int


class _Both:
    """Takes tar, writes gzip, and knows both digests. The gzip header names no file and no time."""

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
    """Write a layer's files, as they will be under `place` in the image, to `out`. Raises HostileSourceError where a link leads out."""
    chosen = sorted(_chosen(root, layer), key=lambda p: p.as_posix())
    if not any((root / p).is_file() for p in chosen):
        message = f"there is nothing in {', '.join(layer.include)}"
        raise BuildError(message, advice="Look at what the build makes, and set outputDirectory.")
    with out.open("wb") as file:
        both = _Both(file)
        with tarfile.open(fileobj=cast("IO[bytes]", both), mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for folder in _above(place):
                tar.addfile(_entry(folder, tarfile.DIRTYPE))
            for path in chosen:
                _add(tar, root, path, f"{place.strip('/')}/{_landed(path, layer)}")
        both.close()
    return Packed(layer.name, f"sha256:{both.packed.hexdigest()}", f"sha256:{both.plain.hexdigest()}", both.size, len(chosen))


def _landed(path: Path, layer: Layer) -> str:
    """Where a file comes to lie: what is in the one folder of a site or of a standalone build is at the app's root."""
    text = path.as_posix()
    for folder in layer.rooted:
        if text == folder or text.startswith(f"{folder}/"):
            return text[len(folder) :].lstrip("/")
    return text


def _above(place: str) -> Iterator[str]:
    parts = place.strip("/").split("/")
    for count in range(1, len(parts) + 1):
        yield "/".join(parts[:count])


def _chosen(root: Path, layer: Layer) -> Iterator[Path]:
    for include in layer.include:
        start = root / include
        if not start.exists() or not Path(os.path.realpath(start)).is_relative_to(root.resolve()):
            if start.is_symlink():
                message = f"{include} is a link out of the app"
                raise HostileSourceError(message, advice="Take the link away.")
            continue
        if include != ".":
            yield Path(include)
        for folder, below, files in os.walk(start):
            here = Path(folder).relative_to(root)
            below[:] = [d for d in below if not _left_out(here / d, layer)]
            links = [d for d in below if (Path(folder) / d).is_symlink()]
            below[:] = [d for d in below if d not in links]
            yield from (here / d for d in below)
            yield from (here / f for f in [*files, *links] if not _left_out(here / f, layer))


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
            message = f"{path} is a link to {target}, out of the app"
            raise HostileSourceError(message, advice="Take the link away.")
        info = _entry(name, tarfile.SYMTYPE)
        info.linkname, info.mode = target, 0o777
        tar.addfile(info)
    elif source.is_dir():
        tar.addfile(_entry(name, tarfile.DIRTYPE))
    elif source.is_file():
        with _inside(root, source) as file:
            found = os.fstat(file.fileno())
            info = _entry(name, tarfile.REGTYPE)
            info.size, info.mode = found.st_size, 0o755 if found.st_mode & 0o111 else 0o644
            info.mtime = _moment(file)
            file.seek(0)
            tar.addfile(info, file)


def _inside(root: Path, source: Path) -> BinaryIO:
    """The file, opened. What was opened is looked at, not what has the name: a path could be exchanged for a link meanwhile."""
    file = os.fdopen(os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
    real = Path(os.readlink(f"/proc/self/fd/{file.fileno()}"))  # noqa: PTH115  the kernel's word for what it is
    if real.is_relative_to(root.resolve()):
        return file
    file.close()
    message = f"{source.name} is not in the app any more"
    raise HostileSourceError(message, advice="Let the build's commands end what they start.")


def _moment(file: BinaryIO) -> int:
    """A time that is the same for the same content."""
    found = hashlib.sha256()
    while block := file.read(1 << 20):
        found.update(block)
    return _EPOCH + int.from_bytes(found.digest()[:6]) % _SPAN
