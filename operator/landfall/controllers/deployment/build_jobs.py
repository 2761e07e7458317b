"""The settings of builds, and the Job of a build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from landfall.api.release import ReleaseSpec
from landfall.api.worker_protocol import BuildTask, RunImage, Task
from landfall.controllers.context import Context
from landfall.kube.client import Object
from landfall.manifests.build import BuilderPod, job, task_map

TOKEN_KEY = "token"  # noqa: S105  the default key in a Secret


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """Where images are pushed, the images to build with and to run on, and the environment of build commands.

    `registry`: host with an optional path; empty: builds are disabled. `secret`: name of a Secret in the app's namespace, of type
    kubernetes.io/dockerconfigjson, with the registry's credentials. `env`: variables of build commands, such as mirrors. `authorities`:
    certificate authorities as PEM. `private_hosts`: git hosts in the internal network that may be accessed.
    """

    registry: str = ""
    insecure: bool = False
    secret: str = ""
    builder: str = ""
    images: tuple[RunImage, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    authorities: str = ""
    memory: str = "2Gi"
    disk: str = "8Gi"
    timeout_seconds: int = 1800
    github: str = "https://api.github.com"
    follow_seconds: int = 60
    private_hosts: tuple[str, ...] = ()


def job_name(release: str, attempt: int) -> str:
    """The Job's name, a pure function of both."""
    return f"{release}-build-{attempt}"


async def start(context: Context, settings: BuildSettings, release: Object, attempt: int) -> None:
    """Create the task, then the Job that mounts it."""
    spec = ReleaseSpec.model_validate(release["spec"])
    metadata = release["metadata"]
    repository = spec.source.repository if spec.source else None
    reference = repository.token_secret_ref if repository else None
    pod = BuilderPod(
        name=job_name(metadata["name"], attempt),
        release=release,
        attempt=attempt,
        image=context.image,
        builder=settings.builder,
        timeout_seconds=settings.timeout_seconds,
        memory=settings.memory,
        disk=settings.disk,
        token=(reference.name, reference.key or TOKEN_KEY) if reference else None,
        registry_secret=settings.secret,
        uploaded=bool(spec.source and spec.source.zip and spec.source.zip.artifact),
        authorities=settings.authorities,
        cache=spec.build.cache.persistent_volume_claim if spec.build.cache else "",
        env=spec.build.env,
        settings=tuple(sorted(settings.env.items())),
    )
    build = BuildTask(
        release=metadata["name"],
        spec=spec,
        builder=settings.builder,
        images=settings.images,
        repository=f"{settings.registry}/{metadata['namespace']}/{spec.deployment_ref.name}",
        uploads=f"{settings.registry}/{metadata['namespace']}/uploads",
        insecure=settings.insecure,
        github=settings.github,
        token_key=pod.token[1] if pod.token else "",
    )
    await context.created("ConfigMap", task_map(pod, Task(verb="build", intake=context.intake_url, build=build)))
    await context.created("Job", job(pod))
