"""What the credential may see and do: from its grants, those of its active roles, and what is revoked from them.

information_schema hides what a credential may not see instead of refusing, so the grants are read first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from landfall.engine.model.catalog import SourceRemark
from landfall.engine.sources.mysql.session import MySqlSession

_GRANT = re.compile(r"(GRANT|REVOKE) (.+?) ON (\S+|`(?:[^`]|``)+`\.\S+) (?:TO|FROM) ")
_ROLE = re.compile(r"GRANT (`[^ ]+`(?:@`[^ ]+`)?(?:, ?`[^ ]+`(?:@`[^ ]+`)?)*) TO ")
_OFF = frozenset({"0", "OFF"})  # as servers print a variable
_NEEDED = ("SELECT", "SHOW VIEW", "TRIGGER")
# Each of these shows routines; SHOW_ROUTINE and a global SELECT belong to MySQL.
_ROUTINES = frozenset({"EXECUTE", "ALTER ROUTINE", "CREATE ROUTINE", "SHOW_ROUTINE"})


@dataclass(frozen=True, slots=True)
class Privileges:
    """What is missing to see everything, what the credential may do besides, and what the plan has to say about the rest."""

    problems: tuple[str, ...]
    features: frozenset[str]
    remarks: tuple[SourceRemark, ...]


def privileges(session: MySqlSession, schemas: Sequence[str]) -> Privileges:
    """Return the privileges of the credential on all of these schemas."""
    active, grants = _grants(session)
    dormant = "" if active else ", ".join(role for grant in grants for role in _ROLE.findall(grant))
    advice = f"; its roles {dormant} are not active (SET DEFAULT ROLE ALL TO the user)" if dormant else ""
    problems, remarks, freeze = [], [], True
    for schema in schemas:
        granted = held_on(schema, grants)
        everything = "ALL PRIVILEGES" in granted
        problems += [
            f"the credential lacks {needed} on all of schema {schema}: it may not see everything{advice}"
            for needed in _NEEDED
            if not everything and needed not in granted
        ]
        if not everything and not granted & _ROUTINES:
            remarks.append(_unseen(schema, "stored routines", "EXECUTE"))
        if not everything and "EVENT" not in granted:
            remarks.append(_unseen(schema, "events", "EVENT"))
        freeze = freeze and (everything or "LOCK TABLES" in granted)
    features = {"freeze": freeze, "fence": _may_create_triggers(session, grants)}
    return Privileges(tuple(problems), frozenset(name for name, granted in features.items() if granted), tuple(remarks))


def _may_create_triggers(session: MySqlSession, grants: Sequence[str]) -> bool:
    """Whether the server lets the credential create triggers: not on a replica, and with the binary log under conditions."""
    logs, trusts, read_only = session.rows("SELECT @@log_bin,@@log_bin_trust_function_creators,@@read_only")[0]
    everywhere = [grant for grant in grants if " ON *.* TO " in grant]
    privileged = any(re.search(r"\b(SUPER|ALL PRIVILEGES)\b", grant) for grant in everywhere)
    return read_only in _OFF and (logs in _OFF or trusts not in _OFF or privileged)


def _grants(session: MySqlSession) -> tuple[str, list[str]]:
    """The active roles, and the grants of the user and of these."""
    active = str(session.rows("SELECT CURRENT_ROLE()")[0][0] or "") if _has_roles(session) else ""
    active = "" if active.upper() == "NONE" else active
    if not active or session.is_mariadb:  # MariaDB shows those of the active role as well
        return active, [row[0] or "" for row in session.rows("SHOW GRANTS")]
    return active, [row[0] or "" for row in session.rows(f"SHOW GRANTS FOR CURRENT_USER() USING {active}")]


def _has_roles(session: MySqlSession) -> bool:
    return session.is_mariadb or not session.version.startswith("5.")


def held_on(schema: str, grants: Sequence[str]) -> frozenset[str]:
    """The privileges, in capitals, that grants give on all of a schema. MySQL shows what is revoked from global ones as `REVOKE`."""
    granted: set[str] = set()
    revoked: set[str] = set()
    for grant in grants:
        match = _GRANT.match(grant)
        if match and _covers(match.group(3), schema):
            words = {word.strip().upper() for word in match.group(2).split(",")}
            granted, revoked = (granted | words, revoked) if match.group(1) == "GRANT" else (granted, revoked | words)
    if revoked and "ALL PRIVILEGES" in granted:
        granted = (granted - {"ALL PRIVILEGES"}) | set(_NEEDED) | _ROUTINES | {"EVENT", "LOCK TABLES"}
    return frozenset(granted - revoked)


def _unseen(schema: str, objects: str, privilege: str) -> SourceRemark:
    text = f"whether the schema has {objects} is not known, because the credential may not see them; none is migrated"
    return SourceRemark("low", "NotVisible", schema, text, f"Grant {privilege} on {schema}.* to have them listed in the plan.")


def _covers(scope: str, schema: str) -> bool:
    database, _, table = scope.rpartition(".")
    if table != "*":
        return False
    pattern = database.strip("`").replace("``", "`")
    if pattern == "*":
        return True
    expression = re.escape(pattern).replace("%", ".*").replace(r"\\_", "\0").replace("_", ".").replace("\0", "_")
    return pattern == schema or re.fullmatch(expression, schema) is not None
