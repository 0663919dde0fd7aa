"""How many trials a GPU trains at once: a small network leaves most of it idle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from scalegrid.executors import MakeExecutor, Placement
from scalegrid.plan import Plan, memory_of
from scalegrid.spec import SweepSpec
from scalegrid.speed.kept import keep, kept_file
from scalegrid.speed.probing import can_be_timed, time_steps
from scalegrid.training.devices import device_memory
from scalegrid.training.trial import Probe
from scalegrid.util.processes import available_cores

COUNTS = (8, 4, 2, 1)
"""Those that are tried, the most first: then all workers have started for the others."""

_CLEARLY = 1.1
"""How many times as fast more trials must be, all together, to be chosen over fewer."""

_WARM = Probe(("auto",), limits=False, rounds=1)
_TIMED = Probe(("auto",), limits=False, rounds=25)  # 3 s: those of all workers overlap mostly


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
    path = kept_file("at-once", plan, placement)
    with suppress(OSError, ValueError):  # there is none, or it is damaged
        if (known := int(path.read_bytes())) in COUNTS:
            return known
    devices = len(placement.devices)
    counts = list(_possible(plan, placement))
    executor = make_executor(replace(placement, workers=devices * counts[0]))
    speeds: dict[int, float] = {}
    try:
        time_steps(plan, executor, _WARM)
        for count in counts:
            timed = time_steps(plan, executor, _TIMED, trials=devices * count)
            speeds[count] = devices * count * timed[0].speed if timed else 0.0
    finally:
        executor.cancel()
    fastest = max(speeds.values())
    if not fastest:
        return 1
    found = min(count for count, speed in speeds.items() if _CLEARLY * speed > fastest)
    keep(path, str(found))
    return found


def _possible(plan: Plan, placement: Placement) -> Iterator[int]:
    """The counts that cores and the devices' memory have room for; at least 1."""
    cores, memory = available_cores(), device_memory(placement.devices[0])
    largest = max(map(memory_of, plan.variants))
    for count in COUNTS:
        fits = count * len(placement.devices) <= cores and count * largest <= memory
        if fits or count == 1:
            yield count
