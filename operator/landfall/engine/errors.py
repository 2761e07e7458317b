"""What can go wrong while data moves, one type per fact.

Every error that leaves the engine is one of these. The message says what happened, to what, and what to do
next; it never holds a password or a value of a row. Foreign exceptions are translated in `connect`.
"""

from __future__ import annotations

from landfall.errors import LandfallError


class EngineError(LandfallError):
    """Anything the engine reports. `code` is the database's own, where it gave one."""

    reason = "Failed"
    code = ""


class SpecError(EngineError):
    """The manifest asks for something that cannot be: a wrong name, an unknown field, two that exclude each other."""

    reason = "SpecInvalid"


class UnreachableError(EngineError):
    """No server answers at the address."""

    reason = "Unreachable"


class CredentialRefusedError(EngineError):
    """The server answers and turns the credential away."""

    reason = "CredentialRefused"


class PrivilegeMissingError(EngineError):
    """The credential may not do what the plan needs, or may not see everything."""

    reason = "PrivilegeMissing"


class ObjectMissingError(EngineError):
    """A schema, table, database, file or extension that the spec names is not there."""

    reason = "ObjectMissing"


class TargetInTheWayError(EngineError):
    """The target holds tables that `onExisting: Fail` protects."""

    reason = "TargetInTheWay"


class ValueRefusedError(EngineError):
    """A row holds a value that the target type cannot hold and no approved rule covers."""

    reason = "ValueRefused"


class SourceChangedError(EngineError):
    """The source's schema is no longer the one that was planned."""

    reason = "SourceChanged"


class RunConflictError(EngineError):
    """Another run holds the target schema, or another process runs this migration."""

    reason = "RunConflict"


class RunEndedError(EngineError):
    """This run key has ended for good (cancelled or rolled back)."""

    reason = "RunEnded"


class LedgerTooNewError(EngineError):
    """The ledger was written by a newer version."""

    reason = "LedgerTooNew"


class ApprovalRequiredError(EngineError):
    """The plan needs a person's word before anything moves."""

    reason = "ApprovalRequired"


class PlanBlockedError(EngineError):
    """The plan found something that must be decided or mended before it can run."""

    reason = "PlanBlocked"


class DiskFullError(EngineError):
    """A server ran out of disk space."""

    reason = "DiskFull"


class ConnectionLostError(EngineError):
    """A connection ended in the middle of work. The work is resumable."""

    reason = "ConnectionLost"


class SupersededError(EngineError):
    """Another process took this run over; this one must stop without writing."""

    reason = "Superseded"


class VerdictError(EngineError):
    """Source and target differ after everything that could mend it was done."""

    reason = "VerdictBad"


class DependantError(EngineError):
    """Something outside the plan depends on an object that has to move or go."""

    reason = "DependantInTheWay"


class WrittenSinceError(EngineError):
    """Rows were written to the new tables since the cutover."""

    reason = "WrittenSinceCutover"


class InterruptedRunError(EngineError):
    """A person stopped the run; the same command goes on from here."""

    reason = "Interrupted"


class CutoverHeldError(EngineError):
    """Everything is copied, and the hour of the cutover has not come."""

    reason = "CutoverHeld"


class PauseExceededError(EngineError):
    """Writers would be locked out for longer than allowed. The lock was given back, and the run is resumable."""

    reason = "PauseExceeded"


class SourceBusyError(EngineError):
    """A lock on source or target could not be had in time."""

    reason = "LockTimeout"
