"""Certificate authorities as files, for client libraries that accept only a file."""

from __future__ import annotations

import atexit
import functools
import tempfile
from pathlib import Path


@functools.cache
def authority_file(pem: str) -> str:
    """Return the path of a temporary file with this PEM text. All connections share it; it is deleted when the process exits."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem", prefix="landfall-", delete=False) as file:
        file.write(pem)
    atexit.register(Path(file.name).unlink, missing_ok=True)
    return file.name
