"""Where trials run: in processes of this machine, on Ray, by Slurm, or in this process to debug.

All stand behind one interface, `Executor`: submit, collect, abandon, cancel. No module here
imports torch; the workers do.
"""

from scalegrid.executors.base import Event, Executor, stopped
from scalegrid.executors.engines import executor_for, placement_for
from scalegrid.executors.inline import InlineExecutor
from scalegrid.executors.local import KILLED, LocalExecutor, was_killed
from scalegrid.executors.one_format import OneFormat
from scalegrid.executors.placement import MakeExecutor, Placement, decoders, keeping_format
from scalegrid.executors.spool import SPOOL, remove_spool

__all__ = [
    "KILLED",
    "SPOOL",
    "Event",
    "Executor",
    "InlineExecutor",
    "LocalExecutor",
    "MakeExecutor",
    "OneFormat",
    "Placement",
    "decoders",
    "executor_for",
    "keeping_format",
    "placement_for",
    "remove_spool",
    "stopped",
    "was_killed",
]
