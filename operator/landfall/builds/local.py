"""A build on this machine: copies the folder, runs the commands of the plan in the copy, and writes the image. The folder is not changed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from landfall.builds.errors import BuildError
from landfall.builds.failure_hints import advice
from landfall.builds.image import layers
from landfall.builds.image import layout as image
from landfall.builds.image.start import check_start
from landfall.builds.languages.registry import language_of
from landfall.builds.plan import BuildPlan
from landfall.builds.runner import run
from landfall.builds.source_tree import PASSED_OVER

_KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "XDG_CACHE_HOME",
)
_PREFIXES = ("npm_config_", "NPM_CONFIG_", "PIP_", "UV_", "YARN_", "GOPROXY", "GOFLAGS")


@dataclass(frozen=True, slots=True)
class Built:
    """An image in a local OCI layout."""

    digest: str
    layers: tuple[layers.Packed, ...]


def built(folder: Path, plan: BuildPlan, out: Path, report: Callable[[str], None], base: Path | None = None) -> Built:
    """Build a folder into an OCI layout. `report` is called with each line of output. Raises BuildError with the end of the log and advice."""
    if (out / "index.json").exists():
        message = f"{out} already contains an image"
        raise BuildError(message, advice="Choose another folder with --to, or remove it.")
    with tempfile.TemporaryDirectory(prefix="landfall-build-") as name:
        work = Path(name) / "app"
        shutil.copytree(folder, work, symlinks=True, ignore=lambda _, names: PASSED_OVER & set(names))
        if other := _other_runtime(plan):
            report(other)
        for command in (*plan.install, *plan.build):
            _run(command, work, report)
        check_start(work, plan)
        (out / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        layers = tuple(_layer(work, plan, number, out) for number in range(len(plan.layers)))
    labels = {"landfall.dev/framework": plan.framework, "landfall.dev/runtime": f"{plan.runtime} {plan.version}".strip()}
    return Built(image.write(out, layers, image.Running(plan.start, plan.env, labels, paths=plan.paths), base), layers)


def _other_runtime(plan: BuildPlan) -> str:
    """A local build uses the runtime of this machine; return a note if it is not the planned version."""
    language = language_of(plan.runtime)
    command, compared = language.version_command, language.version_parts
    if not command or shutil.which(command[0]) is None:
        return ""
    printed = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  a fixed command of the language
    match = re.search(r"\d+(\.\d+)+", printed.stdout + printed.stderr)
    if match is None or match.group(0).split(".")[:compared] == plan.version.split(".")[:compared]:
        return ""
    return f"note: this machine has {plan.runtime} {match.group(0)}, but the plan requires {plan.version}; packages are installed for the version of this machine"


def _layer(work: Path, plan: BuildPlan, number: int, out: Path) -> layers.Packed:
    packed = layers.packed(work, plan.layers[number], "/app", out / "layer.tmp")
    (out / "layer.tmp").rename(image.blob_of(out, packed.digest))
    return packed


def _run(command: str, work: Path, report: Callable[[str], None]) -> None:
    status, last = run(command, str(work), _environment(os.environ, work), report)
    if status:
        log = "\n".join(last)
        message = f"`{command}` ended with status {status}"
        raise BuildError(message, advice=advice(log), log=log)


def _environment(environment: Mapping[str, str], work: Path) -> dict[str, str]:
    """The environment of a build: only the paths of programs and the addresses of registries."""
    allowed = {k: v for k, v in environment.items() if k in _KEPT or k.startswith(_PREFIXES)}
    allowed["PATH"] = (
        f"{environment.get('PATH', os.defpath)}:{Path(sys.executable).parent}"  # programs installed next to this one come last
    )
    quiet = {"npm_config_fund": "false", "npm_config_audit": "false", "npm_config_update_notifier": "false", "CI": "1"}
    return {**quiet, "UV_LINK_MODE": "copy", "SOURCE_DATE_EPOCH": "315532801", "PWD": str(work), **allowed}
