"""From the signs of a pair to how surely it is right, in percent.

A logistic regression over the signs. Its weights were fitted on generated schemas (`python -m tests.bench.matching fit`)
and are checked on others, of other domains, words and habits, that were kept apart: docs/benchmarks.md has the numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

SAME_NAME = 0.995
_CERTAIN = 99


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for a pair. Scores and likenesses are from 0 to 1, values and keys from -1 to 1; `over` is the lead over the next best."""

    score: float
    over_row: float
    over_column: float
    name: float
    typed: float
    values: float
    keys: float
    table: float
    over_table: float

    def vector(self) -> tuple[float, ...]:
        """The signs as numbers, and which of the name's are certain."""
        given = tuple(getattr(self, f.name) for f in fields(self))
        return (1.0, *given, 1.0 if self.name >= SAME_NAME else 0.0, min(self.over_row, self.over_column))


_WEIGHTS = (-2.739, 1.901, 0.216, 1.393, 2.817, 1.909, 0.401, 3.197, -1.540, 3.462, 0.205, -0.100)


def percent(signs: Signs) -> int:
    """How many of a hundred such pairs are right, rounded down; never certain."""
    total = sum(w * x for w, x in zip(_WEIGHTS, signs.vector(), strict=True))
    return min(_CERTAIN, math.floor(100 / (1 + math.exp(-max(-50.0, min(50.0, total))))))
