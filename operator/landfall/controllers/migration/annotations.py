"""Annotations and finalizers of a Migration."""

from __future__ import annotations

FINALIZER = "landfall.dev/cleanup"


HOLD = "landfall.dev/hold"


QUIESCED = "landfall.dev/quiesced"
