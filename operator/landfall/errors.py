"""Reasons of errors: a stable name, whether a retry helps, and what the user has to do.

`REASONS` is the only place that decides this. The worker, the rules of the controllers and the documentation read it. Defining an
error class whose reason is not in `REASONS` raises TypeError.

This module is pure, and the engine may import it: it does not know Kubernetes or the API types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from landfall.lib.text import advised


class Retry(StrEnum):
    """Whether and when a failed operation is retried."""

    NOW = "Now"
    """Retry immediately: the work was stopped on purpose and resumes from its last checkpoint."""
    BACKOFF = "Backoff"
    """Retry without any change, with exponential back-off."""
    AFTER_CHANGE = "AfterChange"
    """Retry every few minutes: the user has to change something that the operator cannot watch, such as a grant."""
    NEVER = "Never"
    """Do not retry until the spec changes: the same attempt would fail in the same way."""

    @property
    def by_itself(self) -> bool:
        """Whether a retry can succeed without any change by the user."""
        return self in {Retry.NOW, Retry.BACKOFF}


@dataclass(frozen=True, slots=True)
class ReasonRule:
    """How a reason is handled.

    Attributes:
        retry: Whether and when to retry.
        hint: What the user has to do, as a sentence.
        section: The heading in `docs/guides/troubles.md` under which the reason is explained.
        discarded_by_rollback: A rollback that discards the rows written since the cutover does not fail for this reason.
    """

    retry: Retry
    hint: str
    section: str
    discarded_by_rollback: bool = False


_ANY = "All kinds"
_ENDS = "Connections"
_PLAN = "Plan"
_RUN = "Run"
_SOURCE = "App source"
_BUILD = "App build"
_DATABASE = "App database"

REASONS: Mapping[str, ReasonRule] = {
    "SpecInvalid": ReasonRule(Retry.NEVER, "Correct the field that the message names.", _ANY),
    "SecretMissing": ReasonRule(Retry.AFTER_CHANGE, "Create the Secret, or add the key.", _ANY),
    "NotDelivered": ReasonRule(Retry.AFTER_CHANGE, "Correct the Secret that the message names.", _ANY),
    "Failed": ReasonRule(Retry.NEVER, "Read the logs of the worker and of the database server.", _ANY),
    "Unreachable": ReasonRule(
        Retry.BACKOFF, "Check host, port and `tls` in the Connection, and that no firewall blocks this machine.", _ENDS
    ),
    "ConnectionLost": ReasonRule(Retry.BACKOFF, "Run the same command again; it resumes where it stopped.", _ENDS),
    "CredentialRefused": ReasonRule(Retry.AFTER_CHANGE, "Check username and password in the Secret.", _ENDS),
    "PrivilegeMissing": ReasonRule(Retry.AFTER_CHANGE, "Grant the privilege that the message names.", _ENDS),
    "Unreadable": ReasonRule(
        Retry.AFTER_CHANGE, "Repair the table in the source, or exclude it with spec.data.source.excludeTables.", _ENDS
    ),
    "ObjectMissing": ReasonRule(Retry.AFTER_CHANGE, "Correct the name, or create the object.", _ENDS),
    "DiskFull": ReasonRule(Retry.AFTER_CHANGE, "Free space on that server.", _ENDS),
    "LockTimeout": ReasonRule(Retry.BACKOFF, "End the transaction that holds the lock.", _ENDS),
    "RunConflict": ReasonRule(Retry.BACKOFF, "Wait for the other run, or cancel it.", _ENDS),
    "LedgerTooNew": ReasonRule(Retry.NEVER, "Use the version of Landfall that wrote the ledger, or a newer one.", _ENDS),
    "TargetInTheWay": ReasonRule(Retry.AFTER_CHANGE, "Set spec.data.target.onExisting, or move the tables away.", _PLAN),
    "ApprovalRequired": ReasonRule(Retry.NEVER, "Read the plan and approve its digest.", _PLAN),
    "PlanBlocked": ReasonRule(Retry.NEVER, "Resolve the blockers that the message names.", _PLAN),
    "ValueRefused": ReasonRule(
        Retry.NEVER, "Roll back, choose a policy for the column, and plan again with a new rerunToken.", _RUN
    ),
    "SourceChanged": ReasonRule(Retry.NEVER, "Roll back and plan again with a new rerunToken.", _RUN),
    "RunEnded": ReasonRule(Retry.NEVER, "Change spec.data.rerunToken to run it again.", _RUN),
    "Superseded": ReasonRule(Retry.BACKOFF, "Another process has taken this run over. No action is needed.", _RUN),
    "VerdictBad": ReasonRule(Retry.NEVER, "Compare the named rows on the source and on the target.", _RUN),
    "DependantInTheWay": ReasonRule(Retry.AFTER_CHANGE, "Drop the dependent object, or plan again.", _RUN),
    "WrittenSinceCutover": ReasonRule(
        Retry.NEVER, "Save the rows, then set spec.rollback.discardWrites.", _RUN, discarded_by_rollback=True
    ),
    "Interrupted": ReasonRule(Retry.NOW, "Run the same command again; it resumes where it stopped.", _RUN),
    "CutoverHeld": ReasonRule(Retry.BACKOFF, "Start the migration, or wait for its start time or maintenance window.", _RUN),
    "FenceLeft": ReasonRule(Retry.BACKOFF, "Check that the source can be reached, then roll back again.", _RUN),
    "PauseExceeded": ReasonRule(Retry.NEVER, "Raise spec.data.cutover.maxPause, or stop the source's writers.", _RUN),
    "SourceMissing": ReasonRule(Retry.AFTER_CHANGE, "Correct `source`.", _SOURCE),
    "SourceRefused": ReasonRule(Retry.AFTER_CHANGE, "Use a token with the permission that the message names.", _SOURCE),
    "SourceUnreachable": ReasonRule(Retry.BACKOFF, "Wait; it is retried.", _SOURCE),
    "RateLimited": ReasonRule(Retry.BACKOFF, "Wait; it is retried when the rate limit resets.", _SOURCE),
    "FolderMissing": ReasonRule(Retry.NEVER, "Correct `path`.", _SOURCE),
    "ManifestInvalid": ReasonRule(Retry.NEVER, "Correct the manifest that the message names.", _SOURCE),
    "FrameworkUnknown": ReasonRule(Retry.NEVER, "Set build.framework or the commands.", _SOURCE),
    "FrameworkAmbiguous": ReasonRule(Retry.NEVER, "Set build.framework.", _SOURCE),
    "FrameworkUnsupported": ReasonRule(Retry.NEVER, "Do what the message says.", _SOURCE),
    "WorkspaceMissing": ReasonRule(Retry.NEVER, "Use the whole repository as source, and set path.", _SOURCE),
    "RuntimeMissing": ReasonRule(Retry.NEVER, "Choose a version for which this installation has an image.", _SOURCE),
    "BuildFailed": ReasonRule(Retry.NEVER, "Read the end of the log, correct the cause, and push.", _BUILD),
    "NoStartCommand": ReasonRule(Retry.NEVER, "Set build.startCommand.", _BUILD),
    "StartMissing": ReasonRule(Retry.NEVER, "Correct the start script, or set build.startCommand.", _BUILD),
    "BuildOutOfMemory": ReasonRule(Retry.NEVER, "Raise the chart's builds.memory.", _BUILD),
    "BuildDiskFull": ReasonRule(Retry.NEVER, "Raise the chart's builds.disk.", _BUILD),
    "BuildKilled": ReasonRule(Retry.NEVER, "Raise the chart's builds.timeoutSeconds.", _BUILD),
    "PackagesUnreachable": ReasonRule(Retry.BACKOFF, "Wait; it is retried. Set the chart's builds.env to use a mirror.", _BUILD),
    "RegistryRefused": ReasonRule(Retry.AFTER_CHANGE, "Correct the Secret that builds.secret names.", _BUILD),
    "RegistryUnreachable": ReasonRule(Retry.BACKOFF, "Wait; it is retried.", _BUILD),
    "DatabaseComing": ReasonRule(Retry.BACKOFF, "Wait; the provider is creating the database.", _DATABASE),
    "DatabaseMissing": ReasonRule(Retry.AFTER_CHANGE, "Correct the name in the message.", _DATABASE),
    "DatabaseConflict": ReasonRule(Retry.AFTER_CHANGE, "Choose another name.", _DATABASE),
    "DatabaseFailed": ReasonRule(Retry.AFTER_CHANGE, "Check the project in the provider's dashboard.", _DATABASE),
    "DatabaseRefused": ReasonRule(Retry.AFTER_CHANGE, "Correct what the message names.", _DATABASE),
    "DatabaseUnreachable": ReasonRule(Retry.BACKOFF, "Wait; it is retried.", _DATABASE),
    "AwaitingApiKey": ReasonRule(
        Retry.AFTER_CHANGE, "Create the key in the provider's console and add it to the Secret.", _DATABASE
    ),
}


def rule_of(reason: str) -> ReasonRule:
    """Return the rule for a reason.

    Args:
        reason: A reason such as `Unreachable`. Another version of Landfall may have reported it.

    Returns:
        The rule. An unknown reason gets the rule of `Failed`, which is not retried.
    """
    return REASONS.get(reason, REASONS["Failed"])


class LandfallError(Exception):
    """Base class of all errors that are reported to a user or a program.

    `reason` is stable: conditions and scripts use it. `advice` says what to do in this case; if it is empty, `hint` returns the text
    from `REASONS`. An instance may have a more specific reason than its class.
    """

    reason: str = "Failed"

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401  any class option
        """Check that the reason of a new error class is registered.

        Raises:
            TypeError: The reason is not in `REASONS`.
        """
        super().__init_subclass__(**options)
        if cls.reason not in REASONS:
            message = f"{cls.__name__}: the reason {cls.reason!r} is not in landfall.errors.REASONS, which says whether to retry"
            raise TypeError(message)

    def __str__(self) -> str:
        return advised(self.message, self.advice)

    @property
    def retry(self) -> Retry:
        """Whether and when to retry."""
        return rule_of(self.reason).retry

    @property
    def hint(self) -> str:
        """What the user has to do, as a sentence."""
        return self.advice or rule_of(self.reason).hint
