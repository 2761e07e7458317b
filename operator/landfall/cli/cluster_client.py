"""A person's way into a cluster: kubeconfig, context, namespace, and what one command may ask there.

The only place of the command line that knows of Kubernetes; it needs the extra `cluster`. Whatever it writes is a change of a
spec, or a request annotation, as `landfall`, so that `kubectl diff` shows it and a conflict names who else has a say.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

from landfall.api.fields import API_VERSION
from landfall.kube.errors import ConflictError, ForbiddenError, KubeError

if TYPE_CHECKING:  # a client of Kubernetes takes a second to load, and is an extra: commands that ask no cluster do without
    from landfall.kube.client import Kube
    from landfall.kube.server_side_apply import Change

_PIPE_WIDTH = 160
Object = dict[str, Any]
Work = Callable[..., Awaitable[None]]


class RefusedError(Exception):
    """A command cannot be carried out; `code` is the exit status."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Reach:
    """The cluster as one command has it; an empty namespace is all of them."""

    kube: Kube
    namespace: str
    force: bool = False
    said: bool = False  # whether the namespace was named, and is not just the context's

    async def found(self, kind: str, name: str) -> Object:
        """An object. Raises RefusedError."""
        raw = await self.kube.get(kind, self.namespace, name)
        if raw is None:
            message = f"there is no {kind} {name!r} in the namespace {self.namespace}. Another one: -n NAMESPACE"
            raise RefusedError(message)
        return raw

    async def change(self, kind: str, raw: Object, change: Change) -> None:
        """Change it by what it says now; `change` may refuse, and is asked again where it has changed meanwhile. Raises KubeError."""
        await _client().changed(self.kube, kind, raw, change, force=self.force)


@dataclass(frozen=True, slots=True)
class Where:
    """Which cluster, as a person says it; empty is as kubectl has it."""

    namespace: str = ""
    context: str = ""
    kubeconfig: str = ""
    force: bool = False


def _client() -> ModuleType:
    try:
        return importlib.import_module("landfall.kube.server_side_apply")
    except ModuleNotFoundError as error:
        message = f"asking a cluster needs {error.name}: pip install 'landfall[cluster]'"
        raise RefusedError(message, 2) from error


def console(*, error: bool = False) -> Console:
    """Where people read; lines are long where nobody looks."""
    made = Console(stderr=error, highlight=False, soft_wrap=error)
    if not made.is_terminal:
        made.width = _PIPE_WIDTH
    return made


@contextlib.asynccontextmanager
async def connected(where: Where) -> AsyncIterator[Reach]:
    """The cluster that is meant. Raises KubeError."""
    kube, there = await _client().Kube.as_person(where.kubeconfig, where.context)
    try:
        yield Reach(kube, where.namespace or there, where.force, bool(where.namespace))
    finally:
        await kube.close()


Namespace = Annotated[str, typer.Option("--namespace", "-n", help="The namespace. Default: the context's.")]
Context = Annotated[str, typer.Option("--context", help="A context of the kubeconfig. Default: the present one.")]
Kubeconfig = Annotated[str, typer.Option("--kubeconfig", help="The kubeconfig. Default: as kubectl has it.")]
Force = Annotated[bool, typer.Option("--force-conflicts", help="Take over fields that somebody else, as Argo CD, has a say in.")]
_WHERE = {"namespace": Namespace, "context": Context, "kubeconfig": Kubeconfig}


def reaching(work: Work) -> Callable[..., None]:
    """A command that looks at a cluster."""
    return _command(work, _WHERE)


def changing(work: Work) -> Callable[..., None]:
    """A command that changes a spec in a cluster."""
    return _command(work, {**_WHERE, "force": Force})


def _command(work: Work, more: Mapping[str, Any]) -> Callable[..., None]:
    @functools.wraps(work)
    def run(**told: Any) -> None:  # noqa: ANN401  whatever the command takes
        where = Where(**{name: told.pop(name) for name in more})
        carried_out(work, where, **told)

    known = inspect.signature(work, eval_str=True)
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in list(known.parameters.values())[1:]]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False if kind is Force else "", annotation=kind)
        for name, kind in more.items()
    ]
    run.__signature__ = known.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in (*own, *added)}
    return run


def carried_out(work: Work, where: Where, **told: Any) -> None:  # noqa: ANN401  whatever the command takes
    """Carry a command out; an error is a message and an exit status."""
    try:
        asyncio.run(_run(work, where, told))
    except (RefusedError, KubeError) as error:
        _ended(error)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


async def _run(work: Work, where: Where, told: Mapping[str, Any]) -> None:
    async with connected(where) as reach:
        await work(reach, **told)


def _ended(error: RefusedError | KubeError) -> NoReturn:
    message, code = str(error), error.code if isinstance(error, RefusedError) else 1
    if isinstance(error, ConflictError):
        message = f"somebody else has a say in this: {error.message}. Change it there, or take it over with --force-conflicts"
    elif isinstance(error, ForbiddenError):
        message = f"your account may not do that: {error.message}"
    elif isinstance(error, KubeError):
        message = error.message
    console(error=True).print(message, style="bold red", markup=False)
    raise typer.Exit(code)


def written(raw: Object, kind: str) -> Object:
    """An object as people read it: without the API server's own bookkeeping."""
    metadata = {name: value for name, value in raw["metadata"].items() if name != "managedFields"}
    return {"apiVersion": API_VERSION, "kind": kind, **raw, "metadata": metadata}
