"""Which database a Release uses, and whether its data has been migrated elsewhere: an app goes live only on its current data. Pure."""

from __future__ import annotations

from landfall.controllers.cutover_gate import Gate, MigrationSide, secrets_of
from landfall.controllers.deployment.observed import ObservedDeployment, ObservedRelease


def points_at(observed: ObservedDeployment, release: ObservedRelease, end: MigrationSide) -> bool:
    """Whether a Release uses one side of a migration: by its `database`, or by a variable that refers to the Connection's Secret.

    Captured values do not show their Secret, which only the Deployment's spec names; so they are checked only for the newest Release.
    """
    if end.named_by(release.spec.database, secrets_of(release.spec.live_env)):
        return True
    newest = not release.spec.rollback_to and release == observed.newest
    return newest and end.named_by("", secrets_of(observed.deployment.spec.env))


def migrated_away_message(observed: ObservedDeployment, at: ObservedRelease) -> str:
    """Why a Release must not go live: it uses a database whose data has been migrated elsewhere. Empty if it may.

    Rows written since the migration are only in the new database, so going live on the old one would lose them.
    """
    found = next((gate for gate in observed.left if points_at(observed, at, gate.source)), None)
    if found is None:
        return ""
    return (
        f"{at.name} uses Connection {found.source.connection}, whose data Migration {found.migration} has migrated to {found.target}; rows written"
        f" since would be missing. Use {found.target}, or set desiredState: RolledBack of Migration {found.migration} to restore the data first."
        " To go live on the old data anyway, delete that Migration or its spec.app."
    )


def gate_of(observed: ObservedDeployment, at: ObservedRelease) -> Gate | None:
    """The gate that a Release goes live through; None if it need not wait for data.

    A rollback waits only if it rolls back to a Release of the data that the gate is about. A Release that uses the source database need not
    wait while the source has the data: before the run of the Migration has started, and after it was cancelled or rolled back.
    """
    gate = observed.gate
    if gate is None:
        return None
    if at.spec.rollback_to:
        goal = observed.release(at.spec.rollback_to)
        return gate if goal and gate.run and goal.status.gate == gate.run else None
    has_the_data = gate.rolled_back or ((gate.cancelled or not gate.begun) and not gate.open)
    return None if has_the_data and points_at(observed, at, gate.source) else gate
