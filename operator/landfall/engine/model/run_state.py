"""The ledger's format: its tables and their rows. `landfall.lifecycle` has the states of a run. Pure.

The ledger lives in the target, so that rows and the record of them commit together. Its format has a version; a
ledger of a newer version is not touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from landfall.engine.model.chunk_range import ChunkRange
from landfall.ledger_states import State

FORMAT = 1
# The tables whose rows belong to a run.
OF_A_RUN = ("target_lock", "chunk", "split", "delta", "done", "moved", "worker", "backend")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One row of `run`."""

    key: str
    name: str
    attempt: int
    state: State
    target_schema: str
    source: str
    plan_digest: str
    started_at: datetime
    finished_at: datetime | None
    retain_until: datetime | None
    result: dict[str, object]

    @property
    def stage_schema(self) -> str:
        """Where tables are filled before the cutover."""
        return f"landfall_stage_{self.key[:10]}"

    @property
    def kept_schema(self) -> str:
        """Where `Replace` keeps what it replaced."""
        return f"landfall_kept_{self.key[:10]}"

    @property
    def undone_schema(self) -> str:
        """Where a rollback puts the tables that it takes away."""
        return f"landfall_undone_{self.key[:10]}"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a table: its range, and who wrote it."""

    table: int
    number: int
    range: ChunkRange
    done: bool = False
    rows: int = 0
    bytes: int = 0
    xid: str = ""
    patched: bool = False


def create(schema: str) -> str:
    """DDL of the ledger in a schema (an already quoted name)."""
    return f"""
CREATE TABLE {schema}.format (version integer NOT NULL);
INSERT INTO {schema}.format VALUES ({FORMAT});
CREATE TABLE {schema}.run (
  id text PRIMARY KEY, name text NOT NULL, attempt integer NOT NULL DEFAULT 1, state text NOT NULL,
  target_schema text NOT NULL, source text NOT NULL, plan bytea NOT NULL, plan_digest text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz, retain_until timestamptz,
  result jsonb NOT NULL DEFAULT '{{}}');
CREATE TABLE {schema}.target_lock (target_schema text PRIMARY KEY, run text NOT NULL REFERENCES {schema}.run);
CREATE TABLE {schema}.chunk (
  run text NOT NULL REFERENCES {schema}.run, "table" integer NOT NULL, number integer NOT NULL, priority bigint NOT NULL,
  range text NOT NULL, state text NOT NULL DEFAULT 'todo', rows bigint, bytes bigint, xid text, attempt integer,
  copied_epoch integer, verified_epoch integer, patched boolean NOT NULL DEFAULT false,
  PRIMARY KEY (run, "table", number));
CREATE INDEX chunk_todo ON {schema}.chunk (run, priority DESC, "table", number) WHERE state = 'todo';
CREATE TABLE {schema}.split (run text NOT NULL REFERENCES {schema}.run, "table" integer NOT NULL, PRIMARY KEY (run, "table"));
CREATE TABLE {schema}.delta (
  run text NOT NULL REFERENCES {schema}.run, "table" integer NOT NULL, xid text NOT NULL, rows bigint NOT NULL);
CREATE TABLE {schema}.done (run text NOT NULL REFERENCES {schema}.run, statement integer NOT NULL, PRIMARY KEY (run, statement));
CREATE TABLE {schema}.moved (
  run text NOT NULL REFERENCES {schema}.run, number integer NOT NULL, role text NOT NULL, kind text NOT NULL,
  name text NOT NULL, oid bigint NOT NULL, PRIMARY KEY (run, role, number));
CREATE TABLE {schema}.worker (
  run text NOT NULL REFERENCES {schema}.run, attempt integer NOT NULL, owner text NOT NULL,
  heartbeat timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (run, attempt));
CREATE TABLE {schema}.backend (
  run text NOT NULL, attempt integer NOT NULL, side text NOT NULL, pid bigint NOT NULL, born text NOT NULL);
"""
