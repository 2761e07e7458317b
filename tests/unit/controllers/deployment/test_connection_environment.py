"""What a Connection gives an app: the names that clients read, with passwords that stay references."""

from __future__ import annotations

from typing import Any

import pytest

from landfall.api.connection import Connection
from landfall.controllers.deployment.connection_environment import problem, variables

_SECRET = {"username": "shop", "password": "s3cret"}


def connection(**spec: Any) -> Connection:
    """A Connection."""
    told = {"type": "PostgreSQL", "host": "db.example.com", "database": "shop", "secretRef": {"name": "db"}, **spec}
    return Connection.model_validate({"metadata": {"name": "shop-db"}, "spec": told})


def shown(made: Connection, secret: dict[str, str]) -> dict[str, str]:
    """Variables as text: values, and references as key@Secret."""
    found = {}
    for one in variables(made, secret):
        reference = one.value_from.secret_key_ref if one.value_from else None
        found[one.name] = f"{reference.key}@{reference.name}" if reference else one.value or ""
        assert (one.capture == "Live") == (reference is not None or one.name == "DATABASE_URL")
    return found


def test_postgresql() -> None:
    assert shown(connection(tls={"mode": "Require"}), _SECRET) == {
        "PGHOST": "db.example.com",
        "PGPORT": "5432",
        "PGDATABASE": "shop",
        "PGUSER": "username@db",
        "PGPASSWORD": "password@db",
        "PGSSLMODE": "require",
        "DATABASE_URL": "postgresql://$(PGUSER):$(PGPASSWORD)@db.example.com:5432/shop",
    }


def test_what_clients_do_by_themselves_is_left_to_them() -> None:
    assert "PGSSLMODE" not in shown(connection(), _SECRET), "node-postgres takes prefer for require"


def test_mariadb() -> None:
    found = shown(connection(type="MariaDB", port=3307), _SECRET)
    assert found["MYSQL_TCP_PORT"] == "3307"
    assert found["DATABASE_URL"] == "mysql://$(MYSQL_USER):$(MYSQL_PWD)@db.example.com:3307/shop"


def test_an_address_is_taken_as_it_is() -> None:
    assert shown(connection(host=None), {"url": "postgresql://x"}) == {"DATABASE_URL": "url@db"}


def test_a_password_that_needs_escapes_makes_no_address() -> None:
    assert "DATABASE_URL" not in shown(connection(), {"username": "shop", "password": "p@ss/w"})


@pytest.mark.parametrize(
    ("made", "secret", "reason"),
    [
        (None, None, "ConnectionMissing"),
        (connection(type="Oracle"), _SECRET, "DatabaseUnsupported"),
        (connection(), None, "SecretMissing"),
        (connection(secretRef=None), None, "SecretMissing"),
        (connection(), _SECRET, ""),
    ],
)
def test_what_keeps_an_app_from_it(made: Connection | None, secret: dict[str, str] | None, reason: str) -> None:
    found = problem(made, "shop-db", secret)
    assert (found[0] if found else "") == reason
