"""Programs that Debian has in unstable alone: unpacked there into the cache, and run from the cache.

Each runs with the libraries that came with it, by their own loader, so that nothing is installed and nothing need be root's but the unpacking.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.caches import alone

_SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_MIRROR = re.compile(r"^(?:URIs:\s*|deb (?:\[[^]]*\] )?)(\w+:\S+)", re.MULTILINE)
_VERSION = re.compile(r'(?:version|Ver) "?(\d[\w.-]*)')
_LIBRARIES = "usr/lib/*-linux-gnu*"


@dataclass(frozen=True, slots=True)
class Unstable:
    """A program of a package of Debian unstable.

    `name` is that of its folder in the cache, `program` its path below that folder. `kept` are patterns of what it needs besides the libraries,
    `libraries` more folders of libraries below theirs, and `options` what it needs before it says its version.
    """

    name: str
    package: str
    program: str
    kept: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def home(self) -> Path:
        """The newest one in the cache, `<name>-<version of the package>`; where there is none, Debian unstable's."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "landfall"
        return self._newest(cache) or self._installed(cache)

    def command(self) -> tuple[str, ...]:
        """The program, with the libraries that came with it, for the arguments to follow."""
        return self._run_from(self.home())

    def version(self) -> str:
        """Its version, without Debian's revision."""
        return self.home().name.removeprefix(f"{self.name}-").partition("-")[0]

    def _newest(self, cache: Path) -> Path | None:
        return max(cache.glob(f"{self.name}-[0-9]*"), key=lambda p: p.stat().st_mtime, default=None)

    def _installed(self, cache: Path) -> Path:
        with alone(cache / self.name):
            return self._newest(cache) or self._fetched(cache)

    def _fetched(self, cache: Path) -> Path:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=f".{self.name}-") as work:
            tree, selected = Path(work) / "tree", Path(work) / "kept"
            _unpack(self.package, tree)
            for pattern in (self.program, *self.kept, _LIBRARIES):
                for source in tree.glob(pattern):
                    place = selected / source.relative_to(tree)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.move(source, place)
            home = cache / f"{self.name}-{self._version_in(selected)}"
            if not home.exists():
                selected.rename(home)
            return home

    def _version_in(self, home: Path) -> str:
        command = [*self._run_from(home), *self.options, "--version"]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        match = _VERSION.search(output)
        if not match:
            message = f"{self.program} does not say its version: {output[:200]}"
            raise RuntimeError(message)
        return match.group(1)

    def _run_from(self, home: Path) -> tuple[str, ...]:
        (folder,) = home.glob(_LIBRARIES)
        paths = ":".join(str(folder / more) for more in ("", *self.libraries))
        return (str(next(folder.glob("ld-linux*"))), "--library-path", paths, str(home / self.program))


def _unpack(package: str, tree: Path) -> None:
    """A package of Debian unstable, with all that it depends on."""
    mode = "root" if os.getuid() == 0 else "unshare"
    options = ['--aptopt=APT::Sandbox::User "root"', '--aptopt=Acquire::Check-Valid-Until "false"']
    subprocess.run(
        [
            *("mmdebstrap", "--quiet", "--variant=extract", f"--mode={mode}", *options),
            *(f"--include={package}", "sid", str(tree), f"deb [signed-by={_KEYRING}] {_mirror()} sid main"),
        ],
        check=True,
    )


def _mirror() -> str:
    """The mirror of Debian that this machine installs from."""
    for file in _SOURCES:
        match = _MIRROR.search(file.read_text()) if file.exists() else None
        if match:
            return match.group(1)
    message = f"none of {', '.join(map(str, _SOURCES))} names a mirror of Debian"
    raise RuntimeError(message)
