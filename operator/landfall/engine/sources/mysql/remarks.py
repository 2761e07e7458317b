"""What a plan has to say of a source that is MySQL or MariaDB, besides its objects. Pure."""

from __future__ import annotations

from landfall.engine.model.catalog import SourceRemark


def unenforced(where: tuple[str, str], name: str) -> SourceRemark:
    """A check that the source does not enforce, so that its rows may violate it."""
    return SourceRemark(
        "low",
        "Check",
        f"{where[0]}.{where[1]}.{name}",
        "the check is NOT ENFORCED in the source and is not migrated",
        "Add it manually, with NOT VALID if rows violate it.",
        where,
    )
