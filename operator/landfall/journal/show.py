"""`landfall journal NAMESPACE/NAME`: what the workers of an object told, read in the operator's pod, where the journal is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from landfall.journal.settings import JournalSettings
from landfall.journal.store import KINDS, Chosen, Journal
from landfall.lib.redact import redacted


def main(arguments: Sequence[str], settings: JournalSettings) -> int:
    """Print lines or samples; 0, or 1 where there are none."""
    parser = argparse.ArgumentParser(prog="landfall journal", description=__doc__)
    parser.add_argument("object", metavar="NAMESPACE/NAME", help="whose lines to read")
    parser.add_argument("--kind", default="Migration", choices=KINDS, help="its kind")
    parser.add_argument("--samples", action="store_true", help="the numbers of the copy over time instead of the log")
    parser.add_argument("--limit", type=int, default=1000, help="at most so many, the newest")
    asked = parser.parse_args(arguments)
    namespace, _, name = asked.object.partition("/")
    if not name:
        parser.error("name the object as NAMESPACE/NAME")
    journal = Journal(settings.journal_url)
    read = _samples if asked.samples else _lines
    try:
        told = read(journal, namespace, asked.kind, name, asked.limit) if journal.begun() else []
    except SQLAlchemyError as error:
        why = redacted(str(error).splitlines()[0])
        sys.stderr.write(
            f"the journal cannot be read: {why}. Run this in the operator's pod, where LANDFALL_JOURNAL_URL leads to it.\n"
        )
        return 1
    for line in told:
        sys.stdout.write(f"{line}\n")
    if not told:
        sys.stderr.write(f"the journal has nothing of {asked.kind} {asked.object}\n")
    return 0 if told else 1


def _lines(journal: Journal, namespace: str, kind: str, name: str, limit: int) -> list[str]:
    found = journal.lines(namespace, kind, name, Chosen(limit=limit, newest=True))
    return [f"{line.at:%Y-%m-%dT%H:%M:%SZ} {line.level:7} {line.phase:9} {line.message}" for _, line in found]


def _samples(journal: Journal, namespace: str, kind: str, name: str, limit: int) -> list[str]:
    found = journal.samples(namespace, kind, name, limit=limit)
    return [
        f"{s.at:%Y-%m-%dT%H:%M:%SZ} {s.percent:3} % {s.rows} of {s.total_rows} rows, {s.bytes} bytes, {s.rows_per_second} rows/s,"
        f" {s.compared_rows} compared, {s.corrected_rows} corrected, {s.recovered_errors} errors recovered, {s.cpu_seconds} s of CPU,"
        f" {s.memory_bytes >> 20} MiB"
        for s in found
    ]
