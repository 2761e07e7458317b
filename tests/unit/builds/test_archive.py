"""Archives that somebody sent: what is whole is unpacked, and what is hostile is refused by name and leaves nothing outside."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.builds.archive import ArchiveLimits, unpacked
from landfall.builds.errors import BuildError, HostileSourceError

Things = list[tuple[str, str, str]]  # name, kind, contents or target


def _tar(path: Path, things: Things, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, kind, text in things:
            info = tarfile.TarInfo(name)
            info.type = {
                "file": tarfile.REGTYPE,
                "link": tarfile.SYMTYPE,
                "hard": tarfile.LNKTYPE,
                "device": tarfile.CHRTYPE,
            }.get(kind, tarfile.DIRTYPE)
            info.linkname = text if kind in {"link", "hard"} else ""
            info.mode = 0o755
            info.size = len(text.encode()) if kind == "file" else 0
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


def _zip(path: Path, things: Things) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, kind, text in things:
            info = zipfile.ZipInfo(name + ("/" if kind == "folder" else ""))
            kinds = {
                "file": stat.S_IFREG | 0o755,
                "link": stat.S_IFLNK | 0o777,
                "device": stat.S_IFCHR | 0o600,
                "folder": stat.S_IFDIR | 0o755,
            }
            info.external_attr = kinds[kind] << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, text)
    return path


_GOOD: Things = [
    ("shop-1a2b3c", "folder", ""),
    ("shop-1a2b3c/package.json", "file", "{}"),
    ("shop-1a2b3c/src/a.js", "file", "a"),
    ("shop-1a2b3c/current", "link", "src"),
]
_MAKERS: list[Callable[[Path, Things], Path]] = [_tar, _zip]


@pytest.mark.parametrize("make", _MAKERS)
def test_what_is_whole_is_unpacked_without_its_wrapper(tmp_path: Path, make: Callable[[Path, Things], Path]) -> None:
    (tmp_path / "out").mkdir()
    root = unpacked(make(tmp_path / "a", _GOOD), tmp_path / "out")
    assert root.name == "shop-1a2b3c"
    assert (root / "src" / "a.js").read_text() == "a"
    assert (root / "current" / "a.js").read_text() == "a"
    assert (root / "package.json").stat().st_mode & 0o111
    (tmp_path / "flat").mkdir()
    assert unpacked(make(tmp_path / "b", [("x", "file", ""), ("y", "file", "")]), tmp_path / "flat") == tmp_path / "flat"


HOSTILE: dict[str, Things] = {
    "a path upwards": [("../evil", "file", "x")],
    "a path upwards inside": [("a/../../evil", "file", "x")],
    "an absolute path": [("/tmp/evil", "file", "x")],  # noqa: S108  what an attacker writes
    "Windows' separators": [("..\\evil", "file", "x")],
    "a drive": [("C:evil", "file", "x")],
    "a control character": [("a\nb", "file", "x")],
    "a name that is too long": [("a" * 300, "file", "x")],
    "an absolute link": [("a", "link", "/etc/passwd")],
    "a link upwards": [("a/b", "link", "../../evil")],
    "a file through a link": [("a", "link", ".."), ("a/evil", "file", "x")],
    "a link to itself": [("a", "link", "a")],
    "links in a circle": [("a", "link", "b"), ("b", "link", "a")],
    "a file twice": [("a", "file", "x"), ("a", "file", "y")],
    "a device": [("a", "device", "")],
}


@pytest.mark.parametrize("make", _MAKERS)
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_is_hostile_is_refused(tmp_path: Path, make: Callable[[Path, Things], Path], name: str) -> None:
    (tmp_path / "in" / "out").mkdir(parents=True)
    archive = make(tmp_path / "a", [("ok.txt", "file", "fine"), *HOSTILE[name]])
    with pytest.raises(HostileSourceError) as error:
        unpacked(archive, tmp_path / "in" / "out")
    assert error.value.advice
    assert {p.name for p in (tmp_path / "in").iterdir()} == {"out"}
    assert not [p for p in tmp_path.rglob("evil") if "out" not in p.parts]


def test_hard_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(HostileSourceError, match="not a file"):
        unpacked(_tar(tmp_path / "a", [("x", "file", "x"), ("y", "hard", "x")]), tmp_path / "out")


@pytest.mark.parametrize("make", _MAKERS)
def test_bombs_are_stopped_by_what_arrives(tmp_path: Path, make: Callable[[Path, Things], Path]) -> None:
    archive = make(tmp_path / "a", [("zeros", "file", "\0" * 3_000_000)])
    assert archive.stat().st_size < 30_000
    limits = [ArchiveLimits(file_octets=1_000_000), ArchiveLimits(octets=1_000_000), ArchiveLimits(entries=0)]
    for number, limit in enumerate(limits):
        (tmp_path / str(number)).mkdir()
        with pytest.raises(HostileSourceError, match=r"exceeds its limit|more than 0 entries"):
            unpacked(archive, tmp_path / str(number), limit)
        assert sum(f.stat().st_size for f in (tmp_path / str(number)).rglob("*")) <= 1_000_000
    many = make(tmp_path / "b", [(f"f{n}", "file", "x" * 400) for n in range(10)])
    (tmp_path / "many").mkdir()
    with pytest.raises(HostileSourceError, match="exceeds its limit"):
        unpacked(many, tmp_path / "many", ArchiveLimits(octets=3000))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04rubbish", b"\x1f\x8b\x08\x00rubbish", b"not an archive at all" * 40])
def test_what_is_no_archive_is_said(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(data)
    (tmp_path / "out").mkdir()
    with pytest.raises(BuildError, match=r"a\.zip cannot be read"):
        unpacked(tmp_path / "a.zip", tmp_path / "out")


def test_a_cut_archive_is_said(tmp_path: Path) -> None:
    whole = _tar(tmp_path / "w", [("x", "file", "abc" * 9999)]).read_bytes()
    (tmp_path / "a.tgz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "out").mkdir()
    with pytest.raises(BuildError):
        unpacked(tmp_path / "a.tgz", tmp_path / "out")


_NAMES = st.text(st.sampled_from("ab./\\:\0é\n"), min_size=1, max_size=12)


@given(st.lists(st.tuples(_NAMES, st.sampled_from(["file", "link", "folder"]), _NAMES), max_size=6))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_whatever_it_holds_nothing_is_written_outside(tmp_path_factory: pytest.TempPathFactory, things: Things) -> None:
    place = tmp_path_factory.mktemp("x")
    (place / "in" / "out").mkdir(parents=True)
    storable = [(name.replace("\0", "0"), kind, text.replace("\0", "0")) for name, kind, text in things]
    archive = _tar(place / "archive", storable)
    inside = (place / "in" / "out").resolve()
    with contextlib.suppress(BuildError, OSError):
        unpacked(archive, inside)
        assert all(Path(os.path.realpath(p)).is_relative_to(inside) for p in inside.rglob("*"))
    assert {p.name for p in place.iterdir()} == {"in", "archive"}
    assert {p.name for p in (place / "in").iterdir()} == {"out"}
