"""A Job as the kinds see it."""

from __future__ import annotations

from dataclasses import dataclass

from landfall.api.worker_protocol import Verb


def made_from(inputs: str) -> str:
    """The part of inputs that a plan depends on: a Secret that was renewed changes no plan."""
    return inputs.partition(".")[0]


@dataclass(frozen=True, slots=True)
class ObservedJob:
    """One Job. `inputs` is the digest of what it was made from, `ended_seconds` how long it has been over, `reason` why it failed, in words.

    `problem` is the same of a builder that need not be tried again, as (reason, message).
    """

    name: str
    verb: Verb
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
        """Only these two conditions are terminal."""
        return self.complete or self.failed
