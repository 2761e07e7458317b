"""The HTTP API: the public contracts over the custom resources, with the caller's rights. It translates, and decides nothing."""
