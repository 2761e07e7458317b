"""Deployment: keeps an app live at a commit. Long-running."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from landfall.api.fields import (
    API_VERSION,
    Boolean,
    Integer,
    LocalReference,
    Metadata,
    Model,
    Moment,
    SecretKey,
    Status,
    list_map,
    rules,
)
from landfall.lib.urls import HOST_AND_PORT

# Those that `builds.frameworks` has; a test compares.
FrameworkName = Literal[
    "react-vite",
    "nextjs",
    "node-express",
    "python-fastapi",
    "static",
    "flask",
    "django",
    "sveltekit",
    "nuxt",
    "astro",
    "remix",
    "go",
]


class GitHubSource(Model):
    """A repository on GitHub."""

    repository: str = Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", description="Owner and name, as `org/shop`.")
    branch: str | None = Field(default=None, min_length=1, description="Branch to follow. Default: the repository's own default.")
    commit: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{7,40}$", description="Commit to stay at; nothing is followed then."
    )
    token_secret_ref: SecretKey | None = Field(default=None, description="Token that may read it (default key: token).")


class GitSource(Model):
    """A repository on another host, over HTTP."""

    url: str = Field(
        pattern=rf"^https?://{HOST_AND_PORT}(/[^@\s]*)?$",
        max_length=500,
        description="Address to clone it from, with no credential in it.",
    )
    branch: str | None = Field(default=None, min_length=1, description="Branch to follow. Default: the repository's own default.")
    commit: str | None = Field(
        default=None, pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$", description="Commit to stay at; nothing is followed then."
    )
    token_secret_ref: SecretKey | None = Field(
        default=None, description="Token that may read it (default key: token); the same Secret may name a username."
    )


class ZipSource(Model):
    """An archive."""

    model_config = rules(
        ("has(self.url) != has(self.artifact)", "exactly one of url and artifact is required"),
        ("!has(self.url) || has(self.sha256)", "url needs sha256"),
    )

    url: str | None = Field(default=None, pattern=rf"^https://{HOST_AND_PORT}([/?].*)?$", description="Address to fetch it from.")
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$", description="Digest that the archive must have.")
    artifact: str | None = Field(
        default=None, pattern=r"^sha256:[0-9a-f]{64}$", description="Digest of an uploaded archive in the registry."
    )

    @model_validator(mode="after")
    def _one(self) -> ZipSource:
        if (self.url is None) == (self.artifact is None):
            message = "exactly one of url and artifact is required"
            raise ValueError(message)
        if self.url is not None and self.sha256 is None:
            message = "url needs sha256"
            raise ValueError(message)
        return self


class AppSource(Model):
    """Where the app comes from."""

    model_config = rules(
        (
            "[has(self.github), has(self.git), has(self.zip), has(self.image)].filter(x, x).size() == 1",
            "exactly one of github, git, zip and image is required",
        )
    )

    github: GitHubSource | None = Field(default=None, description="A repository on GitHub.")
    git: GitSource | None = Field(default=None, description="A repository on another host.")
    zip: ZipSource | None = Field(default=None, description="An archive.")
    image: str | None = Field(
        default=None, pattern=r"^[!-~]+@sha256:[0-9a-f]{64}$", description="An image by digest; nothing is built."
    )

    @model_validator(mode="after")
    def _one(self) -> AppSource:
        if sum(x is not None for x in (self.github, self.git, self.zip, self.image)) != 1:
            message = "exactly one of github, git, zip and image is required"
            raise ValueError(message)
        return self

    @property
    def repository(self) -> GitHubSource | GitSource | None:
        """What has commits, wherever it is."""
        return self.github or self.git


class KeyReference(Model):
    """One key of a Secret or ConfigMap."""

    name: str = Field(min_length=1, max_length=253, description="Name of the object.")
    key: str = Field(min_length=1, description="Key in its data.")


class ValueFrom(Model):
    """Where a value is kept."""

    model_config = rules(
        ("has(self.secretKeyRef) != has(self.configMapKeyRef)", "exactly one of secretKeyRef and configMapKeyRef is required")
    )

    secret_key_ref: KeyReference | None = Field(default=None, description="A key of a Secret.")
    config_map_key_ref: KeyReference | None = Field(default=None, description="A key of a ConfigMap.")

    @model_validator(mode="after")
    def _one(self) -> ValueFrom:
        if (self.secret_key_ref is None) == (self.config_map_key_ref is None):
            message = "exactly one of secretKeyRef and configMapKeyRef is required"
            raise ValueError(message)
        return self


class Variable(Model):
    """One environment variable."""

    model_config = rules(("!(has(self.value) && has(self.valueFrom))", "value and valueFrom exclude each other"))

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="Name of the variable.")
    value: str | None = Field(default=None, description="The value.")
    value_from: ValueFrom | None = Field(default=None, description="Where the value is kept.")
    capture: Literal["Snapshot", "Live"] = Field(
        default="Snapshot", description="Snapshot: a release keeps the value that it began with. Live: always the current one."
    )

    @model_validator(mode="after")
    def _one(self) -> Variable:
        if self.value is not None and self.value_from is not None:
            message = "value and valueFrom exclude each other"
            raise ValueError(message)
        return self


class Cache(Model):
    """Where package managers keep what they fetched."""

    persistent_volume_claim: str = Field(min_length=1, description="Volume.")


class Build(Model):
    """How the app is built. What is left out is detected."""

    framework: FrameworkName | None = Field(default=None, description="Framework. Default: as detected.")
    install_command: str | None = Field(default=None, min_length=1, description="Installs what the app depends on.")
    build_command: str | None = Field(default=None, min_length=1, description="Builds it.")
    start_command: str | None = Field(default=None, min_length=1, description="Starts it.")
    output_directory: str | None = Field(default=None, min_length=1, description="Folder of static files that the build makes.")
    env: tuple[Variable, ...] = Field(default=(), description="Variables of the build.", json_schema_extra=list_map("name"))
    cache: Cache | None = Field(default=None, description="Where package managers keep what they fetched.")


class AppDatabase(Model):
    """The app's database."""

    model_config = rules(
        ("has(self.connectionRef) != has(self.type)", "exactly one of connectionRef and type is required"),
        ("!has(self.type) || (has(self.action) && has(self.secretRef))", "type needs action and secretRef"),
    )

    connection_ref: LocalReference | None = Field(default=None, description="A Connection.")
    type: Literal["Supabase", "Appwrite"] | None = Field(default=None, description="A provider.")
    action: Literal["Create", "Connect"] | None = Field(default=None, description="Whether a new one is made.")
    secret_ref: LocalReference | None = Field(default=None, description="Secret with the provider's credentials.")

    @model_validator(mode="after")
    def _one(self) -> AppDatabase:
        if (self.connection_ref is None) == (self.type is None):
            message = "exactly one of connectionRef and type is required"
            raise ValueError(message)
        if self.type is not None and (self.action is None or self.secret_ref is None):
            message = "type needs action and secretRef"
            raise ValueError(message)
        return self


