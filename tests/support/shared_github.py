"""One fake GitHub for several test processes: the operator knows one address, and each process pushes to repositories of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

from tests.support.github import GitHub
from tests.support.quiet import Listening, QuietHandler


class SharedGitHub(Listening):
    """Answers `JoinedGitHub` in other processes, in the name of the one that listens here. `address` is what they join."""

    def __init__(self, github: GitHub) -> None:
        super().__init__(_Calls)
        self.github = github
        self.address = f"127.0.0.1:{self.ports[0]}"


class JoinedGitHub:
    """A `GitHub` that listens in another process."""

    def __init__(self, address: str) -> None:
        self._address = address

    def push(self, name: str, files: dict[str, str], message: str, branch: str = "main", *, private: bool = False) -> str:
        """See `GitHub.push`."""
        return str(self._call("push", name=name, files=files, message=message, branch=branch, private=private))

    def reset(self, name: str, sha: str, branch: str = "main") -> None:
        """See `GitHub.reset`."""
        self._call("reset", name=name, sha=sha, branch=branch)

    @property
    def repositories(self) -> set[str]:
        """The names of the repositories."""
        return set(self._call("repositories"))

    @property
    def statuses(self) -> list[tuple[str, str, str]]:
        """See `GitHub`."""
        return [(commit, state, context) for commit, state, context in self._call("statuses")]

    @property
    def token(self) -> str:
        """See `GitHub`."""
        return str(self._call("token"))

    @property
    def writes(self) -> bool:
        """See `GitHub`. Holds for all processes."""
        return bool(self._call("writes"))

    @writes.setter
    def writes(self, value: bool) -> None:
        self._call("allow_writes", value=value)

    def _call(self, method: str, **arguments: object) -> Any:
        connection = HTTPConnection(self._address, timeout=30)
        try:
            connection.request("POST", "/", json.dumps([method, arguments]))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


class _Calls(QuietHandler):
    service: SharedGitHub

    def handled(self) -> None:
        """One call of `JoinedGitHub`."""
        name, arguments = json.loads(self.body())
        self.answer(200, json.dumps(self._result(name, arguments)).encode())

    def _result(self, name: str, arguments: dict[str, Any]) -> object:
        github = self.service.github
        if name == "allow_writes":
            github.writes = arguments["value"]
            return None
        calls: dict[str, Callable[..., object]] = {"push": github.push, "reset": github.reset}
        if name in calls:
            return calls[name](**arguments)
        state = {"token": github.token, "writes": github.writes, "statuses": github.statuses}
        return {**state, "repositories": list(github.repositories)}[name]
