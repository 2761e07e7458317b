"""Errors as the whole product tells them: a stable reason, whether trying again helps, and what to do.

One registry says for each reason what follows from it. The worker, the operator's rules and the documentation read it, so that no
caller decides anew whether an error is worth another attempt. A class of errors whose reason is not in the registry cannot be defined.

This module is pure, and the engine may import it: it knows nothing of Kubernetes or of the API types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from landfall.lib.text import advised


class Retry(StrEnum):
    """When another attempt makes sense."""

    NOW = "Now"
    """At once: the work was stopped on purpose and goes on from where it is."""
    BACKOFF = "Backoff"
    """With nothing changed, after a pause that grows with each attempt."""
    AFTER_CHANGE = "AfterChange"
    """After somebody has changed something outside that cannot be watched, as a grant. It is tried again every few minutes."""
    NEVER = "Never"
    """Only with another spec. The same attempt fails in the same way."""

    @property
    def by_itself(self) -> bool:
        """Whether an attempt may succeed although nobody changes anything."""
        return self in {Retry.NOW, Retry.BACKOFF}


@dataclass(frozen=True, slots=True)
class Rule:
    """What follows from a reason. `section` is the heading in `docs/guides/troubles.md` under which it is explained."""

    retry: Retry
    hint: str
    section: str


_ANY = "All kinds"
_ENDS = "Connections"
_PLAN = "Plan"
_RUN = "Run"
_SOURCE = "App source"
_BUILD = "App build"
_DATABASE = "App database"

REASONS: Mapping[str, Rule] = {
    "SpecInvalid": Rule(Retry.NEVER, "Correct the field that the message names.", _ANY),
    "SecretMissing": Rule(Retry.AFTER_CHANGE, "Create the Secret, or add the key.", _ANY),
    "NotDelivered": Rule(Retry.AFTER_CHANGE, "Correct the Secret that the message names.", _ANY),
    "Failed": Rule(Retry.NEVER, "Look at the logs of the worker and of the database server.", _ANY),
    "Unreachable": Rule(
        Retry.BACKOFF, "Check host, port and `tls` in the Connection, and that a firewall lets this machine through.", _ENDS
    ),
    "ConnectionLost": Rule(Retry.BACKOFF, "Run the same command again; it goes on where it stopped.", _ENDS),
    "CredentialRefused": Rule(Retry.AFTER_CHANGE, "Check username and password in the Secret.", _ENDS),
    "PrivilegeMissing": Rule(Retry.AFTER_CHANGE, "Grant what the message names.", _ENDS),
    "ObjectMissing": Rule(Retry.AFTER_CHANGE, "Correct the name, or create the object.", _ENDS),
    "DiskFull": Rule(Retry.AFTER_CHANGE, "Free space on that server.", _ENDS),
    "LockTimeout": Rule(Retry.BACKOFF, "End the transaction that holds the lock.", _ENDS),
    "RunConflict": Rule(Retry.BACKOFF, "Wait for the other run, or cancel it.", _ENDS),
    "LedgerTooNew": Rule(Retry.NEVER, "Use the version of Landfall that wrote the ledger, or a newer one.", _ENDS),
    "TargetInTheWay": Rule(Retry.AFTER_CHANGE, "Set spec.data.target.onExisting, or move the tables away.", _PLAN),
    "ApprovalRequired": Rule(Retry.NEVER, "Read the plan and approve its digest.", _PLAN),
    "PlanBlocked": Rule(Retry.NEVER, "Settle the blockers that the message names.", _PLAN),
    "ValueRefused": Rule(Retry.NEVER, "Roll back, choose a policy for the column, and plan again with a new rerunToken.", _RUN),
    "SourceChanged": Rule(Retry.NEVER, "Roll back and plan again with a new rerunToken.", _RUN),
    "RunEnded": Rule(Retry.NEVER, "Change spec.data.rerunToken to run it again.", _RUN),
    "Superseded": Rule(Retry.BACKOFF, "Another process has taken this run over; leave it to that one.", _RUN),
    "VerdictBad": Rule(Retry.NEVER, "Compare the rows that are named on both sides.", _RUN),
    "DependantInTheWay": Rule(Retry.AFTER_CHANGE, "Drop the dependent object, or plan again.", _RUN),
    "WrittenSinceCutover": Rule(Retry.NEVER, "Save the rows, then set spec.rollback.discardWrites.", _RUN),
    "Interrupted": Rule(Retry.NOW, "Run the same command again; it goes on from here.", _RUN),
    "CutoverHeld": Rule(Retry.BACKOFF, "Start it, or wait for its hour.", _RUN),
    "PauseExceeded": Rule(Retry.NEVER, "Raise spec.data.cutover.maxPause, or stop the source's writers.", _RUN),
    "SourceMissing": Rule(Retry.AFTER_CHANGE, "Correct `source`.", _SOURCE),
    "SourceRefused": Rule(Retry.AFTER_CHANGE, "Give a token with the right that the message names.", _SOURCE),
    "SourceUnreachable": Rule(Retry.BACKOFF, "Wait; it is tried again.", _SOURCE),
    "RateLimited": Rule(Retry.BACKOFF, "Wait; it is tried again when the limit is renewed.", _SOURCE),
    "FolderMissing": Rule(Retry.NEVER, "Correct `path`.", _SOURCE),
    "ManifestInvalid": Rule(Retry.NEVER, "Correct the manifest that the message names.", _SOURCE),
    "FrameworkUnknown": Rule(Retry.NEVER, "Set build.framework or the commands.", _SOURCE),
    "FrameworkAmbiguous": Rule(Retry.NEVER, "Set build.framework.", _SOURCE),
    "RuntimeMissing": Rule(Retry.NEVER, "Choose a version that this installation has.", _SOURCE),
    "BuildFailed": Rule(Retry.NEVER, "Read the end of the log, correct the cause, and push.", _BUILD),
    "NoStartCommand": Rule(Retry.NEVER, "Set build.startCommand.", _BUILD),
    "BuildOutOfMemory": Rule(Retry.NEVER, "Raise the chart's builds.memory.", _BUILD),
    "BuildDiskFull": Rule(Retry.NEVER, "Raise the chart's builds.disk.", _BUILD),
    "BuildKilled": Rule(Retry.NEVER, "Raise the chart's builds.timeoutSeconds.", _BUILD),
    "PackagesUnreachable": Rule(Retry.BACKOFF, "Wait; it is tried again. The chart's builds.env can name a mirror.", _BUILD),
    "RegistryRefused": Rule(Retry.AFTER_CHANGE, "Correct the Secret that builds.secret names.", _BUILD),
    "RegistryUnreachable": Rule(Retry.BACKOFF, "Wait; it is tried again.", _BUILD),
    "DatabaseComing": Rule(Retry.BACKOFF, "Wait; it is being made.", _DATABASE),
    "DatabaseMissing": Rule(Retry.AFTER_CHANGE, "Correct the name that the message has.", _DATABASE),
    "DatabaseConflict": Rule(Retry.AFTER_CHANGE, "Choose another name.", _DATABASE),
    "DatabaseFailed": Rule(Retry.AFTER_CHANGE, "Look at the project in the provider's dashboard.", _DATABASE),
    "DatabaseRefused": Rule(Retry.AFTER_CHANGE, "Correct what the message names.", _DATABASE),
    "DatabaseUnreachable": Rule(Retry.BACKOFF, "Wait; it is tried again.", _DATABASE),
    "AwaitingApiKey": Rule(Retry.AFTER_CHANGE, "Make the key and put it into the Secret.", _DATABASE),
}


def rule_of(reason: str) -> Rule:
    """The rule for a reason, also for one that another version of Landfall reported: that is a failure for a person."""
    return REASONS.get(reason, REASONS["Failed"])


class LandfallError(Exception):
    """Anything that is reported to a person or a program.

    `reason` is stable and fit for a condition or a script. `advice` says what to do in this case; where it is empty, `hint` has the
    registry's word. An instance may have a more exact reason than its class.
    """

    reason: str = "Failed"

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401  whatever class options there are
        """Refuse a class that nobody has decided about. Raises TypeError."""
        super().__init_subclass__(**options)
        if cls.reason not in REASONS:
            message = (
                f"{cls.__name__}: the reason {cls.reason!r} is not in landfall.errors.REASONS, which says whether to try again"
            )
            raise TypeError(message)

    def __str__(self) -> str:
        return advised(self.message, self.advice)

    @property
    def retry(self) -> Retry:
        """When another attempt makes sense."""
        return rule_of(self.reason).retry

    @property
    def hint(self) -> str:
        """What to do."""
        return self.advice or rule_of(self.reason).hint
