"""Resolution of version ranges in the syntax of node-semver and Python, to available versions."""

from __future__ import annotations

import re
from collections.abc import Sequence

Parts = tuple[int, int, int]
_LEAST, _MOST = (0, 0, 0), (10**6, 0, 0)
_ONE = re.compile(r"(?P<sign>\^|~>?|>=|<=|>|<|==|=|!=)?\s*v?(?P<version>[\dxX*]+(?:\.[\dxX*]+){0,2})[^\s|,]*")
_NAMES = {"lts": "*", "lts/*": "*", "node": "*", "latest": "*", "current": "*", "stable": "*"}
_CODENAMES = {"lts/hydrogen": "18", "lts/iron": "20", "lts/jod": "22", "lts/krypton": "24"}


def newest(requested: str, versions: Sequence[str]) -> str:
    """Return the newest known version within a range; empty if none matches. `versions` are texts such as 22.11.0, in any order."""
    text = requested.strip().lower()
    text = _CODENAMES.get(text, _NAMES.get(text, text))
    for version in sorted(versions, key=parts, reverse=True):
        if any(_satisfies(parts(version), part) for part in text.split("||")):
            return version
    return ""


def nearest(requested: str, versions: Sequence[str], steps: int) -> str:
    """Return an available version near one that is not available: of the same major version, or up to `steps` major versions newer.

    Only a request for one version has a near one, not a range with an upper limit. Empty if there is none.
    """
    match = re.fullmatch(r"\s*(\^|~>?|=)?\s*v?(\d+)((\.[\dxX*]+){0,2})\s*", _CODENAMES.get(requested.strip().lower(), requested))
    if match is None:
        return ""
    major = int(match.group(2))
    for step in range(steps + 1):
        if version := newest(f"{major + step}.x", versions):
            return version
    return ""


def parts(version: str) -> Parts:
    """Major, minor and patch number."""
    numbers = [int(n) for n in re.findall(r"\d+", version)[:3]]
    return (*numbers, 0, 0, 0)[:3]  # type: ignore[return-value]


def _satisfies(version: Parts, text: str) -> bool:
    hyphen = re.fullmatch(r"\s*(\S+)\s+-\s+(\S+)\s*", text)
    if hyphen:
        return _span("", hyphen.group(1))[0] <= version < _span("", hyphen.group(2))[1]
    bounds = list(_ONE.finditer(text.replace(",", " ")))
    return bool(bounds) and all(_allows(m.group("sign") or "", m.group("version"), version) for m in bounds)


def _allows(sign: str, text: str, version: Parts) -> bool:
    low, high = _span(sign, text)
    if sign == ">=":
        return version >= low
    if sign == ">":
        return version >= high
    if sign == "<":
        return version < low
    if sign == "<=":
        return version < high
    return (low <= version < high) != (sign == "!=")


def _span(sign: str, text: str) -> tuple[Parts, Parts]:
    """The first version of a range, and the first version after it."""
    numbers = [p for p in text.split(".") if not re.fullmatch(r"[xX*]", p)]
    low = parts(".".join(numbers)) if numbers else _LEAST
    if not numbers:
        return _LEAST, _MOST
    if sign == "^" and low[0]:
        return low, (low[0] + 1, 0, 0)
    if sign in {"~", "~>", "^"} and len(numbers) > 1:
        return low, (low[0], low[1] + 1, 0)
    if len(numbers) == 1:
        return low, (low[0] + 1, 0, 0)
    if len(numbers) == 2:
        return low, (low[0], low[1] + 1, 0)
    return low, (low[0], low[1], low[2] + 1)
