"""The executor that a specification asks for: each engine is a module with two functions.

``placement(spec)`` says how many workers there are, and what they train on; ``executor(spec,
placement)`` starts them. A module is imported when it is used, since its library may be missing.
"""

from __future__ import annotations

import importlib
from typing import Protocol, cast

from scalegrid.executors.base import Executor
from scalegrid.executors.placement import MakeExecutor, Placement
from scalegrid.spec import Engine, SweepSpec

_MODULES: dict[Engine, str] = {
    "local": "scalegrid.executors.local",
    "ray": "scalegrid.executors.on_ray",
    "slurm": "scalegrid.executors.on_slurm",
}


class _EngineModule(Protocol):
    def placement(self, spec: SweepSpec) -> Placement: ...

    def executor(self, spec: SweepSpec, placement: Placement) -> Executor: ...


def placement_for(spec: SweepSpec) -> Placement:
    """The workers and devices of a sweep.

    Raises:
        UserError: the device is unknown or missing, or cannot do what is asked; or the engine's
            library is not installed.
    """
    return _module(spec).placement(spec)


def executor_for(spec: SweepSpec) -> MakeExecutor:
    """What starts the executor of a sweep, for a placement.

    Raises:
        UserError: by the function that is returned: the engine cannot be started.
    """
    return lambda placement: _module(spec).executor(spec, placement)


def _module(spec: SweepSpec) -> _EngineModule:
    return cast("_EngineModule", importlib.import_module(_MODULES[spec.executor]))
