"""Loads engines from entry points: those of this package, and those of other packages. The registries of sources and targets use it.

An engine that cannot be used ends the lookup with an error that names the package. It is never left out silently: then the error of a
Migration would be that its engine is not registered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, Protocol, TypeVar

from landfall.engine.errors import EngineRegistrationError

_OURS = "landfall"


class Named(Protocol):
    """An engine that is registered under its name."""

    name: str


E = TypeVar("E", bound=Named)


@dataclass(frozen=True, slots=True)
class EngineGroup(Generic[E]):
    """A kind of engines that packages offer.

    Attributes:
        name: The group of the entry points.
        protocol: The name of the protocol that each engine implements.
        cast: An object as such an engine; None if it is not one.
    """

    name: str
    protocol: str
    cast: Callable[[object], E | None]


def loaded(group: EngineGroup[E], built_in: Mapping[str, str]) -> dict[str, E]:
    """Load every engine of a group.

    Args:
        group: The group.
        built_in: The engines of this package, as name and `module:attribute`. They are found without an installed package.

    Returns:
        The engines by name, sorted.

    Raises:
        EngineRegistrationError: Two packages offer an engine of the same name, or an engine cannot be imported or used.
    """
    ours = [EntryPoint(name, value, group.name) for name, value in built_in.items()]
    points = _distinct([*ours, *(point for point in entry_points(group=group.name) if _package(point) != _OURS)])
    return {name: _load(points[name], group) for name in sorted(points)}


def _load(point: EntryPoint, group: EngineGroup[E]) -> E:
    try:
        offered = point.load()
    except Exception as error:
        problem = f"it cannot be imported ({type(error).__name__}: {error})"
        raise _refused(point, problem) from error
    engine = None if isinstance(offered, type) else group.cast(offered)  # a class has the attributes of its instances
    if engine is None:
        raise _refused(point, f"it is not an instance of {group.protocol}")
    if engine.name != point.name:
        raise _refused(point, f"its engine has the name {engine.name}")
    return engine


def _distinct(points: Iterable[EntryPoint]) -> dict[str, EntryPoint]:
    """The entry points by name. One that is listed twice with the same value is one."""
    offers: dict[str, dict[str, EntryPoint]] = defaultdict(dict)
    for point in points:
        offers[point.name].setdefault(point.value, point)
    for name, offer in offers.items():
        if len(offer) > 1:
            listed = " and ".join(f"{_package(point)} ({value})" for value, point in offer.items())
            packages = sorted({_package(point) for point in offer.values()} - {_OURS})
            message = f"entry point {name} of {next(iter(offer.values())).group} is offered more than once: by {listed}"
            raise EngineRegistrationError(message, advice=f"Uninstall {' or '.join(packages)}, or rename its engine.")
    return {name: next(iter(offer.values())) for name, offer in offers.items()}


def _package(point: EntryPoint) -> str:
    """The name of the package that declares an entry point."""
    return point.dist.name if point.dist else _OURS


def _refused(point: EntryPoint, problem: str) -> EngineRegistrationError:
    message = (
        f"entry point {point.name} of {point.group}, which the package {_package(point)} declares as {point.value}: {problem}"
    )
    return EngineRegistrationError(message, advice=f"Upgrade or uninstall {_package(point)}.")
