"""Certificate authorities and options as files, for client libraries that accept only a file."""

from __future__ import annotations

import atexit
import functools
import os
import tempfile
from pathlib import Path


@functools.cache
def authority_file(pem: str) -> str:
    """Return the path of a file with this text, which only this process and those forked from it can open.

    All connections share it. It is in memory, so that nothing remains of it however the process ends. Without a Linux kernel, it is a
    temporary file that is deleted when the process exits.
    """
    return _in_memory(pem) or _on_disk(pem)


def _in_memory(text: str) -> str:
    """The path of a file in memory; empty if the system has none. Its number stays open until the process ends."""
    try:
        number = os.memfd_create("landfall", os.MFD_CLOEXEC)
    except (AttributeError, OSError):
        return ""
    os.fchmod(number, 0o600)  # client libraries ignore files with options that everyone can write
    with os.fdopen(os.dup(number), "w", encoding="utf-8") as file:
        file.write(text)
    path = f"/proc/self/fd/{number}"
    if Path(path).exists():
        return path
    os.close(number)
    return ""


def _on_disk(text: str) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".pem", prefix="landfall-", delete=False, encoding="utf-8") as file:
        file.write(text)
    atexit.register(Path(file.name).unlink, missing_ok=True)
    return file.name
