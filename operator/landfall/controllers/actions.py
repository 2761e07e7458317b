"""What the actions of all kinds share.

Each kind lists its own actions as a tagged union (`<kind>/actions.py`), its rules choose one, and its loop carries it out with an
exhaustive `match`: an action that nobody carries out is an error of the type checker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class ControllerAction:
    """One idempotent write. `log_name` is its name in the log event `action_applied`."""

    log_name: ClassVar[str]

    @property
    def log_fields(self) -> Mapping[str, str | int]:
        """Further fields of that event: `object` is what the action is about."""
        return {}


@dataclass(frozen=True, slots=True)
class NamedAction(ControllerAction):
    """An action on the object `name` in the namespace of the object that is reconciled."""

    name: str

    @property
    def log_fields(self) -> Mapping[str, str | int]:
        """The object's name."""
        return {"object": self.name}


@dataclass(frozen=True, slots=True)
class DeleteJob(NamedAction):
    """Delete a Job with its pods and its task."""

    log_name: ClassVar[str] = "delete_job"
