"""Sampled values: their kind (such as e-mail address), and whether a column of the target accepts them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from landfall.engine.matching.name_similarity import words

_UUID = r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"
# Kinds of values: the name, a pattern of the value, and words in a column name that suggest it.
_KINDS: tuple[tuple[str, re.Pattern[str], frozenset[str]], ...] = (
    ("email", re.compile(r"[^@\s]+@[^@\s]+\.[a-zA-Z]+"), frozenset({"email", "mail"})),
    ("url", re.compile(r"(https?|ftp)://\S+"), frozenset({"url", "link", "website", "href", "uri", "homepage"})),
    ("uuid", re.compile(_UUID), frozenset({"uuid", "guid"})),
    ("phone", re.compile(r"(?=(?:\D*\d){6,})(\+\d|\(?0\d|\d{3}[-. ])[\d\s()./-]+"), frozenset({"phone", "telephone", "tel", "fax", "mobile", "cell"})),
    ("address", re.compile(r"\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F:]*::?[0-9a-fA-F:]+"), frozenset({"ip"})),
    ("moment", re.compile(r"\d{4}-\d\d-\d\d([ T].*)?"), frozenset({"date", "day", "created", "updated", "time", "timestamp", "birthday"})),
    ("document", re.compile(r"[\[{].*[\]}]", re.DOTALL), frozenset({"json", "payload", "metadata", "settings"})),
    ("digest", re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}"), frozenset({"hash", "digest", "checksum", "md5", "sha"})),
)  # fmt: skip
_MOST = 0.8


def kind_of(samples: Sequence[str]) -> str:
    """Return the kind of most of the values; empty if they have no known kind."""
    values = [s for s in samples if s]
    if len(values) < 3:
        return ""
    for kind, look, _ in _KINDS:
        if sum(1 for s in values if look.fullmatch(s)) >= _MOST * len(values):
            return kind
    return ""


@lru_cache(maxsize=10_000)
def promised(name: str) -> str:
    """Return the kind of value that a name suggests; empty if none."""
    name_words = set(words(name))
    return next((kind for kind, _, promising in _KINDS if name_words & promising), "")


def overlap(samples: Sequence[str], allowed: frozenset[str]) -> float | None:
    """Return the share of distinct values that are allowed, from 0 to 1; None if the values or the allowed ones are unknown."""
    distinct = {s for s in samples if s != ""}
    if not distinct or not allowed:
        return None
    lowered = {a.lower() for a in allowed}
    return len({s for s in distinct if s.lower() in lowered}) / len(distinct)


@dataclass(frozen=True, slots=True)
class Sampled:
    """Sampled values of a column of the source, and their properties, computed once."""

    values: tuple[str, ...] = ()
    kind: str = ""
    longest: int = 0

    @classmethod
    def from_values(cls, values: Sequence[str]) -> Sampled:
        """Compute the properties of the values."""
        return cls(tuple(values), kind_of(values), max(map(len, values), default=0))


NOTHING = Sampled()


def evidence(samples: Sampled, target_name: str, allowed: frozenset[str], length: int | None) -> float:
    """Return the evidence that the values belong in a column: -1 (they do not), 0 (unknown), 1 (they do)."""
    shared = overlap(samples.values, allowed) if allowed else None
    if shared is not None:
        return 2 * shared - 1
    if length is not None and samples.longest > length:
        return -0.8
    expected_kind = promised(target_name)
    if expected_kind and samples.kind:
        return 1.0 if expected_kind == samples.kind else -1.0
    if expected_kind in {"email", "url", "uuid", "document"} and len(samples.values) >= 3:
        return -0.6
    return -0.2 if samples.kind in {"email", "url"} else 0.0
