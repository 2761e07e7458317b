"""Live settings: limits that can change while a run works."""

from __future__ import annotations

from collections.abc import Callable

from landfall.engine.model.options import Options


class Dials:
    """The settings of a run that may change while it works. Streams read them between two chunks."""

    def __init__(self, options: Options) -> None:
        self.parallelism = options.parallelism
        self.workers = options.workers
        self.batch_rows = options.batch_rows
        self.rows_per_second = options.rows_per_second
        self.bytes_per_second = options.bytes_per_second
        self.hold = False
        self.may_cut_over: Callable[[], bool] = lambda: True
