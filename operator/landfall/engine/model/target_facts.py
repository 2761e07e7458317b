"""What planning must know of the target: version, extensions, objects of the same names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from landfall.engine.model.plan import Replaced

XML_MISSING = "the target was built without support for xml values"


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """What planning needs to know of the target.

    Attributes:
        bare_indexes: Indexes and materialized views are built with the system's catalog only on the search path.
        objects: Definitions of types, sequences, collations, functions and aggregates in the target schema, by `SourceObject.label`.
        user: The user of the Connection.
        roles: All roles.
        owners: The roles that the user may make the owner of an object in the target schema; where that does not exist, as far as the user
            is concerned: the owner of an object needs CREATE on its schema.
        membership: What follows `GRANT role TO user` so that the user can make the role an owner.
        superuser: Whether the user is a superuser, who needs no right for that.
        schema_rights: Who has which right on the target schema, as (role, USAGE or CREATE).
        trusted_extensions: The available extensions that the user may create.
        extension_schemas: The schemas of the existing extensions.
        missing_schemas: Target schemas that do not exist.
        schema: The target schema, if this is what is known of one of several.
        each: What is known of each target schema, if there are several.
    """

    version: str
    version_number: int
    relations: frozenset[str]
    types: frozenset[str]
    routines: frozenset[str]
    in_the_way: tuple[Replaced, ...]
    extensions: frozenset[str]
    available_extensions: frozenset[str]
    problems: tuple[str, ...] = ()
    lock_slots: int = 0
    shadows: tuple[tuple[str, str], ...] = ()
    creators: tuple[str, ...] = ()
    powers: str = ""
    bare_indexes: bool = False
    objects: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    roles: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()
    superuser: bool = False
    membership: str = ""
    schema_rights: frozenset[tuple[str, str]] = frozenset()
    trusted_extensions: frozenset[str] = frozenset()
    extension_schemas: Mapping[str, str] = field(default_factory=dict)
    missing_schemas: frozenset[str] = frozenset()
    schema: str = ""
    each: tuple[TargetFacts, ...] = ()

    def of(self, schema: str) -> TargetFacts:
        """What is known of one of the target schemas."""
        return next((f for f in self.each if f.schema == schema), self)
