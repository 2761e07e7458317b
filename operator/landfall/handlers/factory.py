"""Builds everything that the operator's process consists of, from its settings. Nothing else constructs a part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from landfall.controllers.connection import reconcile as probing
from landfall.controllers.context import Context
from landfall.controllers.deployment import reconcile as deployment
from landfall.controllers.intake_parts import IntakeParts
from landfall.controllers.migration import reconcile as migration
from landfall.controllers.objects import now
from landfall.controllers.providers import Providers
from landfall.controllers.reports import Reports
from landfall.handlers.runtime import Loop, Operator
from landfall.journal.store import Journal
from landfall.journal.writer import JournalWriter
from landfall.kube.client import Kube
from landfall.settings import OperatorSettings


@dataclass(frozen=True, slots=True)
class OperatorParts:
    """The parts of the operator's process.

    Attributes:
        operator: The work queue and its workers.
        intake: What the intake is built from.
    """

    operator: Operator
    intake: IntakeParts
    _context: Context
    _journal: Journal

    async def close(self) -> None:
        """Close connections to outside services and to the journal. The Kubernetes client is the caller's."""
        await self._context.providers.close()
        self._journal.close()


def build(kube: Kube, settings: OperatorSettings) -> OperatorParts:
    """Build the parts of the operator's process.

    Args:
        kube: The Kubernetes client, connected.
        settings: The settings of the process.

    Returns:
        The parts. Close them at the end of the process.
    """
    journal = Journal(settings.journal_url)
    context = Context(
        kube=kube,
        reports=Reports(),
        image=settings.image,
        intake_url=settings.intake_url,
        clock=now,
        keeper=JournalWriter(journal, settings.journal_keep_days, settings.journal_keep_lines, now),
        providers=Providers.opened(settings.builds.github, settings.supabase, settings.builds.private_hosts),
    )
    operator = Operator(context, _loops(settings), settings.resync_seconds)
    return OperatorParts(operator, _intake_parts(context, operator, settings), context, journal)


def _loops(settings: OperatorSettings) -> Mapping[str, Loop]:
    """The loop of each kind."""
    return {
        "Connection": probing.connection,
        "Migration": migration.reconcile,
        "Deployment": partial(deployment.reconcile, builds=settings.builds),
        "Webhook": probing.webhook,
    }


def _intake_parts(context: Context, operator: Operator, settings: OperatorSettings) -> IntakeParts:
    return IntakeParts(
        kube=context.kube,
        reports=context.reports,
        keeper=context.keeper,
        on_owned_change=operator.on_owned_change,
        live_settings_of=migration.live_settings_of,
        on_push=operator.on_push,
        webhook_secret=settings.webhook_secret,
        gateway=settings.gateway,
        builds=settings.builds,
    )
