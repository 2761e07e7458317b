"""The specification of a run: Migration, Connections and TablePlans with every default filled in.

This is the only module that creates an Endpoint or a run key from a Connection. There are two keys:

* The operator computes the *declared key* from the spec only. It names the Run object. Setting a field to its default value does not
  change it.
* The worker or the command line computes the *ledger key*, because only they read Secrets, and the URL in a Secret may contain host,
  port and database. Workers report it. It never changes for a run that an earlier version started.

Secrets are read through a function, because each caller reads them from another place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from landfall.api.connection import Connection, ConnectionSpec
from landfall.api.fields import SecretKey
from landfall.api.migration import DEFAULT_SCHEMA, DataSpec, Migration
from landfall.api.tableplan import TablePlan
from landfall.engine.clients.tls import mode_for
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
    SourceCode,
    TableDecision,
    TargetSchemas,
    TlsMode,
)
from landfall.engine.model.run_key import digest, key_parts
from landfall.engine.sources import database_url, registry
from landfall.engine.sources.database_url import DatabaseAddress
from landfall.engine.sources.run_key import spellings
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
    "targetSchemas": "spec.data.target.schemas",
    "token": "spec.data.rerunToken",
}
_IDENTITY = re.compile(r"(?P<type>[a-z]+):(?P<host>.*):(?P<port>[0-9]+)/(?P<database>.*)", re.DOTALL)

Secrets = Callable[[str, str], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class ResolvedRun:
    """One data migration with every default filled in.

    Attributes:
        name: The name of the Migration.
        source: The source database, with its credential.
        target: The target database, with its credential.
        options: The options for the engine.
        approved_digest: The digest of the approved plan (`sha256:…`); None if no plan is approved.
        notices: Sentences that name fields of the manifest that have no effect.
    """

    name: str
    source: Endpoint
    target: Endpoint
    options: Options
    approved_digest: str | None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunInputs:
    """The objects that a run refers to.

    Attributes:
        connections: Connections by name.
        secrets: Returns the decoded data of a Secret, by the Secret's name and the side (`source` or `target`).
        folders: For each Connection by name, the folder to which a relative file path refers.
    """

    connections: Mapping[str, Connection]
    secrets: Secrets
    folders: Mapping[str, Path]


def resolve(migration: Migration, inputs: RunInputs, plans: Iterable[TablePlan]) -> ResolvedRun:
    """Resolve the data part of a Migration with its Connections, Secrets and TablePlans.

    Args:
        migration: The Migration.
        inputs: Connections, Secrets and folders.
        plans: All TablePlans; those of other migrations are ignored.

    Returns:
        The specification of the run, with every default filled in.

    Raises:
        SpecError: The Migration has no data part, or a Connection or Secret is missing or invalid.
    """
    name, data = migration.metadata.name, migration.spec.data
    if data is None:
        message = f"Migration {name} has no spec.data, so there is no data to migrate"
        raise SpecError(message, advice="An app needs a cluster: apply the manifest there.")
    return ResolvedRun(
        name,
        endpoint(data.source.connection_ref.name, inputs, "source"),
        endpoint(data.target.connection_ref.name, inputs, "target"),
        options(data, tuple(_decisions(name, plans)), migration.spec.rollback.retain_seconds),
        data.approval.plan_digest,
    )


def options(data: DataSpec, decisions: tuple[ColumnDecision | TableDecision, ...], retain_seconds: int) -> Options:
    """Return the options for the engine.

    Args:
        data: The data part of a Migration's spec.
        decisions: The decisions of its TablePlans.
        retain_seconds: How long retained tables are kept after the cutover, in seconds.
    """
    return Options(
        schemas=data.source.schemas,
        exclude_tables=data.source.exclude_tables,
        target_schema=data.target.schema_ or DEFAULT_SCHEMA,
        target_schemas=TargetSchemas(data.target.schemas) if data.target.schemas else None,
        target_named=data.target.schema_ is not None,
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
        decisions=tuple(d for d in decisions if isinstance(d, ColumnDecision)),
        tables=tuple(d for d in decisions if isinstance(d, TableDecision)),
        rerun_token=data.rerun_token,
        generate_rollback=data.generate_rollback,
        retain_seconds=retain_seconds,
        max_pause_seconds=data.cutover.max_pause_seconds if data.cutover else 0,
        code=SourceCode(data.source.code or SourceCode.CARRY),
        fence=data.cutover is None or data.cutover.fence != "None",
    )


def _decisions(name: str, plans: Iterable[TablePlan]) -> Iterator[ColumnDecision | TableDecision]:
    for plan in plans:
        if plan.spec.migration_ref.name != name:
            continue
        if plan.spec.target_table or plan.spec.existing_rows:
            source = plan.spec.source
            yield TableDecision(source.schema_ or "", source.table, plan.spec.target_table or "", plan.spec.existing_rows or "")
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


def endpoint(name: str, inputs: RunInputs, side: str) -> Endpoint:
    """Return the endpoint that a Connection and its Secret describe.

    Args:
        name: The name of the Connection.
        inputs: Connections, Secrets and folders.
        side: `source` or `target`; messages begin with it.

    Raises:
        SpecError: The Connection, its Secret or a key is missing, or the address is invalid.
    """
    if name not in inputs.connections:
        message = f"{side}: Connection {name!r} not found in the manifests"
        raise SpecError(message, advice=closest(name, inputs.connections) if inputs.connections else "Add it to the files.")
    spec = inputs.connections[name].spec
    engine = engine_of(spec)
    if engine is None:
        message = f"{side}: Connection {name}: {spec.unsupported}"
        raise SpecError(message)
    if spec.file is not None:
        path = Path(spec.file.path)
        absolute = path if path.is_absolute() else inputs.folders[name] / path
        return Endpoint(engine, path=str(absolute.resolve()))
    secret = inputs.secrets(spec.secret_ref.name, side) if spec.secret_ref else {}
    address, tls = _address(name, spec, secret, side)
    host = spec.host or address.host
    if not host:
        message = f"{side}: Connection {name} has no host, and its Secret has no url with a host"
        raise SpecError(message, advice="Set spec.host of the Connection, or the key url of its Secret.")
    return Endpoint(
        engine=engine,
        host=host,
        port=spec.port or address.port or spec.default_port,
        database=spec.database or address.database,
        username=secret.get("username") or address.username,
        password=secret.get("password") or address.password,
        tls=tls or mode_for(host),
        ca=_certificate_authority(inputs, spec.tls.ca_secret_ref, side),
        login=address.login,
        parameters=address.parameters,
    )


def _address(name: str, spec: ConnectionSpec, secret: Mapping[str, str], side: str) -> tuple[DatabaseAddress, TlsMode | None]:
    """Read the address of a Connection.

    Args:
        name: The name of the Connection, for messages.
        spec: Its spec.
        secret: The decoded data of its Secret; empty if it has none.
        side: `source` or `target`; messages begin with it.

    Returns:
        What the Secret's URL says, and the stricter TLS mode of URL and Connection; None if neither names one.

    Raises:
        SpecError: The URL or the host is invalid, or a parameter of the URL is not supported.
    """
    place, field = "its Secret's url", "the key url of the Secret"
    try:
        client = registry.engine_of(spec.type).client
        form = client.url if client else None
        address = database_url.read(secret["url"], form, spec.type) if form and "url" in secret else DatabaseAddress()
        tls = database_url.stricter(TlsMode(spec.tls.mode) if spec.tls.mode else None, address.tls)
        database_url.authority_given(address, has_authority=spec.tls.ca_secret_ref is not None)
        if spec.host and not spec.host.startswith("/"):
            place, field = "host", "spec.host of the Connection"
            addresses.checked(spec.host)
    except addresses.AddressError as error:
        message = f"{side}: Connection {name}, {place}: {error}"
        raise SpecError(message, advice=f"Correct {field}.") from error
    return address, tls


def _certificate_authority(inputs: RunInputs, reference: SecretKey | None, side: str) -> str:
    if reference is None:
        return ""
    data = inputs.secrets(reference.name, side)
    key = reference.key or "ca.crt"
    if key not in data:
        message = f"{side}: Secret {reference.name} has no key {key}"
        raise SpecError(message, advice="Add the certificate authority to it, in PEM format.")
    return data[key]


# -- the declared run --------------------------------------------------------------------------------------------------


def engine_of(spec: ConnectionSpec) -> EngineName | None:
    """Return the engine of a Connection; None if this version does not support its type."""
    return None if spec.unsupported else registry.engine_name(spec.type)


@dataclass(frozen=True, slots=True)
class DeclaredRun:
    """The identity of a run as far as the spec determines it, without Secrets.

    Attributes:
        key: 64 hexadecimal digits that name the Run. Equal to the ledger key if the Connections contain the complete addresses.
        former_keys: Keys under which earlier versions named the Run of the same spec: version 0.1 distinguished an omitted port from an
            explicit default port, and later ones the schemas that are read by default from the same schemas named.
        source: The identity of the source, such as `mysql:db.example:3306/shop`.
        target: The identity of the target.
        default_schemas: The schemas that are read if the spec names none; empty if the Connection does not say.
    """

    key: str
    former_keys: tuple[str, ...]
    source: str
    target: str
    default_schemas: tuple[str, ...] = ()


def declared_run(data: DataSpec, source: Connection, target: Connection) -> DeclaredRun | None:
    """Return the run that a Migration and its Connections declare; None if a Connection's type is not supported."""
    engines = (engine_of(source.spec), engine_of(target.spec))
    if engines[0] is None or engines[1] is None:
        return None
    sources, targets = (_declared_endpoints(c.spec, e) for c, e in zip((source, target), engines, strict=True) if e)
    default = registry.default_schemas(sources[0])
    forms = spellings(options(data, (), 0), default)
    key, *former = (
        digest(key_parts(registry.identity(a), registry.identity(b), form)) for form, a, b in product(forms, sources, targets)
    )
    return DeclaredRun(key, tuple(former), registry.identity(sources[0]), registry.identity(targets[0]), default)


