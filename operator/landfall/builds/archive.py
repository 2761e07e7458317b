"""Unpacking of uploaded archives, zip or tar: an entry that leaves the folder or exceeds a limit is rejected with its name.

Only regular files, folders, and links inside the archive are unpacked. Sizes are counted while bytes are read, because the sizes that an
archive declares are not trusted.
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from landfall.builds.errors import BuildError, HostileSourceError

_BLOCK = 256 * 1024
_NAME_OCTETS = 255


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """ArchiveLimits of an archive: bytes in total and in one file, and number of entries."""

    octets: int = 2 * 1024**3
    file_octets: int = 512 * 1024**2
    entries: int = 200_000


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of an archive: its path, its type, and a function to read it."""

    name: str
    kind: str
    link: str = ""
    runnable: bool = False
    read: Callable[[], IO[bytes] | None] = lambda: None


def unpacked(archive: Path, folder: Path, limits: ArchiveLimits | None = None) -> Path:
    """Unpack an archive into an empty folder.

    Returns:
        The root of the app: the folder, or the single folder in it that contains everything.

    Raises:
        HostileSourceError: An entry leaves the folder, or a limit is exceeded.
        BuildError: The file is not a valid archive.
    """
    allowed = limits or ArchiveLimits()
    try:
        _write_entries(_entries(archive), folder, allowed)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        message = f"{archive.name} cannot be read: {error}"
        raise BuildError(message, advice="Upload a complete, unencrypted zip, or a tar with gzip, bzip2 or xz.") from error
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() and not inside[0].is_symlink() else folder


def _entries(archive: Path) -> Iterator[_Entry]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            yield from (_of_zip(opened, info) for info in opened.infolist())
        return
    with tarfile.open(archive) as tar:
        yield from (_of_tar(tar, member) for member in tar)


def _of_zip(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Entry:
    mode = info.external_attr >> 16
    if info.is_dir():
        return _Entry(info.filename.rstrip("/"), "folder")
    if stat.S_ISLNK(mode):
        with opened.open(info) as read:
            return _Entry(info.filename, "link", read.read(4096).decode("utf-8", "replace"))
    if mode and stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
        return _Entry(info.filename, "other")
    return _Entry(info.filename, "file", runnable=bool(mode & 0o111), read=lambda: opened.open(info))


def _of_tar(tar: tarfile.TarFile, member: tarfile.TarInfo) -> _Entry:
    if member.isdir():
        return _Entry(member.name, "folder")
    if member.issym():
        return _Entry(member.name, "link", member.linkname)
    if member.isfile():
        return _Entry(member.name, "file", runnable=bool(member.mode & 0o111), read=lambda: tar.extractfile(member))
    return _Entry(member.name, "other")  # hard links and devices: archives of repositories do not contain them


def _write_entries(entries: Iterator[_Entry], folder: Path, allowed: ArchiveLimits) -> None:
    remaining_octets = allowed.octets
    links: list[tuple[Path, _Entry]] = []
    for count, entry in enumerate(entries, 1):
        if count > allowed.entries:
            message = f"the archive has more than {allowed.entries} entries"
            raise HostileSourceError(
                message, advice="Exclude files that are not sources, such as node_modules and build results."
            )
        if entry.name in {"", ".", "./", "pax_global_header"}:
            continue
        place = folder / _safe(entry.name)
        if entry.kind == "folder":
            place.mkdir(parents=True, exist_ok=True)
        elif entry.kind == "link":
            links.append((place, entry))
        elif entry.kind == "file":
            place.parent.mkdir(parents=True, exist_ok=True)
            remaining_octets -= _copied(entry, place, min(remaining_octets, allowed.file_octets), allowed)
        else:
            message = f"{_shortened(entry.name)} is not a file, folder or link"
            raise HostileSourceError(message, advice="Add only source files.")
    for place, entry in links:  # last, so that no file is written through a link
        _linked(place, entry, folder)
    for place, entry in links:
        if _goes_round(place):
            message = f"{_shortened(entry.name)} is a link to itself"
            raise HostileSourceError(message, advice="Remove the link.")


def _goes_round(link: Path) -> bool:
    try:
        link.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def _safe(name: str) -> PurePosixPath:
    """The path of an entry if it stays inside the folder. Windows separators and drive letters are not allowed."""
    path = PurePosixPath(name)
    odd = "\\" in name or "\0" in name or any(ord(c) < 32 for c in name) or (len(name) > 1 and name[1] == ":")
    if odd or path.is_absolute() or ".." in path.parts or any(len(p.encode()) > _NAME_OCTETS for p in path.parts):
        message = f"{_shortened(name)} leaves the archive, or is not a valid file name"
        raise HostileSourceError(message, advice="Create the archive from inside the source folder.")
    return path


def _shortened(name: str) -> str:
    return repr(name if len(name) <= 120 else f"{name[:117]}…")


def _copied(entry: _Entry, place: Path, most: int, allowed: ArchiveLimits) -> int:
    source = entry.read()
    if source is None or place.exists():
        message = f"{_shortened(entry.name)} occurs twice" if place.exists() else f"{_shortened(entry.name)} cannot be read"
        raise HostileSourceError(message, advice="Create the archive again, with each file once.")
    size = 0
    with source, place.open("wb") as out:
        while block := source.read(_BLOCK):
            size += len(block)
            if size > most:
                message = f"unpacked, {_shortened(entry.name)} or the whole archive exceeds its limit ({allowed.file_octets} and {allowed.octets} bytes)"
                raise HostileSourceError(message, advice="Exclude files that are not sources, or raise the limit.")
            out.write(block)
    if entry.runnable:
        place.chmod(0o755)
    return size


def _linked(place: Path, entry: _Entry, folder: Path) -> None:
    target = Path(os.path.realpath(place.parent / entry.link))  # unlike resolve(), it accepts cyclic links
    if entry.link.startswith("/") or not target.is_relative_to(folder.resolve()) or place.exists():
        message = f"{_shortened(entry.name)} is a link to {_shortened(entry.link)}, which leaves the archive"
        raise HostileSourceError(message, advice="Remove the link.")
    place.parent.mkdir(parents=True, exist_ok=True)
    if not Path(os.path.realpath(place.parent)).is_relative_to(folder.resolve()):
        message = f"{_shortened(entry.name)} is in a folder that is a link"
        raise HostileSourceError(message, advice="Remove the link.")
    place.symlink_to(entry.link)
