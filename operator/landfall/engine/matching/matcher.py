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
class _Known:
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


def matched(sources: Sequence[Entity], targets: Sequence[Entity], named: Sequence[NamedMatch] = ()) -> tuple[EntityPair, ...]:
    """Return the matched tables with their matched columns, in the order of the sources. Matches in `named` are always used."""
    noise = common_words(e.name for e in sources) | common_words(e.name for e in targets)
    known = _Known(sources, targets, named, noise)
    _settle_tables(known)
    return tuple(_matched_tables(known, s, t) for s, t in sorted(known.tables.items()))


# -- tables -----------------------------------------------------------------------------------------------------------


def _settle_tables(known: _Known) -> None:
    rough = {
        (s, t): _rough(known, s, t) for s in range(len(known.sources)) for t in range(len(known.targets)) if _may(known, s, t)
    }
    likely = set()
    for s in range(len(known.sources)):
        mine = sorted((t for t in range(len(known.targets)) if (s, t) in rough), key=lambda t: (-rough[s, t], t))
        likely |= {(s, t) for t in mine[:_CANDIDATES]}
    known.own = _own_tables(known)
    scores = {(s, t): _table_score(known, s, t, _scores(known, s, t)) for s, t in sorted(likely | set(known.own.items()))}
    good = {pair: value for pair, value in scores.items() if value >= _LEAST_TABLE or _is_named(known, *pair)}
    known.tables = {**known.own, **assigned(_without(good, known.own))}
    known.settled = {known.sources[s].id: known.targets[t].id for s, t in known.tables.items()}
    for s, t in known.tables.items():
        others = [
            (v, known.targets[b].name if a == s else known.sources[a].name)
            for (a, b), v in scores.items()
            if (a == s) != (b == t)
        ]
        known.rivals[s] = max(others, default=(0.0, ""))


def _matched_tables(known: _Known, s: int, t: int) -> EntityPair:
    """Two matched tables with their columns."""
    mine, theirs = known.sources[s], known.targets[t]
    scores = _scores(known, s, t)
    score, (best, rival) = _table_score(known, s, t, scores), known.rivals[s]
    signs = TableSigns(score, score - best, likeness(mine.name, theirs.name, known.noise), _covered(known, s, t, scores))
    chosen = sorted(_chosen(mine, theirs, scores).items())
    sure = table_percent(signs, telling=len(chosen) >= _TELLING_COLUMNS)
    if _is_named(known, s, t):
        confidence, reasons = 100, ["named in the TablePlan"]
    elif same_name(mine.name, theirs.name):
        confidence, reasons = 100, ["the same name"]
    elif known.own.get(s) == t:
        confidence, reasons = sure, ["exactly the same columns"]
    else:
        confidence, reasons = sure, [_alike(signs.name), f"{signs.covered:.0%} of the columns match"]
    if confidence < 100 and signs.lead < CLEARLY and rival:
        reasons.append(f"{rival} fits nearly as well")
    pairs = (_pair(known, (s, t), at, scores, score) for at in chosen)
    capped = tuple(replace(f, confidence=min(f.confidence, confidence)) for f in pairs)
    return EntityPair(mine.id, theirs.id, capped, confidence, tuple(reasons), signs)


def _own_tables(known: _Known) -> dict[int, int]:
    """Tables whose name exists on both sides; then tables whose columns have exactly the same names."""
    sources, targets = known.sources, known.targets
    told = {w.source for w in known.named if not w.source_field}, {w.target for w in known.named if not w.source_field}
    rows = [s for s, e in enumerate(sources) if e.id not in told[0]]
    columns = [t for t, e in enumerate(targets) if e.id not in told[1]]
    own = _alone((s, t) for s in rows for t in columns if same_name(sources[s].name, targets[t].name))
    shapes = [frozenset(f.name.casefold() for f in e.fields) for e in sources]
    theirs = [frozenset(f.name.casefold() for f in e.fields) for e in targets]
    alike = {
        (s, t): 0.1 + likeness(sources[s].name, targets[t].name, known.noise)
        for s in rows
        for t in columns
        if shapes[s] == theirs[t] and len(shapes[s]) >= _TELLING_COLUMNS
    }
    return {**own, **assigned(_without(alike, own))}


