"""A git host: git's own `http-backend` behind HTTP, with a password for what is private."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.quiet import Listening, QuietHandler

_PERSON = {f"GIT_{who}_{what}": "dev@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


class GitHost(Listening):
    """Repositories are folders below `root`; `private` ones open for `login`. `old`: it speaks no protocol 2."""

    def __init__(self, root: Path, host: str = "127.0.0.1") -> None:
        super().__init__(_Handler, (host, 0))
        self.root = root
        self.private: set[str] = set()
        self.login = ("deploy", "glpat-reads")
        self.down = self.old = False
        self.sends_to = ""
        self.requests: list[str] = []
        self.url = f"http://{host}:{self.ports[0]}"

    def push(
        self,
        name: str,
        files: dict[str, str],
        message: str,
        branch: str = "main",
        links: dict[str, str] | None = None,
        *,
        over: bool = False,
    ) -> str:
        """A commit on a branch, or `over` its last one; its name."""
        work, remote = self.root / f"{name}.work", self.root / f"{name}.git"
        if not remote.exists():
            self._git(self.root, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
            self._git(self.root, "init", "--quiet", "--initial-branch=main", str(work))
        self._git(work, "checkout", "--quiet", "-B", branch)
        for path, text in files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(text, encoding="utf-8")
        for path, to in (links or {}).items():
            (work / path).symlink_to(to)
        self._git(work, "add", "--all")
        self._git(work, "commit", "--quiet", *(["--amend"] if over else []), "--message", message)
        self._git(work, "push", "--quiet", "--force", str(remote), branch)
        return self._git(work, "rev-parse", "HEAD").strip()

    def address(self, name: str) -> str:
        """What is cloned."""
        return f"{self.url}/{name}.git"

    @staticmethod
    def _git(folder: Path, *arguments: str) -> str:
        environment = {**os.environ, **_PERSON, "GIT_CONFIG_GLOBAL": os.devnull}
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


class _Handler(QuietHandler):
    service: GitHost

    def handled(self) -> None:
        """Hand it to git's own server, as a web server does."""
        url = urlsplit(self.path)
        self.service.requests.append(self.path)
        body = self.body()
        repository = url.path.strip("/").partition(".git")[0]
        authorization = self.headers.get("Authorization", "")
        right = "Basic " + base64.b64encode(":".join(self.service.login).encode()).decode()
        if self.service.down:
            self.answer(503, b"")
        elif self.service.sends_to:
            self.answer(301, b"", {"Location": f"{self.service.sends_to}{self.path}"})
        elif repository in self.service.private and authorization != right:
            self.answer(401, b"", {"WWW-Authenticate": 'Basic realm="git"'})
        else:
            self._served(url.path, url.query, body)

    def _served(self, path: str, query: str, body: bytes) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.service.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": "" if self.service.old else self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        process = subprocess.run(["git", "http-backend"], input=body, capture_output=True, check=False, env=environment)
        head, _, answer = process.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        status = int(headers.pop("Status", "200").split()[0])
        self.answer(status, answer, headers)
