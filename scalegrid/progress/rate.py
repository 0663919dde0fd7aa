"""The rate of trials on this machine, from a few steps of the baseline on noise."""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scalegrid.data import CachedData, Source, prepare
from scalegrid.executors.base import Executor
from scalegrid.executors.placement import Placement, placement_for
from scalegrid.plan import Plan, Variant
from scalegrid.progress.estimate import RateFile, makespan, trial_work
from scalegrid.spec import SweepSpec
from scalegrid.training.trial import Outcome, Trial

if TYPE_CHECKING:
    from PIL import Image

TYPICAL_RATE = 5.6e-9
"""Seconds per activation where nothing was measured: b0 on one thread of a server's CPU."""

_STEPS = 3  # of one epoch; the second epoch counts, when all has been allocated and cached
_PATIENCE = 40.0  # seconds, what is left of the workers' start included
_MOST_IMAGES = 32  # of a step, larger batches are no faster per image by much


@dataclass(frozen=True)
class _Noise:
    """Reads images of noise."""

    side: int

    def __call__(self, _split: str, index: int) -> Image.Image:
        import numpy as np
        from PIL import Image

        pixels = np.random.default_rng(index).integers(0, 256, (self.side, self.side, 3), np.uint8)
        return Image.fromarray(pixels)


class Estimate(NamedTuple):
    """How long a sweep takes; ``measured`` on this machine, or by a processor's typical speed."""

    seconds: float
    measured: bool


def estimate_seconds(spec: SweepSpec, plan: Plan, source: Source) -> Estimate:
    """Wall time of a whole sweep; see `progress.estimate`. Measures nothing, so it is quick.

    Of a race it is the time of ``max_trials``, or else of the first trials of each variant.

    Raises:
        UserError: the device is unknown or not there.
    """
    placement = placement_for(spec)
    rate = rate_file(spec, plan.variants[0], placement).read()
    works = list(plan_works(spec, plan, source).values())
    trials = planned_trials(spec, plan)
    jobs = [(rate or TYPICAL_RATE) * work for work in islice(cycle(works), trials)]
    return Estimate(makespan(jobs, placement.workers), rate is not None)


def planned_trials(spec: SweepSpec, plan: Plan) -> int:
    """How many trials a sweep has; of a race the most it may have, or if unlimited the first."""
    first = spec.seeds * len(plan.variants)
    return first if spec.max_trials is None else spec.max_trials


def limit_note(spec: SweepSpec, plan: Plan) -> str | None:
    """A sentence if a race is too short for every variant's first trial."""
    if spec.max_trials is None or spec.max_trials >= len(plan.variants):
        return None
    return (
        f"--max-trials {spec.max_trials} leaves some of the {len(plan.variants)} variants untrained"
    )


def plan_works(spec: SweepSpec, plan: Plan, source: Source) -> dict[str, float]:
    """The `estimate.trial_work` of each variant of a plan."""
    return {
        variant.variant: trial_work(
            variant.activations, spec.recipe, source.num_train, source.num_val
        )
        for variant in plan.variants
    }


def machine_rate(
    spec: SweepSpec,
    baseline: Variant,
    num_classes: int,
    placement: Placement,
    executor: Executor,
) -> float | None:
    """Seconds per activation of one worker while all work: as last measured here, or measured now.

    Measuring takes a few seconds, once for a kind of training and machine.

    Args:
        spec: the sweep's specification.
        baseline: the network to time.
        num_classes: of the data set.
        placement: the workers.
        executor: the same, or as many of them as have something to do; idle, as afterwards.

    Returns:
        None if a few steps take longer than 40 s, or fail.
    """
    file = rate_file(spec, baseline, placement)
    rate = file.read()
    if rate is None:
        rate = _measure(spec, baseline, num_classes, executor)
        if rate is not None:
            file.write(rate)
    return rate


def rate_file(spec: SweepSpec, baseline: Variant, placement: Placement) -> RateFile:
    """Where the rate of this kind of training is kept."""
    recipe = [spec.batch_size, spec.optimizer, spec.ema_decay > 0, spec.fast_depthwise]
    compiled = ["compiled"] if spec.compile else []
    return RateFile([baseline.variant, [*recipe, *compiled], asdict(placement)])


def _measure(
    spec: SweepSpec, baseline: Variant, num_classes: int, executor: Executor
) -> float | None:
    batch = min(spec.batch_size, _MOST_IMAGES)
    counts = (_STEPS * batch, batch)
    recipe = spec.recipe.model_copy(update={"epochs": 2, "batch_size": batch, "flip": False})
    with tempfile.TemporaryDirectory() as folder:
        data = _noise(counts, num_classes, baseline.resolution, Path(folder))
        for seed in range(executor.capacity):
            executor.submit(
                Trial(
                    trial=str(seed),
                    variant=baseline.variant,
                    seed=seed,
                    baseline=spec.baseline,
                    depth=baseline.depth,
                    width=baseline.width,
                    resolution=baseline.resolution,
                    data=data,
                    recipe=recipe,
                    fast_depthwise=spec.fast_depthwise,
                    threads=spec.threads,
                )
            )
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


def _noise(counts: tuple[int, int], classes: int, side: int, folder: Path) -> CachedData:
    import numpy as np

    labels = [np.arange(count, dtype=np.int64) % classes for count in counts]
    source = Source(
        name="noise",
        fingerprint="noise",
        class_names=tuple(str(i) for i in range(classes)),
        train_labels=labels[0],
        val_labels=labels[1],
        native_resolution=side,
        mirror=False,
        read=_Noise(side),
    )
    return prepare(source, [side], cache_dir=folder)
