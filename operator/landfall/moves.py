"""From the kinds to what the engine takes: one data migration, with both ends and all options.

The command line and the workers of a cluster read the same kinds, from files or from what they were given; what these
mean to the engine is decided here, once. Secrets come through a function, for each of them has its own way to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from landfall.api.connection import DEFAULT_PORTS, Connection
from landfall.api.fields import SecretKey
from landfall.api.migration import DataSpec, Migration
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
    TableDecision,
    TlsMode,
)
from landfall.kit import addresses
from landfall.kit.words import closest

_ENGINES = {"Supabase": "PostgreSQL"}

Secrets = Callable[[str, str], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Move:
    """One data migration as the engine wants it. `notices` say what of the manifest is not heeded."""

    name: str
    source: Endpoint
    target: Endpoint
    options: Options
    approved_digest: str | None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ends:
    """The Connections by name, how to come by a Secret (by name and side), and where relative paths of files begin."""

    connections: Mapping[str, Connection]
    secrets: Secrets
    folders: Mapping[str, Path]


def move(migration: Migration, ends: Ends, plans: Iterable[TablePlan]) -> Move:
    """A Migration's data half. Raises SpecError."""
    name, data = migration.metadata.name, migration.spec.data
    if data is None:
        message = f"Migration {name} has no data to move"
        raise SpecError(message, advice="An app needs a cluster: apply the manifest there.")
    return Move(
        name,
        endpoint(data.source.connection_ref.name, ends, "source"),
        endpoint(data.target.connection_ref.name, ends, "target"),
        options(data, tuple(_decisions(name, plans)), migration.spec.rollback.retain_seconds),
        data.approval.plan_digest,
    )


def options(data: DataSpec, said: tuple[ColumnDecision | TableDecision, ...], retain_seconds: int) -> Options:
    """The engine's options."""
    return Options(
        schemas=data.source.schemas,
        exclude_tables=data.source.exclude_tables,
        target_schema=data.target.schema_,
        on_existing=OnExisting(data.target.on_existing),
        mode=Mode(data.mode),
        quiesce=Quiesce(data.source.quiesce) if data.source.quiesce else None,
        identifiers=Identifiers(data.target.identifiers),
        parallelism=data.parallelism,
        workers=data.workers,
        batch_rows=data.batch_size,
        rows_per_second=data.limits.rows_per_second,
        bytes_per_second=data.limits.bytes_per_second,
        memory_bytes=data.limits.memory_bytes,
        auto_approve_percent=data.approval.auto_approve_above_percent,
        policies=Policies(**data.policies.model_dump()),
        decisions=tuple(s for s in said if isinstance(s, ColumnDecision)),
        tables=tuple(s for s in said if isinstance(s, TableDecision)),
        rerun_token=data.rerun_token,
        generate_rollback=data.generate_rollback,
        retain_seconds=retain_seconds,
    )


def _decisions(name: str, plans: Iterable[TablePlan]) -> Iterator[ColumnDecision | TableDecision]:
    for plan in plans:
        if plan.spec.migration_ref.name != name:
            continue
        if plan.spec.target_table:
            yield TableDecision(plan.spec.source.schema_ or "", plan.spec.source.table, plan.spec.target_table)
        for decision in plan.spec.decisions:
            yield ColumnDecision(
                schema=plan.spec.source.schema_ or "",
                table=plan.spec.source.table,
                column=decision.column,
                decision=decision.decision,
                expression=decision.expression or "",
                target_column=decision.target_column or "",
                policy=decision.policy or "",
                comment=decision.comment or "",
                digest=decision.digest or "",
            )


def endpoint(name: str, ends: Ends, side: str) -> Endpoint:
    """A Connection with its Secret. Raises SpecError when one of them is missing."""
    if name not in ends.connections:
        message = f"{side}: there is no Connection {name!r} among the manifests"
        raise SpecError(message, advice=closest(name, ends.connections) if ends.connections else "Add it to the files.")
    spec = ends.connections[name].spec
    engine_name = _ENGINES.get(spec.type, spec.type)
    if engine_name not in {e.value for e in Engine}:
        message = f"{side}: Connection {name}: databases of type {spec.type} are not supported by this version"
        raise SpecError(message, advice=f"Supported are {', '.join(e.value for e in Engine)}.")
    engine = Engine(engine_name)
    if spec.file is not None:
        path = Path(spec.file.path)
        absolute = path if path.is_absolute() else ends.folders[name] / path
        return Endpoint(engine, path=str(absolute.resolve()))
    secret = ends.secrets(spec.secret_ref.name, side) if spec.secret_ref else {}
    try:
        parts = addresses.split(secret["url"]) if "url" in secret else addresses.NONE
        host = spec.host or parts.host
        if not host.startswith("/"):
            addresses.checked(host)
    except addresses.AddressError as error:
        where = "host" if spec.host else "its Secret's url"
        message = f"{side}: Connection {name}, {where}: {error}"
        raise SpecError(message, advice="Correct it.") from error
    if not host:
        message = f"{side}: Connection {name} has no host, and neither has its Secret's url"
        raise SpecError(message)
    return Endpoint(
        engine=engine,
        host=host,
        port=spec.port or parts.port or DEFAULT_PORTS.get(spec.type, 0),
        database=spec.database or parts.path.lstrip("/"),
        username=secret.get("username") or parts.username,
        password=secret.get("password") or parts.password,
        tls=TlsMode(spec.tls.mode),
        ca=_authority(ends, spec.tls.ca_secret_ref, side),
    )


def _authority(ends: Ends, reference: SecretKey | None, side: str) -> str:
    if reference is None:
        return ""
    data = ends.secrets(reference.name, side)
    key = reference.key or "ca.crt"
    if key not in data:
        message = f"{side}: Secret {reference.name} has no key {key}"
        raise SpecError(message, advice="It holds the PEM of the certificate authority.")
    return data[key]
