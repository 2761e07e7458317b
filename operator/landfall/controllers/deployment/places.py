"""Which database a Release points at, and whether a move of data and app has left it: an app and its data never part. Pure."""

from __future__ import annotations

from landfall.controllers.cutover_gate import End, Gate, secrets_of
from landfall.controllers.deployment.observed import ObservedDeployment, ObservedRelease


def points_at(seen: ObservedDeployment, release: ObservedRelease, end: End) -> bool:
    """Whether a Release points at one side of a move: by its `database`, or by a variable that refers to the Secret of its Connection.

    A value that was captured from a Secret is known by the Deployment's spec alone, so not of a Release that another one has followed.
    """
    if end.named_by(release.spec.database, secrets_of(release.spec.live_env)):
        return True
    newest = not release.spec.rollback_to and release == seen.newest
    return newest and end.named_by("", secrets_of(seen.deployment.spec.env))


def left(seen: ObservedDeployment, at: ObservedRelease) -> str:
    """Why a Release does not go live: it points at a database that a completed move has left. Empty where it does not.

    What was written since the move is in the new database alone, so that going live on the old one would lose it.
    """
    found = next((gate for gate in seen.left if points_at(seen, at, gate.source)), None)
    if found is None:
        return ""
    return (
        f"{at.name} points at the Connection {found.source.connection}, and the Migration {found.migration} has moved its data to {found.target}:"
        f" what was written since would be missing. Name {found.target}; or set desiredState: RolledBack of the Migration {found.migration}, and"
        " its data comes back first. To go live on the old data all the same, delete that Migration, or its spec.app."
    )


def gate_of(seen: ObservedDeployment, at: ObservedRelease) -> Gate | None:
    """The gate that a Release goes live through; None where it need not wait for data.

    A rollback waits only where it goes back to a Release of the very data that the gate is about. One that points at the database that the
    data comes from goes live as long as that has the data: before the run of the Migration has started, and after it was cancelled or rolled
    back.
    """
    gate = seen.gate
    if gate is None:
        return None
    if at.spec.rollback_to:
        goal = seen.release(at.spec.rollback_to)
        return gate if goal and gate.run and goal.status.gate == gate.run else None
    has_the_data = gate.back or ((gate.cancelled or not gate.begun) and not gate.open)
    return None if has_the_data and points_at(seen, at, gate.source) else gate
