"""Functions of SQLite whose result depends on their arguments only and that reach nothing outside (see `sources.functions`)."""

from __future__ import annotations

_WORDS = (
    "date datetime format glob hex iif instr json json_array json_array_length json_insert json_object json_patch json_quote json_remove"
    " json_replace json_set json_type json_valid julianday like likelihood likely max min printf quote soundex strftime time timediff trunc"
    " typeof unhex unicode unixepoch unlikely"
)
FUNCTIONS = frozenset(_WORDS.upper().split())
