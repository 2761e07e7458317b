"""The door for HTTP: the public contracts over the same custom resources, in the caller's name. It translates, and decides nothing."""
