"""Reading manifests: the same YAML that a cluster takes, from files and folders, with Secrets from the environment too.

Every complaint names the file, the object and the field, and says what would be right.
"""

from __future__ import annotations

import base64
import difflib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml
from pydantic import BaseModel, ValidationError

from landfall.api.connection import DEFAULT_PORTS, Connection
from landfall.api.fields import API_VERSION, SecretKey
from landfall.api.migration import Migration
from landfall.api.tableplan import TablePlan
from landfall.engine.errors import SpecError
from landfall.engine.options import (
    ColumnDecision,
    Endpoint,
    Engine,
    Identifiers,
    Mode,
    OnExisting,
    Options,
    Policies,
    Quiesce,
    TlsMode,
)

_KINDS: dict[str, type[Connection | Migration | TablePlan]] = {
    "Connection": Connection,
    "Migration": Migration,
    "TablePlan": TablePlan,
}
_ENGINES = {"Supabase": "PostgreSQL"}
_ENVIRONMENT = "LANDFALL_SECRET_"


@dataclass(slots=True)
class Bundle:
    """What was read: objects by kind and name. `folder` is where relative paths begin."""

    migrations: dict[str, Migration] = field(default_factory=dict)
    connections: dict[str, Connection] = field(default_factory=dict)
    plans: list[TablePlan] = field(default_factory=list)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)


def read(paths: Sequence[Path]) -> Bundle:
    """Read files and folders. Raises SpecError for anything that a cluster would refuse."""
    bundle = Bundle()
    found = False
    for path in _files(paths):
        for document in _documents(path):
            _add(bundle, path, document)
            found = True
    if not found:
        message = f"there is no manifest in {', '.join(map(str, paths))}"
        raise SpecError(message, advice="Name a file with a Migration and its Connections, or a folder of such files.")
    return bundle


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.iterdir() if p.suffix in {".yaml", ".yml"} and p.name != "kustomization.yaml")
        elif path.is_file():
            yield path
        else:
            message = f"{path}: there is no such file or folder"
            raise SpecError(message)


def _documents(path: Path) -> Iterator[dict[str, Any]]:
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        message = f"{path}: this is not valid YAML{where}"
        raise SpecError(message) from error
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, dict):
            message = f"{path}: a manifest is a mapping, not a {type(document).__name__}"
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
            return  # objects of others, as a namespace beside a Migration, are none of our business
        message = f"{path}: there is no kind {kind!r}"
        raise SpecError(message, advice=_closest(str(kind), _KINDS))
    made = _checked(_KINDS[kind], path, document)
    bundle.folders[made.metadata.name] = path.parent
    if isinstance(made, Migration):
        bundle.migrations[made.metadata.name] = made
    elif isinstance(made, Connection):
        bundle.connections[made.metadata.name] = made
    else:
        bundle.plans.append(made)


def _add_secret(bundle: Bundle, document: dict[str, Any]) -> None:
    name = str((document.get("metadata") or {}).get("name", ""))
    data = {k: base64.b64decode(v).decode() for k, v in (document.get("data") or {}).items()}
    data |= {k: str(v) for k, v in (document.get("stringData") or {}).items()}
    bundle.secrets[name] = data


def _closest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"Did you mean {near[0]}?" if near else f"Known are: {', '.join(sorted(known))}."


def _checked(
    kind: type[Connection | Migration | TablePlan], path: Path, document: dict[str, Any]
) -> Connection | Migration | TablePlan:
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        name = (document.get("metadata") or {}).get("name", "(no name)")
        label = f"{path}: {document['kind']} {name}"
        if first["type"] == "extra_forbidden":
            message = f"{label}: there is no field {where}"
            raise SpecError(message, advice=_closest(str(first["loc"][-1]), _fields_at(kind, first["loc"][:-1]))) from error
        message = f"{label}: {where}: {first['msg']}"
        raise SpecError(message) from error


