"""Which table and column of an existing schema a table and column of the source stand for: names, types, keys and values. Pure."""
