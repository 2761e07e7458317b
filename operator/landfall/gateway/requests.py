"""The body of `POST /v1/migrations`, and the Migration that is created from it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
)

from landfall.api.deployment import FrameworkName
from landfall.gateway.identifiers import CONNECTION, name_in
from landfall.lib.urls import HOST as _HOST
from landfall.lib.urls import HOST_AND_PORT

TITLE, DESCRIPTION, CREATED_BY = "landfall.dev/title", "landfall.dev/description", "landfall.dev/created-by"
_MODES = {"full": "Full", "schema_only": "SchemaOnly", "data_only": "DataOnly"}
_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_DATE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
URL = rf"^https?://{HOST_AND_PORT}([/?#][^\s@]*)?$"
_DOMAIN = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)+[a-z]{2,}$"
_REPOSITORY = r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$"
_ARCHIVE = rf"^https://{HOST_AND_PORT}([/?][^\s@]*)?$"
SHA256 = r"^[0-9a-f]{64}$"
_CONNECTION = rf"^{CONNECTION}[a-z0-9]([-._a-z0-9]{{0,200}}[a-z0-9])?$"
_ARTIFACT = r"^sha256:[0-9a-f]{64}$"
HOST = f"^{_HOST}$"
COMMIT = r"^[0-9a-f]{7,40}$"
# What to write instead of a text that does not match a pattern.
WANTED = {
    _TIME: "write a time of day as 02:30",
    _VARIABLE: "use letters, digits and underscores for a variable's name, and no digit first",
    URL: "write a URL that begins with http:// or https:// and has no user name or password",
    _DOMAIN: "write a domain in lower case, such as shop.example.com",
    _REPOSITORY: "write owner and name, such as acme/shop, and no URL",
    _ARCHIVE: "write a URL that begins with https:// and has no user name or password",
    SHA256: "write the SHA-256 of the archive as 64 lower-case hexadecimal digits",
    _CONNECTION: f"write a connection's ID, such as {CONNECTION}shop; GET /v1/connections lists them",
    _ARTIFACT: "write the artifact that POST /v1/uploads returned: sha256:…",
    HOST: "write a host name or an IP address; put the URL of a database into url",
    COMMIT: "write a commit as 7 to 40 lower-case hexadecimal digits",
}
_SMTP, _SLACK = "landfall-smtp", "landfall-slack"
Object = dict[str, Any]


def _only_text(value: object) -> object:
    """Accept a time only as text: a number could be read in several ways."""
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE.match(value)):
        return value
    message = "not a valid time. Write it as 2026-02-15T02:00:00Z"
    raise ValueError(message)


Time = Annotated[AwareDatetime, BeforeValidator(_only_text, json_schema_input_type=AwareDatetime)]
MaybeTime = Annotated[
    AwareDatetime | None, BeforeValidator(_only_text), WithJsonSchema({"type": "string", "format": "date-time"})
]
ConnectionId = Annotated[str, Field(pattern=_CONNECTION, description="ID of a connection.")]


class Body(BaseModel):
    """Part of a request; unknown fields are rejected."""

    model_config = ConfigDict(extra="forbid")


class SourceBody(Body):
    """The source of the data."""

    connection_id: ConnectionId = Field(description="Connection of the source database.")
    schemas: list[str] = Field(default=[], max_length=100, description="Schemas to migrate. Default: those of the connection.")
    exclude_tables: list[str] = Field(
        default=[], max_length=1000, description="Shell patterns of the names of tables to exclude."
    )
    quiesce: Literal["engine", "confirm", "none"] | None = Field(
        default=None,
        description="How writes to the source are stopped before the cutover. Default: engine, if the estimated lock"
        " time is short.",
    )


class TargetBody(Body):
    """The target of the data."""

    connection_id: ConnectionId = Field(description="Connection of the target database.")
    schema_: str | None = Field(
        default=None,
        alias="schema",
        min_length=1,
        max_length=63,
        description="Schema of the migrated tables in the target. Default: public.",
    )
    schemas: Literal["preserve", "merge"] | None = Field(
        default=None,
        description="Into which schemas those of a PostgreSQL source go: preserve: those of the same names; merge: all into one."
        " Default: preserve, if the source has several and no schema of the target is given.",
    )
    on_existing: Literal["fail", "replace", "fill"] = Field(
        default="fail", description="What to do with tables of the same name in the target."
    )


class OptionsBody(Body):
    """Options of the migration."""

    mode: Literal["full", "schema_only", "data_only"] = Field(
        default="full", description="What to migrate: schema and rows, or one of them."
    )
    parallelism: int = Field(default=4, ge=1, le=64, description="Number of concurrent copy streams.")
    batch_size: int = Field(default=10_000, ge=100, le=10_000_000, description="Maximum number of rows between two checkpoints.")
    auto_approve_above: float = Field(
        default=0.95, ge=0, le=1, description="Minimum confidence, from 0 to 1, of mappings that are approved automatically."
    )
    generate_rollback: bool = Field(default=True, description="Retain the tables that the cutover replaces, for a rollback.")


class WindowBody(Body):
    """The maintenance window."""

    start: str = Field(pattern=_TIME, description="Start of the window, as HH:MM.")
    end: str = Field(pattern=_TIME, description="End of the window, as HH:MM. An end before the start is on the next day.")
    timezone: str = Field(default="UTC", max_length=60, description="IANA time zone, for example Europe/Berlin.")


class ScheduleBody(Body):
    """When the run starts and works."""

    start_at: Time | None = Field(default=None, description="Earliest start of the run.")
    maintenance_window: WindowBody | None = Field(default=None, description="Time window in which the run may work.")


EventWord = Literal["started", "paused", "completed", "failed", "approval_required", "rolled_back"]


class NotificationsBody(Body):
    """Recipients of notifications."""

    email: list[str] = Field(default=[], max_length=50, description=f"Addresses; the Secret {_SMTP} says through which server.")
    slack_channel: str | None = Field(
        default=None, min_length=1, max_length=100, description=f"Channel; the Secret {_SLACK} opens it."
    )
    on_events: list[EventWord] = Field(default=["completed", "failed", "approval_required"], description="Events that are sent.")


class DataBody(Body):
    """A migration of a database."""

    name: str = Field(min_length=1, max_length=200, description="Display name.")
    description: str = Field(default="", max_length=2000, description="Description of the migration.")
    source: SourceBody = Field(description="Source of the data.")
    target: TargetBody = Field(description="Target of the data.")
    options: OptionsBody = Field(default_factory=OptionsBody, description="Options of the migration.")
    schedule: ScheduleBody | None = Field(default=None, description="When the run starts and works.")
    notifications: NotificationsBody | None = Field(default=None, description="Recipients of notifications.")


class NewDatabase(Body):
    """A new project at a provider for the app's database."""

    type: Literal["supabase", "appwrite"] = Field(description="Provider of the database.")
    action: Literal["create"]


