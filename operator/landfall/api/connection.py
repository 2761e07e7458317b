"""Connection: address of a database, and the Secret with its credentials."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from landfall.api.fields import API_VERSION, ATOMIC, Integer, LocalReference, Metadata, Model, ProbedStatus, SecretKey, rules
from landfall.api.source_types import DEFAULT_PORTS, FILE_TYPES, SUPPORTED_TYPES, RegisteredType
from landfall.lib.urls import HOST

# The types of stored objects. The CustomResourceDefinition offers only SUPPORTED_TYPES; objects from before that stay readable.
DatabaseType = Literal[RegisteredType, "SQLServer", "Oracle", "Appwrite"]
_PORTS = ", ".join(f"{port} for {name}" for name, port in DEFAULT_PORTS.items())
_HOST = f"^(/.*|{HOST})$"
_FILES = " or ".join(FILE_TYPES)
_OF_A_FILE = " || ".join(f"self.type == '{name}'" for name in FILE_TYPES)
_OF_A_SERVER = " && ".join(f"self.type != '{name}'" for name in FILE_TYPES)
_NO_HOST = "host is not a valid host name, IP address or path; each label of a host name has 1 to 63 characters"


class Tls(Model):
    """TLS settings of the connection."""

    mode: Literal["Disable", "Prefer", "Require", "VerifyFull"] | None = Field(
        default=None,
        description="TLS mode. Disable: plain text. Prefer: TLS if the server offers it. Require: TLS is required; with"
        " `caSecretRef`, the server certificate must be signed by that authority. VerifyFull: TLS is required, and the"
        " certificate must be valid for the host. A stricter mode in the Secret's `url` (`sslmode`, `ssl-mode`) takes precedence."
        " Default: VerifyFull for a host name outside the cluster, Require for a public IP address, otherwise Prefer. Outside the"
        " cluster are host names of three or more labels that do not end in `.svc`, `.local`, `.internal` or the like, and domains such as"
        " `example.com`. `pg-0.pg.shop`, a pod of a StatefulSet with its Service and namespace, is inside.",
    )
    ca_secret_ref: SecretKey | None = Field(
        default=None, description="Secret with the PEM certificate of a private certificate authority. Default key: `ca.crt`."
    )


class File(Model):
    """Location of a SQLite database file."""

    path: str = Field(min_length=1, description="Path of the file. In a cluster: relative to the root of the volume.")
    persistent_volume_claim: str | None = Field(
        default=None, description="PersistentVolumeClaim of the volume that holds the file. Ignored without a cluster."
    )


class ConnectionSpec(Model):
    """Desired state of a Connection."""

    model_config = rules(
        (f"!has(self.host) || self.host.matches('{_HOST}')", _NO_HOST),
        (f"{_OF_A_SERVER} || has(self.file)", f"type {_FILES} requires file.path"),
        (f"{_OF_A_FILE} || !has(self.file)", f"file is allowed for type {_FILES} only; use host and port for other types"),
        (f"{_OF_A_FILE} || has(self.host) || has(self.secretRef)", "host or secretRef is required"),
    )

    type: DatabaseType = Field(
        description="Database engine. Use `Supabase` for the PostgreSQL database of a Supabase project.",
        json_schema_extra={"enum": list(SUPPORTED_TYPES)},
    )
    host: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        description="Host name or IP address of the server. A path that starts with a slash is a Unix socket.",
    )
    port: Integer | None = Field(default=None, ge=1, le=65535, description=f"Port of the server. Default: {_PORTS}.")
    database: str | None = Field(default=None, min_length=1, description="Name of the database.")
    secret_ref: LocalReference | None = Field(
        default=None, description="Secret with the credentials: either the keys `username` and `password`, or one key `url`."
    )
    tls: Tls = Field(default_factory=Tls, description="TLS settings of the connection.")
    file: File | None = Field(default=None, description=f"Location of the database file. Required for type {_FILES}.")

    @property
    def default_port(self) -> int:
        """Default port of the database type; 0 for a type without ports."""
        return DEFAULT_PORTS.get(self.type, 0)

    @property
    def unsupported(self) -> str:
        """Error message for a database type that this version does not support; empty for a supported type."""
        if self.type in SUPPORTED_TYPES:
            return ""
        return f"databases of type {self.type} are not supported by this version. Supported are {', '.join(SUPPORTED_TYPES)}."

    @model_validator(mode="after")
    def _file_or_host(self) -> ConnectionSpec:
        if self.host is not None and not re.search(_HOST, self.host):
            raise ValueError(_NO_HOST)
        if self.type in FILE_TYPES:
            if self.file is None:
                message = f"type {_FILES} requires file.path"
                raise ValueError(message)
        elif self.file is not None:
            message = f"file is allowed for type {_FILES} only, not for {self.type}"
            raise ValueError(message)
        elif self.host is None and self.secret_ref is None:
            message = "host or secretRef is required"
            raise ValueError(message)
        return self


class ConnectionStatus(ProbedStatus):
    """Result of the last connection test."""

    version: str = Field(default="", description="Version that the server reported.")
    capabilities: tuple[str, ...] = Field(
        default=(), description="Capabilities of this server with this credential.", json_schema_extra=ATOMIC
    )
    latency_milliseconds: Integer | None = Field(
        default=None, ge=0, description="Duration of one round trip to the server, in milliseconds."
    )


class Connection(Model):
    """A database server and the Secret with its credentials."""

    api_version: Literal["landfall.dev/v1alpha1"] = Field(default=API_VERSION, description="API version of the object.")
    kind: Literal["Connection"] = Field(default="Connection", description="Kind of the object.")
    metadata: Metadata = Field(description="Standard object metadata.")
    spec: ConnectionSpec = Field(description="Desired state.")
    status: ConnectionStatus | None = Field(default=None, description="Result of the last connection test.")
