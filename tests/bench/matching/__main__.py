"""How well schemas are matched: recall, mean reciprocal rank and calibration on generated schemas.

`measure` (the default) prints and writes the numbers for the schemas that were kept apart. `fit` prints the weights that
fit the others best, for `landfall.engine.matching.confidence`.
"""

from __future__ import annotations

import math
import sys

from landfall.engine.matching.matcher import matched
from tests.bench.matching.generate import Fixture, fixture, versions, vocabulary
from tests.bench.matching.scores import AUTOMATIC, Scores, judged
from tests.bench.page import put

_FIT, _MEASURED = range(1000, 1400), range(5000, 5400)
_RIDGE, _ROUNDS = 0.5, 40


_Rows = list[tuple[tuple[float, ...], float]]


def _signs(example: Fixture) -> tuple[_Rows, _Rows]:
    """The features of every proposed pair, and whether it is right: of columns, and of tables."""
    pairs = matched(example.sources, example.targets)
    columns = [
        (f.signs.vector(), float(example.columns.get((p.source, f.source)) == (p.target, f.target)))
        for p in pairs
        for f in p.fields
    ]
    renamed = [p for p in pairs if p.confidence < 100]
    return columns, [(p.signs.vector(), float(example.tables.get(p.source) == p.target)) for p in renamed]


def _fit() -> None:
    words = vocabulary("fit")
    signs = [_signs(example) for seed in _FIT for example in (fixture(words, seed), versions(fixture(words, seed), seed))]
    for at, name in enumerate(("_WEIGHTS", "_TABLE_WEIGHTS")):
        rows = [row for rows in signs for row in rows[at]]
        print(f"{len(rows)} pairs, {sum(y for _, y in rows) / len(rows):.1%} right")
        print(f"{name} = (" + ", ".join(f"{w:.3f}" for w in _fitted(rows)) + ")")


def _fitted(rows: _Rows) -> list[float]:
    """Newton's method for the logistic regression with a ridge penalty."""
    size = len(rows[0][0])
    weights = [0.0] * size
    for _ in range(_ROUNDS):
        gradient, hessian = [-_RIDGE * w for w in weights], [[_RIDGE * (i == j) for j in range(size)] for i in range(size)]
        for x, y in rows:
            p = 1 / (1 + math.exp(-sum(w * v for w, v in zip(weights, x, strict=True))))
            for i in range(size):
                gradient[i] += (y - p) * x[i]
                for j in range(size):
                    hessian[i][j] += p * (1 - p) * x[i] * x[j]
        weights = [w + d for w, d in zip(weights, _solved(hessian, gradient), strict=True)]
    return weights


def _solved(matrix: list[list[float]], vector: list[float]) -> list[float]:
    """Gaussian elimination with pivots."""
    rows = [[*row, value] for row, value in zip(matrix, vector, strict=True)]
    for at in range(len(rows)):
        pivot = max(range(at, len(rows)), key=lambda r: abs(rows[r][at]))
        rows[at], rows[pivot] = rows[pivot], rows[at]
        for r in range(len(rows)):
            if r != at:
                factor = rows[r][at] / rows[at][at]
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[at], strict=True)]
    return [row[-1] / row[at] for at, row in enumerate(rows)]


def _measure() -> None:
    words = vocabulary("held")
    total, other = Scores(), Scores()
    for seed in _MEASURED:
        total += judged(fixture(words, seed))
        other += judged(versions(fixture(words, seed), seed))
    approved, right = other.automatic
    text = total.table(len(_MEASURED))
    text += (
        "\n\nThe same schemas as two versions of one application, each without a quarter of the tables and a tenth of the columns of the other:"
        f" {approved} pairs are approved automatically at {AUTOMATIC}, {approved - right} of them ({1 - right / max(1, approved):.2%}) are wrong."
    )
    print(text)
    put(f"## Matching of existing tables\n\n{text}\n")


if __name__ == "__main__":
    {"fit": _fit, "measure": _measure}[sys.argv[1] if len(sys.argv) > 1 else "measure"]()