def _fields_at(kind: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The fields that a model has at a place, for the advice."""
    here: type[BaseModel] | None = kind
    for part in path:
        if isinstance(part, int) or here is None:
            continue
        found = next((f for n, f in here.model_fields.items() if part in {n, f.alias}), None)
        options = [found.annotation, *getattr(found.annotation, "__args__", ())] if found else []
        here = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)
    return [f.alias or n for n, f in here.model_fields.items()] if here else []


# -- from manifests to the engine -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """One data migration as the engine wants it."""

    name: str
    source: Endpoint
    target: Endpoint
    options: Options
    approved_digest: str | None
    notices: tuple[str, ...]


def request(bundle: Bundle, name: str | None) -> Request:
    """The migration of that name, or the only one. Raises SpecError."""
    if not bundle.migrations:
        message = "there is no Migration among the manifests"
        raise SpecError(message)
    if name is None:
        if len(bundle.migrations) > 1:
            message = f"there are several Migrations: {', '.join(sorted(bundle.migrations))}"
            raise SpecError(message, advice="Choose one with --name.")
        name = next(iter(bundle.migrations))
    if name not in bundle.migrations:
        message = f"there is no Migration {name!r}"
        raise SpecError(message, advice=_closest(name, bundle.migrations))
    migration = bundle.migrations[name]
    data = migration.spec.data
    if data is None:
        message = f"Migration {name} has no data to move"
        raise SpecError(message, advice="An app needs a cluster: apply the manifest there.")
    for chosen, value, allowed in (
        ("target.onExisting", data.target.on_existing, ("Fail", "Replace")),
        ("mode", data.mode, ("Full", "SchemaOnly")),
    ):
        if value not in allowed:
            message = f"Migration {name}: spec.data.{chosen}: {value} is not supported by this version"
            raise SpecError(message, advice=f"Choose one of {', '.join(allowed)}.")
    options = Options(
        schemas=data.source.schemas,
        exclude_tables=data.source.exclude_tables,
        target_schema=data.target.schema_,
        on_existing=OnExisting(data.target.on_existing),
        mode=Mode(data.mode),
        quiesce=Quiesce(data.source.quiesce) if data.source.quiesce else None,
        identifiers=Identifiers(data.target.identifiers),
        parallelism=data.parallelism,
        batch_rows=data.batch_size,
        rows_per_second=data.limits.rows_per_second,
        bytes_per_second=data.limits.bytes_per_second,
        memory_bytes=data.limits.memory_bytes,
        auto_approve_percent=data.approval.auto_approve_above_percent,
        policies=Policies(**data.policies.model_dump()),
        decisions=tuple(_decisions(bundle, name)),
        rerun_token=data.rerun_token,
        generate_rollback=data.generate_rollback,
        retain_seconds=migration.spec.rollback.retain_seconds,
    )
    return Request(
        name,
        endpoint(bundle, data.source.connection_ref.name, "source"),
        endpoint(bundle, data.target.connection_ref.name, "target"),
        options,
        data.approval.plan_digest,
        tuple(_notices(migration)),
    )


def _notices(migration: Migration) -> Iterator[str]:
    """What a cluster would heed and this command does not."""
    spec = migration.spec
    for name, value in (("schedule", spec.schedule), ("notifications", spec.notifications), ("app", spec.app)):
        if value is not None:
            yield f"spec.{name} is for a cluster and is not heeded here"
    if spec.data and spec.data.workers > 1:
        yield "spec.data.workers is for a cluster; this is one process"


def _decisions(bundle: Bundle, name: str) -> Iterator[ColumnDecision]:
    for plan in bundle.plans:
        if plan.spec.migration_ref.name != name:
            continue
        for decision in plan.spec.decisions:
            if decision.decision == "Override":
                message = f"TablePlan {plan.metadata.name}: {decision.column}: Override is not supported by this version"
                raise SpecError(message, advice="Approve it, choose a policy, give it a targetColumn, or exclude it.")
            yield ColumnDecision(
                schema=plan.spec.source.schema_ or "",
                table=plan.spec.source.table,
                column=decision.column,
                decision=decision.decision,
                expression=decision.expression or "",
                target_column=decision.target_column or "",
                policy=decision.policy or "",
                comment=decision.comment or "",
            )


def endpoint(bundle: Bundle, name: str, side: str) -> Endpoint:
    """A Connection with its Secret. Raises SpecError when one of them is missing."""
    if name not in bundle.connections:
        message = f"{side}: there is no Connection {name!r} among the manifests"
        raise SpecError(message, advice=_closest(name, bundle.connections) if bundle.connections else "Add it to the files.")
    spec = bundle.connections[name].spec
    engine_name = _ENGINES.get(spec.type, spec.type)
    if engine_name not in {e.value for e in Engine}:
        message = f"{side}: Connection {name}: databases of type {spec.type} are not supported by this version"
        raise SpecError(message, advice=f"Supported are {', '.join(e.value for e in Engine)}.")
    engine = Engine(engine_name)
    if spec.file is not None:
        path = Path(spec.file.path)
        absolute = path if path.is_absolute() else bundle.folders[name] / path
        return Endpoint(engine, path=str(absolute.resolve()))
    secret = _secret(bundle, spec.secret_ref.name, side) if spec.secret_ref else {}
    parts = _from_url(secret["url"]) if "url" in secret else {}
    host = spec.host or parts.get("host") or ""
    if not host:
        message = f"{side}: Connection {name} has no host, and neither has its Secret's url"
        raise SpecError(message)
    return Endpoint(
        engine=engine,
        host=host,
        port=spec.port or int(parts.get("port") or DEFAULT_PORTS.get(spec.type, 0)),
        database=spec.database or parts.get("database") or "",
        username=secret.get("username") or parts.get("username") or "",
        password=secret.get("password") or parts.get("password") or "",
        tls=TlsMode(spec.tls.mode),
        ca=_authority(bundle, spec.tls.ca_secret_ref, side),
    )


def _authority(bundle: Bundle, reference: SecretKey | None, side: str) -> str:
    if reference is None:
        return ""
    data = _secret(bundle, reference.name, side)
    key = reference.key or "ca.crt"
    if key not in data:
        message = f"{side}: Secret {reference.name} has no key {key}"
        raise SpecError(message, advice="It holds the PEM of the certificate authority.")
    return data[key]


def _secret(bundle: Bundle, name: str, side: str) -> dict[str, str]:
    """A Secret from the manifests, overlaid by the environment: LANDFALL_SECRET_<NAME>_<KEY>."""
    prefix = _ENVIRONMENT + re.sub(r"[^A-Z0-9]", "_", name.upper()) + "_"
    environment = {k.removeprefix(prefix).lower(): v for k, v in os.environ.items() if k.startswith(prefix)}
    found = {**bundle.secrets.get(name, {}), **environment}
    if not found:
        message = f"{side}: there is no Secret {name!r}"
        raise SpecError(
            message,
            advice=f"Add it to the files, or set {prefix}USERNAME and {prefix}PASSWORD (or {prefix}URL) in the environment.",
        )
    return found


def _from_url(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    return {
        "host": parts.hostname or "",
        "port": str(parts.port or ""),
        "database": unquote(parts.path.lstrip("/")),
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
    }
