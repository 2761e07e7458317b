"""Changes of a spec, made from its CustomResourceDefinition: each property taken away, each word of a choice, the edges of numbers, references to nothing."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.cluster.schemas import Schema

Spec = dict[str, Any]
_MISSING = "not-there"
_DIGEST = "sha256:" + "ab" * 32
# What a text may be where a pattern, or its sense, asks for more than letters; by the end of its path.
_WORDS: Mapping[str, tuple[str, ...]] = {
    "name": (_MISSING,),
    "env[].name": ("COLOUR",),
    "secretKeyRef.key": (_MISSING,),
    "configMapKeyRef.key": (_MISSING,),
    "github.repository": ("example-org/not-there",),
    "commit": ("0" * 40,),
    "git.url": ("https://git.example.invalid/shop.git",),
    "zip.url": ("https://files.example.invalid/shop.zip",),
    "sha256": ("cd" * 32,),
    "artifact": (_DIGEST,),
    "source.image": (f"registry.example.invalid/shop@{_DIGEST}",),
    "planDigest": (_DIGEST,),
    "startAt": ("2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "soon"),
    "maintenanceWindow.start": ("00:00", "23:59"),
    "maintenanceWindow.end": ("00:01", "12:00"),
    "timeZone": ("America/New_York", "Mars/Olympus"),
    "healthCheck.path": ("/", "/not-there"),
    "route.domain": ("shop.example.com",),
    "email.to[]": ("captain@example.com",),
    "persistentVolumeClaim": (_MISSING,),
    "path": ("apps/none",),
}
# As far as a machine with two processors can follow.
_MOST: Mapping[str, int] = {
    "replicas": 2,
    "workers": 2,
    "timeoutSeconds": 5,
    "progressDeadlineSeconds": 20,
    "observeSeconds": 3,
    "drainSeconds": 3,
    "keepWarmSeconds": 3,
    "retainSeconds": 3,
}


@dataclass(frozen=True, slots=True)
class Change:
    """One place of a spec, and what becomes of it: None where it is taken away."""

    path: tuple[str, ...]
    value: Any = None

    def __str__(self) -> str:
        """As a person writes it."""
        return f"{'.'.join(self.path)} {'taken away' if self.value is None else f'= {self.value!r}'}"

    def of(self, spec: Spec) -> Spec:
        """Another spec, with it."""
        changed = copy.deepcopy(spec)
        parent = changed
        for name in self.path[:-1]:
            parent = parent.setdefault(name, {})
        if self.value is None:
            parent.pop(self.path[-1], None)
        else:
            parent[self.path[-1]] = copy.deepcopy(self.value)
        return changed


def changes(schema: Schema, seed: Spec) -> list[Change]:
    """Every single change of a seed that the schema's structure allows; its rules, and ours, may refuse some of them."""
    return [change for change in _inside(schema, seed, ()) if change.of(seed) != seed]


def chain(every: Sequence[Change], number: int, length: int) -> list[Change]:
    """Some of them in an order of its own, the same for the same number."""
    return random.Random(number).sample(every, length)


def _inside(schema: Schema, current: Any, path: tuple[str, ...]) -> Iterator[Change]:
    required = set(schema.get("required", ()))
    for name, inner in schema.get("properties", {}).items():
        inner_path = (*path, name)
        now = current.get(name) if isinstance(current, dict) else None
        if now is not None and name not in required:
            yield Change(inner_path)
        if inner.get("properties"):
            if now is None:
                yield Change(inner_path, _least(inner, inner_path))
            elif inner.get("x-kubernetes-validations"):  # one of several, and another instead
                yield from (Change(inner_path, {other: value}) for other, value in _each(inner, inner_path) if other not in now)
            yield from (
                _inside(inner, now, inner_path) if now is not None or not inner.get("required") else _filled(inner, inner_path)
            )
        else:
            yield from (Change(inner_path, value) for value in _values(inner, inner_path))


def _each(schema: Schema, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Each field of an object, with a good value."""
    for name, inner in schema["properties"].items():
        yield from ((name, value) for value in _values(inner, (*path, name))[:1])


def _filled(schema: Schema, path: tuple[str, ...]) -> Iterator[Change]:
    """Of an object that is not there and cannot be there without all that it requires: each of its other fields beside those."""
    least = _least(schema, path)
    for name, inner in schema["properties"].items():
        for value in _values(inner, (*path, name)):
            if least.get(name) != value:
                yield Change(path, {**least, name: value})


def _least(schema: Schema, path: tuple[str, ...]) -> Spec:
    """The least that such an object may say."""
    fields = {}
    required = schema.get("required", ())
    if not required and schema.get("x-kubernetes-validations"):
        required = list(schema["properties"])[:1]  # one of several
    for name in required:
        values = _values(schema["properties"][name], (*path, name))
        if values:
            fields[name] = values[0]
    return fields


def _values(schema: Schema, path: tuple[str, ...]) -> list[Any]:
    """What a field may be, at its edges; the first is a good one where there is such."""
    if "enum" in schema:
        return list(schema["enum"])
    if schema.get("properties"):
        return [_least(schema, path)]
    generators = {"boolean": _either, "integer": _edges, "array": _lists, "object": _free, "string": _texts}
    return generators[schema.get("type", "object")](schema, path)


def _either(_schema: Schema, _path: tuple[str, ...]) -> list[Any]:
    return [True, False]


def _edges(schema: Schema, path: tuple[str, ...]) -> list[Any]:
    least, far = schema.get("minimum", 0), 1_000_000_000
    return sorted({least, least + 1, min(schema.get("maximum", far), _MOST.get(path[-1], far))})


def _lists(schema: Schema, path: tuple[str, ...]) -> list[Any]:
    return [_values(schema["items"], (*path[:-1], f"{path[-1]}[]"))[:1], []]


def _free(_schema: Schema, path: tuple[str, ...]) -> list[Any]:
    return [{"colour": "red"}] if path[-1] in {"labels", "annotations"} else []


def _texts(_schema: Schema, path: tuple[str, ...]) -> list[Any]:
    """Those of the longest end that fits."""
    whole = ".".join(path)
    fitting = [end for end in _WORDS if whole == end or whole.endswith(f".{end}")]
    return list(_WORDS[max(fitting, key=len)]) if fitting else ["x"]
