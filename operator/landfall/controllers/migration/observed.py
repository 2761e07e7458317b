"""What is observed of a Migration before a decision: the object, what it refers to, its Run and its Jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from landfall.api.annotations import Request
from landfall.api.connection import Connection
from landfall.api.migration import Migration
from landfall.api.run import RunStatus
from landfall.api.worker_protocol import Verb
from landfall.controllers.decision import ObservedObject
from landfall.controllers.job_state import ObservedJob
from landfall.controllers.migration.rules_app import ObservedApp
from landfall.ledger_states import State


@dataclass(frozen=True, slots=True)
class ObservedMigration(ObservedObject):
    """Everything about one Migration.

    `run`: its Run's status; None if there is no Run. `run_differs`: that Run has begun, and the spec now declares another one because of
    changes to the fields in `changed`.
    """

    migration: Migration | None = None
    finalizer: bool = False
    hold: str = ""
    namespace_ends: bool = False
    deleting_seconds: float = 0
    connections: Mapping[str, Connection | None] = field(default_factory=dict)
    missing_secrets: tuple[str, ...] = ()
    inputs: str = ""
    run_name: str = ""
    run: RunStatus | None = None
    run_foreign: bool = False
    run_differs: bool = False
    changed: tuple[str, ...] = ()
    request: Request | None = None
    request_problem: str = ""
    plan_stored: bool = False
    app: ObservedApp | None = None
    jobs: tuple[ObservedJob, ...] = ()

    def last(self, verb: Verb) -> ObservedJob | None:
        """The newest Job of a verb."""
        of_verb = [j for j in self.jobs if j.verb == verb]
        return max(of_verb, key=lambda j: j.attempt) if of_verb else None

    @property
    def active(self) -> ObservedJob | None:
        """The Job in progress. A planning worker changes nothing, so it does not count once it has reported its plan."""
        return next((j for j in self.leading if not j.over and not (j.verb == "plan" and self._has_reported_plan(j.name))), None)

    @property
    def leading(self) -> tuple[ObservedJob, ...]:
        """The Jobs except those of copy helpers."""
        return tuple(j for j in self.jobs if j.verb != "help")

    def _has_reported_plan(self, job: str) -> bool:
        return bool(self.run and self.run.finished == job and self.run.plan and not self.run.failure)

    @property
    def pending(self) -> Request | None:
        """The request, if it is not recorded as handled."""
        status = self.migration.status if self.migration else None
        handled = status.last_handled_request if status else ""
        return self.request if self.request and self.request.id != handled else None

    @property
    def started(self) -> bool:
        """Whether the start of this run is recorded: only then may a worker change the target."""
        status = self.migration.status if self.migration else None
        return bool(status and status.start_time and status.run == self.run_name)

    @property
    def state(self) -> State | None:
        """The run's state in the ledger, as last reported; None before it starts."""
        return (self.run.state or None) if self.run else None
