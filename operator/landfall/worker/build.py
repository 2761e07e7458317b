"""The worker of a build: says what is built, ships the log of the user's commands, and pushes what they made.

It holds the registry's credential and the intake's token, and reads the sources only once every process of the commands is gone.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from landfall.api.release import BuildSummary
from landfall.api.worker_protocol import EXIT_AGAIN, EXIT_DONE, EXIT_FAILED, BuildTask, Failure, Report, RunImage
from landfall.builds.archive import unpacked
from landfall.builds.errors import BuildError
from landfall.builds.failure_hints import advice, is_broken_off, is_full
from landfall.builds.image.push import Target, keep_packages, kept_packages, known_dependencies, pushed
from landfall.builds.image.registry import Reference, Registry, RegistryUnreachableError, configured, credentials
from landfall.builds.languages.base import Layer
from landfall.builds.plan import BuildPlan
from landfall.builds.pod_protocol import APP, Places, is_free, put, read
from landfall.lib import outgoing
from landfall.lib.redact import redacted
from landfall.lib.text import advised
from landfall.worker.reporter import Reporter
from landfall.worker.retry import tried
from landfall.worker.termination_message import WORDS, leave

ROOT = Path("/etc/landfall")
_SCRATCH = Path("/tmp")  # noqa: S108  the container's own
_POLL_SECONDS = 0.02
_KILLED = 137
_TAIL_LINES = 12
_BESIDE = frozenset({"dependencies", "kept", "message", "seconds"})  # what a plan comes with


class _GoneError(BuildError):
    """The commands were ended from outside."""

    reason = "BuildKilled"


class Builder:
    """One build, from the plan to the last report."""

    def __init__(
        self,
        task: BuildTask,
        reporter: Reporter,
        root: Path = ROOT,
        places: Places | None = None,
        app: Path = APP,
        scratch: Path = _SCRATCH,
        words: Path = WORDS,
    ) -> None:
        self._task = task
        self._reporter = reporter
        self._root = root
        self._places = places or Places()
        self._app = app
        self._scratch = scratch
        self._words = words
        self._summary = BuildSummary()
        self._read = 0
        self._restored = False
        self._told: Mapping[str, Any] = {}  # what the container that fetches has found

    def work(self) -> int:
        """Do it; the exit status."""
        self._reporter.start()
        try:
            image = asyncio.run(self._built())
        except BuildError as error:
            if not self._places.go.exists():
                put(self._places.go, {"stop": True})  # nobody waits for the commands any more
            message = redacted(_told(error))
            self._reporter.line(message, "error")
            failure = Failure(reason=error.reason, message=message, transient=error.retry.by_itself)
            return EXIT_FAILED if self._finished(failure=failure) else EXIT_AGAIN
        self._reporter.line(f"pushed {image}")
        heard = self._finished(image=image)
        asyncio.run(self._keep())
        return EXIT_DONE if heard else EXIT_AGAIN

    def _finished(self, **fields: object) -> bool:
        """The last report, which is left in the pod as well: an operator that heard it may die before it has written it down."""
        leave(Report.model_validate({"sequence": 0, "final": True, "build": self._summary, **fields}), self._words)
        return self._reporter.finish(build=self._summary, **fields)

    async def _built(self) -> str:
        told = self._told = await self._planned()
        plan, image = _plan(told), self._image(told)
        self._says(told, image)
        async with outgoing.client() as client:
            target = self._target(client, image)
            key = str(told["dependencies"])
            known = (
                await tried(lambda: known_dependencies(target.registry, target.repository, key), RegistryUnreachableError)
                if key
                else None
            )
            self._restored = known is None and await self._taken(target, str(told["kept"]), plan.packages)
            put(self._places.go, {"installed": known is not None or self._restored})
            await self._watched(reused=known is not None or self._restored)
            began = time.monotonic()
            self._reporter.line("packing and pushing")
            labels = {"org.opencontainers.image.revision": self._task.spec.commit, "landfall.dev/framework": plan.framework}
            labels = {k: v for k, v in labels.items() if v}
            made = await tried(
                lambda: pushed(self._app, plan, target, self._scratch, known, key, f"commit-{self._task.spec.build_key}", labels),
                RegistryUnreachableError,
            )
            spent = round(time.monotonic() - began, 3)
        self._tell(image_bytes=made.octets, pushed_bytes=made.sent, push_seconds=spent)
        return f"{self._task.repository}@{made.digest}"

    async def _taken(self, target: Target, key: str, folder: str) -> bool:
        """Have the packages of an earlier build at their place, where they follow from the same manifests; whether they are."""
        if not key or (self._app / folder).exists():
            return False
        file, holder = self._scratch / "packages", self._app / ".landfall-packages"
        try:
            digest = await kept_packages(target.registry, target.repository, key)
            if not digest or not await target.registry.download(target.repository, digest, file):
                return False
            holder.mkdir()
            (unpacked(file, holder) / folder).rename(self._app / folder)
        except (BuildError, OSError) as error:
            self._reporter.line(f"the packages of an earlier build cannot be taken, and are installed: {error}", "warning")
            return False
        finally:
            shutil.rmtree(holder, ignore_errors=True)
            file.unlink(missing_ok=True)
        return True

    async def _keep(self) -> None:
        """Keep the packages for the next build, now that nobody waits for this one any more. Where that fails, they are installed again."""
        told, folder = self._told, str(self._told["packages"])
        if not told["kept"] or self._restored or not (self._app / folder).is_dir():
            return
        try:
            async with outgoing.client() as client:
                target = self._target(client, self._image(told))
                size = await keep_packages(
                    target.registry, target.repository, str(told["kept"]), self._app, folder, self._scratch
                )
        except (BuildError, OSError) as error:
            sys.stderr.write(f"the packages are not kept for the next build: {error}\n")
        else:
            sys.stdout.write(f"kept {folder} for the next build, {size} octets\n")

    async def _planned(self) -> dict[str, Any]:
        """What the container that fetches has found, once it is there."""
        while True:
            failed = read(self._places.failed)
            if failed:
                error = BuildError(str(failed["message"]))
                error.reason = str(failed["reason"])
                raise error
            if self._places.program.exists() and (found := read(self._places.plan)):
                return found
            await asyncio.sleep(_POLL_SECONDS)

    def _image(self, told: Mapping[str, Any]) -> RunImage:
        runtime = "static" if not told["start"] else told["runtime"]
        for image in self._task.images:
            if image.runtime == runtime and (runtime == "static" or image.version == told["version"]):
                return image
        message = f"there is no image for {runtime} {told['version']} to lie on"
        raise BuildError(message, advice="Name one in the chart's builds.images.")

    def _target(self, client: outgoing.Client, image: RunImage) -> Target:
        config = configured(self._root / "registry")
        to, base = Reference.of(self._task.repository), Reference.of(image.image)
        registry = Registry(client, to.host, insecure=self._task.insecure, identity=credentials(config, to.host))
        same = base.host == to.host
        other = registry if same else Registry(client, base.host, insecure=False, identity=credentials(config, base.host))
        return Target(registry, to.repository, other, base)

    # -- the commands -------------------------------------------------------------------------------------------------

    async def _watched(self, *, reused: bool) -> None:
        """Ship the log until nothing of the commands lives any more; raise what they failed of."""
        while not self._places.started.exists():  # noqa: ASYNC110  written by another container
            await asyncio.sleep(_POLL_SECONDS)
        while not is_free(self._places.lock):
            self._ship()
            await asyncio.sleep(_POLL_SECONDS)
        self._ship()
        found = read(self._places.result)
        if found is None:
            message = "the build's container was killed"
            raise _GoneError(
                message, advice="Most often its memory was used up: build less at a time, or give it more (builds.memory)."
            )
        seconds = found.get("seconds") or {}
        self._tell(
            install_seconds=float(seconds.get("install", 0)),
            build_seconds=float(seconds.get("build", 0)),
            installed="reused" if reused else "installed",
        )
        if found["status"]:
            raise _failed(int(found["status"]), str(found["command"]), [str(line) for line in found["tail"]])

    def _ship(self) -> None:
        """New whole lines of the log."""
        try:
            with self._places.log.open("rb") as log:
                log.seek(self._read)
                data = log.read(1 << 20)
        except OSError:
            return
        whole = data.rfind(b"\n") + 1
        self._read += whole
        for line in data[:whole].decode("utf-8", "replace").splitlines():
            self._reporter.line(redacted(line))

    # -- words --------------------------------------------------------------------------------------------------------

    def _says(self, told: Mapping[str, Any], image: RunImage) -> None:
        names = (
            "message",
            "framework",
            "evidence",
            "runtime",
            "version",
            "version_source",
            "package_manager",
            "install",
            "build",
            "start",
            "output",
            "notes",
        )
        self._tell(**{name: told[name] for name in names}, port=image.port, fetch_seconds=float(told["seconds"]))
        self._reporter.line(f"it is a {told['framework']} app: {'; '.join(told['evidence'])}")

    def _tell(self, **fields: object) -> None:
        self._summary = BuildSummary.model_validate({**self._summary.model_dump(), **fields})
        self._reporter.tell(build=self._summary)


def _plan(told: Mapping[str, Any]) -> BuildPlan:
    names: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in told.items() if k not in _BESIDE}
    names["layers"] = tuple(
        Layer(one["name"], *(tuple(one[k]) for k in ("include", "exclude", "rooted"))) for one in told["layers"]
    )
    return BuildPlan(**names)


def _failed(status: int, command: str, tail: list[str]) -> BuildError:
    log = "\n".join(tail)
    error = BuildError(f"`{command}` ended with status {status}", advice=advice(log), log="\n".join(tail[-_TAIL_LINES:]))
    if status == _KILLED:
        error.reason, error.advice = (
            "BuildOutOfMemory",
            "It was killed, most often for its memory: build less at a time, or give it more (builds.memory).",
        )
    elif is_full(log):
        error.reason = "BuildDiskFull"
    elif is_broken_off(log):
        error.reason = "PackagesUnreachable"
    return error


def _told(error: BuildError) -> str:
    log = f"Its last lines:\n{error.log}" if error.log else ""
    return advised(error.message, " ".join(part for part in (error.advice, log) if part))[:3500]
