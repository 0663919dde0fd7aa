"""The speed of trials on this machine: from its trials, or from before.

A rate is the seconds that one worker, while all work, takes per activation (see `estimate`).
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scalegrid.executors import Placement
from scalegrid.plan import Plan, trial_works
from scalegrid.spec import SweepSpec
from scalegrid.util import disk
from scalegrid.util.files import cache_root, digest, replace_file
from scalegrid.util.processor import processor


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


def can_be_timed(spec: SweepSpec) -> bool:
    """Whether a few steps can be: to compile takes longer, and jobs of Slurm may not start soon."""
    return not spec.compile and spec.executor != "slurm"


def stored_rate(plan: Plan, placement: Placement) -> float | None:
    """The last measured rate of this kind of training on this machine; None if there is none."""
    try:
        rate = json.loads(file_of("rates", plan, placement).read_bytes())
    except (OSError, ValueError):
        return None
    return rate if isinstance(rate, float) and 0 < rate < float("inf") else None


def remember_rate(plan: Plan, placement: Placement, rate: float) -> None:
    """Keep ``rate`` beside the caches; where that is impossible it is measured again next time."""
    keep(file_of("rates", plan, placement), json.dumps(rate))


def file_of(folder: str, plan: Plan, placement: Placement) -> Path:
    """Where a fact of a kind of training is kept: all that it depends on is in the name."""
    spec = plan.spec
    recipe = [spec.batch_size, spec.optimizer, spec.ema_decay > 0, spec.fast_depthwise]
    kernels = [spec.precision, spec.kernel_limits]
    compiled = ["compiled"] if spec.compile else []
    engine = [] if spec.executor == "local" else [spec.executor, spec.ray_address]
    kind = [plan.variants[0].variant, [*recipe, *kernels, *compiled, *engine], asdict(placement)]
    machine = [platform.node(), platform.machine(), processor(), os.cpu_count(), version("torch")]
    return cache_root() / folder / f"{digest([kind, machine])}.json"


def keep(path: Path, text: str) -> None:
    """Write a fact; where that is impossible it is found again next time."""
    with suppress(OSError):
        disk.make_folders(path.parent)
        replace_file(path, lambda file: file.write(text.encode()), durable=False)
