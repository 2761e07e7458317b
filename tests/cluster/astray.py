"""Each life of a Migration and of a Deployment under each fault: an operator on this machine whose writes go wrong, or that is shown what is not so."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tests.cluster.conftest import Place, without_operator
from tests.cluster.faulty import FAULTS
from tests.cluster.lives import lived
from tests.cluster.local import LocalOperator
from tests.cluster.proxy import WATCHES, Proxy

EVERY = (*FAULTS, *WATCHES)
_LANES = 6
_RESYNC_SECONDS = "5"  # what is never told is found by looking


def all_astray(
    place: Place, plans: Sequence[tuple[str, str]], ended: Callable[[int], None] = lambda _: None
) -> dict[tuple[str, str], Future[None]]:
    """Faults in lives, some of them at a time: each operator works in a namespace of its own. All of them have ended; `ended` hears how many, one by one."""
    counted = itertools.count(1)
    with without_operator(place), ThreadPoolExecutor(_LANES) as pool:
        futures = {plan: pool.submit(astray, place, *plan) for plan in plans}
        for future in futures.values():
            future.add_done_callback(lambda _: ended(next(counted)))
        return futures


def astray(place: Place, fault: str, life: str) -> None:
    """The cluster's own operator is away. Raises AssertionError, or what a wait fails with, where the end is another than without the fault."""
    name = place.namespace(f"{life}-{fault}")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ends:
        log = Path(folder) / "log"
        proxy = ends.enter_context(Proxy(place.cluster, fault, Path(folder))) if fault in WATCHES else None
        environment = {"KUBECONFIG": str(proxy.kubeconfig), "LANDFALL_RESYNC_SECONDS": _RESYNC_SECONDS} if proxy else {}
        program = ["-m", "landfall", "operator"] if proxy else ["-m", "tests.cluster.faulty", fault]
        with LocalOperator(place, program, log, LANDFALL_NAMESPACES=name, **environment) as operator:
            lived(place, life, name)
        log_text = log.read_text(encoding="utf-8")
        struck = proxy.struck if proxy else log_text.count("killed after" if fault == "kill" else f"{fault} at")
        assert struck > 0, "nothing went wrong"
        assert operator.starts == 1 or fault == "kill", log_text[-3000:]
