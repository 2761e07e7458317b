"""`landfall worker fetch`: the sources, what they are, and how they are built, for the containers beside it.

It is the one place that holds the token of the source, and it runs nothing of what it fetched.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from dataclasses import asdict
from importlib import resources
from pathlib import Path

import aiohttp

from landfall.api.report import BuildTask, Task
from landfall.builds.detect.detect import detected
from landfall.builds.detect.found import Undetected
from landfall.builds.errors import BuildError
from landfall.builds.fetch import Archive, SourceError, SourceUnreachableError, fetched, place, tarball
from landfall.builds.folder import Folder
from landfall.builds.handoff import APP, Places, put, put_text
from landfall.builds.plan import BuildPlan, Wishes, planned
from landfall.builds.registry import Reference, Registry, RegistryUnreachableError, configured, credentials
from landfall.kit.digest import digest
from landfall.kit.redact import redacted

ROOT = Path("/etc/landfall")
_SCRATCH = Path("/tmp")  # noqa: S108  the container's own
_TRIES, _PAUSE_SECONDS = 3, 1.0


def main(root: Path = ROOT, places: Places | None = None, app: Path = APP, scratch: Path = _SCRATCH) -> int:
    """Fetch, detect, plan. How it went is told through files: the exit status is 0, for the worker beside it tells the rest."""
    where = places or Places()
    task = Task.model_validate_json((root / "task" / "task.json").read_bytes()).build
    if task is None:
        sys.stderr.write("the task has nothing to build\n")
        return 1
    token_file = root / "git" / task.token_key
    token = token_file.read_text(encoding="utf-8").strip() if task.token_key and token_file.exists() else ""
    began = time.monotonic()
    try:
        asyncio.run(_fetched(task, token, root, scratch, app))
        plan, key = _planned(task, app)
    except BuildError as error:
        message = redacted(f"{error.message.rstrip('.')}. {error.advice}".strip(), token)
        put(where.failed, {"reason": error.reason, "message": message, "transient": error.transient})
        return 0
    except OSError as error:
        put(
            where.failed, {"reason": "BuildDiskFull", "message": f"the sources could not be written: {error}", "transient": False}
        )
        return 0
    told = {**asdict(plan), "dependencies": key, "seconds": round(time.monotonic() - began, 3)}
    put(where.plan, told)
    put_text(where.program, resources.files("landfall.builds").joinpath("runner.py").read_text(encoding="utf-8"))
    return 0


async def _fetched(task: BuildTask, token: str, root: Path, scratch: Path, app: Path) -> None:
    source = task.spec.source
    for attempt in range(1, _TRIES + 1):
        try:
            if source and source.zip and source.zip.artifact:
                await _uploaded(task, source.zip.artifact, root, scratch, app)
            else:
                await fetched(_archive(task, token), scratch, app, task.spec.path)
        except (SourceUnreachableError, RegistryUnreachableError):
            if attempt == _TRIES:
                raise
            await asyncio.sleep(_PAUSE_SECONDS * attempt)
            _emptied(app)
        else:
            return


async def _uploaded(task: BuildTask, digest: str, root: Path, scratch: Path, app: Path) -> None:
    """An archive that somebody put into the registry."""
    where, file = Reference.of(task.uploads), scratch / "archive"
    async with aiohttp.ClientSession() as session:
        identity = credentials(configured(root / "registry"), where.host)
        registry = Registry(session, where.host, insecure=task.insecure, identity=identity)
        if not await registry.download(where.repository, digest, file):
            message = f"there is no archive {digest} in {task.uploads}"
            raise SourceError(message, advice="Upload it again, or correct source.zip.artifact.")
    place(file, app, task.spec.path)


def _emptied(folder: Path) -> None:
    for left in folder.iterdir():
        shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()


def _archive(task: BuildTask, token: str) -> Archive:
    source = task.spec.source
    if source and source.github:
        return tarball(task.github, source.github.repository, task.spec.commit, token)
    if source and source.zip and source.zip.url:
        return Archive(source.zip.url, sha256=source.zip.sha256 or "")
    message = "this source cannot be fetched"
    raise SourceError(message, advice="Name a repository, or an archive by url and sha256.")


def _planned(task: BuildTask, app: Path) -> tuple[BuildPlan, str]:
    """The plan; and a name for what the packages follow from, where they follow from manifests alone."""
    known: dict[str, tuple[str, ...]] = {}
    for image in task.images:
        known[image.runtime] = (*known.get(image.runtime, ()), image.version)
    wishes = task.spec.build
    tree = Folder(app)
    found = detected(tree, known, wishes.framework or "")
    if isinstance(found, Undetected):
        error = BuildError(found.message)
        error.reason = found.reason
        raise error
    said = Wishes(
        wishes.framework or "",
        wishes.install_command or "",
        wishes.build_command or "",
        wishes.start_command or "",
        wishes.output_directory or "",
    )
    plan = planned(tree, found, said)
    if not plan.start and not plan.output and plan.framework != "static":
        error = BuildError(f"it is a {plan.framework} app, and how it is started is not known", advice="Set build.startCommand.")
        error.reason = "NoStartCommand"
        raise error
    return plan, _dependencies(task, tree, plan)


def _dependencies(task: BuildTask, tree: Folder, plan: BuildPlan) -> str:
    """Empty where a build needs the packages themselves, or where installing them may read the sources."""
    layered = any(layer.name == "dependencies" for layer in plan.layers)
    manifest = tree.text("package.json")
    scripts = any(f'"{name}"' in manifest for name in ("preinstall", "install", "postinstall", "prepare")) or '"file:' in manifest
    editable = any(line.strip().startswith(("-e", ".", "file:")) for line in tree.text("requirements.txt").splitlines())
    if not layered or plan.build or scripts or editable or not plan.keys:
        return ""
    contents = [(key, tree.text(key)) for key in plan.keys]
    return digest(task.builder, plan.version, plan.install, contents)
