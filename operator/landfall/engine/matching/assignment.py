"""The best one-to-one assignment: the pairs of rows and columns whose scores have the largest sum.

The Hungarian method with potentials, on each connected component of the pairs with a positive score, O(n³) within one.
Source: Kuhn 1955, in the form with shortest augmenting paths by Jonker and Volgenant 1987.
"""

from __future__ import annotations

from collections.abc import Mapping

Scores = Mapping[tuple[int, int], float]


def assigned(scores: Scores) -> dict[int, int]:
    """Return the assigned column of each row, by index, for positive scores only. Rows and columns may stay unassigned."""
    assignment: dict[int, int] = {}
    for rows, columns in _components(scores):
        table = [[scores.get((r, c), 0.0) for c in columns] for r in rows]
        for row, column in enumerate(_best(table)):
            if column is not None and table[row][column] > 0:
                assignment[rows[row]] = columns[column]
    return assignment


def _components(scores: Scores) -> list[tuple[list[int], list[int]]]:
    rows: dict[int, list[int]] = {}
    columns: dict[int, list[int]] = {}
    for (r, c), score in sorted(scores.items()):
        if score > 0:
            rows.setdefault(r, []).append(c)
            columns.setdefault(c, []).append(r)
    visited: set[int] = set()
    parts = []
    for start in rows:
        if start in visited:
            continue
        part: tuple[set[int], set[int]] = ({start}, set())
        waiting = [start]
        while waiting:
            row = waiting.pop()
            for column in rows[row]:
                part[1].add(column)
                more = [r for r in columns[column] if r not in part[0]]
                part[0].update(more)
                waiting += more
        visited |= part[0]
        parts.append((sorted(part[0]), sorted(part[1])))
    return parts


def _best(scores: list[list[float]]) -> list[int | None]:
    """The column of each row in a dense table, padded to a square with scores of zero."""
    height, width = len(scores), len(scores[0])
    size = max(height, width)
    cost = [[-(scores[r][c] if r < height and c < width else 0.0) for c in range(size)] for r in range(size)]
    row_of = _augmented(cost, size)
    columns: list[int | None] = [None] * height
    for column in range(width):
        if row_of[column] < height:
            columns[row_of[column]] = column
    return columns


def _augmented(cost: list[list[float]], size: int) -> list[int]:  # noqa: C901  one algorithm, in the form in which it is known
    """The row of each column, at the smallest total cost. Index `size` stands for the row that is being placed."""
    high, low = [0.0] * (size + 1), [0.0] * (size + 1)
    row_of = [size] * (size + 1)
    for row in range(size):
        row_of[size], column = row, size
        slack, came, visited = [float("inf")] * size, [size] * size, [False] * (size + 1)
        while row_of[column] != size:
            visited[column] = True
            current_row, step, following = row_of[column], float("inf"), size
            for c in range(size):
                if visited[c]:
                    continue
                reduced = cost[current_row][c] - high[current_row] - low[c]
                if reduced < slack[c]:
                    slack[c], came[c] = reduced, column
                if slack[c] < step:
                    step, following = slack[c], c
            for c in range(size + 1):
                if visited[c]:
                    high[row_of[c]] += step
                    low[c] -= step
                elif c < size:
                    slack[c] -= step
            column = following
        while column != size:
            row_of[column] = row_of[came[column]]
            column = came[column]
        row_of[size] = size
    return row_of[:size]
