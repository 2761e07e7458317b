"""Matching of tables and columns: every pair is scored, and the assignment with the largest sum is used.

A table or column whose name exists on both sides is matched first and is not part of the assignment, so that no better sum can assign
it to another one. Tables with exactly the same columns are matched next. Other tables are matched by their names and by how well their
columns match; then columns are matched again with the known tables of the foreign keys. The confidence is calibrated: see `confidence`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from landfall.engine.matching import value_profile
from landfall.engine.matching.assignment import assigned
from landfall.engine.matching.confidence import CLEARLY, SAME_NAME, Signs, TableSigns, percent, table_percent
from landfall.engine.matching.name_similarity import common_words, likeness, same_name, words
from landfall.engine.matching.type_families import Kind, fitness
from landfall.engine.matching.value_profile import Sampled

_CANDIDATES = 6
_LEAST_TABLE = 0.3
_LEAST_COLUMN = 0.24
_TELLING_COLUMNS = 3  # with at least this number of columns, equal column names mean the same table; (id, name) does not
_NAMED = 2.0  # score of a pair that a TablePlan names
_NAME, _TYPE, _VALUES, _KEYS = 0.62, 0.14, 0.12, 0.12


@dataclass(frozen=True, slots=True)
class Field:
    """A column of either side. `allowed`: the values that it accepts, if they are listed; `length` is in characters."""

    name: str
    kind: Kind
    length: int | None = None
    primary: bool = False
    unique: bool = False
    references: str = ""
    allowed: frozenset[str] = frozenset()
    samples: Sampled = value_profile.NOTHING


@dataclass(frozen=True, slots=True)
class Entity:
    """A table of either side; `id` identifies it for the caller."""

    id: str
    name: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class FieldPair:
    """Two matched columns, the confidence in percent, and the reasons. `rivals` are columns that fit nearly as well."""

    source: str
    target: str
    confidence: int
    reasons: tuple[str, ...]
    rivals: tuple[str, ...]
    signs: Signs


@dataclass(frozen=True, slots=True)
class EntityPair:
    """Two matched tables, the confidence in percent, and the reasons. No column of them has a higher confidence."""

    source: str
    target: str
    fields: tuple[FieldPair, ...]
    confidence: int
    reasons: tuple[str, ...]
    signs: TableSigns


@dataclass(frozen=True, slots=True)
class NamedMatch:
    """A match that a TablePlan names: of a table, or with `source_field` of a column."""

    source: str
    target: str
    source_field: str = ""


@dataclass(slots=True)
class _MatchState:
    """The input of matching, and the matches so far."""

    sources: Sequence[Entity]
    targets: Sequence[Entity]
    named: Sequence[NamedMatch]
    noise: frozenset[str]
    tables: dict[int, int] = field(default_factory=dict)
    settled: dict[str, str] = field(default_factory=dict)
    rivals: dict[int, tuple[float, str]] = field(default_factory=dict)
    own: dict[int, int] = field(default_factory=dict)

    def common(self, s: int, t: int) -> frozenset[str]:
        """Words of the tables' names and common prefixes, which do not distinguish columns."""
        names = {*words(self.sources[s].name), *words(self.targets[t].name)}
        prefixes = common_words(f.name for f in self.sources[s].fields) | common_words(f.name for f in self.targets[t].fields)
        return frozenset(names | prefixes) | self.noise


def matched(sources: Sequence[Entity], targets: Sequence[Entity], decisions: Sequence[NamedMatch] = ()) -> tuple[EntityPair, ...]:
    """Return the matched tables with their matched columns, in the order of the sources. Matches in `decisions` are always used."""
    noise = common_words(e.name for e in sources) | common_words(e.name for e in targets)
    state = _MatchState(sources, targets, decisions, noise)
    _settle_tables(state)
    return tuple(_matched_tables(state, s, t) for s, t in sorted(state.tables.items()))


# -- tables -----------------------------------------------------------------------------------------------------------


