"""Fetches the sources of one commit or one archive into an empty folder. The token is sent only to its own host."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from landfall.builds.archive import unpacked
from landfall.builds.errors import BuildError
from landfall.builds.planning import located
from landfall.lib import outgoing
from landfall.lib import urls as addresses

_MOST_OCTETS = 512 * 1024 * 1024
_LIMITS = outgoing.Timeouts(total=600, read=60)
_HOPS = 5
_WRAPPED = ".landfall-sources"


class SourceError(BuildError):
    """The source does not exist, or the token cannot read it."""

    reason = "SourceMissing"


class SourceUnreachableError(BuildError):
    """The host of the source does not answer. Retryable."""

    reason = "SourceUnreachable"


@dataclass(frozen=True, slots=True)
class Archive:
    """The URL of an archive, its token, and its expected digest if known."""

    url: str
    token: str = ""
    sha256: str = ""


def tarball(base: str, repository: str, commit: str, token: str) -> Archive:
    """GitHub's tarball of a commit (`GET /repos/{owner}/{repo}/tarball/{ref}`), which answers with a redirect."""
    return Archive(f"{base}/repos/{repository}/tarball/{commit}", token)


async def fetched(archive: Archive, scratch: Path, into: Path, path: str = ".") -> None:
    """Download, verify and unpack an archive; move the folder of the app to `into`. Raises BuildError."""
    file = scratch / "archive"
    async with outgoing.client(proxies=True) as client:
        try:
            digest = await _downloaded(client, archive, file)
        except ValueError as error:  # each parser of URLs has its own error type
            message = "the URL of the archive, or of a redirect, has no valid host"
            raise SourceError(message, advice="Correct the URL of the source.") from error
        except outgoing.OutgoingError as error:
            message = f"{_host(archive.url)} cannot be reached: {error.kind}"
            raise SourceUnreachableError(message, advice="It is retried.") from error
    if archive.sha256 and digest != archive.sha256:
        message = f"the archive has the digest {digest}, not {archive.sha256}"
        raise SourceError(message, advice="Set source.zip.sha256 to the digest of this archive, or correct the URL.")
    place(file, into, path)


def place(file: Path, into: Path, path: str = ".") -> None:
    """Unpack an archive, and move the folder of the app to `into`. Raises BuildError."""
    _placed(unpacked(file, into), into, path)
    file.unlink()


def emptied(folder: Path, excluded: Path | None = None) -> None:
    """Remove the contents of a folder, except one entry."""
    for path in [p for p in folder.iterdir() if p != excluded]:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


async def _downloaded(client: outgoing.Client, archive: Archive, file: Path) -> str:
    url, headers = (
        archive.url,
        {"Authorization": f"Bearer {archive.token}"} if archive.token else {},
    )
    for _ in range(_HOPS):
        addresses.split(url)
        async with outgoing.send(client, "GET", url, _LIMITS, headers=headers) as answer:
            if answer.status_code in {301, 302, 303, 307, 308}:
                following = urljoin(url, answer.headers.get("Location", ""))
                if urlsplit(following).netloc != urlsplit(url).netloc:
                    headers.pop("Authorization", None)
                url = following
                continue
            if answer.status_code != 200:
                raise _refused(answer.status_code, archive)
            return await _store(answer, file)
    message = f"{_host(archive.url)} redirects too many times"
    raise SourceError(message, advice="Use the final URL of the archive.")


async def _store(answer: outgoing.Response, file: Path) -> str:
    digest, size = hashlib.sha256(), 0
    with file.open("wb") as out:
        async for piece in outgoing.chunks(answer):
            size += len(piece)
            if size > _MOST_OCTETS:
                message = f"the archive is larger than {_MOST_OCTETS} octets"
                raise SourceError(message, advice="Exclude files that are not sources, such as node_modules and build results.")
            digest.update(piece)
            out.write(piece)
    return digest.hexdigest()


def _refused(status: int, archive: Archive) -> BuildError:
    message = f"{_host(archive.url)} answered {status} for {urlsplit(archive.url).path}"
    if status in {401, 403}:
        return SourceError(message, advice="Use a token that can read it.")
    if status in {404, 410, 422}:
        return SourceError(message, advice="Correct the repository, the commit or the URL; use a token if it is private.")
    return SourceUnreachableError(message, advice="It is retried.")


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _placed(root: Path, into: Path, path: str) -> None:
    """Move the contents of the app's folder to the top, and remove the rest; a workspace that the app belongs to is moved as a whole."""
    if root != into:
        root = root.rename(into / _WRAPPED)
    app = located(root, path)[0]
    if not app.resolve().is_relative_to(root.resolve()) or not app.is_dir():
        message = f"there is no folder {path!r} in the sources"
        raise SourceError(message, advice="Correct spec.path.")
    if app == into:
        return
    folder = app.rename(into / f"{_WRAPPED}-app") if app != root else app
    emptied(into, folder)
    for child in list(folder.iterdir()):
        child.rename(into / child.name)
    folder.rmdir()
