"""How many trials a GPU trains at once: a small network leaves most of it idle."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from scalegrid.executors import MakeExecutor, Placement
from scalegrid.plan import Plan, memory_of
from scalegrid.spec import SweepSpec
from scalegrid.speed.kept import keep, kept_file
from scalegrid.speed.probing import CLEARLY, can_be_timed, time_steps
from scalegrid.training.devices import device_memory
from scalegrid.training.trial import Probe
from scalegrid.util.processes import available_cores

COUNTS = (8, 4, 2, 1)
"""Those that are tried, the most first: then all workers have started for the others."""

_ROUNDS = 25  # of steps, 3 s: those of all workers overlap mostly
_PROCESS = 2**30  # bytes beside a training step: of a process, and on its GPU


def count_is_open(spec: SweepSpec, placement: Placement) -> bool:
    """Whether trials run on GPUs of this machine, and nothing says how many at once."""
    free = spec.trials_per_device is None and spec.workers is None
    here = spec.executor == "local" and placement.devices[0].startswith("cuda")
    return free and here and spec.trainer is None and can_be_timed(spec)


def trials_at_once(plan: Plan, placement: Placement, make_executor: MakeExecutor) -> int:
    """The fewest trials at once on each device that are about as fast together as any number.

    Found by steps on noise of the plan's first variant in 8, 4, 2 and 1 processes a device, as far
    as there are cores and memory for them; kept beside the caches. More must be clearly faster.

    Args:
        plan: the sweep's plan.
        placement: its devices.
        make_executor: starts workers for the steps; they are ended again.

    Returns:
        1 if steps fail or take too long.
    """
    if (known := known_count(plan, placement)) is not None:
        return known
    devices, precision = len(placement.devices), plan.spec.precision
    counts = _possible(plan, placement)
    executor = make_executor(replace(placement, workers=devices * counts[0]))
    speeds: dict[int, float] = {}
    try:
        time_steps(plan, executor, Probe((precision,), limits=False, rounds=1))  # to warm up
        timing = Probe((precision,), limits=False, rounds=_ROUNDS)
        for count in counts:
            workers = devices * count
            timed = time_steps(plan, executor, timing, trials=workers)
            if timed and timed[0].workers == workers:
                speeds[count] = workers * timed[0].speed
    finally:
        executor.cancel()
    fastest = max(speeds.values(), default=0.0)
    found = min((n for n, speed in speeds.items() if CLEARLY * speed > fastest), default=1)
    if counts == COUNTS and len(speeds) == len(counts):
        keep(kept_file("at-once", plan, placement), str(found))
    return found


def known_count(plan: Plan, placement: Placement) -> int | None:
    """What was found before for such trials, or the most that there is room for, if less."""
    with suppress(OSError, ValueError):  # there is none, or it is damaged
        found = int(kept_file("at-once", plan, placement).read_bytes())
        return min(found, _possible(plan, placement)[0]) if found in COUNTS else None
    return None


def _possible(plan: Plan, placement: Placement) -> tuple[int, ...]:
    """The counts for which there are cores, and memory here and on the devices; at least 1."""
    devices = len(placement.devices)
    room = min(
        available_cores() // (devices * placement.threads),
        device_memory("cpu") // (devices * _PROCESS),
        device_memory(placement.devices[0]) // (max(map(memory_of, plan.variants)) + _PROCESS),
    )
    return tuple(count for count in COUNTS if count <= max(1, room))
