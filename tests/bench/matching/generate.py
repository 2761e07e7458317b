"""Pairs of schemas with a known truth: one concept, spelled twice by people of different habits, and then changed.

Renamed (style, prefixes, synonyms, short forms, word order, plural), retyped, reordered, split, with columns and tables
that have no counterpart. Values are sampled for the source, as a run would.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from landfall.engine.matching.matcher import Entity, Field
from landfall.engine.matching.type_families import kind_of
from landfall.engine.matching.value_profile import Sampled

_HERE = Path(__file__).parent / "schemas"
_ROWS = 60


@dataclass(frozen=True)
class Concept:
    """A column as it is meant."""

    words: tuple[str, ...]
    type: str
    values: str = ""


@dataclass(frozen=True)
class Vocabulary:
    """Domains of tables of concepts, and how people say and shorten things."""

    domains: dict[str, dict[str, tuple[Concept, ...]]]
    synonyms: dict[str, tuple[str, ...]]
    short: dict[str, str]


@dataclass(frozen=True)
class Fixture:
    """Both sides, and what is right: tables by identifier, columns by (table, column)."""

    sources: tuple[Entity, ...]
    targets: tuple[Entity, ...]
    tables: dict[str, str]
    columns: dict[tuple[str, str], tuple[str, str]]


def vocabulary(name: str) -> Vocabulary:
    """Read one of the files under schemas/."""
    domains: dict[str, dict[str, tuple[Concept, ...]]] = {}
    other: dict[str, dict[str, str]] = {"synonyms": {}, "habits": {}}
    section = ""
    for raw in (_HERE / f"{name}.txt").read_text().splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            section = line.strip("[]")
            continue
        key, _, value = line.partition(": ")
        if section in other:
            other[section][key] = value
            continue
        domains.setdefault(section, {})[key] = tuple(_concept(text) for text in value.split("; "))
    synonyms = {key: tuple(w.strip() for w in value.split(",")) for key, value in other["synonyms"].items()}
    short = dict(pair.strip().split("=") for pair in other["habits"]["short"].split(","))
    return Vocabulary(domains, synonyms, short)


def _concept(text: str) -> Concept:
    words, kind, *values = text.split("=")
    return Concept(tuple(words.split()), kind, values[0] if values else "")


# -- habits -----------------------------------------------------------------------------------------------------------

_STYLES: dict[str, Callable[[list[str]], str]] = {
    "snake": "_".join,
    "camel": lambda w: w[0] + "".join(x.capitalize() for x in w[1:]),
    "pascal": lambda w: "".join(x.capitalize() for x in w),
    "upper": lambda w: "_".join(w).upper(),
    "flat": "".join,
}


@dataclass
class Habits:
    """How one team names things."""

    rng: random.Random
    vocabulary: Vocabulary
    style: str = ""
    plural: bool = False
    table_prefix: str = ""
    column_prefix: str = ""
    key: str = ""
    reference: str = ""
    shortens: float = 0.0
    says_otherwise: float = 0.0
    turns: float = 0.0
    wordings: dict[tuple[str, ...], list[str]] = field(default_factory=dict)

    @classmethod
    def from_values(cls, rng: random.Random, words: Vocabulary, *, simple: bool) -> Habits:
        """A team; a plain one neither shortens nor says things otherwise."""
        return cls(
            rng,
            words,
            style=rng.choices([*_STYLES], [6, 3, 2, 2, 1])[0],
            plural=rng.random() < 0.5,
            table_prefix=rng.choices(["", "tbl", "t", "app"], [7, 1, 1, 1])[0],
            column_prefix=rng.choices(["", "table", "short"], [8, 1, 1])[0],
            key=rng.choice(["id", "table id", "table no", "id table"]) if not simple else rng.choice(["id", "table id"]),
            reference=rng.choice(["table id", "table", "id table", "fk table"]) if not simple else "table id",
            shortens=0.0 if simple else rng.choice([0.0, 0.15, 0.4]),
            says_otherwise=0.0 if simple else rng.choice([0.1, 0.3, 0.5]),
            turns=0.0 if simple else rng.choice([0.0, 0.1, 0.3]),
        )

    def table(self, words: str) -> str:
        """The name of a table."""
        name_words = self._wording(tuple(words.split()))
        if self.plural:
            name_words = [*name_words[:-1], _plural(name_words[-1])]
        return _STYLES[self.style]([self.table_prefix, *name_words] if self.table_prefix else name_words)

    def column(self, table: str, concept: Concept) -> str:
        """The name of a column."""
        table_words = self._wording(tuple(table.split()))
        if concept.type == "pk":
            name_words = {
                "id": ["id"],
                "table id": [*table_words, "id"],
                "table no": [*table_words, "no"],
                "id table": ["id", *table_words],
            }[self.key]
            return _STYLES[self.style](name_words)
        name_words = self._wording(concept.words)
        if concept.type.startswith("fk>"):
            name_words = {
                "table id": [*name_words, "id"],
                "table": name_words,
                "id table": ["id", *name_words],
                "fk table": ["fk", *name_words],
            }[self.reference]
        if self.column_prefix:
            name_words = [*(table_words if self.column_prefix == "table" else [table_words[0][:3]]), *name_words]
        return _STYLES[self.style](name_words)

    def _wording(self, words: tuple[str, ...]) -> list[str]:
        if words not in self.wordings:
            self.wordings[words] = self._say(words)
        return self.wordings[words]

    def _say(self, words: tuple[str, ...]) -> list[str]:
        whole = " ".join(words)
        name_words = list(words)
        if whole in self.vocabulary.synonyms and self.rng.random() < self.says_otherwise:
            name_words = self.rng.choice(self.vocabulary.synonyms[whole]).split()
        else:
            for at, word in enumerate(words):
                if word in self.vocabulary.synonyms and self.rng.random() < self.says_otherwise:
                    name_words[at : at + 1] = self.rng.choice(self.vocabulary.synonyms[word]).split()
                    break
        if len(name_words) == 2 and self.rng.random() < self.turns and not {"at", "on"} & set(name_words):
            name_words.reverse()
        return [self._shortened(w) if self.rng.random() < self.shortens else w for w in name_words]

    def _shortened(self, word: str) -> str:
        if word in self.vocabulary.short:
            return self.vocabulary.short[word]
        if len(word) < 5:
            return word
        if self.rng.random() < 0.5:
            return word[: self.rng.choice([3, 4])]
        return word[0] + re.sub("[aeiou]", "", word[1:])


def _plural(word: str) -> str:
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "ch")) else "s")


# -- types and values -------------------------------------------------------------------------------------------------

_SOURCE_TYPES = {
    "pk": ("int", "bigint unsigned"),
    "fk": ("int", "bigint unsigned"),
    "int": ("int", "smallint", "bigint"),
    "dec": ("decimal(10,2)", "decimal(12,4)", "double"),
    "float": ("double", "float"),
    "bool": ("tinyint(1)", "char(1)", "int"),
    "date": ("date", "datetime"),
    "moment": ("datetime", "timestamp", "datetime(6)"),
    "text": ("text", "longtext"),
    "json": ("json", "longtext"),
    "uuid": ("char(36)", "binary(16)"),
    "bytes": ("longblob", "blob"),
    "ip": ("varchar(45)",),
}
_TARGET_TYPES = {
    "pk": ("bigint", "integer", "bigint"),
    "fk": ("bigint", "integer", "bigint"),
    "int": ("integer", "bigint", "smallint"),
    "dec": ("numeric(10,2)", "numeric", "double precision"),
    "float": ("double precision", "real"),
    "bool": ("boolean", "boolean", "smallint"),
    "date": ("date", "date", "timestamp without time zone"),
    "moment": ("timestamp with time zone", "timestamp without time zone"),
    "text": ("text",),
    "json": ("jsonb", "json"),
    "uuid": ("uuid",),
    "bytes": ("bytea",),
    "ip": ("inet", "text"),
}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _word(rng: random.Random, low: int = 3, high: int = 9) -> str:
    return "".join(rng.choice(_LETTERS) for _ in range(rng.randint(low, high)))


_VALUES: dict[str, Callable[[random.Random], str]] = {
    "given": lambda r: _word(r).capitalize(),
    "family": lambda r: _word(r).capitalize(),
    "thing": lambda r: f"{_word(r)} {_word(r)}".capitalize(),
    "prose": lambda r: " ".join(_word(r, 2) for _ in range(r.randint(3, 12))),
    "email": lambda r: f"{_word(r)}@{_word(r)}.example",
    "phone": lambda r: f"+{r.randint(1, 99)} {r.randint(100, 999)} {r.randint(10000, 9999999)}",
    "url": lambda r: f"https://{_word(r)}.example/{_word(r)}",
    "street": lambda r: f"{_word(r).capitalize()} Street {r.randint(1, 200)}",
    "city": lambda r: _word(r).capitalize(),
    "country": lambda r: _word(r, 2, 2).upper(),
    "currency": lambda r: r.choice(["EUR", "USD", "CHF", "GBP"]),
    "digits": lambda r: str(r.randint(10**6, 10**9)),
    "code": lambda r: f"{_word(r, 1, 2).upper()}{r.randint(1, 999)}",
    "digest": lambda r: f"{r.getrandbits(256):064x}",
    "ip": lambda r: ".".join(str(r.randint(1, 254)) for _ in range(4)),
    "uuid": lambda r: (
        f"{r.getrandbits(32):08x}-{r.getrandbits(16):04x}-4{r.getrandbits(12):03x}-a{r.getrandbits(12):03x}-{r.getrandbits(48):012x}"
    ),
    "json": lambda r: f'{{"{_word(r)}": {r.randint(1, 9)}}}',
    "int": lambda r: str(r.randint(0, 5000)),
    "dec": lambda r: f"{r.random() * 1000:.2f}",
    "float": lambda r: f"{r.random() * 90:.5f}",
    "date": lambda r: f"{r.randint(1950, 2026)}-{r.randint(1, 12):02d}-{r.randint(1, 28):02d}",
    "moment": lambda r: f"{r.randint(2015, 2026)}-{r.randint(1, 12):02d}-{r.randint(1, 28):02d} 10:{r.randint(10, 59)}:00",
    "bool": lambda r: r.choice("01"),
    "pk": lambda r: str(r.randint(1, 100000)),
    "fk": lambda r: str(r.randint(1, 100000)),
}


def _labels(concept: Concept) -> tuple[str, ...]:
    match = re.fullmatch(r"enum\((.*)\)", concept.type)
    return tuple(match.group(1).split("|")) if match else ()


def _samples(rng: random.Random, concept: Concept) -> tuple[str, ...]:
    labels = _labels(concept)
    if labels:
        return tuple(rng.choice(labels) for _ in range(_ROWS))
    kind = concept.values or concept.type.partition(">")[0]
    make = _VALUES.get(kind)
    return tuple(make(rng) for _ in range(_ROWS)) if make else ()


def _type(rng: random.Random, concept: Concept, types: dict[str, tuple[str, ...]]) -> tuple[str, int | None]:
    if _labels(concept):
        return rng.choice(("varchar(20)", "enum", "varchar(20)")), 20
    base = concept.type.partition(">")[0]
    if base.startswith("v") and base[1:].isdigit():
        size = int(base[1:])
        wide = rng.choice((size, size * 2, max(size, 255)))
        return (rng.choice((f"varchar({wide})", "text")), wide) if types is _TARGET_TYPES else (f"varchar({size})", size)
    return rng.choice(types[base]), None


# -- the whole --------------------------------------------------------------------------------------------------------


@dataclass
class _Side:
    """One side being built: tables of (concept table, concept) in their order."""

    rng: random.Random
    habits: Habits
    types: dict[str, tuple[str, ...]]
    tables: dict[str, list[tuple[str, Concept]]]

    def entities(self, *, sampled: bool) -> tuple[tuple[Entity, ...], dict[tuple[str, Concept], tuple[str, str]]]:
        """The tables as the matcher sees them, and where each concept is."""
        names = {table: self.habits.table(table.partition("#")[0] + (" detail" if "#" in table else "")) for table in self.tables}
        entity_list, locations = [], {}
        for table, columns in self.tables.items():
            fields: list[Field] = []
            for home, concept in columns:
                name = self.habits.column(home, concept)
                while any(f.name == name for f in fields):
                    name += "2"
                fields.append(self._field(name, concept, names, sampled=sampled))
                locations.setdefault((home, concept), (names[table], name))
            entity_list.append(Entity(names[table], names[table], tuple(fields)))
        self.rng.shuffle(entity_list)
        return tuple(entity_list), locations

    def _field(self, name: str, concept: Concept, names: dict[str, str], *, sampled: bool) -> Field:
        text, length = _type(self.rng, concept, self.types)
        labels = _labels(concept)
        referenced = concept.type.removeprefix("fk>") if concept.type.startswith("fk>") else ""
        declared = bool(referenced) and self.rng.random() < 0.8
        return Field(
            name,
            kind_of(text),
            length if text.startswith("varchar") else None,
            primary=concept.type == "pk",
            unique=concept.type == "pk",
            references=names.get(referenced, "") if declared else "",
            allowed=frozenset(labels) if labels and not sampled and self.rng.random() < 0.7 else frozenset(),
            samples=Sampled.from_values(_samples(self.rng, concept) if sampled and self.rng.random() < 0.9 else ()),
        )


def fixture(words: Vocabulary, seed: int) -> Fixture:
    """One pair of schemas."""
    rng = random.Random(seed)
    domain, strange = rng.sample(sorted(words.domains), 2)
    simple = rng.random() < 0.25
    sides = []
    for types in (_SOURCE_TYPES, _TARGET_TYPES):
        tables = {name: [(name, c) for c in columns] for name, columns in words.domains[domain].items()}
        sides.append(_Side(rng, Habits.from_values(rng, words, simple=simple), types, tables))
    for side in sides:
        _change(rng, side, words.domains[strange])
    if rng.random() < 0.4:
        _split(rng, rng.choice(sides))
    sources, source_places = sides[0].entities(sampled=True)
    targets, target_places = sides[1].entities(sampled=False)
    columns = {source_places[c]: target_places[c] for c in source_places if c in target_places}
    return Fixture(sources, targets, *_truth(columns))


def versions(example: Fixture, seed: int) -> Fixture:
    """Two versions of one application: tables without a counterpart on either side, and columns that one side alone has."""
    rng = random.Random(seed)
    sides = [[_thinned(rng, e) for e in side if rng.random() >= 0.25] for side in (example.sources, example.targets)]
    remaining = [{(e.id, f.name) for e in side for f in e.fields} for side in sides]
    columns = {
        source_place: target_place
        for source_place, target_place in example.columns.items()
        if source_place in remaining[0] and target_place in remaining[1]
    }
    return Fixture(tuple(sides[0]), tuple(sides[1]), *_truth(columns))


def _thinned(rng: random.Random, entity: Entity) -> Entity:
    return replace(entity, fields=tuple(f for f in entity.fields if f.primary or rng.random() >= 0.1))


def _change(rng: random.Random, side: _Side, strange: dict[str, tuple[Concept, ...]]) -> None:
    """Columns and tables that only one side has, and another order."""
    loss_rate = rng.choice([0.0, 0.05, 0.15])
    for table, columns in list(side.tables.items()):
        remaining = [c for c in columns if c[1].type == "pk" or rng.random() >= loss_rate]
        if rng.random() < 0.3:
            other = rng.choice(sorted(strange))
            extra = rng.choice([c for c in strange[other] if not c.type.startswith(("pk", "fk"))])
            if all(extra.words != c.words for _, c in remaining):
                remaining.append((f"{other}!", extra))
        head, tail = remaining[:1], remaining[1:]
        if rng.random() < 0.6:
            rng.shuffle(tail)
        side.tables[table] = head + tail
    if len(side.tables) > 3 and rng.random() < 0.3:
        del side.tables[rng.choice(sorted(side.tables))]
    if rng.random() < 0.3:
        name = rng.choice(sorted(strange))
        if name not in side.tables:
            side.tables[name] = [(f"{name}!", c) for c in strange[name]]


def _split(rng: random.Random, side: _Side) -> None:
    """Part of a table's columns in a table of their own, one to one."""
    name = max(sorted(side.tables), key=lambda t: len(side.tables[t]))
    columns = side.tables[name]
    moved_columns = [c for c in columns[1:] if rng.random() < 0.35]
    if moved_columns:
        side.tables[name] = [c for c in columns if c not in moved_columns]
        side.tables[f"{name}#"] = [
            (f"{name}!", Concept(("id",), "pk")),
            (f"{name}!", Concept((name,), f"fk>{name}")),
            *moved_columns,
        ]


def _truth(columns: dict[tuple[str, str], tuple[str, str]]) -> tuple[dict[str, str], dict[tuple[str, str], tuple[str, str]]]:
    """A table's counterpart is the one that holds most of its columns; what went elsewhere has none."""
    votes: dict[str, dict[str, int]] = {}
    for (source, _), (target, _) in columns.items():
        votes.setdefault(source, {}).setdefault(target, 0)
        votes[source][target] += 1
    tables: dict[str, str] = {}
    for source, votes_for in sorted(votes.items(), key=lambda v: -max(v[1].values())):
        target = max(sorted(votes_for), key=lambda t: votes_for[t])
        if target not in tables.values():
            tables[source] = target
    return tables, {s: t for s, t in columns.items() if tables.get(s[0]) == t[0]}
