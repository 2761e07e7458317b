"""Reading catalogs. Queries only; nothing is changed."""
