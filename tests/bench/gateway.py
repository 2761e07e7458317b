"""How soon the gateway answers, and how soon followers of a log hear: `python -m tests.bench.gateway`, in a cluster on this machine.

Its peer is the API server that it stands before, asked the same by the same clients in the same run.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from landfall.kube.client import Kube
from tests.bench.page import put
from tests.bench.scale import create_done
from tests.cluster.conftest import Place, placed, without_operator
from tests.cluster.door import Door
from tests.cluster.install import NAMESPACE

_MIGRATIONS, _CLIENTS, _FOLLOWERS = 2000, 50, 500
_SECONDS, _ROUNDS = 8, 3
_TABLES = 100  # each has lines of its own
_RATE = 4000  # rows a second: the log goes on for some twenty seconds
Object = dict[str, Any]
Ask = Callable[[aiohttp.ClientSession, int], Awaitable[None]]


def main() -> None:
    """All of it, into docs/benchmarks.md."""
    with placed() as place:
        _unlimited(place)
        with without_operator(place):
            lines = asyncio.run(_answers(place))
        followed = asyncio.run(_followed(place))
        put(_PAGE.format(migrations=_MIGRATIONS, clients=_CLIENTS, lines="\n".join(lines), **followed))


def _unlimited(place: Place) -> None:
    """One key asks for fifty clients."""
    limits = json.dumps({bucket: {"perSecond": 1e6, "burst": 10**6} for bucket in ("key", "address")})
    place.cluster.kubectl("set", "env", "-n", NAMESPACE, "deployment/landfall-gateway", f"LANDFALL_LIMITS={limits}")
    place.cluster.kubectl("rollout", "status", "-n", NAMESPACE, "deployment/landfall-gateway")


def _print(line: str) -> str:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    return line


# -- lists and gets -----------------------------------------------------------------------------------------------------


async def _answers(place: Place) -> list[str]:
    """A line for each question: the gateway's times and the API server's."""
    namespace = place.namespace("many")
    os.environ["KUBECONFIG"] = str(place.cluster.kubeconfig)
    kube = await Kube.connect()
    await create_done(kube, range(_MIGRATIONS), namespace, **_status())
    door = Door(place, namespace, "viewer")
    gateway_url = f"http://{door.host}/v1/migrations"
    api = f"{_server(place)}/apis/landfall.dev/v1alpha1/namespaces/{namespace}/migrations"
    lines = []
    for title, gateway_path, server_path in (
        ("a list of 20", lambda n: f"{gateway_url}?limit=20&offset={n % 100}", lambda _: f"{api}?limit=20"),
        (
            "those completed, by name",
            lambda _: f"{gateway_url}?status=completed&sort=name&order=asc",
            lambda _: f"{api}?limit=20",
        ),
        ("one", lambda n: f"{gateway_url}/mig_done-{n % _MIGRATIONS:05d}", lambda n: f"{api}/done-{n % _MIGRATIONS:05d}"),
    ):
        gateway_times, other = [], []
        for _ in range(_ROUNDS):
            gateway_times.append(await _request_seconds({"Authorization": f"Bearer {door.key}"}, None, gateway_path))
            other.append(await _request_seconds({}, _identity(place), server_path))
        lines.append(_row(title, gateway_times, other))
    await kube.close()
    return lines


def _status() -> Object:
    """What a move of twenty tables leaves in status."""
    moment = "2026-01-01T00:00:00Z"
    steps = ("planning", "schema_migration", "data_transfer", "validation", "cutover")
    tables = [{"table": f"shop.t{n}", "state": "Equal", "rows": 1000, "totalRows": 1000} for n in range(20)]
    return {
        "steps": [{"name": name, "status": "Done", "percent": 100, "startedAt": moment, "finishedAt": moment} for name in steps],
        "progress": {"percent": 100, "rows": 20_000, "totalRows": 20_000, "tables": tables},
        "startTime": moment,
        "completionTime": moment,
    }


def _server(place: Place) -> str:
    return place.cluster.kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}").strip()


def _identity(place: Place) -> ssl.SSLContext:
    """The administrator's certificate, as kubectl uses it."""
    folder = place.cluster.kubeconfig.parent
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.load_cert_chain(folder / "admin.crt", folder / "admin.key")
    return context


async def _request_seconds(headers: dict[str, str], context: ssl.SSLContext | None, url: Callable[[int], str]) -> list[float]:
    """Seconds of each answer, of clients that ask one after the other without a pause."""
    durations: list[float] = []
    connector = aiohttp.TCPConnector(limit=0, ssl=context or True)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        end = time.monotonic() + _SECONDS

        async def client(number: int) -> None:
            while time.monotonic() < end:
                began = time.perf_counter()
                async with session.get(url(number)) as answer:
                    await answer.read()
                    assert answer.status == 200, answer.status
                durations.append(time.perf_counter() - began)
                number += _CLIENTS

        await asyncio.gather(*(client(number) for number in range(_CLIENTS)))
    return sorted(durations)


