"""Errors of the engine: one class for each cause.

Every error that leaves the engine is one of these. The message says what happened, to which object, and what to do. It never contains
a password or a value of a row. Errors of database clients are translated in `clients/errors.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from landfall.errors import LandfallError


class EngineError(LandfallError):
    """Base class of the engine's errors. `code` is the database's own error code; empty if it sent none."""

    reason = "Failed"
    code = ""


class SpecError(EngineError):
    """The manifest is invalid: a wrong name, an unknown field, or fields that exclude each other."""

    reason = "SpecInvalid"


class EngineRegistrationError(EngineError):
    """An engine that an installed package offers cannot be used: it is not importable, not an engine, or its name is taken."""


class UnreachableError(EngineError):
    """No server answers at the address, or TLS negotiation failed."""

    reason = "Unreachable"


class CredentialRefusedError(EngineError):
    """The server rejects the credential."""

    reason = "CredentialRefused"


class PrivilegeMissingError(EngineError):
    """The database user lacks a privilege that the plan needs, or cannot read all objects."""

    reason = "PrivilegeMissing"


class ObjectMissingError(EngineError):
    """A schema, table, database, file or extension that the spec names does not exist."""

    reason = "ObjectMissing"


class UnreadableTableError(EngineError):
    """The source cannot read a table: it is damaged, or its storage engine does not reach what it stands for."""

    reason = "Unreadable"


class TargetInTheWayError(EngineError):
    """The target has tables with the same names, and `onExisting: Fail` protects them."""

    reason = "TargetInTheWay"


class ValueRefusedError(EngineError):
    """A row has a value that the target type cannot store and that no approved rule covers."""

    reason = "ValueRefused"


class SourceChangedError(EngineError):
    """The schema of the source has changed since the plan was created."""

    reason = "SourceChanged"


class RunConflictError(EngineError):
    """Another run uses the target schema, or another process runs this migration."""

    reason = "RunConflict"


class RunEndedError(EngineError):
    """The run with this key was cancelled or rolled back and cannot be resumed."""

    reason = "RunEnded"


class LedgerTooNewError(EngineError):
    """A newer version of Landfall has written the ledger."""

    reason = "LedgerTooNew"


class ApprovalRequiredError(EngineError):
    """The plan, or the end of the write activity on the source, needs the approval of a person."""

    reason = "ApprovalRequired"


class PlanBlockedError(EngineError):
    """The plan has blockers that must be resolved before the run."""

    reason = "PlanBlocked"


class DiskFullError(EngineError):
    """A database server is out of disk space."""

    reason = "DiskFull"


class ConnectionLostError(EngineError):
    """A database connection was lost. The run can be resumed."""

    reason = "ConnectionLost"


class SupersededError(EngineError):
    """Another process has taken this run over. This process must stop without writing."""

    reason = "Superseded"


class VerificationError(EngineError):
    """Source and target still differ after all repairs."""

    reason = "VerdictBad"


class DependantError(EngineError):
    """An object outside the plan depends on an object that must be replaced or dropped."""

    reason = "DependantInTheWay"


class WrittenSinceError(EngineError):
    """Rows were written to the new tables after the cutover, and a rollback would lose them."""

    reason = "WrittenSinceCutover"


class InterruptedRunError(EngineError):
    """The run was stopped on request. The same command resumes it."""

    reason = "Interrupted"


class CutoverHeldError(EngineError):
    """Everything is copied, and the cutover waits for its start time, its maintenance window or its app."""

    reason = "CutoverHeld"


class PauseExceededError(EngineError):
    """The write lock would last longer than allowed. It was released, and the run can be resumed."""

    reason = "PauseExceeded"


class FenceLeftError(EngineError):
    """The source still refuses writers, because its fence could not be removed."""

    reason = "FenceLeft"


class SourceBusyError(EngineError):
    """A lock on the source or the target could not be acquired in time."""

    reason = "LockTimeout"


@contextlib.contextmanager
def concerning(what: str) -> Iterator[None]:
    """Add what the failed operation was about to the message of an error inside the block, unless retrying without any change helps.

    Args:
        what: For example `the comparison of table shop.item`.
    """
    try:
        yield
    except EngineError as error:
        if not error.retry.by_itself and what not in error.message:
            error.message = f"{error.message} ({what})"
            error.args = (error.message,)
        raise