class PodMetadata(Model):
    """Labels and annotations of the app's pods."""

    labels: dict[str, str] = Field(default_factory=dict, description="Labels.")
    annotations: dict[str, str] = Field(default_factory=dict, description="Annotations.")


class PodTemplate(Model):
    """What goes to the app's pods."""

    metadata: PodMetadata = Field(default_factory=PodMetadata, description="Labels and annotations.")


class HealthCheck(Model):
    """When a release counts as healthy."""

    path: str = Field(default="/", pattern=r"^/", description="Path that answers with a status below 400.")
    timeout_seconds: Integer = Field(default=120, ge=1, le=3600, description="How long an app that runs may take to answer.")


class Runtime(Model):
    """How the app runs."""

    port: Integer | None = Field(
        default=None, ge=1, le=65535, description="Port that it listens on. Default: the framework's, told as PORT."
    )
    instance_type: str | None = Field(default=None, min_length=1, description="A row of the table of resources, as t3.small.")
    health_check: HealthCheck = Field(default_factory=HealthCheck, description="When a release counts as healthy.")


class RouteTls(Model):
    """How the domain's certificate is come by."""

    cluster_issuer: str | None = Field(default=None, min_length=1, description="A cert-manager ClusterIssuer.")
    secret_ref: LocalReference | None = Field(default=None, description="A Secret with the certificate.")


class Route(Model):
    """The app's address."""

    domain: str = Field(
        max_length=253,
        pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)+[a-z]{2,}$",
        description="Domain; the first who claims it gets it.",
    )
    ingress_class_name: str | None = Field(default=None, min_length=1, description="Which ingress controller serves it.")
    tls: RouteTls | None = Field(default=None, description="How its certificate is come by.")


class Rollout(Model):
    """How a release goes live."""

    strategy: Literal["Switch"] = Field(default="Switch", description="One switch of the Service.")
    follow: Boolean = Field(default=True, description="Whether new commits of the branch go live.")
    automatic_rollback: Boolean = Field(default=True, description="Go back by itself when a release fails while it is observed.")
    progress_deadline_seconds: Integer = Field(
        default=300, ge=1, description="How long a release may take to become healthy, with pulling its image and finding nodes."
    )
    observe_seconds: Integer = Field(default=30, ge=0, description="How long a release is observed after the switch.")
    drain_seconds: Integer = Field(default=30, ge=0, description="How long the predecessor finishes its requests.")
    keep_warm_seconds: Integer = Field(default=300, ge=0, description="How long pods of the predecessor wait for a rollback.")
    on_secret_change: Literal["None", "Release"] = Field(default="None", description="What a changed Secret does.")


