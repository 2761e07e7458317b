"""A Job, as the rules of all kinds see it."""

from __future__ import annotations

from dataclasses import dataclass

from landfall.api.worker_protocol import Verb


def made_from(inputs: str) -> str:
    """The part of a Job's inputs that a plan depends on. It leaves out the versions of Secrets."""
    return inputs.partition(".")[0]


@dataclass(frozen=True, slots=True)
class ObservedJob:
    """One Job.

    `verb`: what its worker does; None for a verb that this version does not know. `inputs`: digest of what it was created from.
    `ended_seconds`: seconds since it ended. `reason`: why it failed, for users. `problem`: why a build failed for good, as (reason, message).
    """

    name: str
    verb: Verb | None
    attempt: int
    inputs: str
    complete: bool = False
    failed: bool = False
    suspended: bool = False
    ended_seconds: float = 0
    parallelism: int = 1
    reason: str = ""
    problem: tuple[str, str] | None = None

    @property
    def made_from(self) -> str:
        """Its inputs without the versions of Secrets: what a plan depends on."""
        return made_from(self.inputs)

    @property
    def over(self) -> bool:
        """Whether it is complete or failed: the only final conditions."""
        return self.complete or self.failed
