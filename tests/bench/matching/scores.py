"""What was right: counted over fixtures, and told as a person would judge it."""

from __future__ import annotations

from dataclasses import dataclass, field

from landfall.engine.matching.matcher import matched
from tests.bench.matching.generate import Fixture

_BANDS = ((95, 100), (90, 95), (80, 90), (60, 80), (40, 60), (0, 40))
AUTOMATIC = 95


@dataclass
class Scores:
    """Counts; `bands` are (pairs, right ones, sum of the confidences) by the lower end of the confidence."""

    tables: int = 0
    tables_right: int = 0
    columns: int = 0
    columns_right: int = 0
    reciprocal: float = 0.0
    bands: dict[int, tuple[int, int, int]] = field(default_factory=dict)

    def __add__(self, other: Scores) -> Scores:
        bands = {low: _added(self.bands.get(low), other.bands.get(low)) for low, _ in _BANDS}
        return Scores(
            self.tables + other.tables,
            self.tables_right + other.tables_right,
            self.columns + other.columns,
            self.columns_right + other.columns_right,
            self.reciprocal + other.reciprocal,
            bands,
        )

    @property
    def automatic(self) -> tuple[int, int]:
        """Pairs at 95 % and more, and how many of them are right."""
        return self.bands[AUTOMATIC][:2]

    def table(self, fixtures: int) -> str:
        """For a page."""
        approved, right = self.automatic
        lines = [
            f"{fixtures} pairs of generated schemas, {self.tables} tables and {self.columns} columns with a counterpart, were matched.",
            "The matcher was neither written nor fitted with their domains, words and habits.",
            "",
            "| what | value |",
            "|---|---|",
            f"| tables found (recall) | {self.tables_right / self.tables:.1%} |",
            f"| columns found (recall) | {self.columns_right / self.columns:.1%} |",
            f"| mean reciprocal rank of the right column | {self.reciprocal / self.columns:.3f} |",
            f"| approved automatically at {AUTOMATIC} | {approved / max(1, sum(b[0] for b in self.bands.values())):.1%} of the proposals |",
            f"| of these right | **{right / max(1, approved):.2%}** ({right} of {approved}) |",
            "",
            "| confidence | proposals | mean confidence | right |",
            "|---|---|---|---|",
        ]
        for low, high in _BANDS:
            count, hits, sure = self.bands[low]
            if count:
                lines.append(f"| {low} to {high} | {count} | {sure / count:.1f} % | {hits / count:.1%} |")
        return "\n".join(lines)


def _added(first: tuple[int, int, int] | None, other: tuple[int, int, int] | None) -> tuple[int, int, int]:
    first_counts, right = first or (0, 0, 0), other or (0, 0, 0)
    return (first_counts[0] + right[0], first_counts[1] + right[1], first_counts[2] + right[2])


def judged(example: Fixture) -> Scores:
    """What is proposed for a fixture, against the truth."""
    scores = Scores(tables=len(example.tables), columns=len(example.columns), bands={low: (0, 0, 0) for low, _ in _BANDS})
    for pair in matched(example.sources, example.targets):
        scores.tables_right += example.tables.get(pair.source) == pair.target
        for field_pair in pair.fields:
            truth = example.columns.get((pair.source, field_pair.source))
            right = truth == (pair.target, field_pair.target)
            scores.columns_right += right
            if truth and truth[0] == pair.target:
                ranked = [field_pair.target, *field_pair.rivals]
                scores.reciprocal += 1 / (ranked.index(truth[1]) + 1) if truth[1] in ranked else 0
            low = next(low for low, _ in _BANDS if field_pair.confidence >= low)
            count, hits, sure = scores.bands[low]
            scores.bands[low] = (count + 1, hits + right, sure + field_pair.confidence)
    return scores
