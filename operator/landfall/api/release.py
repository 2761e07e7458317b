"""Release: the immutable record of one deploy, with everything that a rollback needs: image, environment, runtime settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from landfall.api.deployment import AppSource, Build, PodTemplate, Runtime, Variable
from landfall.api.fields import API_VERSION, ATOMIC, Integer, LocalReference, Metadata, Model, Moment, Status, rules

LABEL_DEPLOYMENT = "landfall.dev/deployment"
_REQUEST = "request "


def requested(identifier: str) -> str:
    """Value of `trigger` for a release that a request asked for."""
    return f"{_REQUEST}{identifier}"


def request_of(trigger: str) -> str:
    """ID of the request in a trigger; empty if the trigger was not a request."""
    return trigger.removeprefix(_REQUEST) if trigger.startswith(_REQUEST) else ""


class ReleaseSpec(Model):
    """What is released. Written once, by the operator."""

    model_config = rules(("self == oldSelf", "a Release is a record: its spec never changes"))

    deployment_ref: LocalReference = Field(description="Deployment of the release.")
    revision: Integer = Field(ge=1, description="Revision number of the release, counted per Deployment.")
    trigger: str = Field(description="What triggered the release: a generation of the spec, a request, or a rollback.")
    inputs: str = Field(
        description="Digest of the spec that the release was created for. The same digest creates no new Release."
    )
    commit: str = Field(default="", description="Commit, or digest of the archive.")
    message: str = Field(default="", description="First line of the commit message.")
    branch: str = Field(default="", description="Branch that the commit was resolved from.")
    source: AppSource | None = Field(default=None, description="Source of the app, with the commit.")
    path: str = Field(default=".", description="Directory of the app in the repository.")
    build: Build = Field(default_factory=Build, description="Build settings.")
    build_key: str = Field(default="", description="Digest of the build inputs. The same inputs are not built twice.")
    image: str = Field(default="", description="Image with digest. Empty if it must be built first; see status.image.")
    environment: str = Field(default="", description="Secret with the captured values of the environment.")
    live_env: tuple[Variable, ...] = Field(
        default=(), description="Environment variables whose values are read at every start of a pod.", json_schema_extra=ATOMIC
    )
    runtime: Runtime = Field(default_factory=Runtime, description="Runtime settings of the app.")
    database: str = Field(
        default="", description="Connection that spec.database of the Deployment named. Empty if there is none."
    )
    template: PodTemplate = Field(default_factory=PodTemplate, description="Labels and annotations of the pods.")
    region: str = Field(default="", description="Region of the pods.")
    workload: str = Field(
        description="Name of the workload and Service. For a rollback: those of the Release that is rolled back to."
    )
    rollback_from: str = Field(default="", description="For a rollback: the Release that was live before it.")
    rollback_to: str = Field(default="", description="For a rollback: the Release that is rolled back to.")


class BuildSummary(Model):
    """Result of detection and build."""

    message: str = Field(default="", description="First line of the commit message, if it is known only from the source code.")
    framework: str = Field(default="", description="Detected framework.")
    evidence: tuple[str, ...] = Field(
        default=(), description="Files that the framework was detected from.", json_schema_extra=ATOMIC
    )
    runtime: str = Field(default="", description="Language runtime of the app.")
    version: str = Field(default="", description="Version of the language runtime.")
    version_source: str = Field(default="", description="File that the version was read from.")
    package_manager: str = Field(default="", description="Package manager, and the file that it was detected from.")
    install: tuple[str, ...] = Field(default=(), description="Commands that install the dependencies.", json_schema_extra=ATOMIC)
    build: tuple[str, ...] = Field(default=(), description="Commands that build the app.", json_schema_extra=ATOMIC)
    start: str = Field(default="", description="Command that starts the app. Empty for a static site.")
    output: str = Field(default="", description="Directory of the files of a static site.")
    notes: tuple[str, ...] = Field(default=(), description="Remarks on detection and build.", json_schema_extra=ATOMIC)
    port: Integer = Field(default=0, ge=0, le=65535, description="Port that the app listens on, passed to it as PORT.")
    reused: str = Field(default="", description="Name of the Release whose image is reused. Empty if the image was built.")
    installed: Literal["", "installed", "reused"] = Field(
        default="", description="Whether the dependencies were installed or reused from an earlier build."
    )
    image_bytes: Integer = Field(default=0, ge=0, description="Compressed size of the image including its base, in bytes.")
    pushed_bytes: Integer = Field(default=0, ge=0, description="Number of bytes pushed to the registry.")
    fetch_seconds: float = Field(default=0, ge=0, description="Duration of the download of the source code, in seconds.")
    install_seconds: float = Field(default=0, ge=0, description="Duration of the install commands, in seconds.")
    build_seconds: float = Field(default=0, ge=0, description="Duration of the build commands, in seconds.")
    push_seconds: float = Field(default=0, ge=0, description="Duration of creating and pushing the layers, in seconds.")


class ReleaseFailure(Model):
    """Why the release did not become live, or did not stay live."""

    reason: str = Field(description="Machine-readable reason, in CamelCase.")
    message: str = Field(description="What failed, and what to do.")
    at: Moment = Field(description="Time at which the failure was detected.")


class ReleaseStatus(Status):
    """Observed state of a Release."""

    image: str = Field(default="", description="Image with digest, set when it is built.")
    build: BuildSummary | None = Field(default=None, description="Result of detection and build.")
    attempts: Integer = Field(default=0, ge=0, description="Number of builder pods that were started for the release.")
    finished: str = Field(default="", description="Name of the last builder Job whose final report was processed.")
    retry_after: Moment | None = Field(default=None, description="Time at which a build that failed temporarily is retried.")
    failure: ReleaseFailure | None = Field(default=None, description="Why the release did not become live, or did not stay live.")
    superseded: str = Field(default="", description="Reason the release was superseded. Empty if it was not.")
    deploying_at: Moment | None = Field(default=None, description="Time at which the pods were created.")
    gate: str = Field(default="", description="Run of the Migration whose data the release waited for.")
    live_at: Moment | None = Field(default=None, description="Time at which the release last became live.")
    left_at: Moment | None = Field(default=None, description="Time at which another release replaced it.")
    reported: str = Field(default="", description="Last commit status that was reported to GitHub, if the token allows it.")
    preview: str = Field(default="", description="URL of this release in the cluster, while its pods run and after it was live.")


class Release(Model):
    """The immutable record of one deploy, and the target of a rollback."""

    api_version: Literal["landfall.dev/v1alpha1"] = Field(default=API_VERSION, description="API version of the object.")
    kind: Literal["Release"] = Field(default="Release", description="Kind of the object.")
    metadata: Metadata = Field(description="Standard object metadata.")
    spec: ReleaseSpec = Field(description="What is released.")
    status: ReleaseStatus | None = Field(default=None, description="Observed state of the release.")
