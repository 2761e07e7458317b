"""Metrics of a migration, from what its workers reported over time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, Field

from landfall.gateway.requests import moment
from landfall.gateway.views.migration import at, identifier, sized
from landfall.lifecycle import WORKER_RUNS, phase_of

_POINTS = 200
Object = dict[str, Any]


class Throughput(BaseModel):
    """Throughput."""

    current_records_per_second: int
    average_records_per_second: int = Field(description="Average over the time in which records were copied, within the period.")
    peak_records_per_second: int
    current_bytes_per_second: str


class Resources(BaseModel):
    """Used resources. Null if not measured."""

    active_workers: int
    cpu_utilization_percent: int | None = Field(
        description="Current CPU utilization of the leading worker, in percent of one processor."
    )
    memory_utilization_percent: int | None = Field(description="Memory of the worker, in percent of its limit.")
    network_utilization_percent: int | None = Field(default=None, description="Not measured.")


class Quality(BaseModel):
    """Quality. Null if not known yet."""

    error_rate_percent: float
    recovery_success_rate_percent: float
    validation_pass_rate_percent: float | None = Field(
        description="Share of rows that were equal at the first comparison, in percent."
    )


class TableNumbers(BaseModel):
    """One table."""

    table: str
    state: str
    records_total: int
    records_processed: int
    throughput_records_per_second: int | None = Field(default=None, description="Not measured per table.")
    errors: int = Field(description="Number of rows that were repaired.")


class Point(BaseModel):
    """The run at one time."""

    at: str
    percent: int
    records_processed: int
    records_per_second: int


class MetricsAnswer(BaseModel):
    """Metrics of a migration."""

    migration_id: str
    snapshot_at: str
    throughput: Throughput
    resources: Resources
    quality: Quality
    by_table: list[TableNumbers] = Field(description="Tables, at most 50: those in progress first, then the largest.")
    series: list[Point] = Field(description="Measurements of the run over the period, at most 200 points.")


def metrics_of(raw: Object, samples: Sequence[Object], now: datetime) -> MetricsAnswer:
    """The metrics. `samples`: those of the period, oldest first."""
    progress = (raw.get("status") or {}).get("progress") or {}
    works = phase_of(raw) in WORKER_RUNS
    rate, average = (progress.get("rowsPerSecond", 0) if works else 0), _average(samples)
    return MetricsAnswer(
        migration_id=identifier(raw),
        snapshot_at=moment(now),
        throughput=Throughput(
            current_records_per_second=rate,
            average_records_per_second=average,
            peak_records_per_second=max(rate, average, *(s["rows_per_second"] for s in samples)),
            current_bytes_per_second=sized(progress.get("bytesPerSecond", 0) if works else 0),
        ),
        resources=_resources(raw, samples, works=works),
        quality=_quality(progress),
        by_table=[
            TableNumbers(
                table=item["table"],
                state=item["state"].lower(),
                records_total=item.get("totalRows", 0),
                records_processed=item.get("rows", 0),
                errors=item.get("correctedRows", 0),
            )
            for item in progress.get("tables", [])
        ],
        series=[
            Point(
                at=moment(at(s["at"])),
                percent=s["percent"],
                records_processed=s["rows"],
                records_per_second=s["rows_per_second"],
            )
            for s in samples[:: max(-(-len(samples) // _POINTS), 1)]
        ],
    )


def _average(samples: Sequence[Object]) -> int:
    rows, seconds = 0, 0.0
    for before, after in pairwise(samples):
        if after["rows"] > before["rows"]:
            rows += after["rows"] - before["rows"]
            seconds += (at(after["at"]) - at(before["at"])).total_seconds()
    return round(rows / seconds) if seconds else 0


def _resources(raw: Object, samples: Sequence[Object], *, works: bool) -> Resources:
    data, processor = raw["spec"].get("data") or {}, None
    memory = ((raw.get("status") or {}).get("progress") or {}).get("memoryBytes", 0)
    if works and len(samples) > 1:
        before, after = samples[-2:]
        seconds = (at(after["at"]) - at(before["at"])).total_seconds()
        cpu_seconds = after["cpu_seconds"] - before["cpu_seconds"]
        processor = round(100 * cpu_seconds / seconds) if seconds > 0 and cpu_seconds >= 0 else None
    most = (data.get("limits") or {}).get("memoryBytes", 0)
    return Resources(
        active_workers=data.get("workers", 1) if works else 0,
        cpu_utilization_percent=processor,
        memory_utilization_percent=round(100 * memory / most) if works and most and memory else None,
    )


def _quality(progress: Object) -> Quality:
    recovered, escalated = progress.get("recoveredErrors", 0), progress.get("escalatedErrors", 0)
    rows = progress.get("rows", 0)
    errors = recovered + escalated
    return Quality(
        error_rate_percent=round(100 * errors / rows, 6) if rows else 0.0,
        recovery_success_rate_percent=round(100 * recovered / errors, 2) if errors else 100.0,
        validation_pass_rate_percent=equal_at_once(progress),
    )


def equal_at_once(progress: Object) -> float | None:
    """The percentage of compared rows that were equal at the first comparison; None before any was compared."""
    compared, corrected = progress.get("comparedRows", 0), progress.get("correctedRows", 0)
    return round(100 * max(compared - corrected, 0) / compared, 4) if compared else None
