"""What the actions of all kinds share.

Each kind lists its actions as a tagged union (`<kind>/actions.py`). Its rules choose one, and its loop executes it in an exhaustive
`match`, so that the type checker reports an action without an implementation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class ControllerAction:
    """One idempotent write.

    Attributes:
        log_name: Its name in the log event `action_applied`.
    """

    log_name: ClassVar[str]

    @property
    def log_fields(self) -> Mapping[str, str | int]:
        """Further fields of that log event. `object` is the object that the action writes.

        Returns:
            Fields by name; empty if there are none.
        """
        return {}


@dataclass(frozen=True, slots=True)
class NamedAction(ControllerAction):
    """An action on the object `name` in the namespace of the reconciled object."""

    name: str

    @property
    def log_fields(self) -> Mapping[str, str | int]:
        """The object's name."""
        return {"object": self.name}


@dataclass(frozen=True, slots=True)
class DeleteJob(NamedAction):
    """Delete a Job with its pods and its task."""

    log_name: ClassVar[str] = "delete_job"
