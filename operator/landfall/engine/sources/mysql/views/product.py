"""The two products, where they compute otherwise."""

from __future__ import annotations

import enum


class Product(enum.Enum):
    """MySQL rounds every quotient to the decimals that it shows; MariaDB computes on with more of them."""

    MYSQL = "MySQL"
    MARIADB = "MariaDB"
