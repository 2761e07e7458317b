"""Names of objects on the command line: NAME of a Migration, or KIND/NAME, for example `deployment/web`. Pure, except for a check whether a file exists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from landfall.cli.cluster_client import RefusedError

GROUP = "landfall.dev"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
KINDS = {
    "Migration": ("migration", "migrations", "mig"),
    "Deployment": ("deployment", "deployments", "appdeployment", "appdeployments", "app", "apps"),
    "Release": ("release", "releases"),
    "Connection": ("connection", "connections", "conn"),
    "Webhook": ("webhook", "webhooks"),
}
KIND_OF = {word: kind for kind, words in KINDS.items() for word in words}
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a Migration, or KIND/NAME.")]
Deployment = Annotated[str, typer.Argument(metavar="DEPLOYMENT", help="Name of the Deployment.")]


def parse_name(text: str, *kinds: str) -> tuple[str, str]:
    """Parse KIND/NAME; without KIND, the first of `kinds`. Raises RefusedError for any other kind."""
    word, slash, name = text.rpartition("/")
    kind = KIND_OF.get(word.lower().removesuffix(f".{GROUP}"), "") if slash else kinds[0]
    if kind not in kinds or not name:
        message = f"{text!r} is not a {' or '.join(kinds)}: use {kinds[0].lower()}/NAME"
        raise RefusedError(message, 2)
    return kind, name


def object_name(files: Sequence[Path]) -> str:
    """Name of an object in a cluster; empty if `files` refers to files."""
    if len(files) != 1 or files[0].exists():
        return ""
    word, slash, name = str(files[0]).rpartition("/")
    is_kind = not slash or word.lower().removesuffix(f".{GROUP}") in KIND_OF
    return str(files[0]) if is_kind and _NAME.fullmatch(name) else ""
