"""What a Connection gives an app: the names that clients read, with passwords that stay references."""

from __future__ import annotations

from typing import Any

import pytest

from landfall.api.connection import Connection
from landfall.controllers.deployment.connection_environment import problem, variables

_SECRET = {"username": "shop", "password": "s3cret"}


def connection(**spec: Any) -> Connection:
    """A Connection."""
    all_fields = {"type": "PostgreSQL", "host": "db.example.com", "database": "shop", "secretRef": {"name": "db"}, **spec}
    return Connection.model_validate({"metadata": {"name": "shop-db"}, "spec": all_fields})


def environment_of(app_connection: Connection, secret: dict[str, str]) -> dict[str, str]:
    """Variables as text: values, and references as key@Secret."""
    by_name = {}
    for variable in variables(app_connection, secret):
        reference = variable.value_from.secret_key_ref if variable.value_from else None
        by_name[variable.name] = f"{reference.key}@{reference.name}" if reference else variable.value or ""
        assert (variable.capture == "Live") == (reference is not None or variable.name == "DATABASE_URL")
    return by_name


def test_postgresql() -> None:
    assert environment_of(connection(tls={"mode": "Require"}), _SECRET) == {
        "PGHOST": "db.example.com",
        "PGPORT": "5432",
        "PGDATABASE": "shop",
        "PGUSER": "username@db",
        "PGPASSWORD": "password@db",
        "PGSSLMODE": "require",
        "DATABASE_URL": "postgresql://$(PGUSER):$(PGPASSWORD)@db.example.com:5432/shop",
    }


def test_what_clients_do_by_themselves_is_left_to_them() -> None:
    assert "PGSSLMODE" not in environment_of(connection(), _SECRET), "node-postgres takes prefer for require"


def test_mariadb() -> None:
    actual_variables = environment_of(connection(type="MariaDB", port=3307), _SECRET)
    assert actual_variables["MYSQL_TCP_PORT"] == "3307"
    assert actual_variables["DATABASE_URL"] == "mysql://$(MYSQL_USER):$(MYSQL_PWD)@db.example.com:3307/shop"


def test_an_address_is_taken_as_it_is() -> None:
    assert environment_of(connection(host=None), {"url": "postgresql://x"}) == {"DATABASE_URL": "url@db"}


def test_a_password_that_needs_escapes_makes_no_address() -> None:
    assert "DATABASE_URL" not in environment_of(connection(), {"username": "shop", "password": "p@ss/w"})


@pytest.mark.parametrize(
    ("app_connection", "secret", "reason"),
    [
        (None, None, "ConnectionMissing"),
        (connection(type="Oracle"), _SECRET, "DatabaseUnsupported"),
        (connection(), None, "SecretMissing"),
        (connection(secretRef=None), None, "SecretMissing"),
        (connection(), _SECRET, ""),
    ],
)
def test_what_keeps_an_app_from_it(app_connection: Connection | None, secret: dict[str, str] | None, reason: str) -> None:
    actual_problem = problem(app_connection, "shop-db", secret)
    assert (actual_problem[0] if actual_problem else "") == reason
