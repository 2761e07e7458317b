"""Making a plan: look at both sides, count, assemble, prove. Nothing is changed anywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from landfall.engine.connect.mysql import MySqlSession
from landfall.engine.connect.postgresql import Control
from landfall.engine.connect.source import source_of
from landfall.engine.connect.sqlite import SqliteSession
from landfall.engine.errors import SpecError
from landfall.engine.introspect import mysql as mysql_catalog
from landfall.engine.introspect import postgresql as postgresql_catalog
from landfall.engine.introspect import sqlite as sqlite_catalog
from landfall.engine.introspect import target as target_catalog
from landfall.engine.options import Endpoint, Engine, OnExisting, Options
from landfall.engine.planning.assemble import Looked, draft_plan, heeded, wanted_names
from landfall.engine.planning.build import selected
from landfall.engine.planning.fill import as_read
from landfall.engine.planning.model import Plan
from landfall.engine.run import census, match, proof
from landfall.engine.run.overrides import looked
from landfall.engine.schema.model import Catalog


def read_catalog(endpoint: Endpoint, options: Options) -> Catalog:
    """The source's catalog."""
    if endpoint.engine is Engine.SQLITE:
        sqlite = SqliteSession(endpoint)
        try:
            return sqlite_catalog.catalog(sqlite, endpoint)
        finally:
            sqlite.close()
    if endpoint.engine is Engine.POSTGRESQL:
        control = Control(endpoint, "source")
        try:
            return postgresql_catalog.catalog(control, options)
        finally:
            control.close()
    session = MySqlSession(endpoint)
    try:
        return mysql_catalog.catalog(session, endpoint.database, options)
    finally:
        session.close()


def make_plan(source: Endpoint, target: Endpoint, options: Options, told: Callable[[str], None] = lambda _: None) -> Plan:
    """A complete plan. Raises an EngineError when one side cannot be read."""
    if target.engine is not Engine.POSTGRESQL:
        message = f"target: {target.engine.value} cannot be a target"
        raise SpecError(message, advice="Use a Connection of type PostgreSQL.")
    control = Control(target, "target")
    try:
        plain = read_catalog(source, options)
        catalog, overrides = looked(source, plain, options)
        if not selected(catalog, options):
            message = f"source: there is no table to move in {', '.join(catalog.schemas)}"
            raise SpecError(message, advice="Correct spec.data.source.schemas or excludeTables.")
        known, more = Looked(plain), {}
        wanted = wanted_names(catalog, options)
        if options.on_existing is OnExisting.FILL:
            known = _matched(source, catalog, control, options, plain)
            catalog = as_read(catalog, known.counterparts)
            more = match.asked(catalog, known.counterparts)
            wanted = frozenset(c.table.name for c in known.counterparts.values())
        facts = target_catalog.facts(control, options, wanted, target.port)
        counted = replace(census.take(source_of(source), catalog, options, told, more), overrides=overrides)
        plan = draft_plan(catalog, counted, options, facts, (source, target), known)
        blocked = {r.kind for r in plan.blockers} & {"Privilege", "Extension", "Shadowed"}
        if blocked:
            return heeded(plan, options)
        return heeded(proof.proven(control, plan), options)
    finally:
        control.close()


def _matched(source: Endpoint, catalog: Catalog, control: Control, options: Options, plain: Catalog) -> Looked:
    target_catalog.check_schema(control, options.target_schema)
    existing = match.existing_catalog(control, options)
    return Looked(plain, existing, match.counterparts(source, catalog, control, existing, options))
