"""How well schemas are matched: recall, mean reciprocal rank and calibration on generated schemas.

`measure` (the default) prints and writes the numbers for the schemas that were kept apart. `fit` prints the weights that
fit the others best, for `landfall.engine.matching.confidence`.
"""

from __future__ import annotations

import math
import sys

from landfall.engine.matching.confidence import Signs
from landfall.engine.matching.matcher import matched
from tests.bench.matching.generate import Fixture, fixture, vocabulary
from tests.bench.matching.scores import Scores, judged
from tests.bench.page import put

_FIT, _MEASURED = range(1000, 1400), range(5000, 5400)
_RIDGE, _ROUNDS = 0.5, 40


def _signs(made: Fixture) -> list[tuple[Signs, bool]]:
    """The signs of every pair that is proposed, and whether it is right."""
    pairs = matched(made.sources, made.targets)
    return [(f.signs, made.columns.get((p.source, f.source)) == (p.target, f.target)) for p in pairs for f in p.fields]


def _fit() -> None:
    """Newton's method for the logistic regression with a ridge penalty."""
    words = vocabulary("fit")
    rows = [(s.vector(), 1.0 if ok else 0.0) for seed in _FIT for s, ok in _signs(fixture(words, seed))]
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
    print(f"{len(rows)} pairs, {sum(y for _, y in rows) / len(rows):.1%} right")
    print("_WEIGHTS = (" + ", ".join(f"{w:.3f}" for w in weights) + ")")


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
    total = Scores()
    for seed in _MEASURED:
        total += judged(fixture(words, seed))
    text = total.told(len(_MEASURED))
    print(text)
    put(f"## Matching of existing tables\n\n{text}\n")


if __name__ == "__main__":
    {"fit": _fit, "measure": _measure}[sys.argv[1] if len(sys.argv) > 1 else "measure"]()
