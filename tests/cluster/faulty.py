"""An operator whose writes go wrong: `python -m tests.cluster.faulty FAULT`.

`kill` ends the process after every single write. The others strike each write once (by method and object, and by how
often it was tried before): refused with 409, 429 or 500, lost on the way, or applied with the answer lost.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections import Counter
from typing import Any

from landfall.handlers.main import main as operator
from landfall.intake.server import Intake
from landfall.kube.client import Kube
from landfall.kube.errors import KubeError, error_of

FAULTS = ("kill", "409", "429", "500", "timeout", "lost")
KILLED = 86
_DIES_WITH_ITS_PARENT = 1
_request = Kube._request  # noqa: SLF001  the one place that every request passes
_seen: Counter[str] = Counter()


async def _faulty(self: Kube, method: str, path: str, body: object, content: str, **more: Any) -> Any:
    fault = sys.argv[1]
    place = path.split("?", maxsplit=1)[0]
    if method == "GET" or place.endswith("tokenreviews"):
        return await _request(self, method, path, body, content, **more)
    if fault == "kill":
        answer = await _request(self, method, path, body, content, **more)
        await answer.read()
        sys.stderr.write(f"killed after {method} {place}\n")
        sys.stderr.flush()
        os._exit(KILLED)
    _seen[f"{method} {place}"] += 1
    if _seen[f"{method} {place}"] % 2 == 0:  # every other try of the same write goes well
        return await _request(self, method, path, body, content, **more)
    sys.stderr.write(f"{fault} at {method} {place}\n")
    if fault == "lost":
        answer = await _request(self, method, path, body, content, **more)
        await answer.read()
        raise KubeError(0, "the answer was lost")
    if fault == "timeout":
        await asyncio.sleep(1)
        raise KubeError(0, "timed out")
    raise error_of(int(fault), "", "as the test wants it")


def _killed() -> int:
    """An operator that is killed: in a process of its own, forked from this one, which has loaded everything. Its exit status."""
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).prctl(_DIES_WITH_ITS_PARENT, signal.SIGKILL)
        sys.exit(operator(lambda parts: Intake(parts).application()))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    assert sys.argv[1] in FAULTS
    Kube._request = _faulty  # type: ignore[method-assign]  # noqa: SLF001  as above
    while sys.argv[1] == "kill" and (ended := _killed()) == KILLED:
        pass
    sys.exit(ended if sys.argv[1] == "kill" else operator(lambda parts: Intake(parts).application()))
