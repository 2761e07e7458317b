"""Connection: where a database is, and which Secret opens it."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from landfall.api.fields import API_VERSION, ATOMIC, Integer, LocalReference, Metadata, Model, ProbedStatus, SecretKey, rules
from landfall.api.source_types import DEFAULT_PORTS, SUPPORTED_TYPES, RegisteredType
from landfall.lib.urls import HOST

# What an object may say. The CustomResourceDefinition offers SUPPORTED_TYPES alone; objects from before that stay readable.
DatabaseType = Literal[RegisteredType, "SQLServer", "Oracle", "Appwrite"]
_PORTS = ", ".join(f"{port} for {name}" for name, port in DEFAULT_PORTS.items())
_HOST = f"^(/.*|{HOST})$"
_NO_HOST = "host is no host name, no address and no path: between its dots there are 1 to 63 letters"


class Tls(Model):
    """How the connection is protected."""

    mode: Literal["Disable", "Prefer", "Require", "VerifyFull"] = Field(
        default="Prefer",
        description="Disable: plain text. Prefer: TLS where the server offers it. Require: TLS or nothing; with `caSecretRef`, a"
        " certificate of that authority. VerifyFull: TLS with a certificate that is valid for the host.",
    )
    ca_secret_ref: SecretKey | None = Field(
        default=None, description="PEM of a private certificate authority (default key: ca.crt)."
    )


class File(Model):
    """A SQLite file."""

    path: str = Field(min_length=1, description="Path of the file; in a cluster relative to the volume.")
    persistent_volume_claim: str | None = Field(
        default=None, description="Volume that holds the file. Not used without a cluster."
    )


class ConnectionSpec(Model):
    """Desired state of a Connection."""

    model_config = rules(
        (f"!has(self.host) || self.host.matches('{_HOST}')", _NO_HOST),
        ("self.type != 'SQLite' || has(self.file)", "type SQLite needs file.path"),
        ("self.type == 'SQLite' || !has(self.file)", "file is for type SQLite alone; other types take host and port"),
        ("self.type == 'SQLite' || has(self.host) || has(self.secretRef)", "host is required, unless the Secret has the key url"),
    )

    type: DatabaseType = Field(
        description="Database product. `Supabase` is its PostgreSQL.", json_schema_extra={"enum": list(SUPPORTED_TYPES)}
    )
    host: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        description="Host name or address; a path that begins with a slash is a Unix socket.",
    )
    port: Integer | None = Field(default=None, ge=1, le=65535, description=f"Port. Default: {_PORTS}.")
    database: str | None = Field(default=None, min_length=1, description="Database to connect to.")
    secret_ref: LocalReference | None = Field(
        default=None, description="Secret with the keys username and password, or one key url."
    )
    tls: Tls = Field(default_factory=Tls, description="How the connection is protected.")
    file: File | None = Field(default=None, description="The file of a SQLite database.")

    @property
    def default_port(self) -> int:
        """The port where neither the spec nor the Secret's URL names one; 0 for a type without ports."""
        return DEFAULT_PORTS.get(self.type, 0)

    @property
    def unsupported(self) -> str:
        """Why this version cannot work with a database of this type; empty where it can."""
        if self.type in SUPPORTED_TYPES:
            return ""
        return f"databases of type {self.type} are not supported by this version. Supported are {', '.join(SUPPORTED_TYPES)}."

    @model_validator(mode="after")
    def _file_or_host(self) -> ConnectionSpec:
        if self.host is not None and not re.search(_HOST, self.host):
            raise ValueError(_NO_HOST)
        if self.type == "SQLite":
            if self.file is None:
                message = "type SQLite needs file.path"
                raise ValueError(message)
        elif self.file is not None:
            message = f"file is for type SQLite, not {self.type}"
            raise ValueError(message)
        elif self.host is None and self.secret_ref is None:
            message = "host is required, unless the Secret has the key url"
            raise ValueError(message)
        return self


class ConnectionStatus(ProbedStatus):
    """What the last probe found."""

    version: str = Field(default="", description="Version that the server told.")
    capabilities: tuple[str, ...] = Field(
        default=(), description="What this server and credential can do.", json_schema_extra=ATOMIC
    )
    latency_milliseconds: Integer | None = Field(default=None, ge=0, description="Time of one round trip.")


class Connection(Model):
    """Where a database or provider is, and which Secret opens it."""

    api_version: Literal["landfall.dev/v1alpha1"] = Field(default=API_VERSION, description="API version.")
    kind: Literal["Connection"] = Field(default="Connection", description="Kind.")
    metadata: Metadata = Field(description="Standard object metadata.")
    spec: ConnectionSpec = Field(description="Desired state.")
    status: ConnectionStatus | None = Field(default=None, description="What the last probe found.")