def _declared_endpoints(spec: ConnectionSpec, engine: EngineName) -> tuple[Endpoint, ...]:
    """Return the forms in which the endpoint of a Connection was declared.

    Args:
        spec: The spec of the Connection.
        engine: Its engine.

    Returns:
        The declared endpoint, and if its port is the default one, the same endpoint without a port, as version 0.1 named it.
    """
    if spec.file:
        return (Endpoint(engine, path=f"{spec.file.persistent_volume_claim}:{spec.file.path}"),)
    host = spec.host or (f"secret/{spec.secret_ref.name}" if spec.secret_ref else "")
    ports = (spec.port,) if spec.port and spec.port != spec.default_port else (spec.default_port, 0)
    return tuple(Endpoint(engine, host, port, spec.database or "") for port in ports)


def changed_fields(before: DataSpec, identities: tuple[str, str], after: DataSpec, now: DeclaredRun) -> tuple[str, ...]:
    """Return the fields whose change makes the spec declare another run than the one that was started.

    Args:
        before: The data part of the spec when the run started.
        identities: The identities of source and target at that time, as in `DeclaredRun`; empty if an earlier version did not
            record them.
        after: The data part of the current spec.
        now: The run that the current spec declares.

    Returns:
        Paths of fields, such as `spec.data.mode` or `spec.port of Connection shop-old`.
    """
    then, fresh = (key_parts("", "", spellings(options(data, (), 0), now.default_schemas)[0]) for data in (before, after))
    fields = [field for part, field in _FIELDS.items() if then.get(part) != fresh.get(part)]
    names = (after.source.connection_ref.name, after.target.connection_ref.name)
    former = (before.source.connection_ref.name, before.target.connection_ref.name)
    for side, name, was, old, new in zip(_ENDS, names, former, identities, (now.source, now.target), strict=True):
        if name != was:
            fields.append(f"spec.data.{side}.connectionRef")
        elif old and old != new:
            fields.append(f"{_difference(old, new)} of Connection {name}")
    if not fields:  # no field of the Migration changed, so the run of an earlier version was started with other Connections
        fields.append(f"type, host, port, database or file of Connection {' or '.join(names)}")
    return tuple(fields)


def _difference(old: str, new: str) -> str:
    """Return the fields of a Connection in which two identities differ.

    Args:
        old: The identity when the run was started, such as `mysql:db.example:3306/shop`.
        new: The current identity.

    Returns:
        Paths of the fields, joined by `and`.
    """
    before, after = _IDENTITY.fullmatch(old), _IDENTITY.fullmatch(new)
    if before is None or after is None or before["type"] != after["type"]:
        return "spec.type or spec.file"
    return " and ".join(f"spec.{name}" for name in ("host", "port", "database") if before[name] != after[name])
