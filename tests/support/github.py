"""GitHub's REST API as its description of 2022-11-28 has it, as far as we ask: repositories, commits, tarballs; with tokens, ETags and rate limits.

Repositories are folders of text in memory. A private one is 404 to those who may not read it, as on the real one, and a tarball is a
redirect to another host name, which must not be sent the token.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import time
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from tests.support.quiet import Listening, QuietHandler


@dataclass
class Repository:
    """Commits by name, and branches."""

    private: bool = False
    default: str = "main"
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)


class GitHub(Listening):
    """Listens on an address. `token` reads what is private; `writes`: it may set statuses, too; `limited` answers that the rate limit is used up."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, token: str = "ghp_reads") -> None:  # noqa: S107  of a server of ours
        super().__init__(_Handler, (host, port), (host, 0))  # another port, and so another origin
        self.repositories: dict[str, Repository] = {}
        self.token = token
        self.writes = False
        self.statuses: list[tuple[str, str, str]] = []
        self.limited = 0
        self.down = False
        self.asked: list[tuple[str, str]] = []
        self.url = f"http://{host}:{self.ports[0]}"
        self.codeload = f"http://{host}:{self.ports[1]}/codeload"

    def push(self, name: str, files: dict[str, str], message: str, branch: str = "main", *, private: bool = False) -> str:
        """A commit on a branch; its name."""
        repository = self.repositories.setdefault(name, Repository(private))
        before = repository.branches.get(branch, "")
        sha = hashlib.sha1(json.dumps([before, files, message]).encode()).hexdigest()  # noqa: S324  as git names commits
        repository.commits[sha] = (message, dict(files))
        repository.branches[branch] = sha
        return sha

    def reset(self, name: str, sha: str, branch: str = "main") -> None:
        """Point a branch at a commit that is there already, as a forced push does."""
        assert sha in self.repositories[name].commits, sha
        self.repositories[name].branches[branch] = sha


def _changes(files: dict[str, str]) -> list[dict[str, str]]:
    """What a commit changed, with its patches, as each answer has it."""
    return [{"filename": path, "status": "added", "patch": text} for path, text in files.items()]


def tarball(name: str, sha: str, files: dict[str, str]) -> bytes:
    """As codeload packs it: everything in one folder, with a global header that tells the commit."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.PAX_FORMAT, pax_headers={"comment": sha}) as tar:
        for path, text in files.items():
            data = text.encode()
            info = tarfile.TarInfo(f"{name.replace('/', '-')}-{sha[:7]}/{path}")
            info.size, info.mode = len(data), 0o755 if path.endswith(".sh") else 0o644
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


class _Handler(QuietHandler):
    service: GitHub

    def handled(self) -> None:
        """Every question that is answered here."""
        if self.command == "POST":
            self._status()
            return
        path = unquote(urlsplit(self.path).path)
        authorization = self.headers.get("Authorization", "")
        self.service.asked.append((path, authorization))
        if self.service.down:
            self._answer_json(503, {"message": "Service Unavailable"})
        elif path.startswith("/codeload/"):
            self._codeload(path, authorization)
        elif authorization and authorization != f"Bearer {self.service.token}":
            self._answer_json(401, {"message": "Bad credentials"})
        elif self.service.limited:
            self.service.limited -= 1
            reset = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time()) + 2)}
            self._answer_json(403, {"message": "API rate limit exceeded"}, reset)
        else:
            self._repository(path, authorization)

    def _status(self) -> None:
        body = json.loads(self.body())
        parts = urlsplit(self.path).path.strip("/").split("/")
        if self.headers.get("Authorization") != f"Bearer {self.service.token}":
            self._answer_json(401, {"message": "Bad credentials"})
        elif not self.service.writes:
            self._answer_json(403, {"message": "Resource not accessible by personal access token"})
        elif (
            parts[3:4] != ["statuses"]
            or body["state"] not in {"error", "failure", "pending", "success"}
            or len(body["description"]) > 140
        ):
            self._answer_json(422, {"message": "Validation Failed"})
        else:
            self.service.statuses.append((parts[4], body["state"], body["context"]))
            self._answer_json(201, {"id": 1, **body})

    def _repository(self, path: str, authorization: str) -> None:
        parts = path.strip("/").split("/")
        name = "/".join(parts[1:3])
        repository = self.service.repositories.get(name) if parts[0] == "repos" else None
        if repository is None or (repository.private and not authorization):
            self._answer_json(404, {"message": "Not Found"})
        elif len(parts) == 3:
            self._answer_json(200, {"full_name": name, "default_branch": repository.default, "private": repository.private})
        elif parts[3] == "commits":
            self._commit(repository, "/".join(parts[4:]))
        elif parts[3] == "tarball" and (sha := _commit_of(repository, "/".join(parts[4:]))):
            self._answer_json(302, {}, {"Location": f"{self.service.codeload}/{name}/{sha}"})
        else:
            self._answer_json(404, {"message": "Not Found"})

    def _commit(self, repository: Repository, ref: str) -> None:
        sha = _commit_of(repository, ref)
        if not sha:
            self._answer_json(422, {"message": f"No commit found for SHA: {ref}"})
            return
        tag = f'"{sha}"'
        if self.headers.get("If-None-Match") == tag:
            self._answer_json(304, None, {"ETag": tag})
        else:
            self._answer_json(
                200,
                {"sha": sha, "commit": {"message": repository.commits[sha][0]}, "files": _changes(repository.commits[sha][1])},
                {"ETag": tag},
            )

    def _codeload(self, path: str, authorization: str) -> None:
        name, _, sha = path.removeprefix("/codeload/").rpartition("/")
        if authorization:
            self._answer_json(400, {"message": "a token came to a host that it is not for"})
            return
        data = tarball(name, sha, self.service.repositories[name].commits[sha][1])
        self.answer(200, data, {"Content-Type": "application/x-gzip"})

    def _answer_json(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.answer(status, data, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


def _commit_of(repository: Repository, ref: str) -> str:
    if ref in repository.branches:
        return repository.branches[ref]
    return next((sha for sha in repository.commits if len(ref) >= 7 and sha.startswith(ref)), "")
