"""Reads manifests from files and directories: the same YAML as in a cluster. Secrets can also come from the environment.

Every error names the file, the object and the field, and how to correct it.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from landfall.api.connection import Connection
from landfall.api.fields import API_VERSION, message_of
from landfall.api.migration import Migration
from landfall.api.tableplan import TablePlan
from landfall.engine.errors import SpecError
from landfall.lib.text import closest
from landfall.runspec import ResolvedRun, RunInputs, resolve

_KINDS: dict[str, type[Connection | Migration | TablePlan]] = {
    "Connection": Connection,
    "Migration": Migration,
    "TablePlan": TablePlan,
}
_ENVIRONMENT = "LANDFALL_SECRET_"


@dataclass(slots=True)
class Bundle:
    """Objects that were read, by kind and name. `folders`: base directory of relative paths, by object."""

    migrations: dict[str, Migration] = field(default_factory=dict)
    connections: dict[str, Connection] = field(default_factory=dict)
    plans: list[TablePlan] = field(default_factory=list)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)


def read(paths: Sequence[Path]) -> Bundle:
    """Read files and directories. Raises SpecError for anything that a cluster would reject."""
    bundle = Bundle()
    has_documents = False
    for path in _files(paths):
        for document in _documents(path):
            _add(bundle, path, document)
            has_documents = True
    if not has_documents:
        message = f"no manifest found in {', '.join(map(str, paths))}"
        raise SpecError(message, advice="Specify a file with a Migration and its Connections, or a directory of such files.")
    return bundle


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.iterdir() if p.suffix in {".yaml", ".yml"} and p.name != "kustomization.yaml")
        elif path.is_file():
            yield path
        else:
            message = f"{path}: file or directory not found"
            raise SpecError(message)


def _documents(path: Path) -> Iterator[dict[str, Any]]:
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        message = f"{path}: invalid YAML{line}"
        raise SpecError(message) from error
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, dict):
            message = f"{path}: a manifest must be a mapping, not a {type(document).__name__}"
            raise SpecError(message)
        yield document


def _add(bundle: Bundle, path: Path, document: dict[str, Any]) -> None:
    kind, version = document.get("kind"), document.get("apiVersion")
    if kind == "List":
        for item in document.get("items") or []:
            _add(bundle, path, item)
        return
    if kind == "Secret" and version == "v1":
        _add_secret(bundle, document)
        return
    if version != API_VERSION and kind in _KINDS:
        message = f"{path}: {kind} has apiVersion {version!r}"
        raise SpecError(message, advice=f"Use {API_VERSION}.")
    if kind not in _KINDS:
        if isinstance(version, str) and version.split("/")[0] != "landfall.dev":
            return  # other objects, for example a Namespace, are ignored
        message = f"{path}: unknown kind {kind!r}"
        raise SpecError(message, advice=closest(str(kind), _KINDS))
    resource = _checked(_KINDS[kind], path, document)
    bundle.folders[resource.metadata.name] = path.parent
    if isinstance(resource, Migration):
        bundle.migrations[resource.metadata.name] = resource
    elif isinstance(resource, Connection):
        bundle.connections[resource.metadata.name] = resource
    else:
        bundle.plans.append(resource)


def _add_secret(bundle: Bundle, document: dict[str, Any]) -> None:
    name = str((document.get("metadata") or {}).get("name", ""))
    data = {k: base64.b64decode(v).decode() for k, v in (document.get("data") or {}).items()}
    data |= {k: str(v) for k, v in (document.get("stringData") or {}).items()}
    bundle.secrets[name] = data


def _checked(
    kind: type[Connection | Migration | TablePlan], path: Path, document: dict[str, Any]
) -> Connection | Migration | TablePlan:
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        # A misspelled required field causes two errors: report the unknown field, not the missing one.
        first = min(error.errors(), key=lambda detail: detail["type"] != "extra_forbidden")
        field = ".".join(str(part) for part in first["loc"])
        name = (document.get("metadata") or {}).get("name", "(no name)")
        label = f"{path}: {document['kind']} {name}"
        if first["type"] == "extra_forbidden":
            message = f"{label}: unknown field {field}"
            raise SpecError(message, advice=closest(str(first["loc"][-1]), _fields_at(kind, first["loc"][:-1]))) from error
        message = f"{label}: {field}: {message_of(first)}"
        raise SpecError(message) from error


def _fields_at(kind: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Names of the fields that a model has at a path, for suggestions."""
    model: type[BaseModel] | None = kind
    for part in path:
        if isinstance(part, int) or model is None:
            continue
        field = next((f for n, f in model.model_fields.items() if part in {n, f.alias}), None)
        options = [field.annotation, *getattr(field.annotation, "__args__", ())] if field else []
        model = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)
    return [f.alias or n for n, f in model.model_fields.items()] if model else []


# -- from manifests to the engine -------------------------------------------------------------------------------------


def request(bundle: Bundle, name: str | None) -> ResolvedRun:
    """The Migration with that name, or the only one. Raises SpecError."""
    if not bundle.migrations:
        message = "no Migration found in the manifests"
        raise SpecError(message)
    if name is None:
        if len(bundle.migrations) > 1:
            message = f"the manifests contain several Migrations: {', '.join(sorted(bundle.migrations))}"
            raise SpecError(message, advice="Select one with --name.")
        name = next(iter(bundle.migrations))
    if name not in bundle.migrations:
        message = f"Migration {name!r} not found"
        raise SpecError(message, advice=closest(name, bundle.migrations))
    migration = bundle.migrations[name]
    ends = RunInputs(bundle.connections, partial(_secret, bundle), bundle.folders)
    return replace(resolve(migration, ends, bundle.plans), notices=tuple(_notices(migration)))


def _notices(migration: Migration) -> Iterator[str]:
    """Settings that apply in a cluster only."""
    spec = migration.spec
    for name, value in (("schedule", spec.schedule), ("notifications", spec.notifications), ("app", spec.app)):
        if value is not None:
            yield f"spec.{name} applies in a cluster only and is ignored"
    if spec.data and spec.data.workers > 1:
        yield "spec.data.workers applies in a cluster only; this command is one process"


def _secret(bundle: Bundle, name: str, side: str) -> dict[str, str]:
    """A Secret from the manifests, overridden by the environment: LANDFALL_SECRET_<NAME>_<KEY>."""
    prefix = _ENVIRONMENT + re.sub(r"[^A-Z0-9]", "_", name.upper()) + "_"
    environment = {k.removeprefix(prefix).lower(): v for k, v in os.environ.items() if k.startswith(prefix)}
    values = {**bundle.secrets.get(name, {}), **environment}
    if not values:
        message = f"{side}: Secret {name!r} not found"
        raise SpecError(
            message,
            advice=f"Add it to the manifests, or set the environment variables {prefix}USERNAME and {prefix}PASSWORD (or {prefix}URL).",
        )
    return values
