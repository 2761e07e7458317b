"""Manifests for a test, as a person would write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.support.mysql import MySql
from tests.support.servers import MariaDb, PostgreSql

Document = dict[str, Any]
API = "landfall.dev/v1alpha1"


def postgresql(name: str, server: PostgreSql, database: str, user: str = "postgres") -> list[Document]:
    """A Connection to PostgreSQL and its Secret."""
    spec = {
        "type": "PostgreSQL",
        "host": str(server.folder),
        "port": server.port,
        "database": database,
        "secretRef": {"name": name},
    }
    return [_object("Connection", name, spec), _secret(name, user)]


def mariadb(name: str, server: MariaDb, database: str) -> list[Document]:
    """A Connection to MariaDB or MySQL and its Secret."""
    spec = {
        "type": "MySQL" if isinstance(server, MySql) else "MariaDB",
        "host": server.socket,
        "database": database,
        "secretRef": {"name": name},
    }
    return [_object("Connection", name, spec), _secret(name, "root")]


def sqlite(name: str, path: Path) -> list[Document]:
    """A Connection to a SQLite file."""
    return [_object("Connection", name, {"type": "SQLite", "file": {"path": str(path)}})]


def migration(name: str, **data: Any) -> Document:
    """A Migration from Connection `source` to Connection `target`; `data` refines spec.data."""
    source = {"connectionRef": {"name": "source"}, **data.pop("source", {})}
    target = {"connectionRef": {"name": "target"}, **data.pop("target", {})}
    return _object("Migration", name, {"data": {"source": source, "target": target, **data}})


def write_documents(path: Path, documents: list[Document]) -> Path:
    """The documents in a file."""
    path.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    return path


def _object(kind: str, name: str, spec: Document) -> Document:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _secret(name: str, user: str) -> Document:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"username": user, "password": ""}}