def _row(title: str, gateway_rounds: Sequence[list[float]], other: Sequence[list[float]]) -> str:
    def median(rounds: Sequence[list[float]], part: float) -> float:
        return statistics.median(1000 * durations[int(len(durations) * part)] for durations in rounds)

    rates = [statistics.median(len(durations) / _SECONDS for durations in rounds) for rounds in (gateway_rounds, other)]
    return _print(
        f"| {title} | {median(gateway_rounds, 0.5):.1f} | {median(gateway_rounds, 0.99):.1f} | {rates[0]:.0f} | {median(other, 0.5):.1f} |"
        f" {median(other, 0.99):.1f} | {rates[1]:.0f} | **{median(other, 0.99) / median(gateway_rounds, 0.99):.2f}** |"
    )


# -- followers ----------------------------------------------------------------------------------------------------------


async def _followed(place: Place) -> dict[str, str]:
    """What followers of one log heard, and when."""
    namespace = place.namespace("followed")
    place.databases(namespace, 20 * _RATE)
    tables = ";".join(f"CREATE TABLE t{n} (id INT PRIMARY KEY); INSERT INTO t{n} VALUES (1)" for n in range(_TABLES))
    place.maria.sql(tables, namespace)
    documents = place.move(namespace, namespace, desiredState="Planned", data={"limits": {"rowsPerSecond": _RATE}})
    place.apply(*documents)
    door = Door(place, namespace, "viewer")
    place.until(namespace, "shop", "Planned")
    url = f"http://{door.host}/v1/migrations/mig_shop/logs?follow=true&limit=1000"
    followers: list[list[tuple[int, float]]] = []
    opened: list[float] = []

    async def follower(session: aiohttp.ClientSession) -> None:
        async with session.get(url, headers={"Authorization": f"Bearer {door.key}"}) as answer:
            assert answer.status == 200, await answer.text()
            opened.append(time.time())
            # Read when all is over: five hundred readers in one process would keep each other waiting.
            arrived = [(time.time(), part) async for part in answer.content.iter_any()]
        followers.append(list(_lines(max(opened), arrived)))

    memory = [_resident()]
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=600)
    ) as session:
        tasks = [asyncio.create_task(follower(session)) for _ in range(_FOLLOWERS)]
        while len(opened) < _FOLLOWERS:
            await asyncio.sleep(0.1)
        await asyncio.to_thread(place.apply, documents[-1] | {"spec": documents[-1]["spec"] | {"desiredState": "Completed"}})
        while not all(task.done() for task in tasks):
            await asyncio.sleep(1)
            memory.append(_resident())
        await asyncio.gather(*tasks)
    lines = [[number for number, _ in lines_of_one] for lines_of_one in followers]
    assert all(numbers == sorted(set(numbers)) == lines[0] for numbers in lines), "each hears every line, once and in order"
    delays = sorted(delay for lines_of_one in followers for _, delay in lines_of_one if delay)
    values = {
        "followers": f"{_FOLLOWERS}",
        "heard": f"{len(lines[0])}",
        "median": f"{statistics.median(delays):.2f}",
        "p99": f"{delays[int(len(delays) * 0.99)]:.2f}",
        "most": f"{delays[-1]:.2f}",
        "before": f"{memory[0]}",
        "meanwhile": f"{max(memory)}",
    }
    _print(json.dumps(values))
    return values


def _lines(began: float, arrived: Sequence[tuple[float, bytes]]) -> Iterator[tuple[int, float]]:
    """The number of each line of a log, and the seconds from the worker's clock until it was here; 0 for one that was there before."""
    incomplete, identifier = b"", 0
    for at, part in arrived:
        *whole, incomplete = (incomplete + part).split(b"\n")
        for line in whole:
            if line.startswith(b"id: "):
                identifier = int(line[4:])
            elif line.startswith(b"data: ") and identifier:
                written_at = datetime.fromisoformat(json.loads(line[6:])["timestamp"]).timestamp()
                yield identifier, at - written_at if written_at > began else 0.0
                identifier = 0


def _resident() -> int:
    """Megabytes that the gateway's process holds."""
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"gateway" in words and b"landfall" in b" ".join(words[:3]):
                status = (folder / "status").read_text(encoding="ascii")
                return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) // 1024
        except (OSError, StopIteration):
            continue
    return 0


_PAGE = """
## The gateway

`make bench-gateway` writes this table: {migrations:,} migrations in one namespace, {clients} clients that send requests without a pause, one worker process.
Everything runs on one machine. Milliseconds, medians of three rounds. The peer is the API server behind the gateway, with the same clients in the same run
(a list of 20 objects, or one object).

| request | median | p99 | a second | API server: median | p99 | a second | p99, times as fast |
|---|---|---|---|---|---|---|---|
{lines}

{followers} clients follow one log while it is written. Each received all {heard} lines, once and in order. The delay from the worker's clock to the client is
{median} s (median), {p99} s (p99), {most} s at most. The gateway used {before} MB before and {meanwhile} MB meanwhile.
"""

if __name__ == "__main__":
    main()
