"""How many workers, and on which devices; here those of this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from scalegrid.executors.base import Executor
from scalegrid.spec import SweepSpec
from scalegrid.training.devices import check_precision, device_memory, find_devices, settled
from scalegrid.util.errors import UserError
from scalegrid.util.processes import available_cores
from scalegrid.util.text import plural

_CROWD = 8  # threads, or workers, for each core
PROCESS = 2**30
"""Bytes of memory for each process, and on its GPU: torch takes most of it, 0.9 GB were seen."""


@dataclass(frozen=True)
class Placement:
    """Worker i trains on ``devices[i % len(devices)]`` with ``threads`` CPU threads."""

    workers: int
    devices: tuple[str, ...]
    threads: int


_Spec = TypeVar("_Spec", bound=SweepSpec)

MakeExecutor = Callable[[Placement], Executor]
"""Starts the workers of a placement."""


def local_placement(spec: SweepSpec) -> Placement:
    """The workers and devices of a sweep on this machine.

    By default there are as many workers as the cores allow and the memory has room for, or
    ``trials_per_device`` on each GPU.

    Raises:
        UserError: the device is unknown or missing, or cannot do what is asked.
    """
    devices = find_devices(spec.device)
    check_devices(spec, devices)
    if devices == ["cpu"]:
        cores = available_cores()
        _check_crowd(spec, cores)
        default = max(1, min(cores // spec.threads, _room_for_workers()))
    else:
        default = len(devices) * (spec.trials_per_device or 1)
    return Placement(spec.workers or default, tuple(devices), spec.threads)


def keeping_format(spec: _Spec, placement: Placement) -> _Spec:
    """The specification of a new sweep, with the number format of this machine's GPUs written down.

    Elsewhere it is found otherwise: by a probe, or by the first trial.
    """
    if spec.executor != "local" or spec.trainer is not None:
        return spec
    return spec.model_copy(update={"precision": settled(spec.precision, placement.devices)})


def check_devices(spec: SweepSpec, devices: Sequence[str]) -> None:
    """Raise UserError where devices cannot compute as asked for, or compiling gains nothing.

    The GPUs of a cluster are known to its nodes alone, which see to their number format.
    """
    if spec.compile and not devices[0].startswith("cuda"):
        raise UserError(
            "--compile is for CUDA devices: elsewhere, compiling a network takes longer than its "
            "brief training; leave it out."
        )
    here = spec.executor == "local"
    check_precision(spec.precision, [one for one in devices if here or one == "cpu"])


def decoders(spec: SweepSpec) -> int:
    """How many processes, or threads, decode images: as many as workers, and no more than cores."""
    cores = available_cores()
    return min(cores, spec.workers or cores)


def _room_for_workers() -> int:
    """How many workers there is memory for, beside the process that they belong to."""
    return device_memory("cpu") // PROCESS - 1


def _check_crowd(spec: SweepSpec, cores: int) -> None:
    """Raise UserError where there would be so many that they only wait for one another."""
    for name, count in (("threads", spec.threads), ("workers", spec.workers or 1)):
        if count > _CROWD * cores:
            raise UserError(
                f"--{name} {count} is too many for the {plural(cores, 'core')} of this machine; "
                f"choose up to {cores}, or {_CROWD * cores} at most."
            )
