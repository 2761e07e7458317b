"""What the engine and the gateway both have to know of a plan: its format, and which statements are code.

Code is what the target executes later, besides storing and finding rows.
An approver sees each of them. A kind that is not known to be plain is code, so that a new kind is shown and not overlooked. A schema, its
owner, rights and comment execute nothing. An extension is code: the source decides which functions of the server's packages the database has.
"""

from __future__ import annotations

import hashlib

# What a version must know to execute or show a plan: 1, or 2 for several schemas with their names, each with its own staging schema.
PLAN_FORMAT = 2
_PLAIN = frozenset(
    {
        *("table", "primary key", "unique index", "index", "index partition", "constraint", "foreign key", "validation"),
        *("partition", "inheritance", "comment", "sequence", "ownership", "sequence value", "statistics", "collation", "type"),
        *("enum", "composite", "range", "column setting", "constraint name", "staged text", "default", "check"),
        *("owner", "grant", "revoke", "staged path", "path"),
        *("schema", "schema owner", "schema privilege", "comment on schema"),
    }
)


def is_code(kind: str) -> bool:
    """Whether statements of this kind (`Statement.kind`) are code, such as functions, triggers, rules, policies and views."""
    return kind not in _PLAIN


def code_digest(sql: str) -> str:
    """Return 16 hexadecimal digits of SHA-256 over a statement."""
    return hashlib.sha256(sql.encode()).hexdigest()[:16]
