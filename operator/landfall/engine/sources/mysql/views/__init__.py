"""Views of MySQL and MariaDB in the target's SQL: each expression is written by its type, and what is not known exactly is refused."""
