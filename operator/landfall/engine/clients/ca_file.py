"""A certificate authority for clients that take no text."""

from __future__ import annotations

import atexit
import functools
import tempfile
from pathlib import Path


@functools.cache
def authority_file(pem: str) -> str:
    """A file with it, one for all connections; it goes with the process."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem", prefix="landfall-", delete=False) as file:
        file.write(pem)
    atexit.register(Path(file.name).unlink, missing_ok=True)
    return file.name