class RollbackTarget(Model):
    """What to go back to."""

    model_config = rules(("has(self.release) != has(self.revision)", "exactly one of release and revision is required"))

    release: str | None = Field(default=None, min_length=1, description="Name of a Release.")
    revision: Integer | None = Field(default=None, ge=1, description="Revision of a Release.")
    id: str = Field(default="", max_length=63, description="What whoever asks for it will know its record by.")

    @model_validator(mode="after")
    def _one(self) -> RollbackTarget:
        if (self.release is None) == (self.revision is None):
            message = "exactly one of release and revision is required"
            raise ValueError(message)
        return self


class DeploymentSpec(Model):
    """Desired state of a Deployment."""

    source: AppSource = Field(description="Where the app comes from.")
    path: str = Field(default=".", min_length=1, description="Folder of the app in a repository of several.")
    build: Build = Field(default_factory=Build, description="How it is built.")
    env: tuple[Variable, ...] = Field(default=(), description="Environment of the app.", json_schema_extra=list_map("name"))
    database: AppDatabase | None = Field(default=None, description="Its database.")
    replicas: Integer = Field(default=1, ge=0, le=1000, description="Pods.")
    template: PodTemplate = Field(default_factory=PodTemplate, description="Labels and annotations of its pods.")
    runtime: Runtime = Field(default_factory=Runtime, description="How it runs.")
    route: Route | None = Field(default=None, description="Its address.")
    region: str | None = Field(default=None, min_length=1, description="Where its pods run (topology.kubernetes.io/region).")
    rollout: Rollout = Field(default_factory=Rollout, description="How a release goes live.")
    rollback_to: RollbackTarget | None = Field(default=None, description="Set it to go back, remove it to move on.")
    release_history_limit: Integer = Field(
        default=10, ge=0, le=100, description="How many releases that were once live are kept."
    )
    selector: dict[str, Any] | None = Field(
        default=None, description="Accepted and ignored: kustomize writes it into every Deployment."
    )


class Resolved(Model):
    """What the source was resolved to."""

    key: str = Field(description="Digest of the part of the spec that was resolved; where that changes, it is resolved anew.")
    branch: str = Field(default="", description="Branch that was looked at; empty where the spec names a commit.")
    commit: str = Field(default="", description="Commit, or digest of the archive.")
    message: str = Field(default="", description="First line of the commit's message.")
    resolved_at: Moment = Field(description="When it was found to be that.")


class GateSeen(Model):
    """What a Deployment has taken note of about the Migration that moves its data: from then on it acts by it.

    The Migration takes no data back before its rollback is noted here: so a release never goes live on data that is being taken back.
    """

    run: str = Field(default="", description="Run of the Migration.")
    state: str = Field(default="", description="The Migration's status.app.state.")
    serving: Boolean = Field(default=False, description="Whether the live release was made for the data of that run.")
    served: Boolean = Field(default=False, description="Whether any release that was made for that data was ever live.")


class DeploymentStatus(Status):
    """Where a Deployment stands."""

    id: str = Field(default="", description="Public identifier.")
    commit: str = Field(default="", description="Commit that serves.")
    live: str = Field(default="", description="Release that serves: what the Service selects, and nothing else.")
    previous: str = Field(default="", description="Release that served before it.")
    revision: Integer = Field(default=0, ge=0, description="Highest revision so far.")
    resolved: Resolved | None = Field(default=None, description="What the source was resolved to.")
    replicas: Integer = Field(default=0, ge=0, description="Pods that serve.")
    selector: str = Field(default="", description="Selector of the pods that serve, for autoscalers.")
    url: str = Field(default="", description="Where it is reached.")
    domain: str = Field(default="", description="Domain that is this Deployment's.")
    database_project: str = Field(default="", description="What its database's provider calls the project.")
    last_handled_request: str = Field(default="", description="The last request annotation that was handled.")
    gate: GateSeen | None = Field(default=None, description="What it has taken note of about the Migration that moves its data.")


class Deployment(Model):
    """Keeps an app live at a commit."""

    api_version: Literal["landfall.dev/v1alpha1"] = Field(default=API_VERSION, description="API version.")
    kind: Literal["Deployment"] = Field(default="Deployment", description="Kind.")
    metadata: Metadata = Field(description="Standard object metadata.")
    spec: DeploymentSpec = Field(description="Desired state.")
    status: DeploymentStatus | None = Field(default=None, description="Where it stands.")
