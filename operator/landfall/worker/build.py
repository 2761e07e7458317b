"""The worker of a build: reports what is built, forwards the log of the user's commands, and pushes the image.

It has the registry's credential and the intake's token, and reads the sources only after every process of the commands has ended.
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Unpack
from urllib.parse import quote

from landfall.api.release import BuildSummary
from landfall.api.worker_protocol import EXIT_AGAIN, EXIT_DONE, EXIT_FAILED, BuildTask, Failure, Report, ReportFields, RunImage
from landfall.builds.archive import unpacked
from landfall.builds.errors import BuildError
from landfall.builds.failure_hints import advice, is_broken_off, is_full
from landfall.builds.image.layers import Packed
from landfall.builds.image.push import Target, keep_packages, kept_packages, known_dependencies, packed_packages, pushed
from landfall.builds.image.registry import Reference, Registry, RegistryUnreachableError, configured, credentials
from landfall.builds.languages.base import Layer
from landfall.builds.plan import BuildPlan
from landfall.builds.pod_protocol import APP, Places, is_free, put, read
from landfall.lib import outgoing
from landfall.lib.redact import redacted
from landfall.lib.retry import with_retries
from landfall.lib.text import advised
from landfall.worker.reporter import Reporter
from landfall.worker.termination_message import TERMINATION_LOG, write_termination_message

ROOT = Path("/etc/landfall")
_SCRATCH = Path("/tmp")  # noqa: S108  in the container
_POLL_SECONDS = 0.02
_SEALED = "packages-for-the-next-build"
_KILLED = 137
_TAIL_LINES = 12
_SHORTEST_SECRET = 6  # what is shorter is found in ordinary words
_BESIDE = frozenset({"dependencies", "kept", "message", "seconds"})  # keys of the document that are not fields of the plan


class _GoneError(BuildError):
    """The commands were killed from outside."""

    reason = "BuildKilled"


def _forms(secrets: Iterable[str]) -> Iterator[str]:
    """How a log may spell the secrets: as they are, line by line, and as URLs and Base64 have them."""
    for secret in secrets:
        for part in {secret, secret.strip(), *map(str.strip, secret.splitlines())}:
            if len(part) >= _SHORTEST_SECRET:
                yield from {part, quote(part, safe=""), base64.b64encode(part.encode()).decode()}


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
        words: Path = TERMINATION_LOG,
    ) -> None:
        self._secrets: tuple[str, ...] = ()
        self._task = task
        self._reporter = reporter
        self._root = root
        self._places = places or Places()
        self._app = app
        self._scratch = scratch
        self._words = words
        self._summary = BuildSummary()
        self._read = 0
        self._sealed: Packed | None = None
        self._fetched: Mapping[str, Any] = {}  # the document that the fetch container wrote

    def without(self, secrets: Iterable[str]) -> Builder:
        """Remove these values from everything that is reported. They are Secrets in the environment of the commands."""
        self._secrets = tuple(_forms(secrets))
        return self

    def work(self) -> int:
        """Run the build. Return the exit status."""
        self._reporter.start()
        try:
            image = asyncio.run(self._built())
        except BuildError as error:
            if not self._places.go.exists():
                put(self._places.go, {"stop": True})  # the commands are not needed any more
            message = redacted(_error_text(error), *self._secrets)
            self._reporter.line(message, "error")
            failure = Failure(reason=error.reason, message=message, transient=error.retry.by_itself)
            return EXIT_FAILED if self._finished(failure=failure) else EXIT_AGAIN
        self._reporter.line(f"pushed {image}")
        delivered = self._finished(image=image)
        asyncio.run(self._keep())
        return EXIT_DONE if delivered else EXIT_AGAIN

    def _finished(self, **fields: Unpack[ReportFields]) -> bool:
        """Send the last report, and write it to the termination message: an operator that received it may die before it stores it."""
        last: ReportFields = {**fields, "final": True, "build": self._summary}
        write_termination_message(Report.model_validate({"sequence": 0, **last}), self._words)
        return self._reporter.finish(**last)

    async def _built(self) -> str:
        document = self._fetched = await self._planned()
        plan, image = _plan(document), self._image(document)
        self._report_plan(document, image)
        async with outgoing.client() as client:
            target = self._target(client, image)
            key = str(document["dependencies"])
            dependencies = (
                await with_retries(lambda: known_dependencies(target.registry, target.repository, key), RegistryUnreachableError)
                if key
                else None
            )
            reused = dependencies is not None or await self._restore(target, str(document["kept"]), plan.packages)
            put(self._places.go, {"installed": reused, "seal": bool(document["kept"]) and not reused})
            await self._watched(reused=reused)
            began = time.monotonic()
            self._reporter.line("packing and pushing")
            labels = {"org.opencontainers.image.revision": self._task.spec.commit, "landfall.dev/framework": plan.framework}
            labels = {k: v for k, v in labels.items() if v}
            pushed_image = await with_retries(
                lambda: pushed(
                    self._app, plan, target, self._scratch, dependencies, key, f"commit-{self._task.spec.build_key}", labels
                ),
                RegistryUnreachableError,
            )
            seconds = round(time.monotonic() - began, 3)
        self._update(image_bytes=pushed_image.octets, pushed_bytes=pushed_image.sent, push_seconds=seconds)
        return f"{self._task.repository}@{pushed_image.digest}"

    async def _restore(self, target: Target, key: str, folder: str) -> bool:
        """Restore the packages of an earlier build with the same manifests. Return whether there were any."""
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
            self._reporter.line(
                f"the packages of an earlier build cannot be restored and are installed again: {error}", "warning"
            )
            return False
        finally:
            shutil.rmtree(holder, ignore_errors=True)
            file.unlink(missing_ok=True)
        return True

    async def _seal(self) -> None:
        """Pack the packages for the next build as they were installed. If this fails, the next build installs them again."""
        folder, file = str(self._fetched["packages"]), self._scratch / _SEALED
        try:
            if (self._app / folder).is_dir():
                self._sealed = await asyncio.to_thread(packed_packages, self._app, folder, file)
        except (BuildError, OSError) as error:
            file.unlink(missing_ok=True)
            self._reporter.line(f"the packages are not stored for the next build: {error}", "warning")
        finally:
            put(self._places.go_build, {})

    async def _keep(self) -> None:
        """Store the packed packages, after the result is reported."""
        if self._sealed is None:
            return
        document, file = self._fetched, self._scratch / _SEALED
        try:
            async with outgoing.client() as client:
                target = self._target(client, self._image(document))
                await keep_packages(target.registry, target.repository, str(document["kept"]), self._sealed, file)
        except (BuildError, OSError) as error:
            sys.stderr.write(f"the packages cannot be stored for the next build: {error}\n")
        else:
            sys.stdout.write(f"stored {document['packages']} for the next build, {self._sealed.size} bytes\n")
        finally:
            file.unlink(missing_ok=True)

    async def _planned(self) -> dict[str, Any]:
        """Wait for the document of the fetch container."""
        while True:
            failed = read(self._places.failed)
            if failed:
                error = BuildError(str(failed["message"]))
                error.reason = str(failed["reason"])
                raise error
            if self._places.program.exists() and (plan_document := read(self._places.plan)):
                return plan_document
            await asyncio.sleep(_POLL_SECONDS)

    def _image(self, document: Mapping[str, Any]) -> RunImage:
        runtime = "static" if not document["start"] else document["runtime"]
        for image in self._task.images:
            if image.runtime == runtime and (runtime == "static" or image.version == document["version"]):
                return image
        message = f"this installation has no base image for {runtime} {document['version']}"
        raise BuildError(message, advice="Add one to the chart's builds.images.")

    def _target(self, client: outgoing.Client, image: RunImage) -> Target:
        config = configured(self._root / "registry")
        to, base = Reference.parse(self._task.repository), Reference.parse(image.image)
        registry = Registry(client, to.host, insecure=self._task.insecure, identity=credentials(config, to.host))
        same = base.host == to.host
        other = registry if same else Registry(client, base.host, insecure=False, identity=credentials(config, base.host))
        return Target(registry, to.repository, other, base)

    # -- the commands -------------------------------------------------------------------------------------------------

    async def _watched(self, *, reused: bool) -> None:
        """Forward the log until every process of the commands has ended. Raises the error of a failed command."""
        while not self._places.started.exists():  # noqa: ASYNC110  written by another container
            await asyncio.sleep(_POLL_SECONDS)
        while not is_free(self._places.lock):
            self._ship()
            if self._places.installed.exists() and not self._places.go_build.exists():
                await self._seal()
            await asyncio.sleep(_POLL_SECONDS)
        self._ship()
        result = read(self._places.result)
        if result is None:
            message = "the build's container was killed"
            raise _GoneError(message, advice="The usual cause is its memory limit: raise builds.memory, or reduce the build.")
        seconds = result.get("seconds") or {}
        self._update(
            install_seconds=float(seconds.get("install", 0)),
            build_seconds=float(seconds.get("build", 0)),
            installed="reused" if reused else "installed",
        )
        if result["status"]:
            raise _failed(int(result["status"]), str(result["command"]), [str(line) for line in result["tail"]])

    def _ship(self) -> None:
        """Forward the new complete lines of the log."""
        try:
            with self._places.log.open("rb") as log:
                log.seek(self._read)
                data = log.read(1 << 20)
        except OSError:
            return
        whole = data.rfind(b"\n") + 1
        self._read += whole
        for line in data[:whole].decode("utf-8", "replace").splitlines():
            self._reporter.line(redacted(line, *self._secrets))

    # -- reports ------------------------------------------------------------------------------------------------------

    def _report_plan(self, document: Mapping[str, Any], image: RunImage) -> None:
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
        self._update(**{name: document[name] for name in names}, port=image.port, fetch_seconds=float(document["seconds"]))
        self._reporter.line(f"detected a {document['framework']} app: {'; '.join(document['evidence'])}")

    def _update(self, **fields: object) -> None:
        self._summary = BuildSummary.model_validate({**self._summary.model_dump(), **fields})
        self._reporter.update(build=self._summary)


def _plan(document: Mapping[str, Any]) -> BuildPlan:
    names: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in document.items() if k not in _BESIDE}
    names["layers"] = tuple(
        Layer(layer["name"], *(tuple(layer[k]) for k in ("include", "exclude", "rooted"))) for layer in document["layers"]
    )
    return BuildPlan(**names)


def _failed(status: int, command: str, tail: list[str]) -> BuildError:
    log = "\n".join(tail)
    error = BuildError(f"`{command}` ended with status {status}", advice=advice(log), log="\n".join(tail[-_TAIL_LINES:]))
    if status == _KILLED:
        error.reason, error.advice = (
            "BuildOutOfMemory",
            "It was killed, usually because of its memory limit: raise builds.memory, or reduce the build.",
        )
    elif is_full(log):
        error.reason = "BuildDiskFull"
    elif is_broken_off(log):
        error.reason = "PackagesUnreachable"
    return error


def _error_text(error: BuildError) -> str:
    log = f"Its last lines:\n{error.log}" if error.log else ""
    return advised(error.message, " ".join(part for part in (error.advice, log) if part))[:3500]