def _settle_tables(state: _MatchState) -> None:
    rough = {
        (s, t): _rough(state, s, t) for s in range(len(state.sources)) for t in range(len(state.targets)) if _may(state, s, t)
    }
    likely = set()
    for s in range(len(state.sources)):
        candidates = sorted((t for t in range(len(state.targets)) if (s, t) in rough), key=lambda t: (-rough[s, t], t))
        likely |= {(s, t) for t in candidates[:_CANDIDATES]}
    state.own = _own_tables(state)
    scores = {(s, t): _table_score(state, s, t, _scores(state, s, t)) for s, t in sorted(likely | set(state.own.items()))}
    good = {pair: value for pair, value in scores.items() if value >= _LEAST_TABLE or _is_named(state, *pair)}
    state.tables = {**state.own, **assigned(_unmatched(good, state.own))}
    state.settled = {state.sources[s].id: state.targets[t].id for s, t in state.tables.items()}
    for s, t in state.tables.items():
        rivals = [
            (v, state.targets[b].name if a == s else state.sources[a].name)
            for (a, b), v in scores.items()
            if (a == s) != (b == t)
        ]
        state.rivals[s] = max(rivals, default=(0.0, ""))


def _matched_tables(state: _MatchState, s: int, t: int) -> EntityPair:
    """Two matched tables with their columns."""
    source, target = state.sources[s], state.targets[t]
    scores = _scores(state, s, t)
    score, (best, rival) = _table_score(state, s, t, scores), state.rivals[s]
    signs = TableSigns(score, score - best, likeness(source.name, target.name, state.noise), _covered(state, s, t, scores))
    column_pairs = sorted(_column_pairs(source, target, scores).items())
    sure = table_percent(signs, telling=len(column_pairs) >= _TELLING_COLUMNS)
    if _is_named(state, s, t):
        confidence, reasons = 100, ["named in the TablePlan"]
    elif same_name(source.name, target.name):
        confidence, reasons = 100, ["the same name"]
    elif state.own.get(s) == t:
        confidence, reasons = sure, ["exactly the same columns"]
    else:
        confidence, reasons = sure, [_alike(signs.name), f"{signs.covered:.0%} of the columns match"]
    if confidence < 100 and signs.lead < CLEARLY and rival:
        reasons.append(f"{rival} fits nearly as well")
    pairs = (_pair(state, (s, t), at, scores, score) for at in column_pairs)
    capped = tuple(replace(f, confidence=min(f.confidence, confidence)) for f in pairs)
    return EntityPair(source.id, target.id, capped, confidence, tuple(reasons), signs)


def _own_tables(state: _MatchState) -> dict[int, int]:
    """Tables whose name exists on both sides; then tables whose columns have exactly the same names."""
    sources, targets = state.sources, state.targets
    decided = {w.source for w in state.named if not w.source_field}, {w.target for w in state.named if not w.source_field}
    rows = [s for s, e in enumerate(sources) if e.id not in decided[0]]
    columns = [t for t, e in enumerate(targets) if e.id not in decided[1]]
    same_names = _alone((s, t) for s in rows for t in columns if same_name(sources[s].name, targets[t].name))
    shapes = [frozenset(f.name.casefold() for f in e.fields) for e in sources]
    target_shapes = [frozenset(f.name.casefold() for f in e.fields) for e in targets]
    alike = {
        (s, t): 0.1 + likeness(sources[s].name, targets[t].name, state.noise)
        for s in rows
        for t in columns
        if shapes[s] == target_shapes[t] and len(shapes[s]) >= _TELLING_COLUMNS
    }
    return {**same_names, **assigned(_unmatched(alike, same_names))}


