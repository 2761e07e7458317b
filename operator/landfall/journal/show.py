"""`landfall journal NAMESPACE/NAME`: print the log lines or metric samples of an object's workers. Run it in the operator's pod."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from landfall.journal.settings import JournalSettings
from landfall.journal.store import KINDS, Journal, LineFilter
from landfall.lib.redact import redacted


def main(arguments: Sequence[str], settings: JournalSettings) -> int:
    """Print lines or samples.

    Returns:
        The exit status: 0, or 1 if there are no lines or the journal cannot be read.
    """
    parser = argparse.ArgumentParser(prog="landfall journal", description=__doc__)
    parser.add_argument("object", metavar="NAMESPACE/NAME", help="the object")
    parser.add_argument("--kind", default="Migration", choices=KINDS, help="the kind of the object")
    parser.add_argument("--samples", action="store_true", help="print metric samples instead of log lines")
    parser.add_argument("--limit", type=int, default=1000, help="maximum number of lines; the newest are printed")
    parsed = parser.parse_args(arguments)
    namespace, _, name = parsed.object.partition("/")
    if not name:
        parser.error("write the object as NAMESPACE/NAME")
    journal = Journal(settings.journal_url)
    read = _samples if parsed.samples else _lines
    try:
        printed = read(journal, namespace, parsed.kind, name, parsed.limit) if journal.has_tables() else []
    except SQLAlchemyError as error:
        cause = redacted(str(error).splitlines()[0])
        sys.stderr.write(
            f"the journal cannot be read: {cause}. Run this command in the operator's pod, where LANDFALL_JOURNAL_URL is set.\n"
        )
        return 1
    for line in printed:
        sys.stdout.write(f"{line}\n")
    if not printed:
        sys.stderr.write(f"the journal has no lines of {parsed.kind} {parsed.object}\n")
    return 0 if printed else 1


def _lines(journal: Journal, namespace: str, kind: str, name: str, limit: int) -> list[str]:
    lines = journal.lines(namespace, kind, name, LineFilter(limit=limit, newest=True))
    return [f"{line.at:%Y-%m-%dT%H:%M:%SZ} {line.level:7} {line.phase:9} {line.message}" for _, line in lines]


def _samples(journal: Journal, namespace: str, kind: str, name: str, limit: int) -> list[str]:
    samples = journal.samples(namespace, kind, name, limit=limit)
    return [
        f"{s.at:%Y-%m-%dT%H:%M:%SZ} {s.percent:3} % {s.rows} of {s.total_rows} rows, {s.bytes} bytes, {s.rows_per_second} rows/s,"
        f" {s.compared_rows} compared, {s.corrected_rows} corrected, {s.recovered_errors} errors recovered, {s.cpu_seconds} s of CPU,"
        f" {s.memory_bytes >> 20} MiB"
        for s in samples
    ]
