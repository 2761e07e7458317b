"""The command in a process of its own that is forked from one which has loaded it already: hundreds of them would load for most of their time."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Mapping
from multiprocessing.reduction import DupFd
from types import MappingProxyType
from typing import Any

from landfall.__main__ import main

_FORKSERVER = multiprocessing.get_context("forkserver")
_FORKSERVER.set_forkserver_preload(["landfall.cli.main", "landfall.engine.sources.mysql.session", "tests.support.forked"])


class _Passing(_FORKSERVER.Process):  # type: ignore[name-defined, misc]
    """Passes the ends of its pipes when it starts: numbers alone mean nothing to another process."""

    def __init__(self, out: int, errors: int, arguments: tuple[str, ...], environment: Mapping[str, str]) -> None:
        super().__init__(daemon=True)
        self._ends = (out, errors)
        self._arguments = arguments
        self._environment = dict(environment)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_ends": tuple(DupFd(end) for end in self._ends)}

    def run(self) -> None:
        """In the new process."""
        for number, end in enumerate(self._ends, 1):
            os.dup2(end.detach(), number)
        sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8")
        sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8")
        sys.argv = ["landfall", *self._arguments]
        os.environ.update(self._environment)
        main()


class Forked:
    """`landfall ARGUMENTS`, with what of subprocess.Popen tests of faults need. `environment`: variables to add."""

    def __init__(self, *arguments: str, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        (out, its_out), (errors, its_errors) = os.pipe(), os.pipe()
        self.stdout = os.fdopen(out, encoding="utf-8")
        self.stderr = os.fdopen(errors, encoding="utf-8")
        self._process = _Passing(its_out, its_errors, arguments, environment)
        self._process.start()
        os.close(its_out)
        os.close(its_errors)

    @property
    def returncode(self) -> int:
        """Its exit status; negative for the signal that ended it."""
        return int(self._process.exitcode)

    def send_signal(self, number: int) -> None:
        """As kill does; one that has ended is past all harm."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def wait(self, seconds: float) -> None:
        """Until it has ended. Raises AssertionError."""
        self._process.join(seconds)
        assert self._process.exitcode is not None, f"it has not ended within {seconds} s"

    def communicate(self, timeout: float) -> tuple[str, str]:
        """What is yet to be read, once it has ended."""
        output = self.stdout.read(), self.stderr.read()
        self.wait(timeout)
        return output
