"""Names in the target: quoting, folding and the limit of 63 bytes.

A name that must change because it is too long or taken gets a short digest of what it stood for, so that the
same source always yields the same names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

MAX_NAME_BYTES = 63


def quoted(name: str) -> str:
    """The identifier in double quotes, always."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string literal that reads the same whatever `standard_conforming_strings` says. Raises ValueError on NUL."""
    if "\x00" in text:
        message = "a string literal cannot hold a NUL byte"
        raise ValueError(message)
    escaped = text.replace("'", "''")
    if "\\" in escaped:
        return "E'" + escaped.replace("\\", "\\\\") + "'"
    return f"'{escaped}'"


def shortened(name: str) -> str:
    """The name itself, or its head and eight hexadecimal digits of its digest when it has over 63 bytes."""
    raw = name.encode()
    if len(raw) <= MAX_NAME_BYTES:
        return name
    digest = hashlib.sha256(raw).hexdigest()[:8]
    head = raw[: MAX_NAME_BYTES - 9].decode(errors="ignore")
    return f"{head}_{digest}"


def folded(name: str, *, lower: bool) -> str:
    """The name as the target spells it."""
    return shortened(name.lower() if lower else name)


class NameSpace:
    """Hands out names that are free, deterministically: the first asker keeps the plain name."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def claim(self, wanted: str, seed: str = "") -> str:
        """`wanted`, or a variant of it with a digest of `seed` where it is taken already."""
        name = shortened(wanted)
        attempt = 0
        while name in self._taken:
            digest = hashlib.sha256(f"{wanted}\0{seed}\0{attempt}".encode()).hexdigest()[:8]
            name = shortened(wanted[: MAX_NAME_BYTES - 9]) + f"_{digest}"
            name = shortened(name)
            attempt += 1
        self._taken.add(name)
        return name
