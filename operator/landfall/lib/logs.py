"""The log of a process: one JSON object a line, an event with fields, for whoever collects it.

An event has a name in `snake_case`; what it is about goes into fields, which have the same names everywhere: `kind`, `namespace`, `name`,
`action`, `error`, `retry_in_seconds`. Text passes through redaction.
"""

from __future__ import annotations

import json
import logging
import sys

from landfall.lib.redact import redacted

_LOG = logging.getLogger("landfall")
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "fields"}


class JsonLines(logging.Formatter):
    """One object a line: `time`, `level`, `logger`, `event`, the event's fields, and `trace` of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The record with its fields; of the `extra` of a library, what is text or a number."""
        extra = {
            name: value for name, value in vars(record).items() if name not in _USUAL and isinstance(value, (str, int, float))
        }
        told = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **extra,
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        return json.dumps(
            {name: redacted(value) if isinstance(value, str) else value for name, value in told.items()}, default=str
        )


def event(level: int, name: str, log: logging.Logger = _LOG, /, *, trace: BaseException | None = None, **fields: object) -> None:
    """Log an event.

    Args:
        level: One of `logging`'s, as `logging.INFO`.
        name: The event, such as `action_applied`.
        log: The logger, whose name becomes the field `logger`.
        trace: An exception whose traceback goes along.
        fields: What it is about; a field without a value (None, empty text) is left out.
    """
    log.log(
        level,
        name,
        exc_info=trace,
        extra={"fields": {field: value for field, value in fields.items() if value not in (None, "")}},
    )


def log_as_json(*quiet: str) -> None:
    """From now on, to standard error; of the quiet loggers only what is a warning or worse."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in quiet:
        logging.getLogger(name).setLevel(logging.WARNING)
