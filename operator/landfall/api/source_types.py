"""The types of a Connection: all, those that are files, and what the gateway calls them. Generated from the registry of source engines by `make generate`."""

from __future__ import annotations

from typing import Literal

RegisteredType = Literal["MariaDB", "MySQL", "PostgreSQL", "Supabase", "SQLite"]
SUPPORTED_TYPES = ("MariaDB", "MySQL", "PostgreSQL", "Supabase", "SQLite")
DEFAULT_PORTS = {"MariaDB": 3306, "MySQL": 3306, "PostgreSQL": 5432, "Supabase": 5432}
FILE_TYPES = ("SQLite",)
ServerKind = Literal["mariadb", "mysql", "postgresql"]
FileKind = Literal["sqlite"]
ENGINE_KINDS = {"mariadb": "MariaDB", "mysql": "MySQL", "postgresql": "PostgreSQL", "sqlite": "SQLite"}
