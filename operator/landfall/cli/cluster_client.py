"""Access to a cluster from the command line: kubeconfig, context, namespace, errors.

The only module of the CLI that uses Kubernetes; it requires the extra `cluster`. Writes are spec changes or request
annotations by server-side apply with field manager `landfall`, so that conflicts name the other field manager.
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
    """A command was rejected; `code` is the exit status."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class ClusterClient:
    """Connection of one command to a cluster. An empty namespace means all namespaces."""

    kube: Kube
    namespace: str
    force: bool = False
    namespace_given: bool = False  # whether the namespace was given as an option

    async def get(self, kind: str, name: str) -> Object:
        """Read an object. Raises RefusedError if it does not exist."""
        raw = await self.kube.get(kind, self.namespace, name)
        if raw is None:
            message = f"{kind} {name!r} not found in namespace {self.namespace}. To use another namespace: -n NAMESPACE"
            raise RefusedError(message)
        return raw

    async def change(self, kind: str, raw: Object, change: Change) -> None:
        """Change an object. `change` computes the change and may reject it; it is called again after a conflict. Raises KubeError."""
        await _client().changed(self.kube, kind, raw, change, force=self.force)


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """Options that select the cluster. Empty values: as in kubectl."""

    namespace: str = ""
    context: str = ""
    kubeconfig: str = ""
    force: bool = False


def _client() -> ModuleType:
    try:
        return importlib.import_module("landfall.kube.server_side_apply")
    except ModuleNotFoundError as error:
        message = f"commands for a cluster require the package {error.name}. Install it: pip install 'landfall[cluster]'"
        raise RefusedError(message, 2) from error


def console(*, error: bool = False) -> Console:
    """Console for output; without a terminal, lines are up to 160 characters wide."""
    terminal = Console(stderr=error, highlight=False, soft_wrap=error)
    if not terminal.is_terminal:
        terminal.width = _PIPE_WIDTH
    return terminal


@contextlib.asynccontextmanager
async def connected(options: ClusterOptions) -> AsyncIterator[ClusterClient]:
    """Connect to the selected cluster. Raises KubeError."""
    kube, namespace = await _client().Kube.from_kubeconfig(options.kubeconfig, options.context)
    try:
        yield ClusterClient(kube, options.namespace or namespace, options.force, bool(options.namespace))
    finally:
        await kube.close()


Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace. Default: the namespace of the context.")]
Context = Annotated[str, typer.Option("--context", help="Context in the kubeconfig. Default: the current context.")]
Kubeconfig = Annotated[str, typer.Option("--kubeconfig", help="Path of the kubeconfig. Default: as in kubectl.")]
Force = Annotated[
    bool, typer.Option("--force-conflicts", help="Take ownership of fields managed by another client, such as Argo CD.")
]
_WHERE = {"namespace": Namespace, "context": Context, "kubeconfig": Kubeconfig}


def reaching(work: Work) -> Callable[..., None]:
    """Decorator for a command that reads from a cluster."""
    return _command(work, _WHERE)


def changing(work: Work) -> Callable[..., None]:
    """Decorator for a command that changes objects in a cluster."""
    return _command(work, {**_WHERE, "force": Force})


def _command(work: Work, more: Mapping[str, Any]) -> Callable[..., None]:
    @functools.wraps(work)
    def run(**arguments: Any) -> None:  # noqa: ANN401  whatever the command takes
        options = ClusterOptions(**{name: arguments.pop(name) for name in more})
        carried_out(work, options, **arguments)

    signature = inspect.signature(work, eval_str=True)
    own_parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in list(signature.parameters.values())[1:]
    ]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False if kind is Force else "", annotation=kind)
        for name, kind in more.items()
    ]
    run.__signature__ = signature.replace(parameters=[*own_parameters, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {option.name: option.annotation for option in (*own_parameters, *added)}
    return run


def carried_out(work: Work, options: ClusterOptions, **arguments: Any) -> None:  # noqa: ANN401  whatever the command takes
    """Run a command. An error is printed and sets the exit status."""
    try:
        asyncio.run(_run(work, options, arguments))
    except (RefusedError, KubeError) as error:
        _exit(error)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


async def _run(work: Work, options: ClusterOptions, arguments: Mapping[str, Any]) -> None:
    async with connected(options) as cluster:
        await work(cluster, **arguments)


def _exit(error: RefusedError | KubeError) -> NoReturn:
    message, code = str(error), error.code if isinstance(error, RefusedError) else 1
    if isinstance(error, ConflictError):
        message = (
            f"field is managed by another client: {error.message}. Change it there, or take ownership with --force-conflicts"
        )
    elif isinstance(error, ForbiddenError):
        message = f"permission denied: {error.message}"
    elif isinstance(error, KubeError):
        message = error.message
    console(error=True).print(message, style="bold red", markup=False)
    raise typer.Exit(code)


def manifest_of(raw: Object, kind: str) -> Object:
    """Manifest of an object, without managedFields."""
    metadata = {name: value for name, value in raw["metadata"].items() if name != "managedFields"}
    return {"apiVersion": API_VERSION, "kind": kind, **raw, "metadata": metadata}
