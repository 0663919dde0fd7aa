"""The results of sweeps on disk: what the tables hold, who writes them, and how they are read.

`schema` says which columns there are, `rows` makes rows of a plan and of outcomes, `store` writes
them, one process at a time, at first to the `journal` of a long sweep, `gathered` has the newest
of each trial in their order, `loading` reads them, and `showing` says what a sweep is.
"""

from scalegrid.results.loading import (
    Stored,
    SweepTables,
    load_sweep,
    load_sweep_at,
    read_stored,
    sweep_folder,
)
from scalegrid.results.store import Store

__all__ = [
    "Store",
    "Stored",
    "SweepTables",
    "load_sweep",
    "load_sweep_at",
    "read_stored",
    "sweep_folder",
]
