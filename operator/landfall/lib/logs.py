"""The log of a process: one JSON object per line, an event with fields.

An event has a name in `snake_case`. Its details are fields with the same names everywhere: `kind`, `namespace`, `name`, `action`,
`error`, `retry_in_seconds`. Passwords are removed from every text.
"""

from __future__ import annotations

import json
import logging
import sys

from landfall.lib.redact import redacted

_LOG = logging.getLogger("landfall")
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "fields"}


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object: `time`, `level`, `logger`, `event`, the event's fields, and `trace` of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record with its fields. Of the `extra` of a library, only texts and numbers are included."""
        extra = {
            name: value for name, value in vars(record).items() if name not in _USUAL and isinstance(value, (str, int, float))
        }
        line = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **extra,
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(
            {name: redacted(value) if isinstance(value, str) else value for name, value in line.items()}, default=str
        )


def event(level: int, name: str, log: logging.Logger = _LOG, /, *, trace: BaseException | None = None, **fields: object) -> None:
    """Log an event.

    Args:
        level: A level of `logging`, such as `logging.INFO`.
        name: The name of the event, such as `action_applied`.
        log: The logger; its name becomes the field `logger`.
        trace: An exception whose traceback is logged.
        fields: The details of the event. Fields with the value None or an empty text are left out.
    """
    log.log(
        level,
        name,
        exc_info=trace,
        extra={"fields": {field: value for field, value in fields.items() if value not in (None, "")}},
    )


def log_as_json(*quiet: str) -> None:
    """Write the log of this process to standard error as JSON lines.

    Args:
        quiet: Names of loggers of which only warnings and errors are written.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in quiet:
        logging.getLogger(name).setLevel(logging.WARNING)
