"""The states of a run in the target's ledger, and what each of them means for the Migration, its steps and its progress.

`STATES` is the one table of them: the engine, the operator's rules, the command line and the gateway read it. Pure; a state that is added
here is a row, and everything that lists states follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from landfall.lifecycle import PHASE_NAMES, STARTABLE, Phase, PhaseName, StepName


class State(StrEnum):
    """`status.state` of a Run: the state of the run in the target's ledger, in the order in which a run passes them.

    Only these changes happen: each to the next, to CANCELLED before the cutover, and to ROLLED_BACK after it.
    """

    SCHEMA = "schema"
    COPYING = "copying"
    INDEXING = "indexing"
    COMPARING = "comparing"
    CUT_OVER = "cut_over"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled_back"

    @property
    def ended(self) -> bool:
        """Whether the run's key is used up."""
        return self in {State.CANCELLED, State.ROLLED_BACK}

    @property
    def staged(self) -> bool:
        """Whether the run has begun and neither been cut over nor ended: its tables are in the staging schema."""
        return STATES[self].step is not None


# Where the run's state is read from an object or a report: empty before the run begins.
StateName = State | Literal[""]


class Estimate(StrEnum):
    """The parts of a run whose duration a plan estimates: the keys in the estimates of a plan, in seconds."""

    SCHEMA = "schemaSeconds"
    COPY = "copySeconds"
    INDEX = "indexSeconds"
    VALIDATION = "validationSeconds"
    CUTOVER = "cutoverSeconds"


@dataclass(frozen=True, slots=True)
class StateRow:
    """One state of a run.

    Attributes:
        step: The step in progress; None if all are done.
        phase: The Migration's phase while a worker runs.
        label: The text for users.
        doc: What it means, for the reference.
        estimates: The estimates of the plan that are its share of the progress; empty if nothing remains to be done.
        duration: The name of its duration in a table of measured times.
        helpers: Copy helpers may share the work.
    """

    step: StepName | None
    phase: Phase
    label: str
    doc: str
    estimates: tuple[Estimate, ...] = ()
    duration: str = ""
    helpers: bool = False


STATES: Mapping[State, StateRow] = {
    State.SCHEMA: StateRow(
        "schema_migration",
        Phase.RUNNING,
        "creating the schema in staging",
        "Tables are created in staging.",
        (Estimate.SCHEMA,),
        "schema",
        helpers=True,
    ),
    State.COPYING: StateRow(
        "data_transfer", Phase.RUNNING, "copying rows", "Rows are copied.", (Estimate.COPY,), "copy", helpers=True
    ),
    State.INDEXING: StateRow(
        "validation",
        Phase.RUNNING,
        "building indexes",
        "Indexes and keys are built on the copied rows.",
        (Estimate.INDEX,),
        "indexes",
    ),
    State.COMPARING: StateRow(
        "validation",
        Phase.VALIDATING,
        "comparing both sides and cutting over",
        "Both sides are compared, then cut over.",
        (Estimate.VALIDATION, Estimate.CUTOVER),
        "verification and keys",
    ),
    State.CUT_OVER: StateRow(None, Phase.COMPLETED, "cut over", "The cutover is done."),
    State.ROLLED_BACK: StateRow(None, Phase.ROLLED_BACK, "rolled back", "The retained tables were restored."),
    State.CANCELLED: StateRow(None, Phase.CANCELLED, "cancelled", "The staged tables were dropped."),
}
# The states that a run passes, in their order, and those of them in which there is work to do.
ORDER = tuple(state for state in State if not state.ended)
WORK = tuple(state for state in ORDER if state.staged)
# The duration that a plan estimates for each phase of the REST contract. Building the indexes has an estimate of its own.
PHASE_ESTIMATES: Mapping[PhaseName, Estimate] = {
    "schema_migration": Estimate.SCHEMA,
    "data_transfer": Estimate.COPY,
    "validation": Estimate.VALIDATION,
    "cutover": Estimate.CUTOVER,
}
# The parts of a log, and the tags of the lines in each: the verbs of workers, and the states of its step.
LogPart = Literal[StepName, "rehearsal", "app"]
_VERB_TAGS: Mapping[LogPart, tuple[str, ...]] = {
    "planning": ("plan",),
    "schema_migration": ("run",),
    "data_transfer": ("help",),
    "validation": (),
    "cutover": ("back", "tidy"),
    "rehearsal": ("rehearse",),
    "app": ("app", "build"),
}
LOG_TAGS: Mapping[LogPart, tuple[str, ...]] = {
    part: (*tags, *(state for state, row in STATES.items() if (row.step or "cutover") == part))
    for part, tags in _VERB_TAGS.items()
}


def may_follow(now: State, then: State) -> bool:
    """Whether a run may go from one state to another."""
    if now.ended:
        return False
    if then is State.CANCELLED:
        return now is not State.CUT_OVER
    if then is State.ROLLED_BACK:
        return now is State.CUT_OVER
    return ORDER.index(then) == ORDER.index(now) + 1


def last_startable_phase(state: State | None) -> int:
    """The last phase that a run can start from.

    Args:
        state: The run's state in the ledger; None if it has not started.

    Returns:
        The index in PHASE_NAMES.
    """
    row = STATES[state] if state else None
    return max(STARTABLE, PHASE_NAMES.index(row.step) if row and row.step and row.step != "planning" else 0)
