"""A range of an integer key as a reader walks it, page by page."""

from __future__ import annotations

from dataclasses import dataclass

_PAGE_ROWS = 2000
_PAGE_BYTES = 8 * 1024 * 1024
_LEAST, _LARGEST = -(1 << 63), (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Span:
    """A range of an integer key, both ends included, and how many rows make a page of it."""

    low: int
    high: int
    rows: int

    @staticmethod
    def rows_of(largest: int) -> int:
        """How many rows make a page of bounded size, where the largest has so many octets."""
        return max(1, min(_PAGE_ROWS, _PAGE_BYTES // max(1, largest)))

    @classmethod
    def of(cls, low: int | None, high: int | None, rows: int) -> Span:
        """From the least key to before `high`; None is open."""
        return cls(_LEAST if low is None else low, _LARGEST if high is None else high - 1, rows)
