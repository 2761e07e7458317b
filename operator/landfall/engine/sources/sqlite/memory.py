"""SQLite without its statistics of memory.

It counts every allocation of the process under one lock, which makes two threads slower than one. The count can only
be switched off before the library starts, so this runs before anything here imports `sqlite3`.
Source: the compile-time option SQLITE_DEFAULT_MEMSTATUS and SQLITE_CONFIG_MEMSTATUS in SQLite's documentation.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys

_CONFIG_MEMSTATUS = 9


def without_statistics() -> bool:
    """Switch the statistics off; whether that was still possible. Where it is not, reading is slower and no less right."""
    spec = importlib.util.find_spec("_sqlite3")
    if not sys.platform.startswith("linux") or "_sqlite3" in sys.modules or spec is None:
        return False
    try:
        library = ctypes.CDLL(spec.origin if spec.has_location else None)
        return bool(library.sqlite3_config(ctypes.c_int(_CONFIG_MEMSTATUS), ctypes.c_int(0)) == 0)
    except (OSError, AttributeError):
        return False
