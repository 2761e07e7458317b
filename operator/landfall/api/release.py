"""Release: the immutable record of one deploy. It has all that a way back needs: the image, the environment, how it is run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from landfall.api.deployment import AppSource, Build, PodTemplate, Runtime, Variable
from landfall.api.fields import API_VERSION, ATOMIC, Integer, LocalReference, Metadata, Model, Moment, Status, rules

LABEL_DEPLOYMENT = "landfall.dev/deployment"
_REQUEST = "request "


def requested(identifier: str) -> str:
    """The trigger of what a request asked for."""
    return f"{_REQUEST}{identifier}"


def request_of(trigger: str) -> str:
    """The request that a trigger names; empty where it was none."""
    return trigger.removeprefix(_REQUEST) if trigger.startswith(_REQUEST) else ""


class ReleaseSpec(Model):
    """What one deploy is. Written once, by the operator."""

    model_config = rules(("self == oldSelf", "a Release is a record: its spec never changes"))

    deployment_ref: LocalReference = Field(description="The Deployment.")
    revision: Integer = Field(ge=1, description="Its number.")
    trigger: str = Field(description="What asked for it: a generation, a request, or a rollback.")
    inputs: str = Field(description="Digest of what the spec asked for; one that asks for the same makes no new Release.")
    commit: str = Field(default="", description="The commit, or the archive's digest.")
    message: str = Field(default="", description="First line of the commit's message.")
    branch: str = Field(default="", description="Branch that the commit was resolved from.")
    source: AppSource | None = Field(default=None, description="Where the app comes from, with the commit.")
    path: str = Field(default=".", description="Folder of the app in it.")
    build: Build = Field(default_factory=Build, description="How it is built.")
    build_key: str = Field(default="", description="Digest of what is built; the same is not built twice.")
    image: str = Field(default="", description="Image by digest; empty where it is built first, see status.image.")
    environment: str = Field(default="", description="Secret with the captured values.")
    live_env: tuple[Variable, ...] = Field(default=(), description="Variables that stay references.", json_schema_extra=ATOMIC)
    runtime: Runtime = Field(default_factory=Runtime, description="How it runs.")
    database: str = Field(default="", description="Connection that the Deployment's `database` named, if any.")
    template: PodTemplate = Field(default_factory=PodTemplate, description="Labels and annotations of its pods.")
    region: str = Field(default="", description="Where its pods run.")
    workload: str = Field(description="Workload and Service that run it: with a rollback those of the Release that it goes to.")
    rollback_from: str = Field(default="", description="With a rollback: the Release that was left.")
    rollback_to: str = Field(default="", description="With a rollback: the Release that it goes back to.")


class BuildSummary(Model):
    """What the source was found to be, how it was built, and what that took."""

    message: str = Field(default="", description="First line of the commit's message, where only the sources tell it.")
    framework: str = Field(default="", description="Framework.")
    evidence: tuple[str, ...] = Field(default=(), description="What shows it.", json_schema_extra=ATOMIC)
    runtime: str = Field(default="", description="Language runtime.")
    version: str = Field(default="", description="Its version.")
    version_source: str = Field(default="", description="Where the version was read.")
    package_manager: str = Field(default="", description="Who installs packages, and where that was read.")
    install: tuple[str, ...] = Field(default=(), description="Commands that install packages.", json_schema_extra=ATOMIC)
    build: tuple[str, ...] = Field(default=(), description="Commands that build.", json_schema_extra=ATOMIC)
    start: str = Field(default="", description="Command that starts it; empty for a site of files.")
    output: str = Field(default="", description="Folder of the files of a site.")
    notes: tuple[str, ...] = Field(default=(), description="What a person may want to know.", json_schema_extra=ATOMIC)
    port: Integer = Field(default=0, ge=0, le=65535, description="Port that the framework's apps listen on, told as PORT.")
    reused: str = Field(default="", description="Release whose image this is, where nothing had to be built.")
    installed: Literal["", "installed", "reused"] = Field(
        default="", description="Whether packages were installed, or the layer of an earlier build taken."
    )
    image_bytes: Integer = Field(default=0, ge=0, description="Compressed size of the image with its base.")
    pushed_bytes: Integer = Field(default=0, ge=0, description="What of it the registry did not have yet.")
    fetch_seconds: float = Field(default=0, ge=0, description="Time that the sources took to arrive.")
    install_seconds: float = Field(default=0, ge=0, description="Time of the install commands.")
    build_seconds: float = Field(default=0, ge=0, description="Time of the build commands.")
    push_seconds: float = Field(default=0, ge=0, description="Time of making the layers and pushing them.")


class ReleaseFailure(Model):
    """Why it did not go, or did not stay, live."""

    reason: str = Field(description="Stable word for conditions.")
    message: str = Field(description="What happened, and what to do next.")
    at: Moment = Field(description="When that was found.")


class ReleaseStatus(Status):
    """Where a Release stands."""

    image: str = Field(default="", description="Image by digest, once it is built.")
    build: BuildSummary | None = Field(default=None, description="What it was found to be, and how it was built.")
    attempts: Integer = Field(default=0, ge=0, description="Builder pods that were started for it.")
    finished: str = Field(default="", description="The last builder whose report was taken to its end.")
    retry_after: Moment | None = Field(default=None, description="A build that failed for the moment is tried again then.")
    failure: ReleaseFailure | None = Field(default=None, description="Why it did not go, or did not stay, live.")
    superseded: str = Field(default="", description="Why nobody waits for it any more.")
    deploying_at: Moment | None = Field(default=None, description="When its pods were asked for.")
    gate: str = Field(default="", description="The run of a Migration whose data it waited for.")
    live_at: Moment | None = Field(default=None, description="When it last went live.")
    left_at: Moment | None = Field(default=None, description="When another took its place.")
    reported: str = Field(default="", description="What was said of the commit on GitHub last, where the token may say it.")
    preview: str = Field(
        default="", description="Where this Release alone is reached, in the cluster, while it runs and has once served."
    )


class Release(Model):
    """The immutable record of one deploy, and what a rollback goes to."""

    api_version: Literal["landfall.dev/v1alpha1"] = Field(default=API_VERSION, description="API version.")
    kind: Literal["Release"] = Field(default="Release", description="Kind.")
    metadata: Metadata = Field(description="Standard object metadata.")
    spec: ReleaseSpec = Field(description="What the deploy is.")
    status: ReleaseStatus | None = Field(default=None, description="Where it stands.")
