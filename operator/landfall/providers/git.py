"""Git over HTTP, for hosts other than GitHub: the commit of a branch, and the files of one commit. Uses dulwich, an implementation in Python.

This machine's own git configuration is ignored. Only one commit of a repository is fetched, without its history.
"""

from __future__ import annotations

import io
import re
import stat
import tarfile
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dulwich.client import HTTPUnauthorized, Urllib3HttpGitClient, default_urllib3_manager, read_pkt_refs_v1
from dulwich.config import ConfigDict
from dulwich.errors import GitProtocolError, HangupException, NotGitRepository
from dulwich.object_store import iter_tree_contents
from dulwich.objects import Blob, Commit, ObjectID
from dulwich.protocol import Protocol
from dulwich.refs import Ref
from dulwich.repo import Repo
from urllib3 import Retry
from urllib3.exceptions import HTTPError, MaxRetryError, ResponseError

from landfall.lib import outgoing
from landfall.lib import urls as addresses
from landfall.providers.errors import ProviderError
from landfall.providers.outside import forbidden

_TIMEOUT_SECONDS = 15.0
_LIMITS = outgoing.Timeouts(total=30, read=15)
_MOST_REFS = 32 << 20
_FILE_OF_REFS = re.compile(rb"([0-9a-f]{40}\trefs/[^\n]*\n)+")
_NOBODY = "oauth2"
_FORBIDDEN = re.compile(r"http resp 403 ")  # dulwich gives a status only as text, beside a URL that may contain the same digits
_MESSAGE = 200


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository by its URL, and its credentials. Hosts that check only the token accept any user name."""

    url: str
    token: str = ""
    username: str = ""

    @property
    def host(self) -> str:
        """The host of the URL."""
        return urlsplit(self.url).hostname or self.url

    @property
    def path(self) -> str:
        """The path of the URL."""
        return urlsplit(self.url).path


@dataclass(frozen=True, slots=True)
class Fetched:
    """The result of a fetch: the first line of the commit's message, and the submodules that were skipped."""

    message: str
    submodules: tuple[str, ...] = ()


async def head(client: outgoing.Client, remote: Remote, branch: str = "") -> tuple[str, str]:
    """Look up the commit that a branch is at.

    Args:
        client: The client for hosts that users name.
        remote: The repository.
        branch: The branch; empty for the repository's default.

    Returns:
        The commit and the name of the branch.

    Raises:
        ProviderError: The host denies access, has no such repository or branch, or did not answer in time with at most 32 MiB.
    """
    refs = _refs_of(remote, await _advertised(client, remote))
    name = branch or refs.default
    sha = refs.commits.get(f"refs/heads/{name}" if name else "HEAD")
    if not sha:
        message = f"{remote.url} has no branch {name!r}." if name else f"{remote.url} has no commit yet."
        raise ProviderError("SourceMissing", f"{message} Correct source.git.branch.")
    return sha, name


@dataclass(frozen=True, slots=True)
class _Refs:
    """Commits by the full names of refs, and the name of the default branch; empty if the host does not tell it."""

    commits: Mapping[str, str]
    default: str = ""


async def _advertised(client: outgoing.Client, remote: Remote) -> bytes:
    """The answer to the first request of a fetch: all refs. Redirects are not followed, so that the token stays with its host."""
    _split(remote)
    url = f"{remote.url.rstrip('/')}/info/refs?service=git-upload-pack"
    headers = {"User-Agent": "git/landfall", "Accept": "*/*"}
    if remote.token:
        headers["Authorization"] = outgoing.basic_auth(remote.username or _NOBODY, remote.token)
    try:
        async with outgoing.send(client, "GET", url, _LIMITS, headers=headers) as answer:
            if answer.status_code == 200:
                return await outgoing.body(answer, _MOST_REFS)
            raise _status_error(remote, answer.status_code)
    except outgoing.ForbiddenHostError as error:
        raise ProviderError("SourceRefused", forbidden(error.host)) from error
    except outgoing.OutgoingError as error:
        raise _unreachable(remote, error.kind) from error


def _refs_of(remote: Remote, data: bytes) -> _Refs:
    """Read refs as a server prints them, or as a list in a file where a plain web server has the repository."""
    if _FILE_OF_REFS.fullmatch(data):
        return _Refs({name: sha for sha, _, name in (line.partition("\t") for line in data.decode().splitlines())})
    try:
        lines = Protocol(io.BytesIO(data).read, lambda _: None)
        for line in lines.read_pkt_seq():
            if not line.startswith(b"# service="):
                raise GitProtocolError("no service")  # noqa: TRY301  handled below
        refs, capabilities = read_pkt_refs_v1(lines.read_pkt_seq())
    except (GitProtocolError, HangupException, ValueError, AssertionError) as error:
        raise _no_repository(remote) from error
    prefix = b"symref=HEAD:refs/heads/"
    default = next((c.removeprefix(prefix) for c in capabilities if c.startswith(prefix)), b"")
    return _Refs(
        {name.decode("utf-8", "replace"): sha.decode() for name, sha in refs.items()}, default.decode("utf-8", "replace")
    )


