"""Sessions with a SQLite file, and the functions that its queries use.

A source is opened read-only; only the write lock opens it for writing. Text is handled as bytes,
for a file may hold text that is not UTF-8.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import sqlite3
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

from landfall.engine.errors import ConnectionLostError, EngineError, ObjectMissingError, SourceBusyError
from landfall.engine.model.key_span import Span
from landfall.engine.model.options import Endpoint
from landfall.engine.sources import floats

_OF_THE_FILE = tuple(
    f"SQLITE_{kind}"
    for kind in ("CANTOPEN", "CORRUPT", "FULL", "IOERR", "NOMEM", "PERM", "READONLY", "SCHEMA", "TOOBIG", "PROTOCOL")
)
_MISSING = ("no such ", "unknown database ", "integer overflow", "malformed JSON")
_ROWS_AT_ONCE = 500
_BLOCK = 256 * 1024
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_ZONED = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)? ?([Zz]|[+-]\d\d(?::?\d\d)?)")
_MOST_HOURS = 15  # what PostgreSQL reads
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  all are computed in UTC
_JULIAN_EPOCH = 210_866_760_000_000  # milliseconds from the first Julian day to 1970

Row = tuple[str | None, ...]
Value = str | bytes | int | float | None


def _sha256(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def _number(line: bytes) -> int:
    return int.from_bytes(hashlib.sha256(line).digest()[:8]) >> 4


def _real(value: Value) -> str | None:
    return None if value is None else repr(value)


def _double(value: Value) -> str | None:
    return None if value is None else floats.canon(float(value))


def _decimal(value: Value) -> str | None:
    if value is None:
        return None
    text = format(Decimal(repr(value)), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def _shortest(value: float) -> str:
    return f"{value!r}"


def _fits(value: Value, precision: int, scale: int) -> int:
    if not isinstance(value, int | float):
        return 0
    text = _decimal(value) or "0"
    whole, _, fraction = text.lstrip("-").partition(".")
    return int(len(fraction) <= scale and len(whole.lstrip("0")) <= precision - scale)


def _date(value: Value) -> str | None:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        date.fromisoformat(value)
    except ValueError:
        return None
    return value


def _timestamp(value: Value) -> str | None:
    match = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    if not match:
        return None
    day, minute, second, fraction = match.groups()
    try:
        datetime.fromisoformat(f"{day}T{minute}:{second or '00'}")
    except ValueError:
        return None
    tail = (fraction or "").rstrip("0")
    return f"{day} {minute}:{second or '00'}" + (f".{tail}" if tail else "")


def _zoned(value: Value) -> str | None:
    match = _ZONED.fullmatch(value) if isinstance(value, str) else None
    if not match:
        return None
    day, minute, second, fraction, zone = match.groups()
    sign, hours, minutes = (zone[0], int(zone[1:3]), int(zone[-2:] if len(zone) > 3 else 0)) if zone[0] in "+-" else ("+", 0, 0)
    if hours > _MOST_HOURS or minutes > 59:
        return None
    offset = timedelta(hours=hours, minutes=minutes) * (-1 if sign == "-" else 1)
    try:
        moment = datetime.fromisoformat(f"{day}T{minute}:{second or '00'}") - offset
    except (ValueError, OverflowError):
        return None
    return _printed(moment, (fraction or "").ljust(6, "0"))


def _printed(moment: datetime, micro: str) -> str:
    fraction = micro.rstrip("0")
    return moment.replace(microsecond=0).isoformat(" ") + (f".{fraction}" if fraction else "")


def _epoch(value: Value, unit: int) -> str | None:
    if not isinstance(value, int):
        return None
    seconds, remainder = divmod(value, unit)
    return _printed(_EPOCH + timedelta(seconds=seconds), f"{remainder * 1_000_000 // unit:06d}")


def _julian(value: Value) -> str | None:
    return None if not isinstance(value, int | float) else _epoch(int(value * 86_400_000.0 + 0.5) - _JULIAN_EPOCH, 1000)


def _utf8(data: bytes | None) -> int:
    try:
        (data or b"").decode()
    except UnicodeDecodeError:
        return 0
    return 1


def _text(value: Value) -> Value:
    return repr(value) if isinstance(value, float) else value


_FUNCTIONS = (
    ("lf_sha256", 1, _sha256),
    ("lf_number", 1, _number),
    ("lf_real", 1, _real),
    ("lf_double", 1, _double),
    ("lf_decimal", 1, _decimal),
    ("lf_shortest", 1, _shortest),
    ("lf_fits", 3, _fits),
    ("lf_date", 1, _date),
    ("lf_timestamp", 1, _timestamp),
    ("lf_zoned", 1, _zoned),
    ("lf_epoch", 2, _epoch),
    ("lf_julian", 1, _julian),
    ("lf_utf8", 1, _utf8),
    ("lf_text", 1, _text),
    ("lf_replace", 1, lambda data: None if data is None else data.decode(errors="replace")),
    ("lf_latin1", 1, lambda data: None if data is None else _as_latin1(data)),
    ("lf_strip", 1, lambda data: None if data is None else data.replace(b"\0", b"").decode(errors="replace")),
    ("lf_nulmark", 1, lambda data: None if data is None else data.replace(b"\0", b"\xef\xbf\xbd").decode(errors="replace")),
)


def _as_latin1(data: bytes) -> str:
    return data.decode() if _utf8(data) else data.decode("latin-1")


def _words(error: sqlite3.Error, code: str) -> str:
    """An error in words without values: its text only where it speaks of the file, or names what the statement names and is not there."""
    text = str(error)
    if code.startswith(_OF_THE_FILE) or (code == "SQLITE_ERROR" and text.startswith(_MISSING)):
        return text
    if code.startswith("SQLITE_CONSTRAINT"):
        return f"a trigger or constraint of the database refuses it ({code})"
    return f"SQLite reports an error ({code or type(error).__name__})"


class SqliteSession:
    """One connection to a SQLite file. `write` opens it so that it can hold the write lock."""

    def __init__(self, endpoint: Endpoint, side: str = "source", *, write: bool = False) -> None:
        self._side = side
        path = Path(endpoint.path)
        if not path.is_file():
            message = f"{side}: there is no file {endpoint.path}"
            raise ObjectMissingError(message, advice="Correct `file.path` in the Connection.")
        address = f"file:{quote(str(path.resolve()))}?mode={'rw' if write else 'ro'}"
        try:
            self._connection = sqlite3.connect(address, uri=True, check_same_thread=False, isolation_level=None, timeout=5)
            self._connection.text_factory = bytes
            for name, count, function in _FUNCTIONS:
                self._connection.create_function(name, count, function, deterministic=True)
            self.rows("SELECT count(*) FROM sqlite_master")
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def _translated(self, error: sqlite3.Error) -> EngineError:
        code = getattr(error, "sqlite_errorname", "") or ""
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return SourceBusyError(f"{self._side}: another process holds a lock on the file", advice="Try again when it is gone.")
        if code == "SQLITE_NOTADB":
            return ObjectMissingError(f"{self._side}: the file is not a SQLite database", advice="Correct `file.path`.")
        if code == "SQLITE_INTERRUPT":
            stopped = ConnectionLostError(f"{self._side}: reading was stopped on request")
            stopped.code = code
            return stopped
        translated = EngineError(f"{self._side}: {_words(error, code)}")
        translated.code = code
        return translated

    def rows(self, sql: str) -> list[Row]:
        """Run a statement; its rows as text."""
        try:
            fetched = self._connection.execute(sql).fetchall()
        except sqlite3.Error as error:
            raise self._translated(error) from error
        return [tuple(None if v is None else _text_of(v) for v in row) for row in fetched]

    def blocks(self, sql: str) -> Iterator[tuple[int, bytes]]:
        """Stream a query of one rendered column as (rows, bytes) blocks."""
        try:
            cursor = self._connection.execute(sql)
            parts: list[bytes] = []
            size = 0
            while batch := cursor.fetchmany(_ROWS_AT_ONCE):
                parts += [row[0] for row in batch]
                size += sum(len(row[0]) for row in batch)
                if size >= _BLOCK:
                    yield len(parts), b"".join(parts)
                    parts, size = [], 0
            if parts:
                yield len(parts), b"".join(parts)
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def pages(self, sql: str, span: Span) -> Iterator[tuple[int, bytes]]:
        """Stream a range in pages that SQLite renders on its own: (rows, bytes), read along the key.

        A page is one step of the statement, so other threads run meanwhile.
        """
        at, last = span.low, span.high
        try:
            while at <= last:
                count, page, largest = self._connection.execute(sql, (at, last, span.rows)).fetchone()
                if count:
                    yield count, page
                if count < span.rows:
                    return
                at = largest + 1
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def digest(self, sql: str, span: Span) -> tuple[int, str]:
        """Count the rows of a range, and SHA2-256 of their lines with a line feed between them; empty where there is none."""
        total, digest = 0, hashlib.sha256()
        for count, page in self.pages(sql, span):
            digest.update(b"\n" + page if total else page)
            total += count
        return total, digest.hexdigest() if total else ""

    def clean(self, sql: str, span: Span) -> bool:
        """Whether the pages of a range are valid UTF-8 without NUL bytes."""
        try:
            for _, page in self.pages(sql, span):
                page.decode()
                if b"\0" in page:
                    return False
        except UnicodeDecodeError:
            return False
        return True

    def raw_rows(self, sql: str) -> Iterator[tuple[bytes | None, ...]]:
        """Stream the rows of a statement that yields only texts and blobs, as bytes."""
        try:
            yield from self._connection.execute(sql)
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def line_sum(self, sql: str) -> tuple[int, int]:
        """Count the rows of a query of one line, and sum the first 60 bits of each line's SHA2-256."""
        count = total = 0
        sha256, number = hashlib.sha256, int.from_bytes
        try:
            for (line,) in self._connection.execute(sql):
                total += number(sha256(line).digest()[:8]) >> 4
                count += 1
        except sqlite3.Error as error:
            raise self._translated(error) from error
        return count, total

    def abort(self) -> None:
        """Stop the running query, from any thread."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.interrupt()

    def close(self) -> None:
        """Close; an open transaction is rolled back."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()


def _text_of(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
