"""What a person names in a cluster: a Migration, unless the name says of what kind it is, as `deployment/web`. Pure, but for looking whether a file is meant."""

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
Name = Annotated[str, typer.Argument(metavar="NAME", help="A Migration, or KIND/NAME.")]
Deployment = Annotated[str, typer.Argument(metavar="DEPLOYMENT", help="Which one.")]


def named(text: str, *kinds: str) -> tuple[str, str]:
    """Kind and name; the first of these kinds where the text says none. Raises RefusedError for any other kind."""
    word, slash, name = text.rpartition("/")
    kind = KIND_OF.get(word.lower().removesuffix(f".{GROUP}"), "") if slash else kinds[0]
    if kind not in kinds or not name:
        message = f"{text!r} is no {' and no '.join(kinds)}: write it as {kinds[0].lower()}/NAME"
        raise RefusedError(message, 2)
    return kind, name


def meant(files: Sequence[Path]) -> str:
    """The name of what is in a cluster, where that is meant and no file."""
    if len(files) != 1 or files[0].exists():
        return ""
    word, slash, name = str(files[0]).rpartition("/")
    known = not slash or word.lower().removesuffix(f".{GROUP}") in KIND_OF
    return str(files[0]) if known and _NAME.fullmatch(name) else ""
