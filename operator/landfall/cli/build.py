"""`landfall build`: detect the framework of an app, show the build plan, and build the image, without a cluster."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from landfall.builds.archive import unpacked
from landfall.builds.errors import BuildError, NoStartError, UndetectedError
from landfall.builds.frameworks.registry import NAMES
from landfall.builds.local import Built, built
from landfall.builds.plan import BuildOverrides, BuildPlan
from landfall.builds.planning import located, plan_of, tree_of


def build(  # noqa: PLR0913, PLR0917  typer takes options from parameters
    folder: Annotated[Path, typer.Argument(metavar="FOLDER|ARCHIVE", help="Directory or archive (zip, tar) of the repository.")],
    path: Annotated[str, typer.Option("--path", help="Directory of the app in the repository.")] = ".",
    plan: Annotated[bool, typer.Option("--plan", help="Print the build plan and exit.")] = False,
    to: Annotated[
        Path | None, typer.Option("--to", help="Directory of the image (OCI layout). Default: FOLDER-image, next to FOLDER.")
    ] = None,
    base: Annotated[Path | None, typer.Option("--base", help="OCI layout of the base image. Default: no base image.")] = None,
    framework: Annotated[
        str, typer.Option("--framework", help=f"Framework of the app. One of: {', '.join(NAMES)}. Default: detected.")
    ] = "",
    install: Annotated[
        str, typer.Option("--install-command", help="Command that installs the dependencies. Default: detected.")
    ] = "",
    command: Annotated[str, typer.Option("--build-command", help="Command that builds the app. Default: detected.")] = "",
    start: Annotated[str, typer.Option("--start-command", help="Command that starts the app. Default: detected.")] = "",
    output_directory: Annotated[
        str, typer.Option("--output-directory", help="Directory of the static files that the build writes. Default: detected.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan and the result as JSON, one object per line.")] = False,
) -> None:
    """Detect the framework of an app, build it on this machine, and write its image. The directory is not changed.

    Builds are reproducible if the build tools are: layers contain no times, owners or host names.
    """
    try:
        with _opened(folder) as app:
            root, inside = located(app, path)
            build_plan = plan_of(tree_of(root), BuildOverrides(framework, install, command, start, output_directory), path=inside)
            _show(build_plan, as_json=as_json)
            if plan:
                return
            out = to or folder.resolve().with_name(f"{folder.resolve().name}-image")
            _result(built(root, build_plan, out, _quiet if as_json else _line, base), out, as_json=as_json)
    except BuildError as error:
        _exit(error)


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[Path]:
    """The directory, or the unpacked archive."""
    if not source.is_file():
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="landfall-archive-") as name:
        yield unpacked(source, Path(name))


def _show(build_plan: BuildPlan, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"type": "plan", **build_plan.as_dict()}) + "\n")
        return
    console = Console()
    console.print(f"[bold]{build_plan.framework}[/] ({escape('; '.join(build_plan.evidence))})")
    rows = (
        ("runtime", f"{build_plan.runtime} {build_plan.version} (from {build_plan.version_source})"),
        ("packages", build_plan.package_manager),
        ("install", " && ".join(build_plan.install)),
        ("build", " && ".join(build_plan.build)),
        ("start", build_plan.start),
        ("site", build_plan.output),
        ("layers", "; ".join(f"{layer.name}: {', '.join(layer.include)}" for layer in build_plan.layers)),
    )
    for title, text in rows:
        if text:
            console.print(f"  {title:9} {escape(text)}", soft_wrap=True)
    for note in build_plan.notes:
        console.print(f"  [yellow]note[/]      {escape(note)}", soft_wrap=True)


def _line(text: str) -> None:
    sys.stdout.write(f"    {text}\n")


def _quiet(_text: str) -> None:
    """No progress output with --json."""


def _result(result: Built, out: Path, *, as_json: bool) -> None:
    if as_json:
        layers = [
            {"name": p.name, "digest": p.digest, "diffId": p.diff_id, "size": p.size, "files": p.files} for p in result.layers
        ]
        sys.stdout.write(json.dumps({"type": "image", "digest": result.digest, "layout": str(out), "layers": layers}) + "\n")
        return
    console = Console()
    for packed in result.layers:
        console.print(f"  layer {packed.name}: {packed.files} files, {packed.size / 1e6:.1f} MB, {packed.digest}", soft_wrap=True)
    console.print(f"[bold green]built[/] {result.digest} in {escape(str(out))}", soft_wrap=True)


def _exit(error: BuildError) -> NoReturn:
    console = Console(stderr=True)
    console.print(f"[bold red]{error.reason}:[/] ", end="")
    console.print(error.message, markup=False, soft_wrap=True)
    if error.advice:
        console.print(f"  {error.advice}", markup=False, soft_wrap=True)
    raise typer.Exit(2 if isinstance(error, (UndetectedError, NoStartError)) else 1)
