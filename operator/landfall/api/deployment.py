"""Deployment: builds an app from a source and keeps it live. Long-running."""

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
    "node",
    "python",
    "site",
]


class GitHubSource(Model):
    """Repository on GitHub."""

    repository: str = Field(
        pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", description="Owner and name of the repository, for example `org/shop`."
    )
    branch: str | None = Field(
        default=None, min_length=1, description="Branch to deploy from. Default: the default branch of the repository."
    )
    commit: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{7,40}$",
        description="Commit to deploy. New commits are then not deployed automatically.",
    )
    token_secret_ref: SecretKey | None = Field(
        default=None, description="Secret with a token that can read the repository. Default key: `token`."
    )


class GitSource(Model):
    """Repository on another Git host, over HTTP."""

    url: str = Field(
        pattern=rf"^https?://{HOST_AND_PORT}(/[^@\s]*)?$",
        max_length=500,
        description="HTTP or HTTPS URL of the repository, without credentials.",
    )
    branch: str | None = Field(
        default=None, min_length=1, description="Branch to deploy from. Default: the default branch of the repository."
    )
    commit: str | None = Field(
        default=None,
        pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$",
        description="Commit to deploy. New commits are then not deployed automatically.",
    )
    token_secret_ref: SecretKey | None = Field(
        default=None,
        description="Secret with a token that can read the repository. Default key: `token`. The Secret can also have the"
        " key `username`.",
    )


class ZipSource(Model):
    """Archive with the source code."""

    model_config = rules(
        ("has(self.url) != has(self.artifact)", "exactly one of url and artifact is required"),
        ("!has(self.url) || has(self.sha256)", "url requires sha256"),
    )

    url: str | None = Field(
        default=None, pattern=rf"^https://{HOST_AND_PORT}([/?].*)?$", description="HTTPS URL of the archive. Requires `sha256`."
    )
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$", description="SHA-256 digest of the archive.")
    artifact: str | None = Field(
        default=None, pattern=r"^sha256:[0-9a-f]{64}$", description="Digest of an uploaded archive in the registry."
    )

    @model_validator(mode="after")
    def _check_exclusive_fields(self) -> ZipSource:
        if (self.url is None) == (self.artifact is None):
            message = "exactly one of url and artifact is required"
            raise ValueError(message)
        if self.url is not None and self.sha256 is None:
            message = "url requires sha256"
            raise ValueError(message)
        return self


class AppSource(Model):
    """Source of the app. Exactly one field is required."""

    model_config = rules(
        (
            "[has(self.github), has(self.git), has(self.zip), has(self.image)].filter(x, x).size() == 1",
            "exactly one of github, git, zip and image is required",
        )
    )

    github: GitHubSource | None = Field(default=None, description="Repository on GitHub.")
    git: GitSource | None = Field(default=None, description="Repository on another Git host.")
    zip: ZipSource | None = Field(default=None, description="Archive with the source code.")
    image: str | None = Field(
        default=None, pattern=r"^[!-~]+@sha256:[0-9a-f]{64}$", description="Image with digest. Nothing is built."
    )

    @model_validator(mode="after")
    def _check_exclusive_fields(self) -> AppSource:
        if sum(x is not None for x in (self.github, self.git, self.zip, self.image)) != 1:
            message = "exactly one of github, git, zip and image is required"
            raise ValueError(message)
        return self

    @property
    def repository(self) -> GitHubSource | GitSource | None:
        """The Git repository; None for an archive or image."""
        return self.github or self.git


class KeyReference(Model):
    """Reference to one key of a Secret or ConfigMap."""

    name: str = Field(min_length=1, max_length=253, description="Name of the Secret or ConfigMap.")
    key: str = Field(min_length=1, description="Key in its data.")


class ValueFrom(Model):
    """Source of the value of a variable. Exactly one field is required."""

    model_config = rules(
        ("has(self.secretKeyRef) != has(self.configMapKeyRef)", "exactly one of secretKeyRef and configMapKeyRef is required")
    )

    secret_key_ref: KeyReference | None = Field(default=None, description="Key of a Secret in the same namespace.")
    config_map_key_ref: KeyReference | None = Field(default=None, description="Key of a ConfigMap in the same namespace.")

    @model_validator(mode="after")
    def _check_exclusive_fields(self) -> ValueFrom:
        if (self.secret_key_ref is None) == (self.config_map_key_ref is None):
            message = "exactly one of secretKeyRef and configMapKeyRef is required"
            raise ValueError(message)
        return self


class Variable(Model):
    """Environment variable."""

    model_config = rules(("!(has(self.value) && has(self.valueFrom))", "value and valueFrom are mutually exclusive"))

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="Name of the variable.")
    value: str | None = Field(default=None, description="Value of the variable.")
    value_from: ValueFrom | None = Field(default=None, description="Secret or ConfigMap that holds the value.")
    capture: Literal["Snapshot", "Live"] = Field(
        default="Snapshot",
        description="When a referenced value is read. Snapshot: once, when the release is created. Live: at every start of"
        " a pod.",
    )

    @model_validator(mode="after")
    def _check_exclusive_fields(self) -> Variable:
        if self.value is not None and self.value_from is not None:
            message = "value and valueFrom are mutually exclusive"
            raise ValueError(message)
        return self