def _alone(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """The pairs whose members are in no other pair."""
    every = list(pairs)
    rows, columns = Counter(s for s, _ in every), Counter(t for _, t in every)
    return {s: t for s, t in every if rows[s] == columns[t] == 1}


def _unmatched(scores: Mapping[tuple[int, int], float], matched: Mapping[int, int]) -> dict[tuple[int, int], float]:
    """The scores of pairs whose members are not matched yet."""
    matched_targets = set(matched.values())
    return {(i, j): value for (i, j), value in scores.items() if i not in matched and j not in matched_targets}


def _is_named(state: _MatchState, s: int, t: int) -> bool:
    return any(w.source == state.sources[s].id and w.target == state.targets[t].id and not w.source_field for w in state.named)


def _may(state: _MatchState, s: int, t: int) -> bool:
    """Whether the named matches allow this pair."""
    for word in state.named:
        if not word.source_field and (word.source == state.sources[s].id) != (word.target == state.targets[t].id):
            return False
    return True


def _rough(state: _MatchState, s: int, t: int) -> float:
    """A fast score: the similarity of the names, and the share of common words in the columns."""
    source_words = {w for f in state.sources[s].fields for w in words(f.name)}
    target_words = {w for f in state.targets[t].fields for w in words(f.name)}
    shared = len(source_words & target_words) / max(1, min(len(source_words), len(target_words)))
    return likeness(state.sources[s].name, state.targets[t].name, state.noise) + shared + (9 if _is_named(state, s, t) else 0)


def _column_pairs(source: Entity, target: Entity, scores: Mapping[tuple[int, int], float]) -> dict[int, int]:
    """The matched columns: named matches, then equal names, then the assignment with the largest sum."""
    decided = {i: j for (i, j), value in scores.items() if value >= _NAMED}
    open_scores = _unmatched(scores, decided)
    names = [f.name for f in source.fields], [f.name for f in target.fields]
    exact = _alone((i, j) for i, j in open_scores if names[0][i] == names[1][j])
    open_scores = _unmatched(open_scores, exact)
    fixed = {**decided, **exact, **_alone((i, j) for i, j in open_scores if same_name(names[0][i], names[1][j]))}
    candidates = {
        pair: value
        for pair, value in _unmatched(open_scores, fixed).items()
        if value >= max(_LEAST_COLUMN, _best_matched_score(scores, fixed, pair) - CLEARLY)
    }
    return {**fixed, **assigned(candidates)}


def _best_matched_score(scores: Mapping[tuple[int, int], float], fixed: Mapping[int, int], pair: tuple[int, int]) -> float:
    """The best score of either column with a column that is matched already. A pair with a lower score is not proposed."""
    row = (scores.get((pair[0], j), 0.0) for j in fixed.values())
    column = (scores.get((i, pair[1]), 0.0) for i in fixed)
    return max((*row, *column), default=0.0)


def _table_score(state: _MatchState, s: int, t: int, scores: Mapping[tuple[int, int], float]) -> float:
    """The score of two tables: half from the names, half from the share of matched columns."""
    if _is_named(state, s, t):
        return 1.0
    name = likeness(state.sources[s].name, state.targets[t].name, state.noise)
    return 0.5 * name + 0.5 * _covered(state, s, t, scores)


def _covered(state: _MatchState, s: int, t: int, scores: Mapping[tuple[int, int], float]) -> float:
    """The share of matched columns, weighed by their scores: half of the smaller table, half of the larger one."""
    sizes = len(state.sources[s].fields), len(state.targets[t].fields)
    gained = sum(min(1.0, scores[pair]) for pair in _column_pairs(state.sources[s], state.targets[t], scores).items())
    return 0.5 * gained / max(1, min(sizes)) + 0.5 * gained / max(1, *sizes)


# -- columns ----------------------------------------------------------------------------------------------------------


def _scores(state: _MatchState, s: int, t: int) -> dict[tuple[int, int], float]:
    """The scores of all possible pairs of columns."""
    shared_words = state.common(s, t)
    sources, targets = state.sources[s], state.targets[t]
    decided = {w.source_field: w.target for w in state.named if w.source == sources.id and w.source_field}
    scores = {}
    for i, source_field in enumerate(sources.fields):
        for j, target_field in enumerate(targets.fields):
            if source_field.name in decided or target_field.name in decided.values():
                if decided.get(source_field.name) == target_field.name:
                    scores[i, j] = _NAMED
                continue
            score = _score(state, source_field, target_field, shared_words)
            if score > 0:
                scores[i, j] = score
    return scores


def _score(state: _MatchState, source: Field, target: Field, shared_words: frozenset[str]) -> float:
    typed = fitness(source.kind, target.kind)
    name = likeness(source.name, target.name, shared_words)
    if not typed and name < SAME_NAME:
        return 0.0  # columns with the same name are matched, and a user has to choose the conversion
    return (
        _NAME * name + _TYPE * typed + _VALUES * (_says(source, target) + 1) / 2 + _KEYS * (_keys(state, source, target) + 1) / 2
    )


def _says(source: Field, target: Field) -> float:
    return value_profile.evidence(source.samples, target.name, target.allowed, target.length)


def _keys(state: _MatchState, source: Field, target: Field) -> float:
    """From -1 (only one is a key) to 1 (both reference matched tables)."""
    if source.references and target.references:
        if source.references not in state.settled:
            return 0.4
        return 1.0 if state.settled[source.references] == target.references else -1.0
    if source.primary and target.primary:
        return 0.9
    if source.primary != target.primary:
        return -0.7
    if bool(source.references) != bool(target.references):
        return -0.4
    return 0.2 if source.unique and target.unique else 0.0


def _pair(
    state: _MatchState, tables: tuple[int, int], at: tuple[int, int], scores: Mapping[tuple[int, int], float], table: float
) -> FieldPair:
    s, t = tables
    source, target = state.sources[s].fields[at[0]], state.targets[t].fields[at[1]]
    shared_words = state.common(s, t)
    is_decided = any(w.source == state.sources[s].id and w.source_field == source.name for w in state.named)
    row = max((v for (i, j), v in scores.items() if i == at[0] and j != at[1]), default=0.0)
    column = max((v for (i, j), v in scores.items() if j == at[1] and i != at[0]), default=0.0)
    signs = Signs(
        score=scores[at],
        over_row=scores[at] - row,
        over_column=scores[at] - column,
        name=likeness(source.name, target.name, shared_words),
        typed=fitness(source.kind, target.kind),
        values=_says(source, target),
        keys=_keys(state, source, target),
        table=table,
        over_table=table - state.rivals[s][0],
    )
    rivals = sorted(((v, j) for (i, j), v in scores.items() if i == at[0] and j != at[1] and v >= scores[at] - 0.1), reverse=True)
    return FieldPair(
        source.name,
        target.name,
        100 if is_decided else percent(signs),
        ("named in the TablePlan",) if is_decided else _reasons(source, target, signs),
        tuple(state.targets[t].fields[j].name for _, j in rivals[:3]),
        signs,
    )


_ALIKE = (
    (SAME_NAME, "the same name"),
    (0.9, "names with the same meaning"),
    (0.6, "similar names"),
    (0.3, "names that share a word"),
)


def _alike(likeness_of_names: float) -> str:
    return next((text for least, text in _ALIKE if likeness_of_names >= least), "the names are not similar")


def _reasons(source: Field, target: Field, signs: Signs) -> tuple[str, ...]:
    reasons = [_alike(signs.name)]
    if source.kind is target.kind:
        reasons.append("the same type family")
    else:
        reasons.append(f"{source.kind.value} into {target.kind.value}")
    if source.references and target.references:
        reasons.append("foreign keys to matched tables" if signs.keys > 0.5 else "foreign keys to different tables")
    elif source.primary and target.primary:
        reasons.append("both are primary keys")
    shared = value_profile.overlap(source.samples.values, target.allowed)
    if shared is not None:
        reasons.append(f"{shared:.0%} of its sampled values are among those that the target accepts")
    elif signs.values > 0.5:
        reasons.append(f"its values look like {value_profile.promised(target.name)}")
    elif signs.values < -0.5:
        reasons.append("its values do not look like those of the target")
    if min(signs.over_row, signs.over_column) < CLEARLY:
        reasons.append("another column fits nearly as well")
    return tuple(reasons)
