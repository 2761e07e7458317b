"""The confidence of a matched pair of columns, in percent.

A logistic regression over the features of the pair. Its weights were fitted on generated schemas (`python -m tests.bench.matching fit`)
and are checked on a separate set with other domains, words and naming habits: docs/benchmarks.md has the results.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

SAME_NAME = 0.995
_CERTAIN = 99


@dataclass(frozen=True, slots=True)
class Signs:
    """The features of a pair. Scores and similarities are from 0 to 1, values and keys from -1 to 1; `over_…` is the lead over the second best."""

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
        """Return the features as a vector, with an intercept and two derived features."""
        given = tuple(getattr(self, f.name) for f in fields(self))
        return (1.0, *given, 1.0 if self.name >= SAME_NAME else 0.0, min(self.over_row, self.over_column))


_WEIGHTS = (-2.739, 1.901, 0.216, 1.393, 2.817, 1.909, 0.401, 3.197, -1.540, 3.462, 0.205, -0.100)


def percent(signs: Signs) -> int:
    """Return the probability that the pair is correct, in percent, rounded down; at most 99."""
    total = sum(w * x for w, x in zip(_WEIGHTS, signs.vector(), strict=True))
    return min(_CERTAIN, math.floor(100 / (1 + math.exp(-max(-50.0, min(50.0, total))))))