class Cache(Model):
    """Package cache of builds."""

    persistent_volume_claim: str = Field(
        min_length=1,
        description="PersistentVolumeClaim of the volume for the cache. Builds that share it can change each other's packages.",
    )


class Build(Model):
    """Build settings. Settings that are not set are detected."""

    framework: FrameworkName | None = Field(
        default=None, description="Framework of the app. Default: detected from the source code."
    )
    install_command: str | None = Field(
        default=None, min_length=1, description="Command that installs the dependencies. Default: detected."
    )
    build_command: str | None = Field(default=None, min_length=1, description="Command that builds the app. Default: detected.")
    start_command: str | None = Field(default=None, min_length=1, description="Command that starts the app. Default: detected.")
    output_directory: str | None = Field(
        default=None, min_length=1, description="Directory of the static files that the build writes. Default: detected."
    )
    env: tuple[Variable, ...] = Field(
        default=(), description="Environment variables of the build.", json_schema_extra=list_map("name")
    )
    cache: Cache | None = Field(default=None, description="Package cache of builds.")


class AppDatabase(Model):
    """Database of the app. Exactly one of connectionRef and type is required."""

    model_config = rules(
        ("has(self.connectionRef) != has(self.type)", "exactly one of connectionRef and type is required"),
        ("!has(self.type) || (has(self.action) && has(self.secretRef))", "type requires action and secretRef"),
    )

    connection_ref: LocalReference | None = Field(default=None, description="Connection of an existing database.")
    type: Literal["Supabase", "Appwrite"] | None = Field(default=None, description="Provider of the database.")
    action: Literal["Create", "Connect"] | None = Field(
        default=None, description="Whether to create a project at the provider (Create) or to use an existing one (Connect)."
    )
    secret_ref: LocalReference | None = Field(default=None, description="Secret with the credentials of the provider.")

    @model_validator(mode="after")
    def _check_exclusive_fields(self) -> AppDatabase:
        if (self.connection_ref is None) == (self.type is None):
            message = "exactly one of connectionRef and type is required"
            raise ValueError(message)
        if self.type is not None and (self.action is None or self.secret_ref is None):
            message = "type requires action and secretRef"
            raise ValueError(message)
        return self


class PodMetadata(Model):
    """Metadata of the app's pods."""

    labels: dict[str, str] = Field(default_factory=dict, description="Labels of the pods.")
    annotations: dict[str, str] = Field(default_factory=dict, description="Annotations of the pods.")


class PodTemplate(Model):
    """Template of the app's pods."""

    metadata: PodMetadata = Field(default_factory=PodMetadata, description="Labels and annotations of the pods.")


class HealthCheck(Model):
    """HTTP health check of a release."""

    path: str = Field(default="/", pattern=r"^/", description="Path that must answer with a status below 400.")
    timeout_seconds: Integer = Field(
        default=120, ge=1, le=3600, description="Maximum time for a running app to pass the check, in seconds."
    )


class Runtime(Model):
    """Runtime settings of the app."""

    port: Integer | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Port that the app listens on, passed to it as PORT. Default: the port of the framework.",
    )
    instance_type: str | None = Field(
        default=None, min_length=1, description="Instance size, for example `t3.small`: sets the requests and limits of the pods."
    )
    health_check: HealthCheck = Field(default_factory=HealthCheck, description="HTTP health check of a release.")


class RouteTls(Model):
    """TLS certificate of the domain."""

    cluster_issuer: str | None = Field(
        default=None, min_length=1, description="cert-manager ClusterIssuer that issues the certificate."
    )
    secret_ref: LocalReference | None = Field(default=None, description="Secret of type kubernetes.io/tls with the certificate.")


class Route(Model):
    """Public address of the app."""

    domain: str = Field(
        max_length=253,
        pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)+[a-z]{2,}$",
        description="Domain name of the app. A domain belongs to the first Deployment that claims it.",
    )
    ingress_class_name: str | None = Field(
        default=None, min_length=1, description="IngressClass of the Ingress. Default: the default class of the cluster."
    )
    tls: RouteTls | None = Field(default=None, description="TLS certificate of the domain.")


class Rollout(Model):
    """Rollout settings of releases."""

    strategy: Literal["Switch"] = Field(
        default="Switch", description="Rollout strategy. Switch: the Service switches to the new release in one step."
    )
    follow: Boolean = Field(default=True, description="Whether new commits of the branch are deployed automatically.")
    automatic_rollback: Boolean = Field(
        default=True, description="Whether to roll back automatically if a release fails during the observation period."
    )
    progress_deadline_seconds: Integer = Field(
        default=300,
        ge=1,
        description="Maximum time for a release to become healthy, including image pull and scheduling, in seconds.",
    )
    observe_seconds: Integer = Field(default=30, ge=0, description="Observation period after the switch, in seconds.")
    drain_seconds: Integer = Field(
        default=30, ge=0, description="Time for the previous release to finish its requests, in seconds."
    )
    keep_warm_seconds: Integer = Field(
        default=300, ge=0, description="How long the pods of the previous release are kept for a rollback, in seconds."
    )
    on_secret_change: Literal["None", "Release"] = Field(
        default="None", description="What a change of a referenced Secret does. None: nothing. Release: create a new release."
    )


