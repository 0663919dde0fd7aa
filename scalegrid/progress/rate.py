"""The speed of trials on this machine: from its trials, from before, or from a few steps on noise.

A rate is the seconds that one worker, while all work, takes per activation (see `estimate`).
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from math import ceil
from pathlib import Path
from typing import Any

from scalegrid.data import CachedData, Source, prepare
from scalegrid.data.sources import Pixels
from scalegrid.executors import Executor, Placement
from scalegrid.plan import Plan, make_trial, trial_work, trial_works
from scalegrid.training.trial import Outcome
from scalegrid.util import disk
from scalegrid.util.files import cache_root, digest, replace_file
from scalegrid.util.processor import processor

_STEPS = (3, 64)  # fewest and most of an epoch; the second counts, when memory is allocated
_WORK = 4e8  # activations of an epoch, about two seconds: a few steps of a small network vary a lot
_PATIENCE = 40.0  # seconds, what is left of the workers' start included
_MOST_IMAGES = 32  # of a step; larger batches are hardly faster per image


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


def machine_rate(plan: Plan, placement: Placement, executor: Executor) -> float | None:
    """The rate as last measured here, or measured now, which takes a few seconds.

    Args:
        plan: the sweep's plan; its first variant is timed.
        placement: the workers.
        executor: the same, or as many of them as have something to do; idle, as afterwards.

    Returns:
        None if a few steps take longer than 40 s, or fail. To compile a network takes longer.
    """
    rate = stored_rate(plan, placement)
    if rate is None and not plan.spec.compile:
        rate = _measure(plan, executor)
        if rate is not None:
            remember_rate(plan, placement, rate)
    return rate


def stored_rate(plan: Plan, placement: Placement) -> float | None:
    """The last measured rate of this kind of training on this machine; None if there is none."""
    try:
        rate = json.loads(_file(plan, placement).read_bytes())
    except (OSError, ValueError):
        return None
    return rate if isinstance(rate, float) and 0 < rate < float("inf") else None


def remember_rate(plan: Plan, placement: Placement, rate: float) -> None:
    """Keep ``rate`` beside the caches; where that is impossible it is measured again next time."""
    path = _file(plan, placement)
    with suppress(OSError):
        disk.make_folders(path.parent)
        text = json.dumps(rate).encode()
        replace_file(path, lambda file: file.write(text), durable=False)


def _file(plan: Plan, placement: Placement) -> Path:
    """Where the rate of a kind of training is kept: all that it depends on is in the name."""
    spec = plan.spec
    recipe = [spec.batch_size, spec.optimizer, spec.ema_decay > 0, spec.fast_depthwise]
    compiled = ["compiled"] if spec.compile else []
    engine = [] if spec.executor == "local" else [spec.executor, spec.ray_address]
    kind = [plan.variants[0].variant, [*recipe, *compiled, *engine], asdict(placement)]
    machine = [platform.node(), platform.machine(), os.cpu_count(), version("torch")]
    return cache_root() / "rates" / f"{digest([kind, machine])}.json"


def _measure(plan: Plan, executor: Executor) -> float | None:
    """Train the baseline for two short epochs in every worker at once."""
    baseline = plan.variants[0]
    batch = min(plan.spec.batch_size, _MOST_IMAGES)
    recipe = plan.recipe.model_copy(update={"epochs": 2, "batch_size": batch, "flip": False})
    with tempfile.TemporaryDirectory() as folder:
        work = trial_work(baseline.activations, recipe, batch, 0) / recipe.epochs
        steps = min(max(_STEPS[0], ceil(_WORK / work)), _STEPS[1])
        data = _noise((steps * batch, batch), plan.source, baseline.resolution, Path(folder))
        for seed in range(executor.capacity):
            executor.submit(make_trial(plan, baseline, seed, data, recipe))
        speeds = _speeds(executor)
        executor.abandon()
    if not speeds:
        return None
    one_epoch = recipe.model_copy(update={"epochs": 1})
    one_image = trial_work(baseline.activations, one_epoch, num_train=1, num_val=0)
    return 1 / (statistics.harmonic_mean(speeds) * one_image)


def _speeds(executor: Executor) -> list[float]:
    """Training images per second in the last epoch of each trial that ends in time."""
    deadline = time.monotonic() + _PATIENCE
    outcomes: list[Outcome] = []
    while len(outcomes) < executor.capacity and (left := deadline - time.monotonic()) > 0:
        outcomes += [e for e in executor.collect(min(left, 1.0)) if isinstance(e, Outcome)]
    return [o.history[-1].images_per_second for o in outcomes if o.status == "finished"]


@dataclass(frozen=True)
class _Noise:
    """Reads arrays of noise."""

    side: int
    channels: int

    def __call__(self, _split: str, index: int) -> Pixels:
        import numpy as np

        shape = (self.side, self.side, self.channels)
        return np.random.default_rng(index).integers(0, 256, shape, np.uint8)


def _noise(counts: tuple[int, int], like: Source, side: int, folder: Path) -> CachedData:
    """Data as those of the sweep, with their classes and channels."""
    import numpy as np

    labels = [np.arange(count, dtype=np.int64) % like.num_classes for count in counts]
    source = Source(
        name="noise",
        fingerprint="noise",
        class_names=like.class_names,
        train_labels=labels[0],
        val_labels=labels[1],
        native_resolution=side,
        mirror=False,
        read=_Noise(side, like.channels),
        channels=like.channels,
    )
    return prepare(source, [side], cache_dir=folder)
