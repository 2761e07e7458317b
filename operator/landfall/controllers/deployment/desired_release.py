"""The Release that a spec declares, before it exists: its digests, and what it reuses of an earlier Release."""

from __future__ import annotations

from landfall.api.deployment import AppSource, DeploymentSpec, GitHubSource, Variable
from landfall.api.fields import LocalReference
from landfall.api.release import ReleaseSpec, requested
from landfall.controllers.deployment.observed import ObservedDeployment, ObservedRelease
from landfall.lib.digest import digest


def source_key(spec: DeploymentSpec) -> str:
    """The digest of the part of a spec that is resolved to a commit."""
    return digest(spec.source.model_dump(mode="json"))


def identity(source: AppSource, commit: str) -> str:
    """What identifies the source: a commit, an archive's digest, an image."""
    if source.zip:
        return source.zip.sha256 or source.zip.artifact or ""
    if source.git:
        return f"{source.git.url}@{commit}"
    return source.image or f"{source.github.repository if source.github else ''}@{commit}"


def inputs(observed: ObservedDeployment) -> str:
    """The digest of everything in the spec that needs a new Release to change: not rollout, replicas and route."""
    spec = observed.deployment.spec
    wanted_spec = spec.model_dump(mode="json", include={"path", "build", "env", "database", "runtime", "template", "region"})
    given_variables = [v.model_dump(mode="json") for v in observed.given]
    return digest(
        wanted_spec,
        identity(spec.source, observed.resolved.commit if observed.resolved else ""),
        observed.secrets,
        given_variables,
    )


def variables(observed: ObservedDeployment) -> tuple[Variable, ...]:
    """The environment of a new Release. The request's variables override the spec's, and those override the database's."""
    requested_variables = observed.pending.env if observed.pending else ()
    by_name: dict[str, Variable] = {}
    for variable in (*observed.given, *observed.deployment.spec.env, *requested_variables):
        by_name.pop(variable.name, None)  # an overriding variable also comes later in the order
        by_name[variable.name] = variable
    return tuple(by_name.values())


def live_variables(observed: ObservedDeployment) -> tuple[Variable, ...]:
    """The variables that stay references, and those built from them."""
    return tuple(v for v in variables(observed) if v.capture == "Live")


def captured_variables(observed: ObservedDeployment) -> tuple[Variable, ...]:
    """The variables whose values a Release captures."""
    return tuple(v for v in variables(observed) if v.capture != "Live")


def revision(observed: ObservedDeployment) -> int:
    """The next revision. No number is used twice, even if the newest Release was deleted."""
    status = observed.deployment.status
    return max(status.revision if status else 0, *(r.spec.revision for r in observed.releases), 0) + 1


def declared_release(observed: ObservedDeployment, name: str, environment: str, generation: int) -> ReleaseSpec:
    """The Release that the spec, or a request, declares. `environment` is the Secret with the captured values."""
    spec, request = observed.deployment.spec, observed.pending
    resolved = observed.resolved
    commit = (request.commit if request else "") or (resolved.commit if resolved else "")
    key = build_key(spec, commit)
    built_release = built(observed, key)
    # The port that the build detected; the spec of another Release of the same image may set another one.
    port = next(
        (r.status.build.port for r in observed.releases if built_release and r.image == built_release.image and r.status.build),
        None,
    )
    runtime = spec.runtime if spec.runtime.port or not port else spec.runtime.model_copy(update={"port": port})
    return ReleaseSpec(
        deployment_ref=LocalReference(name=observed.deployment.metadata.name),
        revision=revision(observed),
        trigger=requested(request.id) if request else f"generation {generation}",
        inputs=inputs(observed),
        commit=commit,
        message=resolved.message if resolved and resolved.commit == commit else "",
        branch=resolved.branch if resolved else "",
        source=pinned(spec.source, commit),
        path=spec.path,
        build=spec.build,
        build_key=key,
        image=spec.source.image or (built_release.image if built_release else ""),
        environment=environment,
        live_env=live_variables(observed),
        runtime=runtime,
        database=spec.database.connection_ref.name if spec.database and spec.database.connection_ref else "",
        template=spec.template,
        region=spec.region or "",
        workload=name,
    )


def pinned(source: AppSource, commit: str) -> AppSource:
    """The source with its commit pinned, as builds use it."""
    if source.git:
        return AppSource(git=source.git.model_copy(update={"commit": commit}))
    github = source.github
    if github is None:
        return source
    return AppSource(
        github=GitHubSource(
            repository=github.repository, branch=github.branch, commit=commit, token_secret_ref=github.token_secret_ref
        )
    )


def build_key(spec: DeploymentSpec, commit: str) -> str:
    """The digest of the inputs of a build; empty if nothing is built."""
    if spec.source.image:
        return ""
    build = spec.build.model_dump(mode="json", exclude={"cache"})
    return digest(identity(spec.source, commit), spec.path, build)


def built(observed: ObservedDeployment, key: str) -> ObservedRelease | None:
    """An earlier Release whose image has the same build inputs."""
    return next((r for r in reversed(observed.releases) if key and r.spec.build_key == key and r.image), None)


def rollback_release(observed: ObservedDeployment, target: ObservedRelease) -> ReleaseSpec:
    """A Release with the image, environment and workload of an earlier one."""
    live, target_request = observed.live, observed.deployment.spec.rollback_to
    return target.spec.model_copy(
        update={
            "revision": revision(observed),
            "trigger": requested(target_request.id) if target_request and target_request.id else f"rollback to {target.name}",
            "image": target.image,
            "runtime": target.spec.runtime.model_copy(update={"port": target.port}),
            "rollback_from": live.name if live else "",
            "rollback_to": target.name,
        }
    )