class RollbackTarget(Model):
    """Release to roll back to. Exactly one of release and revision is required."""

    model_config = rules(("has(self.release) != has(self.revision)", "exactly one of release and revision is required"))

    release: str | None = Field(default=None, min_length=1, description="Name of the Release.")
    revision: Integer | None = Field(default=None, ge=1, description="Revision of the Release.")
    id: str = Field(default="", max_length=63, description="ID of the request, recorded in the Release of the rollback.")

    @model_validator(mode="after")
    def _check_exclusive_fields(self) -> RollbackTarget:
        if (self.release is None) == (self.revision is None):
            message = "exactly one of release and revision is required"
            raise ValueError(message)
        return self


class DeploymentSpec(Model):
    """Desired state of a Deployment."""

    source: AppSource = Field(description="Source of the app.")
    path: str = Field(default=".", min_length=1, description="Directory of the app in the repository.")
    build: Build = Field(default_factory=Build, description="Build settings.")
    env: tuple[Variable, ...] = Field(
        default=(), description="Environment variables of the app.", json_schema_extra=list_map("name")
    )
    database: AppDatabase | None = Field(default=None, description="Database of the app.")
    replicas: Integer = Field(default=1, ge=0, le=1000, description="Number of pods.")
    template: PodTemplate = Field(default_factory=PodTemplate, description="Labels and annotations of the pods.")
    runtime: Runtime = Field(default_factory=Runtime, description="Runtime settings of the app.")
    route: Route | None = Field(default=None, description="Public address of the app.")
    region: str | None = Field(
        default=None, min_length=1, description="Region of the pods (node label topology.kubernetes.io/region)."
    )
    rollout: Rollout = Field(default_factory=Rollout, description="Rollout settings of releases.")
    rollback_to: RollbackTarget | None = Field(
        default=None, description="Release to roll back to. Remove the field to deploy new commits again."
    )
    release_history_limit: Integer = Field(default=10, ge=0, le=100, description="Number of previously live releases to retain.")
    selector: dict[str, Any] | None = Field(
        default=None, description="Accepted and ignored: kustomize adds it to every Deployment."
    )


class Resolved(Model):
    """Commit that the source was resolved to."""

    key: str = Field(description="Digest of the source settings. If it changes, the source is resolved again.")
    branch: str = Field(default="", description="Resolved branch. Empty if the spec names a commit.")
    commit: str = Field(default="", description="Resolved commit, or digest of the archive.")
    message: str = Field(default="", description="First line of the commit message.")
    resolved_at: Moment = Field(description="Time at which the source was resolved.")


class GateSeen(Model):
    """State of the Migration of the app's data, as the Deployment has recorded it. The Deployment acts on the recorded state.

    A Migration rolls its data back only after the Deployment has recorded the rollback here. So a release never goes live on data
    that is being rolled back.
    """

    run: str = Field(default="", description="Run of the Migration.")
    state: str = Field(default="", description="status.app.state of the Migration.")
    serving: Boolean = Field(default=False, description="Whether the live release was created for the data of that run.")
    served: Boolean = Field(default=False, description="Whether a release that was created for that data has ever been live.")


class DeploymentStatus(Status):
    """Observed state of a Deployment."""

    id: str = Field(default="", description="Public ID of the deployment, used by the REST API.")
    commit: str = Field(default="", description="Commit of the live release.")
    live: str = Field(default="", description="Name of the live release: the release that the Service selects.")
    previous: str = Field(default="", description="Name of the release that was live before.")
    revision: Integer = Field(default=0, ge=0, description="Highest revision of the releases.")
    resolved: Resolved | None = Field(default=None, description="Commit that the source was resolved to.")
    replicas: Integer = Field(default=0, ge=0, description="Number of pods of the live release.")
    selector: str = Field(default="", description="Label selector of the pods of the live release, for autoscalers.")
    url: str = Field(default="", description="URL of the app.")
    domain: str = Field(default="", description="Domain that this Deployment has claimed.")
    database_project: str = Field(default="", description="Name of the database project at the provider.")
    last_handled_request: str = Field(default="", description="ID of the last processed request annotation.")
    gate: GateSeen | None = Field(default=None, description="Recorded state of the Migration of the app's data.")


class Deployment(Model):
    """An app that is built from a source and kept live."""

    api_version: Literal["landfall.dev/v1alpha1"] = Field(default=API_VERSION, description="API version of the object.")
    kind: Literal["Deployment"] = Field(default="Deployment", description="Kind of the object.")
    metadata: Metadata = Field(description="Standard object metadata.")
    spec: DeploymentSpec = Field(description="Desired state.")
    status: DeploymentStatus | None = Field(default=None, description="Observed state. Written by the operator.")
