"""The confidence of a matched pair of columns, in percent.

A logistic regression over the features of the pair. Its weights were fitted on generated schemas (`python -m tests.bench.matching fit`)
and are checked on a separate set with other domains, words and naming habits: docs/benchmarks.md has the results.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

SAME_NAME = 0.995
CLEARLY = 0.08  # the least lead over another candidate that counts
_SIMILAR = 0.6
_MOST = 0.8
_AMBIGUOUS = 90
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
        values = tuple(getattr(self, f.name) for f in fields(self))
        return (1.0, *values, 1.0 if self.name >= SAME_NAME else 0.0, min(self.over_row, self.over_column))


@dataclass(frozen=True, slots=True)
class TableSigns:
    """The features of two matched tables, from 0 to 1; `lead` is the lead over the second best pair of either table."""

    score: float
    lead: float
    name: float
    covered: float

    def vector(self) -> tuple[float, ...]:
        """Return the features as a vector, with an intercept."""
        return (1.0, self.score, self.lead, self.name, self.covered)


_WEIGHTS = (-3.524, 1.762, -0.647, 0.565, 2.850, 1.579, 0.536, 2.747, 0.104, 2.873, -0.080, 0.996)


_TABLE_WEIGHTS = (-2.292, 2.273, 5.036, -0.819, 5.366)


def percent(signs: Signs) -> int:
    """Return the probability that the pair is correct, in percent, rounded down; at most 99.

    Columns with different names are at most at 90 if another column fits nearly as well, or if their names only share a word.
    """
    confidence = _logistic(_WEIGHTS, signs.vector())
    if signs.name < SAME_NAME and (min(signs.over_row, signs.over_column) < CLEARLY or signs.name < _SIMILAR):
        return min(confidence, _AMBIGUOUS)
    return confidence


def table_percent(signs: TableSigns, *, telling: bool) -> int:
    """Return the probability that the tables are the same, in percent, rounded down; at most 99.

    At most 90 if another table fits nearly as well, or if neither the names are similar nor most of the columns match.
    `telling`: enough columns match to mean something; (id, name) does not.
    """
    confidence = _logistic(_TABLE_WEIGHTS, signs.vector())
    if signs.lead < CLEARLY or (signs.name < _SIMILAR and not (telling and signs.covered >= _MOST)):
        return min(confidence, _AMBIGUOUS)
    return confidence


def _logistic(weights: tuple[float, ...], features: tuple[float, ...]) -> int:
    total = sum(w * x for w, x in zip(weights, features, strict=True))
    return min(_CERTAIN, math.floor(100 / (1 + math.exp(-max(-50.0, min(50.0, total))))))
