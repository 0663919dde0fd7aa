"""Where trials run, behind one interface: submit, collect, abandon, cancel."""

from scalegrid.executors.base import Event, Executor
from scalegrid.executors.inline import InlineExecutor
from scalegrid.executors.local import KILLED, LocalExecutor
from scalegrid.executors.placement import Placement, placement_for

__all__ = [
    "KILLED",
    "Event",
    "Executor",
    "InlineExecutor",
    "LocalExecutor",
    "Placement",
    "placement_for",
]
