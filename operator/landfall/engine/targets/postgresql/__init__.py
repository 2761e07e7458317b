"""PostgreSQL as the target: catalog, DDL, ledger, schema swap."""
