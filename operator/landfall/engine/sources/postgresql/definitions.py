"""Aggregates and collations of a PostgreSQL schema, for which the server has no function that prints their definition."""

from __future__ import annotations

from typing import Any

from landfall.engine.clients.postgresql import PgSession
from landfall.engine.model.catalog import SourceObject
from landfall.engine.model.identifiers import literal, quoted

_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}
_MODIFY = {"r": "READ_ONLY", "s": "SHAREABLE", "w": "READ_WRITE"}
_PARALLEL = {"s": "SAFE", "r": "RESTRICTED"}


def collations(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    """The collations of the schemas, each as a CREATE COLLATION statement."""
    return [SourceObject("collation", row["collname"], _collation(row)) for (row,) in control.rows(_COLLATIONS, schemas)]


def _collation(row: dict[str, Any]) -> str:
    provider = _PROVIDERS[row["collprovider"]]
    locale = row.get("colllocale") or row.get("colliculocale") or (row["collcollate"] if provider != "libc" else "")
    parts = [f"provider = {provider}"]
    if provider == "libc":
        parts += [f"lc_collate = {literal(row['collcollate'])}", f"lc_ctype = {literal(row['collctype'])}"]
    else:
        parts.append(f"locale = {literal(locale)}")
    if not row["collisdeterministic"]:
        parts.append("deterministic = false")
    if row.get("collicurules"):
        parts.append(f"rules = {literal(row['collicurules'])}")
    return f"CREATE COLLATION {quoted(row['collname'])} ({', '.join(parts)})"


def aggregates(control: PgSession, schemas: list[str]) -> list[SourceObject]:
    """The aggregates of the schemas, each as a CREATE AGGREGATE statement."""
    return [
        SourceObject("aggregate", name, _aggregate(name, arguments or "*", row), signature=f"({arguments or '*'})")
        for name, arguments, row in control.rows(_AGGREGATES, schemas)
    ]


def _aggregate(name: str, arguments: str, row: dict[str, Any]) -> str:
    hypothetical, moving = row["kind"] == "h", row["mtransfn"] is not None
    parts = [f"SFUNC = {row['transfn']}", f"STYPE = {row['transtype']}"]
    parts += [f"SSPACE = {row['transspace']}"] if row["transspace"] else []
    parts += _final("FINAL", row["finalfn"], row["finalextra"], _MODIFY[row["finalmodify"]])
    for word in ("combine", "serial", "deserial"):
        parts += [f"{word.upper()}FUNC = {row[f'{word}fn']}"] if row[f"{word}fn"] else []
    parts += [f"INITCOND = {literal(row['initval'])}"] if row["initval"] is not None else []
    if moving:
        parts += [f"MSFUNC = {row['mtransfn']}", f"MINVFUNC = {row['minvtransfn']}", f"MSTYPE = {row['mtranstype']}"]
        parts += [f"MSSPACE = {row['mtransspace']}"] if row["mtransspace"] else []
        parts += _final("MFINAL", row["mfinalfn"], row["mfinalextra"], _MODIFY[row["mfinalmodify"]])
        parts += [f"MINITCOND = {literal(row['minitval'])}"] if row["minitval"] is not None else []
    parts += [f"SORTOP = {row['sortop']}"] if row["sortop"] else []
    parts += [f"PARALLEL = {_PARALLEL[row['parallel']]}"] if row["parallel"] in _PARALLEL else []
    parts += ["HYPOTHETICAL"] if hypothetical else []
    return f"CREATE AGGREGATE {quoted(name)}({arguments}) ({', '.join(parts)})"


def _final(word: str, function: str | None, extra: bool, modify: str) -> list[str]:  # noqa: FBT001
    if not function:
        return []
    return [f"{word}FUNC = {function}", *([f"{word}FUNC_EXTRA"] if extra else []), f"{word}FUNC_MODIFY = {modify}"]


_COLLATIONS = (
    "SELECT to_jsonb(c) FROM pg_collation c JOIN pg_namespace n ON n.oid=c.collnamespace WHERE n.nspname=ANY(%s)"
    " AND NOT EXISTS (SELECT 1 FROM pg_depend x WHERE x.classid='pg_collation'::regclass AND x.objid=c.oid AND x.deptype='e')"
    " ORDER BY c.oid"
)


def _function(column: str) -> str:
    """The name of a function, with its schema where the search path does not find it."""
    return f"CASE WHEN a.{column}<>0 THEN a.{column}::text END"


_AGGREGATES = (
    "SELECT p.proname,pg_get_function_identity_arguments(p.oid),jsonb_build_object('kind',a.aggkind,'parallel',p.proparallel,"
    + ",".join(
        f"'{word}',{_function(f'agg{word}')}"
        for word in ("transfn", "finalfn", "combinefn", "serialfn", "deserialfn", "mtransfn", "minvtransfn", "mfinalfn")
    )
    + ",'transtype',format_type(a.aggtranstype,NULL),'mtranstype',format_type(a.aggmtranstype,NULL),'transspace',a.aggtransspace,"
    "'mtransspace',a.aggmtransspace,'initval',a.agginitval,'minitval',a.aggminitval,'finalextra',a.aggfinalextra,"
    "'mfinalextra',a.aggmfinalextra,'finalmodify',a.aggfinalmodify,'mfinalmodify',a.aggmfinalmodify,'sortop',"
    "CASE WHEN a.aggsortop<>0 THEN (SELECT format('OPERATOR(%%I.%%s)',s.nspname,o.oprname) FROM pg_operator o"
    " JOIN pg_namespace s ON s.oid=o.oprnamespace WHERE o.oid=a.aggsortop) END)"
    " FROM pg_aggregate a JOIN pg_proc p ON p.oid=a.aggfnoid JOIN pg_namespace n ON n.oid=p.pronamespace WHERE n.nspname=ANY(%s)"
    " AND NOT EXISTS (SELECT 1 FROM pg_depend x WHERE x.classid='pg_proc'::regclass AND x.objid=p.oid AND x.deptype='e') ORDER BY p.oid"
)