class SupabaseBody(Body):
    """An existing project of Supabase."""

    type: Literal["supabase"]
    action: Literal["connect"]
    url: str = Field(pattern=URL, max_length=500, description="URL.")
    service_key: str = Field(min_length=1, max_length=5000, description="Service key of the provider.")

    @property
    def opens(self) -> dict[str, str]:
        """The content of the Secret."""
        return {"url": self.url, "serviceRoleKey": self.service_key}


class AppwriteBody(Body):
    """An existing project of Appwrite."""

    type: Literal["appwrite"]
    action: Literal["connect"]
    url: str = Field(pattern=URL, max_length=500, description="URL of the API, including /v1.")
    service_key: str = Field(min_length=1, max_length=5000, description="Service key of the provider.")
    project_id: str = Field(min_length=1, max_length=100, description="ID of the project, which is not part of the URL.")

    @property
    def opens(self) -> dict[str, str]:
        """The content of the Secret."""
        return {"endpoint": self.url, "project": self.project_id, "key": self.service_key}


def _provider(body: object) -> str:
    kind, action = (field_of(body, name) for name in ("type", "action"))
    return str(kind) if action == "connect" and kind in ("supabase", "appwrite") else "create"


DatabaseBody = Annotated[
    Annotated[NewDatabase, Tag("create")] | Annotated[SupabaseBody, Tag("supabase")] | Annotated[AppwriteBody, Tag("appwrite")],
    Discriminator(_provider),
]


class AppBody(Body):
    """Fields that all apps have."""

    framework: FrameworkName | None = Field(default=None, description="Framework of the app. Default: detected.")
    env_vars: dict[Annotated[str, Field(pattern=_VARIABLE, max_length=253)], str] = Field(
        default={},
        max_length=500,
        description="Environment variables. They are stored in a Secret.",
        json_schema_extra={"additionalProperties": False},
    )
    database: DatabaseBody | None = Field(default=None, description="Database of the app.")
    domain: str | None = Field(default=None, max_length=253, pattern=_DOMAIN, description="Domain name of the app.")
    region: str | None = Field(
        default=None, min_length=1, max_length=63, description="Region of the cluster's nodes that the app runs in. Default: any."
    )


class GitHubBody(AppBody):
    """An app from a repository on GitHub."""

    source: Literal["github"]
    repo: str = Field(pattern=_REPOSITORY, max_length=200, description="Owner and name of the repository.")
    branch: str = Field(default="main", min_length=1, max_length=250, description="Branch to deploy from.")


