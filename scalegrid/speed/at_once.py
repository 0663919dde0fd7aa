"""How many trials a GPU trains at once: a small network leaves most of it idle."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from scalegrid.executors import Executor, MakeExecutor, Placement
from scalegrid.executors.placement import PROCESS
from scalegrid.plan import Plan, memory_of
from scalegrid.spec import SweepSpec
from scalegrid.speed.kept import keep, kept_file
from scalegrid.speed.probing import CLEARLY, can_be_timed, time_steps
from scalegrid.training.devices import device_memory
from scalegrid.training.trial import Probe
from scalegrid.util.errors import UserError
from scalegrid.util.processes import available_cores

COUNTS = (8, 4, 2, 1)
"""Those that are tried, the most first: then all workers have started for the others."""

_ROUNDS = 25  # of steps, 3 s: those of all workers overlap mostly
_WARM_UPS = 3  # until all workers have started
_DISPATCH = 1.0  # seconds that trials may take to reach the workers, and their results to come


def count_is_open(spec: SweepSpec, placement: Placement) -> bool:
    """Whether trials run on GPUs of this machine, and nothing says how many at once."""
    free = spec.trials_per_device is None and spec.workers is None
    here = spec.executor == "local" and placement.devices[0].startswith("cuda")
    return free and here and spec.trainer is None and can_be_timed(spec)


def trials_at_once(plan: Plan, placement: Placement, make_executor: MakeExecutor) -> int | None:
    """The fewest trials at once on each device that are about as fast together as any number.

    Found by steps on noise of the plan's first variant in 8, 4, 2 and 1 processes a device, as far
    as there are cores and memory for them; kept beside the caches. More must be clearly faster.

    Args:
        plan: the sweep's plan.
        placement: its devices.
        make_executor: starts workers for the steps; they are ended again.

    Returns:
        None if steps fail or take too long.
    """
    counts = _possible(plan, placement)
    if (known := known_count(plan, placement)) is not None:
        return known
    speeds = _speeds(plan, placement, make_executor, counts)
    if not speeds:
        return None
    fastest = max(speeds.values())
    found = min(count for count, speed in speeds.items() if CLEARLY * speed > fastest)
    if len(speeds) == len(counts):
        keep(_file(plan, placement, counts), str(found))
    return found


def known_count(plan: Plan, placement: Placement) -> int | None:
    """What was found before where there was as much room, or 1 where there is none for more."""
    counts = _possible(plan, placement)
    if counts == (1,):
        return 1
    with suppress(OSError, ValueError):  # there is none, or it is damaged
        found = int(_file(plan, placement, counts).read_bytes())
        return found if found in counts else None
    return None


def _speeds(
    plan: Plan, placement: Placement, make_executor: MakeExecutor, counts: tuple[int, ...]
) -> dict[int, float]:
    """Images per second of all devices by count, of those that could be timed."""
    devices, precision = len(placement.devices), plan.spec.precision
    warm_up, timing = (Probe((precision,), limits=False, rounds=n) for n in (1, _ROUNDS))
    speeds: dict[int, float] = {}
    try:
        executor = make_executor(replace(placement, workers=devices * counts[0]))
        try:
            for _ in range(_WARM_UPS):
                if _together(plan, executor, warm_up, devices * counts[0]):
                    break
            for count in counts:
                if speed := _together(plan, executor, timing, devices * count):
                    speeds[count] = speed
        finally:
            executor.cancel()
    except (UserError, OSError):  # of so many processes
        fewer = counts[1:]
        return _speeds(plan, placement, make_executor, fewer) if fewer else {}
    return speeds


def _together(plan: Plan, executor: Executor, probe: Probe, workers: int) -> float:
    """Images per second of so many workers; 0 if one failed, or they were not at it at once."""
    began = time.monotonic()
    found = time_steps(plan, executor, probe, trials=workers)
    if not found or found[0].workers < workers:
        return 0.0
    at_once = time.monotonic() - began < 1.5 * found[0].seconds + _DISPATCH
    return workers * found[0].speed if at_once else 0.0


def _file(plan: Plan, placement: Placement, counts: tuple[int, ...]) -> Path:
    workers = counts[0] * len(placement.devices)
    return kept_file("at-once", plan, replace(placement, workers=workers))


def _possible(plan: Plan, placement: Placement) -> tuple[int, ...]:
    """The counts for which there are cores, and memory here and on the devices; at least 1."""
    devices = len(placement.devices)
    room = min(
        available_cores() // (devices * placement.threads),
        device_memory("cpu") // (devices * PROCESS),
        device_memory(placement.devices[0]) // (max(map(memory_of, plan.variants)) + PROCESS),
    )
    return tuple(count for count in COUNTS if count <= max(1, room))
