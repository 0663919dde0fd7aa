"""How fast trials are on this machine: from its trials, from before, or from a few steps on noise.

A rate is the seconds that one worker, while all work, takes per activation (see `estimate`). The
steps, which every worker times (`scalegrid.training.probe`), also show in which number format and
by which kernels the network trains fastest here. What was found is kept beside the caches.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

from scalegrid.data import CachedData
from scalegrid.executors import Executor, Placement
from scalegrid.plan import Plan, make_trial, trial_work, trial_works
from scalegrid.spec import KernelLimits, Precision, SweepSpec
from scalegrid.training.trial import Epoch, Outcome, Probe
from scalegrid.util import disk
from scalegrid.util.files import cache_root, digest, replace_file
from scalegrid.util.processor import processor

_PATIENCE = 40.0  # seconds, what is left of the workers' start included
_CLEARLY = 1.1
"""How many times faster bfloat16 must be to be chosen, so that a machine always chooses alike."""


class _Choice(BaseModel):
    """What a specification had left open, as found on this machine."""

    precision: Literal["fp32", "bf16"]
    kernel_limits: KernelLimits | None


def rate_of(trials: Sequence[Mapping[str, Any]], plan: Plan, placement: Placement) -> float | None:
    """The rate of finished trials on this kind of device and as many threads; None without any.

    Trials at higher rungs are left out: how much of them was recalled is not in their rows.
    Trials on another processor say nothing of this one; those that do not name theirs count.
    """
    unnamed = placement.devices[0].split(":")[0]
    kind = f"cpu, {processor()}," if unnamed == "cpu" else unnamed
    timed = [
        row
        for row in trials
        if row["status"] == "finished"
        and row["rung"] == 1
        and row["threads"] == placement.threads
        and (row["device"] == unnamed or f"{row['device']},".startswith(kind))
    ]
    if not timed:
        return None
    works = trial_works(plan)
    seconds = sum(row["seconds"] for row in timed)
    return float(seconds / sum(works[row["variant"]] for row in timed))


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
        In float32 where it is left open, and without a rate, if steps take longer than 40 s, fail,
        or cannot be timed.
    """
    choose = choose and _open(plan.spec, placement)
    if choose and (known := _choice(plan, placement)):
        plan, choose = _with(plan, known), False
    timed = can_be_timed(plan.spec)
    rate = None if choose and timed else stored_rate(plan, placement)
    if rate is not None:
        return Probed(plan, rate)
    found = _time(plan, executor, _probe(plan.spec, choose=choose)) if timed else []
    best = _fastest(found) if found else None
    if choose:
        plan = _settled(plan, placement, best)
    if best is None:
        return Probed(plan, None)
    one_epoch = plan.recipe.model_copy(update={"epochs": 1})
    one_image = trial_work(plan.variants[0].activations, one_epoch, num_train=1, num_val=0)
    rate = 1 / (best.speed * one_image)
    remember_rate(plan, placement, rate)
    return Probed(plan, rate)


def _settled(plan: Plan, placement: Placement, best: _Timed | None) -> Plan:
    """The plan with the fastest way, which is kept; in float32 if it is not known."""
    if best is None:
        return _with(plan, _Choice(precision="fp32", kernel_limits=None))
    precision: Literal["fp32", "bf16"] = "bf16" if best.precision == "bf16" else "fp32"
    choice = _Choice(precision=precision, kernel_limits=best.limits)
    _keep(_file("choices", plan, placement), choice.model_dump_json())
    return _with(plan, choice)


def chosen(plan: Plan, placement: Placement) -> Plan:
    """The plan with what was found before of its kind on this machine, where it is left open."""
    known = _choice(plan, placement) if _open(plan.spec, placement) else None
    return _with(plan, known) if known else plan


def _choice(plan: Plan, placement: Placement) -> _Choice | None:
    with suppress(OSError, ValueError):  # there is none, or it is damaged
        return _Choice.model_validate_json(_file("choices", plan, placement).read_bytes())
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


