"""`landfall worker fetch`: fetches the sources, detects the framework and plans the build, for the other containers of the pod.

Only this container has the token of the source, and it executes nothing that it fetched.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
from dataclasses import asdict
from importlib import resources
from pathlib import Path

from landfall.api.deployment import GitSource
from landfall.api.worker_protocol import BuildTask, Task
from landfall.builds.errors import BuildDiskFullError, BuildError
from landfall.builds.fetch import Archive, SourceError, SourceUnreachableError, emptied, fetched, place, tarball
from landfall.builds.image.push import DEPENDENCIES
from landfall.builds.image.registry import Reference, Registry, RegistryUnreachableError, configured, credentials
from landfall.builds.plan import BuildOverrides, BuildPlan
from landfall.builds.planning import plan_of, tree_of
from landfall.builds.pod_protocol import APP, Places, put, put_text
from landfall.lib import outgoing
from landfall.lib.digest import digest
from landfall.lib.redact import redacted
from landfall.lib.retry import with_retries
from landfall.lib.text import advised
from landfall.providers.errors import ProviderError
from landfall.providers.git import Fetched, Remote, packed

ROOT = Path("/etc/landfall")
_SEALING = "packed before the build commands"
"""Part of the key of packages: earlier versions packed them after the build commands, which may have changed them."""
_SCRATCH = Path("/tmp")  # noqa: S108  in the container


def main(root: Path = ROOT, places: Places | None = None, app: Path = APP, scratch: Path = _SCRATCH) -> int:
    """Fetch, detect, plan. The result is a file, and the exit status is 0 also after a failure: the worker in the same pod reports it."""
    actual_places = places or Places()
    task = Task.model_validate_json((root / "task" / "task.json").read_bytes()).build
    if task is None:
        sys.stderr.write("the task contains no build\n")
        return 1
    token_file = root / "git" / task.token_key
    token = token_file.read_text(encoding="utf-8").strip() if task.token_key and token_file.exists() else ""
    began = time.monotonic()
    try:
        sources = asyncio.run(
            with_retries(lambda: _fetched(task, token, root, scratch, app), SourceUnreachableError, RegistryUnreachableError)
        )
        plan, key = _planned(task, app)
    except (BuildError, OSError) as error:
        failure = error if isinstance(error, BuildError) else BuildDiskFullError(f"the sources could not be written: {error}")
        message = redacted(advised(failure.message, failure.advice), token)
        put(actual_places.failed, {"reason": failure.reason, "message": message})
        return 0
    notes = tuple(dict.fromkeys((*plan.notes, *(f"the submodule {name} is left out" for name in sources.submodules))))
    layered = any(layer.name == DEPENDENCIES for layer in plan.layers) and not plan.build
    document = {
        **asdict(plan),
        "notes": notes,
        "dependencies": key if layered else "",
        "kept": key if plan.packages else "",
        "message": sources.message,
        "seconds": round(time.monotonic() - began, 3),
    }
    put(actual_places.plan, document)
    put_text(actual_places.program, resources.files("landfall.builds").joinpath("runner.py").read_text(encoding="utf-8"))
    return 0


async def _fetched(task: BuildTask, token: str, root: Path, scratch: Path, app: Path) -> Fetched:
    """Fetch the sources into `app`. Return facts about the commit."""
    source = task.spec.source
    emptied(app)  # files of an earlier attempt
    if source and source.git:
        return await _cloned(source.git, task, token, root, scratch, app)
    if source and source.zip and source.zip.artifact:
        await _uploaded(task, source.zip.artifact, root, scratch, app)
    else:
        await fetched(_archive(task, token), scratch, app, task.spec.path)
    return Fetched("")


async def _cloned(source: GitSource, task: BuildTask, token: str, root: Path, scratch: Path, app: Path) -> Fetched:
    """Fetch one commit of a repository."""
    name = root / "git" / "username"
    remote = Remote(source.url, token, name.read_text(encoding="utf-8").strip() if name.exists() else "")
    try:
        fetched = await asyncio.to_thread(packed, remote, task.spec.commit, scratch / "archive")
    except ProviderError as error:
        if error.retry.by_itself:
            raise SourceUnreachableError(error.message) from error
        refused = SourceError(error.message)
        refused.reason = error.reason
        raise refused from error
    place(scratch / "archive", app, task.spec.path)
    return fetched


async def _uploaded(task: BuildTask, digest: str, root: Path, scratch: Path, app: Path) -> None:
    """Fetch an uploaded archive from the registry."""
    reference, file = Reference.parse(task.uploads), scratch / "archive"
    async with outgoing.client() as client:
        identity = credentials(configured(root / "registry"), reference.host)
        registry = Registry(client, reference.host, insecure=task.insecure, identity=identity)
        if not await registry.download(reference.repository, digest, file):
            message = f"archive {digest} not found in {task.uploads}"
            raise SourceError(message, advice="Upload it again, or correct source.zip.artifact.")
    place(file, app, task.spec.path)


def _archive(task: BuildTask, token: str) -> Archive:
    source = task.spec.source
    if source and source.github:
        return tarball(task.github, source.github.repository, task.spec.commit, token)
    if source and source.zip and source.zip.url:
        return Archive(source.zip.url, sha256=source.zip.sha256 or "")
    message = "the spec has no source that can be fetched"
    raise SourceError(message, advice="Set source to a repository, or to an archive with url and sha256.")


def _planned(task: BuildTask, app: Path) -> tuple[BuildPlan, str]:
    """Return the build plan, and a key of the installed packages if only manifests determine them."""
    versions: dict[str, tuple[str, ...]] = {}
    for image in task.images:
        versions[image.runtime] = (*versions.get(image.runtime, ()), image.version)
    wishes = task.spec.build
    overrides = BuildOverrides(
        wishes.framework or "",
        wishes.install_command or "",
        wishes.build_command or "",
        wishes.start_command or "",
        wishes.output_directory or "",
    )
    plan = plan_of(tree_of(app), overrides, versions, task.spec.path)
    return plan, _packages_key(task, app, plan)


def _packages_key(task: BuildTask, app: Path, plan: BuildPlan) -> str:
    """The key of the installed packages: a digest of the files that determine them; empty if other inputs do as well."""
    if not plan.keys:
        return ""
    contents = []
    for key in plan.keys:  # the whole file: lock files are large
        with (app / key).open("rb") as file:
            contents.append((key, hashlib.file_digest(file, "sha256").hexdigest()))
    return digest(_SEALING, task.builder, plan.version, plan.install, contents)