class ZipBody(AppBody):
    """An app from an archive on a server."""

    source: Literal["zip"]
    url: str = Field(pattern=_ARCHIVE, max_length=2000, description="URL.")
    sha256: str = Field(pattern=SHA256, description="SHA-256 digest of the archive.")


class UploadBody(AppBody):
    """An app from an uploaded archive."""

    source: Literal["zip"]
    artifact: str = Field(pattern=_ARTIFACT, description="Artifact from POST /v1/uploads.")


def _kind(body: object) -> str:
    source = field_of(body, "source")
    if not isinstance(source, str):
        return "data"
    if source != "zip":
        return "github"
    return "zip" if field_of(body, "artifact") is None else "an-upload"


def field_of(body: object, name: str) -> Any:  # noqa: ANN401  any JSON
    """A field of a body, which may be parsed or raw."""
    return body.get(name) if isinstance(body, Mapping) else getattr(body, name, None)


CreateBody = Annotated[
    Annotated[GitHubBody, Tag("github")]
    | Annotated[ZipBody, Tag("zip")]
    | Annotated[UploadBody, Tag("an-upload")]
    | Annotated[DataBody, Tag("data")],
    Discriminator(_kind),
]


def data_spec(body: DataBody) -> Object:
    """The spec of a Migration of data. It is planned only: a user starts it."""
    source, target, options = body.source, body.target, body.options
    spec: Object = {
        "desiredState": "Planned",
        "data": {
            "source": {"connectionRef": {"name": name_in(CONNECTION, source.connection_id)}},
            "target": {
                "connectionRef": {"name": name_in(CONNECTION, target.connection_id)},
                "onExisting": target.on_existing.capitalize(),
            },
            "mode": _MODES[options.mode],
            "parallelism": options.parallelism,
            "batchSize": options.batch_size,
            "approval": {"autoApproveAbovePercent": round(options.auto_approve_above * 100)},
            "generateRollback": options.generate_rollback,
        },
    }
    if target.schema_:
        spec["data"]["target"]["schema"] = target.schema_
    if target.schemas:
        spec["data"]["target"]["schemas"] = target.schemas.capitalize()
    if source.schemas:
        spec["data"]["source"]["schemas"] = source.schemas
    if source.exclude_tables:
        spec["data"]["source"]["excludeTables"] = source.exclude_tables
    if source.quiesce:
        spec["data"]["source"]["quiesce"] = source.quiesce.capitalize()
    if body.schedule:
        spec["schedule"] = _schedule(body.schedule)
    if body.notifications:
        spec["notifications"] = _notifications(body.notifications)
    return spec


def app_spec(body: GitHubBody | ZipBody | UploadBody, secret: str, provider: str) -> Object:
    """The spec of a Migration with an app. `secret` has its variables, `provider` is the Secret with the credentials of the database provider."""
    if isinstance(body, GitHubBody):
        source: Object = {"github": {"repository": body.repo, "branch": body.branch}}
    elif isinstance(body, UploadBody):
        source = {"zip": {"artifact": body.artifact}}
    else:
        source = {"zip": {"url": body.url, "sha256": body.sha256}}
    template: Object = {"source": source}
    if body.framework:
        template["build"] = {"framework": body.framework}
    if body.env_vars:
        template["env"] = referred(secret, body.env_vars)
    if body.database:
        template["database"] = {
            "type": body.database.type.capitalize(),
            "action": body.database.action.capitalize(),
            "secretRef": {"name": provider},
        }
    if body.domain:
        template["route"] = {"domain": body.domain}
    if body.region:
        template["region"] = body.region
    return {"app": {"template": template}}


def referred(secret: str, names: Iterable[str]) -> list[Object]:
    """Variables that take their values from a Secret, with its keys as names."""
    return [{"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name}}} for name in names]


def _schedule(body: ScheduleBody) -> Object:
    schedule: Object = {}
    if body.start_at:
        schedule["startAt"] = moment(body.start_at)
    if body.maintenance_window:
        window = body.maintenance_window
        schedule["maintenanceWindow"] = {"start": window.start, "end": window.end, "timeZone": window.timezone}
    return schedule


def _notifications(body: NotificationsBody) -> Object:
    notifications: Object = {"onEvents": [event_named(event) for event in body.on_events]}
    if body.email:
        notifications["email"] = {"to": body.email, "secretRef": {"name": _SMTP}}
    if body.slack_channel:
        notifications["slack"] = {"channel": body.slack_channel, "secretRef": {"name": _SLACK}}
    return notifications


def event_named(word: str) -> str:
    """The name of an event in a spec."""
    return "".join(part.capitalize() for part in word.split("_"))


def event_word(name: str) -> str:
    """The name of an event in a request."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def moment(at: datetime) -> str:
    """A time in the format of Kubernetes and the contracts."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
