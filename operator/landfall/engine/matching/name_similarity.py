"""Similarity of two names. A name is a set of words: order, case, plural, abbreviations and the name of the table do not count.

Names with words of opposite meaning (first and last, start and end) do not match, however similar they are otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import lru_cache

_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_VOWELS = frozenset("aeiou")

# Abbreviations and synonyms. One line is one meaning.
_MEANINGS = """
identifier id ident key uid uuid guid pk
number no num nbr nr count cnt
quantity qty amount amt
description descr desc note notes remark remarks comment comments text
address addr
telephone tel phone ph mobile cell
email mail e-mail
name nm label title
first fst given fore
last lst family sur
birth born dob birthday
date dt day on at time timestamp ts moment
create created creation crt insert inserted added registered
update updated upd modify modified mod change changed edited
delete deleted del removed
begin start started from valid_from effective
end ended finish finished until to expire expires expiry
status state stat
type typ kind category cat class
code cd
postal post zip postcode zipcode
country ctry nation
city town
street str road
price cost rate
total tot sum
value val
currency curr ccy
account acct acc
customer cust client
employee emp staff worker
department dept
company comp firm organisation organization org
product prod item article
order ord
invoice inv bill
payment pay pmt
user usr member
password passwd pwd
active enabled
flag is has
percent pct
maximum max
minimum min
average avg
weight wt
height ht
width wd
length len
latitude lat
longitude lng lon long
position pos
sequence seq
message msg
image img picture photo
document doc file
reference ref
transaction txn trans
language lang locale
balance bal
department_id dept_id
manager mgr boss
supervisor sup
author writer
url link href website
"""
_OPPOSITE = (
    ("first", "last", "middle", "full"),
    ("begin", "end"),
    ("create", "update", "delete"),
    ("maximum", "minimum", "average", "total"),
    ("old", "new", "previous", "next"),
    ("billing", "shipping", "delivery"),
    ("in", "out"),
    ("gross", "net"),
    ("debit", "credit"),
    ("source", "target", "destination"),
    ("latitude", "longitude"),
    ("width", "height", "length", "weight"),
    ("home", "work", "office"),
    ("parent", "child"),
    ("sender", "recipient", "receiver"),
    ("planned", "actual"),
    ("arrival", "departure"),
    ("city", "street", "country", "postal"),
)
_MEANING: dict[str, str] = {}
for _line in _MEANINGS.strip().splitlines():
    _first, *_others = _line.split()
    for _word in (_first, *_others):
        _MEANING.setdefault(_word, _first)
_SIDE = {word: (group, word) for group, words in enumerate(_OPPOSITE) for word in words}

_SAME_MEANING = 0.93
_SHORTENED = 0.85
_SKELETON = 0.78
_ALIKE = 0.84
_LEAST_PREFIX = 3
_CONTRARY = 0.35
_OWN_NAME = 0.15
_NO_WEIGHT = frozenset({"the", "of", "tbl", "t", "tb", "table", "fld", "col", "c", "f", "s", "v", "n", "d", "dim", "fact"})


@lru_cache(maxsize=100_000)
def words(name: str) -> tuple[str, ...]:
    """Return the words of a name, in lower case and singular."""
    pieces = [_singular(piece.lower()) for piece in _PIECE.findall(name)]
    return tuple(pieces) or (name.lower(),)


def _singular(word: str) -> str:
    if len(word) <= 3 or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes", "uses")):
        return word[:-2]
    return word.removesuffix("s")


@lru_cache(maxsize=200_000)
def word_likeness(first: str, second: str) -> float:
    """Return the similarity of two words, from 0 to 1."""
    if first == second:
        return 1.0
    if first.isdigit() or second.isdigit():
        return 0.0
    if _MEANING.get(first, first) == _MEANING.get(second, second):
        return _SAME_MEANING
    short, long = sorted((first, second), key=len)
    if len(short) >= _LEAST_PREFIX and long.startswith(short):
        return _SHORTENED
    if len(short) >= 2 and len(short) < len(long) and _skeleton(short, long):
        return _SKELETON
    ratio = SequenceMatcher(None, first, second).ratio()
    return ratio if ratio >= _ALIKE and len(short) > _LEAST_PREFIX else 0.0


def _skeleton(short: str, long: str) -> bool:
    """Whether the short word is the long one without some letters: the same first letter, and consonants in the same order."""
    if short[0] != long[0] or any(c in _VOWELS for c in short[1:]):
        return False
    remaining = iter(long[1:])
    return all(c in remaining for c in short[1:]) and len(short) >= len([c for c in long[1:] if c not in _VOWELS]) // 2 + 1


@lru_cache(maxsize=400_000)
def same_name(first: str, second: str) -> bool:
    """Return whether two names are equal without regard to case and separators: `customerId` and `customer_id`."""
    left, right = (re.sub(r"[\W_]+", "", name.casefold()) for name in (first, second))
    return left == right if left else first == second


def likeness(first: str, second: str, shared_words: frozenset[str] = frozenset()) -> float:
    """Return the similarity of two names, from 0 to 1. `shared_words` are words of their tables, which have a low weight."""
    left, right = words(first), words(second)
    if left == right or "".join(left) == "".join(right):
        return 1.0
    if _is_initials(left, right) or _is_initials(right, left):
        return _SHORTENED
    alike = _aligned(left, right, shared_words)
    return alike * _CONTRARY if _contrary(left, right) else alike


def _is_initials(short: tuple[str, ...], long: tuple[str, ...]) -> bool:
    return len(short) == 1 and len(long) > 1 and len(short[0]) > 1 and short[0] == "".join(w[0] for w in long)


def _weight(word: str, shared_words: frozenset[str]) -> float:
    if word in _NO_WEIGHT:
        return 0.1
    return _OWN_NAME if word in shared_words else 1.0


def _aligned(left: tuple[str, ...], right: tuple[str, ...], shared_words: frozenset[str]) -> float:
    """The best pairing of words, weighed; words without a partner count against it."""
    pairs = sorted(
        ((word_likeness(a, b), i, j) for i, a in enumerate(left) for j, b in enumerate(right)), key=lambda p: (-p[0], p[1], p[2])
    )
    used: tuple[set[int], set[int]] = (set(), set())
    gained = 0.0
    for alike, i, j in pairs:
        if alike and i not in used[0] and j not in used[1]:
            used[0].add(i)
            used[1].add(j)
            gained += alike * (_weight(left[i], shared_words) + _weight(right[j], shared_words))
    whole = sum(_weight(w, shared_words) for w in (*left, *right))
    return gained / whole if whole else 0.0


def _contrary(left: Iterable[str], right: Iterable[str]) -> bool:
    sides = [{_SIDE[m] for w in name if (m := _MEANING.get(w, w)) in _SIDE} for name in (left, right)]
    numbers = [{w for w in name if w.isdigit()} for name in (left, right)]
    groups = [{group for group, _ in side} for side in sides]
    opposed = any(
        not {s for s in sides[0] if s[0] == group} & {s for s in sides[1] if s[0] == group} for group in groups[0] & groups[1]
    )
    return opposed or numbers[0] != numbers[1]


def common_words(names: Iterable[str]) -> frozenset[str]:
    """Return the first words that at least 80 % of the names share: prefixes without information."""
    listed = [words(n) for n in names]
    if len(listed) < 4:
        return frozenset()
    first = [w[0] for w in listed if len(w) > 1]
    return frozenset(w for w in set(first) if first.count(w) >= 0.8 * len(listed))