def _alone(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """The pairs whose members are in no other pair."""
    every = list(pairs)
    rows, columns = Counter(s for s, _ in every), Counter(t for _, t in every)
    return {s: t for s, t in every if rows[s] == columns[t] == 1}


def _without(scores: Mapping[tuple[int, int], float], settled: Mapping[int, int]) -> dict[tuple[int, int], float]:
    """The scores of pairs whose members are not matched yet."""
    taken = set(settled.values())
    return {(i, j): value for (i, j), value in scores.items() if i not in settled and j not in taken}


def _is_named(known: _Known, s: int, t: int) -> bool:
    return any(w.source == known.sources[s].id and w.target == known.targets[t].id and not w.source_field for w in known.named)


def _may(known: _Known, s: int, t: int) -> bool:
    """Whether the named matches allow this pair."""
    for word in known.named:
        if not word.source_field and (word.source == known.sources[s].id) != (word.target == known.targets[t].id):
            return False
    return True


def _rough(known: _Known, s: int, t: int) -> float:
    """A fast score: the similarity of the names, and the share of common words in the columns."""
    left = {w for f in known.sources[s].fields for w in words(f.name)}
    right = {w for f in known.targets[t].fields for w in words(f.name)}
    shared = len(left & right) / max(1, min(len(left), len(right)))
    return likeness(known.sources[s].name, known.targets[t].name, known.noise) + shared + (9 if _is_named(known, s, t) else 0)


def _chosen(mine: Entity, theirs: Entity, scores: Mapping[tuple[int, int], float]) -> dict[int, int]:
    """The matched columns: named matches, then equal names, then the assignment with the largest sum."""
    told = {i: j for (i, j), value in scores.items() if value >= _NAMED}
    left = _without(scores, told)
    names = [f.name for f in mine.fields], [f.name for f in theirs.fields]
    exact = _alone((i, j) for i, j in left if names[0][i] == names[1][j])
    left = _without(left, exact)
    own = {**told, **exact, **_alone((i, j) for i, j in left if same_name(names[0][i], names[1][j]))}
    rest = {
        pair: value
        for pair, value in _without(left, own).items()
        if value >= max(_LEAST_COLUMN, _settled(scores, own, pair) - CLEARLY)
    }
    return {**own, **assigned(rest)}


def _settled(scores: Mapping[tuple[int, int], float], own: Mapping[int, int], pair: tuple[int, int]) -> float:
    """The best score of either column with a column that is matched already. A pair with a lower score is not proposed."""
    row = (scores.get((pair[0], j), 0.0) for j in own.values())
    column = (scores.get((i, pair[1]), 0.0) for i in own)
    return max((*row, *column), default=0.0)


def _table_score(known: _Known, s: int, t: int, scores: Mapping[tuple[int, int], float]) -> float:
    """The score of two tables: half from the names, half from the share of matched columns."""
    if _is_named(known, s, t):
        return 1.0
    name = likeness(known.sources[s].name, known.targets[t].name, known.noise)
    return 0.5 * name + 0.5 * _covered(known, s, t, scores)


def _covered(known: _Known, s: int, t: int, scores: Mapping[tuple[int, int], float]) -> float:
    """The share of matched columns, weighed by their scores: half of the smaller table, half of the larger one."""
    sizes = len(known.sources[s].fields), len(known.targets[t].fields)
    gained = sum(min(1.0, scores[pair]) for pair in _chosen(known.sources[s], known.targets[t], scores).items())
    return 0.5 * gained / max(1, min(sizes)) + 0.5 * gained / max(1, *sizes)


# -- columns ----------------------------------------------------------------------------------------------------------


def _scores(known: _Known, s: int, t: int) -> dict[tuple[int, int], float]:
    """The scores of all possible pairs of columns."""
    own = known.common(s, t)
    sources, targets = known.sources[s], known.targets[t]
    said = {w.source_field: w.target for w in known.named if w.source == sources.id and w.source_field}
    found = {}
    for i, mine in enumerate(sources.fields):
        for j, theirs in enumerate(targets.fields):
            if mine.name in said or theirs.name in said.values():
                if said.get(mine.name) == theirs.name:
                    found[i, j] = _NAMED
                continue
            score = _score(known, mine, theirs, own)
            if score > 0:
                found[i, j] = score
    return found


def _score(known: _Known, mine: Field, theirs: Field, own: frozenset[str]) -> float:
    typed = fitness(mine.kind, theirs.kind)
    name = likeness(mine.name, theirs.name, own)
    if not typed and name < SAME_NAME:
        return 0.0  # columns with the same name are matched, and a user has to choose the conversion
    return _NAME * name + _TYPE * typed + _VALUES * (_says(mine, theirs) + 1) / 2 + _KEYS * (_keys(known, mine, theirs) + 1) / 2


def _says(mine: Field, theirs: Field) -> float:
    return value_profile.evidence(mine.samples, theirs.name, theirs.allowed, theirs.length)


def _keys(known: _Known, mine: Field, theirs: Field) -> float:
    """From -1 (only one is a key) to 1 (both reference matched tables)."""
    if mine.references and theirs.references:
        if mine.references not in known.settled:
            return 0.4
        return 1.0 if known.settled[mine.references] == theirs.references else -1.0
    if mine.primary and theirs.primary:
        return 0.9
    if mine.primary != theirs.primary:
        return -0.7
    if bool(mine.references) != bool(theirs.references):
        return -0.4
    return 0.2 if mine.unique and theirs.unique else 0.0


def _pair(
    known: _Known, tables: tuple[int, int], at: tuple[int, int], scores: Mapping[tuple[int, int], float], table: float
) -> FieldPair:
    s, t = tables
    mine, theirs = known.sources[s].fields[at[0]], known.targets[t].fields[at[1]]
    own = known.common(s, t)
    said = any(w.source == known.sources[s].id and w.source_field == mine.name for w in known.named)
    row = max((v for (i, j), v in scores.items() if i == at[0] and j != at[1]), default=0.0)
    column = max((v for (i, j), v in scores.items() if j == at[1] and i != at[0]), default=0.0)
    signs = Signs(
        score=scores[at],
        over_row=scores[at] - row,
        over_column=scores[at] - column,
        name=likeness(mine.name, theirs.name, own),
        typed=fitness(mine.kind, theirs.kind),
        values=_says(mine, theirs),
        keys=_keys(known, mine, theirs),
        table=table,
        over_table=table - known.rivals[s][0],
    )
    rivals = sorted(((v, j) for (i, j), v in scores.items() if i == at[0] and j != at[1] and v >= scores[at] - 0.1), reverse=True)
    return FieldPair(
        mine.name,
        theirs.name,
        100 if said else percent(signs),
        ("named in the TablePlan",) if said else _reasons(mine, theirs, signs),
        tuple(known.targets[t].fields[j].name for _, j in rivals[:3]),
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


def _reasons(mine: Field, theirs: Field, signs: Signs) -> tuple[str, ...]:
    found = [_alike(signs.name)]
    if mine.kind is theirs.kind:
        found.append("the same type family")
    else:
        found.append(f"{mine.kind.value} into {theirs.kind.value}")
    if mine.references and theirs.references:
        found.append("foreign keys to matched tables" if signs.keys > 0.5 else "foreign keys to different tables")
    elif mine.primary and theirs.primary:
        found.append("both are primary keys")
    shared = value_profile.overlap(mine.samples.values, theirs.allowed)
    if shared is not None:
        found.append(f"{shared:.0%} of its sampled values are among those that the target accepts")
    elif signs.values > 0.5:
        found.append(f"its values look like {value_profile.promised(theirs.name)}")
    elif signs.values < -0.5:
        found.append("its values do not look like those of the target")
    if min(signs.over_row, signs.over_column) < CLEARLY:
        found.append("another column fits nearly as well")
    return tuple(found)
