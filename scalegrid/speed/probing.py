"""In which number format and by which kernels a network trains fastest here, and how fast.

Every worker times a few steps on noise for that (`scalegrid.training.probe`). What was found is
kept beside the caches.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel

from scalegrid.data import CachedData
from scalegrid.executors import Executor, Placement
from scalegrid.plan import Plan, make_trial, trial_work
from scalegrid.spec import KernelLimits, Precision, SweepSpec
from scalegrid.speed.kept import keep, kept_file
from scalegrid.speed.rate import remember_rate, stored_rate
from scalegrid.training.trial import Epoch, Outcome, Probe

_PATIENCE = 40.0  # seconds, what is left of the workers' start included
CLEARLY = 1.1
"""How many times as fast another way must be to be chosen, so that a machine chooses alike."""


class _Choice(BaseModel):
    """What a specification had left open, as found on this machine."""

    precision: Literal["fp32", "bf16"]
    kernel_limits: KernelLimits | None


class Probed(NamedTuple):
    """A plan whose number format and kernels are settled, and the rate of its trials here."""

    plan: Plan
    rate: float | None


def probed(plan: Plan, placement: Placement, executor: Executor, *, choose: bool = True) -> Probed:
    """What is fastest on this machine, as found before or by a few seconds of steps on noise.

    Args:
        plan: the sweep's plan; its first variant is timed.
        placement: the workers.
        executor: the same, or as many of them as have something to do; idle, as afterwards.
        choose: whether the plan may get another precision and other kernel limits, where they are
            left open and trials run on CPUs. bfloat16 must be clearly faster.

    Returns:
        In float32 where it is left open, and with the rate of trials before, if any, where steps
        take longer than 40 s, fail, or cannot be timed.
    """
    choose = choose and _open(plan.spec, placement)
    if choose and (known := _choice(plan, placement)):
        plan, choose = _with(plan, known), False
    timed = can_be_timed(plan.spec)
    rate = None if choose and timed else stored_rate(plan, placement)
    if rate is not None:
        return Probed(plan, rate)
    found = time_steps(plan, executor, _probe(plan.spec, choose=choose)) if timed else []
    best = _fastest(found) if any(one.speed for one in found) else None
    if choose:
        plan = _settled(plan, placement, best)
    if best is None:
        return Probed(plan, stored_rate(plan, placement))
    one_epoch = plan.recipe.model_copy(update={"epochs": 1})
    one_image = trial_work(plan.variants[0].activations, one_epoch, num_train=1, num_val=0)
    rate = 1 / (best.speed * one_image)
    remember_rate(plan, placement, rate)
    return Probed(plan, rate)


def _settled(plan: Plan, placement: Placement, best: Timed | None) -> Plan:
    """The plan with the fastest way, which is kept; in float32 if it is not known."""
    if best is None:
        return _with(plan, _Choice(precision="fp32", kernel_limits=None))
    precision: Literal["fp32", "bf16"] = "bf16" if best.precision == "bf16" else "fp32"
    choice = _Choice(precision=precision, kernel_limits=best.limits)
    keep(kept_file("choices", plan, placement), choice.model_dump_json())
    return _with(plan, choice)


def chosen(plan: Plan, placement: Placement) -> Plan:
    """The plan with what was found before of its kind on this machine, where it is left open."""
    known = _choice(plan, placement) if _open(plan.spec, placement) else None
    return _with(plan, known) if known else plan


def _choice(plan: Plan, placement: Placement) -> _Choice | None:
    with suppress(OSError, ValueError):  # there is none, or it is damaged
        return _Choice.model_validate_json(kept_file("choices", plan, placement).read_bytes())
    return None


def _with(plan: Plan, choice: _Choice) -> Plan:
    """The plan with a choice, as far as it leaves it open."""
    spec = plan.spec
    precision = choice.precision if spec.precision == "auto" else spec.precision
    limits = spec.kernel_limits or (choice.kernel_limits if spec.fast_depthwise else None)
    found = {"precision": precision, "kernel_limits": limits}
    return replace(plan, spec=spec.model_copy(update=found))


def can_be_timed(spec: SweepSpec) -> bool:
    """Whether a few steps can be: to compile takes longer, and jobs of Slurm may not start soon."""
    return not spec.compile and spec.executor != "slurm"


def _probe(spec: SweepSpec, *, choose: bool) -> Probe:
    """What to time: all that is left open, or the specification as it is."""
    limits = choose and spec.fast_depthwise and spec.kernel_limits is None
    both = choose and spec.precision == "auto"
    return Probe(("fp32", "bf16") if both else (spec.precision,), limits)


class Timed(NamedTuple):
    """A number format, the kernel limits that were found for it, and the images per second.

    They are those of one of the ``workers`` that have timed it, in so many ``seconds`` each; 0 if
    one of them could not.
    """

    precision: Precision
    limits: KernelLimits | None
    speed: float
    workers: int
    seconds: float


def _open(spec: SweepSpec, placement: Placement) -> bool:
    """Whether there is something to choose: trials run on CPUs, and the specification leaves it."""
    free = spec.precision == "auto" or (spec.fast_depthwise and spec.kernel_limits is None)
    return free and placement.devices == ("cpu",)


def time_steps(
    plan: Plan, executor: Executor, probe: Probe, trials: int | None = None
) -> list[Timed]:
    """Time the baseline in so many workers at once, by default in all.

    Nothing is returned if that fails in all of them, or takes too long. The executor is idle
    afterwards.
    """
    trials = trials or executor.capacity
    baseline, source = plan.variants[0], plan.source
    recipe = plan.recipe.model_copy(update={"epochs": len(probe.precisions)})
    images = CachedData(
        Path(),
        "noise",
        source.num_classes,
        (),
        channels=source.channels,
        statistics=source.statistics,
    )
    for seed in range(trials):
        executor.submit(replace(make_trial(plan, baseline, seed, images, recipe), probe=probe))
    outcomes = _finished(executor, trials)
    executor.abandon()
    if not outcomes:
        return []
    return [_timed(one, [o.history[i] for o in outcomes]) for i, one in enumerate(probe.precisions)]


def _finished(executor: Executor, trials: int) -> list[Outcome]:
    """Those of so many trials that end in time."""
    deadline = time.monotonic() + _PATIENCE
    outcomes: list[Outcome] = []
    while len(outcomes) < trials and (left := deadline - time.monotonic()) > 0:
        outcomes += [e for e in executor.collect(min(left, 1.0)) if isinstance(e, Outcome)]
    return [one for one in outcomes if one.status == "finished" and one.history]


def _timed(precision: Precision, epochs: Sequence[Epoch]) -> Timed:
    """What workers say of a format: each epoch is of one of them."""
    speeds = [e.images_per_second for e in epochs if 0 < e.images_per_second < math.inf]
    found = [tuple(e.figures.values()) for e in epochs if e.figures]
    limits = tuple(int(statistics.median_low(values)) for values in zip(*found, strict=True))
    return Timed(
        precision,
        limits if len(limits) == 3 else None,
        statistics.harmonic_mean(speeds) if len(speeds) == len(epochs) else 0.0,
        len(epochs),
        statistics.fmean(epoch.seconds for epoch in epochs),
    )


def _fastest(all_timed: Sequence[Timed]) -> Timed:
    """The fastest of one or more formats; a later one only if it is clearly faster."""
    best, *others = all_timed
    for timed in others:
        if timed.speed >= CLEARLY * best.speed:
            best = timed
    return best