def packed(remote: Remote, commit: str, file: Path) -> Fetched:
    """Fetch one commit and write its files into a tar. Blocks. Raises ProviderError."""
    client, path = _client(remote)
    commit_id = ObjectID(commit.encode())

    def wants(refs: Mapping[Ref, ObjectID], depth: int | None = None) -> list[ObjectID]:
        del refs, depth
        return [commit_id]

    with tempfile.TemporaryDirectory(prefix="git-", dir=file.parent) as folder, Repo.init_bare(folder) as repository:
        try:
            client.fetch(path, repository, determine_wants=wants, depth=1)
            obj = repository[commit_id]
        except KeyError as error:
            raise _absent(remote, commit) from error
        except GitProtocolError as error:
            if "not our ref" in str(error) or "unadvertised" in str(error):
                raise _absent(remote, commit) from error
            raise _error_of(remote, error) from error
        except (HTTPUnauthorized, NotGitRepository, HTTPError, OSError) as error:
            raise _error_of(remote, error) from error
        if not isinstance(obj, Commit):
            raise _absent(remote, commit)
        submodules = _write_tree(repository, obj.tree, file)
        lines: Sequence[str] = obj.message.decode("utf-8", "replace").strip().splitlines()
        return Fetched(lines[0][:_MESSAGE] if lines else "", tuple(submodules))


def _split(remote: Remote) -> None:
    """Check the URL."""
    try:
        addresses.split(remote.url)
    except addresses.AddressError as error:
        raise ProviderError("SourceMissing", f"source.git.url: {error}. Correct it.") from error


def _client(remote: Remote) -> tuple[Urllib3HttpGitClient, str]:
    _split(remote)
    parts = urlsplit(remote.url)
    name = (remote.username or _NOBODY) if remote.token else None
    base = f"{parts.scheme}://{parts.netloc}"
    settings = ConfigDict()
    pool = default_urllib3_manager(settings, base_url=base, timeout=_TIMEOUT_SECONDS)
    pool.connection_pool_kw["retries"] = Retry(0, redirect=0)  # redirects are not followed, so that the token stays with its host
    return Urllib3HttpGitClient(
        base, pool_manager=pool, config=settings, username=name, password=remote.token or None, quiet=True
    ), parts.path


def _write_tree(repository: Repo, tree: ObjectID, file: Path) -> Iterable[str]:
    """Write the files of a tree as a tar, which is unpacked as carefully as any archive; returns the submodules in it."""
    submodules: list[str] = []
    with tarfile.open(file, "w") as tar:
        for entry in iter_tree_contents(repository.object_store, tree):
            name = (entry.path or b"").decode("utf-8", "surrogateescape")
            mode = entry.mode or 0
            if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
                submodules.append(name)
                continue
            blob = repository[entry.sha] if entry.sha else None
            data = blob.data if isinstance(blob, Blob) else b""
            info = tarfile.TarInfo(name)
            if stat.S_ISLNK(mode):
                info.type, info.linkname = tarfile.SYMTYPE, data.decode("utf-8", "surrogateescape")
                tar.addfile(info)
            else:
                info.size, info.mode = len(data), 0o755 if mode & 0o100 else 0o644
                tar.addfile(info, io.BytesIO(data))
    return submodules


def _absent(remote: Remote, commit: str) -> ProviderError:
    message = (
        f"{remote.host} has no commit {commit} of {remote.path}, or serves only commits of its branches."
        " Correct source.git.commit, or follow a branch."
    )
    return ProviderError("SourceMissing", message)


def _error_of(remote: Remote, error: Exception) -> ProviderError:
    cause = error.__cause__ or error
    if isinstance(error, HTTPUnauthorized):
        return _status_error(remote, 401)
    if isinstance(cause, MaxRetryError) and isinstance(cause.reason, ResponseError):
        return _status_error(remote, 301)
    if isinstance(error, NotGitRepository) or _FORBIDDEN.search(str(error)):
        return _no_repository(remote)
    return _unreachable(remote, type(cause).__name__)


def _status_error(remote: Remote, status: int) -> ProviderError:
    """What a status other than 200 means."""
    if status == 401:
        way = "renew the token" if remote.token else "give a token that may read it (source.git.tokenSecretRef)"
        return ProviderError("SourceRefused", f"{remote.host} denies access to {remote.path}: {way}.")
    if 300 <= status < 400:
        message = (
            f"{remote.host} redirects requests for {remote.path}: set source.git.url to the new URL, which often ends in .git."
        )
        return ProviderError("SourceMissing", message)
    if status in {403, 404, 410}:
        return _no_repository(remote)
    return _unreachable(remote, f"status {status}")


def _no_repository(remote: Remote) -> ProviderError:
    message = f"{remote.host} has no repository at {remote.path}. Correct source.git.url, or give a token if it is private."
    return ProviderError("SourceMissing", message)


def _unreachable(remote: Remote, cause: str) -> ProviderError:
    return ProviderError("SourceUnreachable", f"{remote.host} is not reachable for {remote.path}: {cause}. It is retried.")