def stored_rate(plan: Plan, placement: Placement) -> float | None:
    """The last measured rate of this kind of training on this machine; None if there is none."""
    try:
        rate = json.loads(_file("rates", plan, placement).read_bytes())
    except (OSError, ValueError):
        return None
    return rate if isinstance(rate, float) and 0 < rate < float("inf") else None


def remember_rate(plan: Plan, placement: Placement, rate: float) -> None:
    """Keep ``rate`` beside the caches; where that is impossible it is measured again next time."""
    _keep(_file("rates", plan, placement), json.dumps(rate))


def _file(folder: str, plan: Plan, placement: Placement) -> Path:
    """Where a fact of a kind of training is kept: all that it depends on is in the name."""
    spec = plan.spec
    recipe = [spec.batch_size, spec.optimizer, spec.ema_decay > 0, spec.fast_depthwise]
    kernels = [spec.precision, spec.kernel_limits]
    compiled = ["compiled"] if spec.compile else []
    engine = [] if spec.executor == "local" else [spec.executor, spec.ray_address]
    kind = [plan.variants[0].variant, [*recipe, *kernels, *compiled, *engine], asdict(placement)]
    machine = [platform.node(), platform.machine(), processor(), os.cpu_count(), version("torch")]
    return cache_root() / folder / f"{digest([kind, machine])}.json"


def _keep(path: Path, text: str) -> None:
    with suppress(OSError):
        disk.make_folders(path.parent)
        replace_file(path, lambda file: file.write(text.encode()), durable=False)


def _probe(spec: SweepSpec, *, choose: bool) -> Probe:
    """What to time: all that is left open, or the specification as it is."""
    limits = choose and spec.fast_depthwise and spec.kernel_limits is None
    both = choose and spec.precision == "auto"
    return Probe(("fp32", "bf16") if both else (spec.precision,), limits)


class _Timed(NamedTuple):
    """A number format with the kernel limits that were found for it, and its images per second."""

    precision: Precision
    limits: KernelLimits | None
    speed: float


def _open(spec: SweepSpec, placement: Placement) -> bool:
    """Whether there is something to choose: trials run on CPUs, and the specification leaves it."""
    free = spec.precision == "auto" or (spec.fast_depthwise and spec.kernel_limits is None)
    return free and placement.devices == ("cpu",)


def _time(plan: Plan, executor: Executor, probe: Probe) -> list[_Timed]:
    """Time the baseline in every worker at once; nothing if that fails or takes too long."""
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
    for seed in range(executor.capacity):
        executor.submit(replace(make_trial(plan, baseline, seed, images, recipe), probe=probe))
    outcomes = _finished(executor)
    executor.abandon()
    if not outcomes:
        return []
    return [_timed(one, [o.history[i] for o in outcomes]) for i, one in enumerate(probe.precisions)]


def _finished(executor: Executor) -> list[Outcome]:
    """The trials that end in time, of one for each worker."""
    deadline = time.monotonic() + _PATIENCE
    outcomes: list[Outcome] = []
    while len(outcomes) < executor.capacity and (left := deadline - time.monotonic()) > 0:
        outcomes += [e for e in executor.collect(min(left, 1.0)) if isinstance(e, Outcome)]
    return [one for one in outcomes if one.status == "finished"]


def _timed(precision: Precision, epochs: Sequence[Epoch]) -> _Timed:
    """What workers say of a format: each epoch is of one of them."""
    speeds = [e.images_per_second for e in epochs if e.images_per_second > 0]
    found = [tuple(e.figures.values()) for e in epochs if e.figures]
    limits = tuple(int(statistics.median_low(values)) for values in zip(*found, strict=True))
    return _Timed(
        precision,
        limits if len(limits) == 3 else None,
        statistics.harmonic_mean(speeds) if len(speeds) == len(epochs) else 0.0,
    )


def _fastest(all_timed: Sequence[_Timed]) -> _Timed:
    """The fastest of one or more formats; a later one only if it is clearly faster."""
    best, *others = all_timed
    for timed in others:
        if timed.speed >= _CLEARLY * best.speed:
            best = timed
    return best
