"""Names in the target: quoting, folding and the limit of their length.

A name that must change because it is too long or taken gets a short digest of what it stood for, so that the
same source always yields the same names.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

PATH_ITEM = re.compile(r'"(?:[^"]|"")*"|[^,\s"]+')
"""An element of a `search_path`."""


def quoted(name: str) -> str:
    """The identifier in double quotes, always."""
    return '"' + name.replace('"', '""') + '"'


def search_path(*schemas: str) -> str:
    """The value of `search_path` under which names are looked up in the system's catalog, then in these schemas.

    `pg_catalog` is not written down: so PostgreSQL searches it before all that is, and makes new objects in the first schema that
    is. Written down behind others, a role that may create functions there could replace `length(text)`. `pg_temp` is written down as
    the last: otherwise temporary tables would come before all others.

    Args:
        schemas: names of schemas, unquoted, the first being where unqualified CREATE statements go.

    Returns:
        A list for `SET search_path = …`, for example `"stage", "public", pg_temp`.
    """
    return ", ".join([*(quoted(s) for s in schemas), "pg_temp"])


def searched_safely(path: str, schemas: Iterable[str] = ()) -> str:
    """The search path of a session as `SHOW search_path` tells it, with the system's catalog first and `pg_temp` last.

    `schemas`: names that come before those of the path.
    """
    items = [quoted(schema) for schema in schemas] + [
        item for item in PATH_ITEM.findall(path) if item.strip('"') not in {"pg_catalog", "pg_temp"}
    ]
    return ", ".join([*(item for item in items if item != '""'), "pg_temp"])


def literal(text: str) -> str:
    """A string literal that reads the same whatever `standard_conforming_strings` says. Raises ValueError on NUL."""
    if "\x00" in text:
        message = "a string literal cannot hold a NUL byte"
        raise ValueError(message)
    escaped = text.replace("'", "''")
    if "\\" in escaped:
        return "E'" + escaped.replace("\\", "\\\\") + "'"
    return f"'{escaped}'"


def shortened(name: str, limit: int) -> str:
    """The name itself, or its head and eight hexadecimal digits of its digest when it has more octets than the target's limit."""
    raw = name.encode()
    if len(raw) <= limit:
        return name
    digest = hashlib.sha256(raw).hexdigest()[:8]
    head = raw[: limit - 9].decode(errors="ignore")
    return f"{head}_{digest}"


def folded(name: str, limit: int, *, lower: bool) -> str:
    """The name as the target spells it."""
    return shortened(name.lower() if lower else name, limit)


class NameSpace:
    """Assigns names that are free, deterministically: the first request keeps the plain name. `limit`: the longest name, in octets."""

    def __init__(self, limit: int, used: Iterable[str] = ()) -> None:
        self._limit = limit
        self._used = set(used)

    def claim(self, preferred: str, seed: str = "") -> str:
        """`preferred`, or a variant of it with a digest of `seed` where it is taken already."""
        name = shortened(preferred, self._limit)
        attempt = 0
        while name in self._used:
            digest = hashlib.sha256(f"{preferred}\0{seed}\0{attempt}".encode()).hexdigest()[:8]
            name = shortened(preferred[: self._limit - 9], self._limit) + f"_{digest}"
            name = shortened(name, self._limit)
            attempt += 1
        self._used.add(name)
        return name
