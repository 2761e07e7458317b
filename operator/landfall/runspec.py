"""The specification of a run: what the kinds declare, with every default filled in.

The only place that makes an Endpoint or a run key from a Connection. Two keys have to be told apart:

* The *declared key* is computed by the operator from the spec alone and names the Run object. It does not depend on whether a
  default is spelled out.
* The *ledger key* is computed by whoever opens the endpoints, a worker or the command line, because only they read Secrets, and a Secret's URL may hold
  host, port and database. Workers report it. It never changes for a run that an earlier version began.

Secrets come through a function, because each caller reads them in its own way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from landfall.api.connection import Connection, ConnectionSpec
from landfall.api.fields import SecretKey
from landfall.api.migration import DataSpec, Migration
from landfall.api.tableplan import TablePlan
from landfall.engine.errors import SpecError
from landfall.engine.model.options import (
    ColumnDecision,
    Endpoint,
    EngineName,
    Identifiers,
    Mode,
    OnExisting,
    Options,
    Policies,
    Quiesce,
    TableDecision,
    TlsMode,
)
from landfall.engine.model.run_key import digest, key_parts
from landfall.engine.sources import registry
from landfall.lib import urls as addresses
from landfall.lib.text import closest

_ENDS = ("source", "target")
# The field of a Migration behind each part of a key; source and target are named by the field of the Connection that differs.
_FIELDS = {
    "schemas": "spec.data.source.schemas",
    "exclude": "spec.data.source.excludeTables",
    "schema": "spec.data.target.schema",
    "onExisting": "spec.data.target.onExisting",
    "mode": "spec.data.mode",
    "identifiers": "spec.data.target.identifiers",
    "token": "spec.data.rerunToken",
}
_IDENTITY = re.compile(r"(?P<type>[a-z]+):(?P<host>.*):(?P<port>[0-9]+)/(?P<database>.*)", re.DOTALL)

Secrets = Callable[[str, str], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class ResolvedRun:
    """One data migration with every default filled in. `notices` name the fields of the manifest that have no effect."""

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


def resolve(migration: Migration, ends: Ends, plans: Iterable[TablePlan]) -> ResolvedRun:
    """The data half of a Migration, resolved with its Connections and Secrets. Raises SpecError."""
    name, data = migration.metadata.name, migration.spec.data
    if data is None:
        message = f"Migration {name} has no data to move"
        raise SpecError(message, advice="An app needs a cluster: apply the manifest there.")
    return ResolvedRun(
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
        max_pause_seconds=data.cutover.max_pause_seconds if data.cutover else 0,
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
    engine = engine_of(spec)
    if engine is None:
        message = f"{side}: Connection {name}: {spec.unsupported}"
        raise SpecError(message)
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
        port=spec.port or parts.port or spec.default_port,
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


# -- what the spec declares -------------------------------------------------------------------------------------------


def engine_of(spec: ConnectionSpec) -> EngineName | None:
    """The engine behind a Connection; None for a type that this version does not support."""
    return None if spec.unsupported else registry.engine_name(spec.type)


@dataclass(frozen=True, slots=True)
class Declared:
    """What a spec declares a run to be, as far as it can be told without Secrets.

    `key` has 64 hexadecimal digits and names the Run. It equals the ledger key where the Connections alone say where the databases are.
    `former` are the keys under which version 0.1 named the Run of the same spec: it told a default port from one that was spelled out.
    `source` and `target` are identities, as `mysql:db.example:3306/shop`.
    """

    key: str
    former: tuple[str, ...]
    source: str
    target: str


def declared(data: DataSpec, source: Connection, target: Connection) -> Declared | None:
    """What a Migration and its Connections declare; None where a Connection's type is not supported."""
    engines = (engine_of(source.spec), engine_of(target.spec))
    if engines[0] is None or engines[1] is None:
        return None
    asked = options(data, (), 0)
    sources, targets = (_spelled(c.spec, engine) for c, engine in zip((source, target), engines, strict=True) if engine)
    key, *former = (digest(key_parts(registry.identity(a), registry.identity(b), asked)) for a, b in product(sources, targets))
    return Declared(key, tuple(former), registry.identity(sources[0]), registry.identity(targets[0]))


def _spelled(spec: ConnectionSpec, engine: EngineName) -> tuple[Endpoint, ...]:
    """The endpoint that is declared, and after it the one without a port by which version 0.1 meant the same."""
    if spec.file:
        return (Endpoint(engine, path=f"{spec.file.persistent_volume_claim}:{spec.file.path}"),)
    host = spec.host or (f"secret/{spec.secret_ref.name}" if spec.secret_ref else "")
    ports = (spec.port,) if spec.port and spec.port != spec.default_port else (spec.default_port, 0)
    return tuple(Endpoint(engine, host, port, spec.database or "") for port in ports)


def changed(before: DataSpec, identities: tuple[str, str], after: DataSpec, now: Declared) -> tuple[str, ...]:
    """The fields that make a spec ask for another run than the one that was begun.

    Args:
        before: The data half as it was when the run began.
        identities: What source and target were then, as `Declared` has them; empty where an earlier version did not record it.
        after: The data half as it is.
        now: What it declares.

    Returns:
        Paths of fields, as `spec.data.mode` or `spec.port of Connection shop-old`.
    """
    then = key_parts("", "", options(before, (), 0))
    fresh = key_parts("", "", options(after, (), 0))
    fields = [field for part, field in _FIELDS.items() if then[part] != fresh[part]]
    names = (after.source.connection_ref.name, after.target.connection_ref.name)
    former = (before.source.connection_ref.name, before.target.connection_ref.name)
    for side, name, was, old, new in zip(_ENDS, names, former, identities, (now.source, now.target), strict=True):
        if name != was:
            fields.append(f"spec.data.{side}.connectionRef")
        elif old and old != new:
            fields.append(f"{_difference(old, new)} of Connection {name}")
    if not fields:  # all the fields are as they were, so the run of an earlier version was begun with other Connections
        fields.append(f"type, host, port, database or file of Connection {' or '.join(names)}")
    return tuple(fields)


def _difference(old: str, new: str) -> str:
    """The fields of a Connection that two identities tell apart."""
    one, other = _IDENTITY.fullmatch(old), _IDENTITY.fullmatch(new)
    if one is None or other is None or one["type"] != other["type"]:
        return "spec.type or spec.file"
    return " and ".join(f"spec.{name}" for name in ("host", "port", "database") if one[name] != other[name])
