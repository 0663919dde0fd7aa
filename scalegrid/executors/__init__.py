"""Where trials run: in worker processes of this machine, or in this process for debugging.

Both stand behind one interface, `Executor`: submit, collect, abandon, cancel. No module here
imports torch; the workers do.
"""

from scalegrid.executors.base import Event, Executor, stopped
from scalegrid.executors.inline import InlineExecutor
from scalegrid.executors.local import (
    KILLED,
    LocalExecutor,
    MakeExecutor,
    local_executor,
    was_killed,
)
from scalegrid.executors.placement import Placement, decoders, placement_for

__all__ = [
    "KILLED",
    "Event",
    "Executor",
    "InlineExecutor",
    "LocalExecutor",
    "MakeExecutor",
    "Placement",
    "decoders",
    "local_executor",
    "placement_for",
    "stopped",
    "was_killed",
]
