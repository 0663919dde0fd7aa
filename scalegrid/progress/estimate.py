"""How long trials take.

The model: a trial's time is proportional to the activations that it computes,

    seconds = rate · activations · epochs · (3 · training images + validation images),

since a training step is a forward and a backward pass, the latter about twice the former. Dollár et
al. (2021, arXiv 2103.06877) find that time follows activations more than FLOPs; of seven variants
of b0 at 64 px on a CPU, seconds per activation differed by 3 %, seconds per FLOP by 26 %. Networks
of dense convolutions lie between the two.

``rate`` (seconds per activation of one worker while all work) is measured: before the first sweep
of its kind on a machine by a few steps of the baseline on noise, from then on by the trials
themselves.
"""

from __future__ import annotations

import heapq
import json
import os
import platform
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from scalegrid.spec import Recipe
from scalegrid.util.files import cache_root, digest, replace_file


def trial_work(activations: int, recipe: Recipe, num_train: int, num_val: int) -> float:
    """The work of a trial: activations times forward passes, a backward pass counting as two."""
    return float(activations) * recipe.epochs * (3 * num_train + num_val)


def makespan(jobs: Iterable[float], workers: int) -> float:
    """When the last of ``jobs`` (seconds) ends if each worker in turn takes the longest left."""
    busy = [0.0] * workers
    for job in sorted(jobs, reverse=True):
        heapq.heapreplace(busy, busy[0] + job)
    return max(busy)


class RateFile:
    """The last measured rate of a kind of training on this machine, kept beside the data caches.

    Args:
        kind: what the rate depends on beside the machine and torch; anything JSON can hold.
    """

    def __init__(self, kind: object) -> None:
        machine = [platform.node(), platform.machine(), os.cpu_count(), version("torch")]
        self._path: Path = cache_root() / "rates" / f"{digest([kind, machine])}.json"

    def read(self) -> float | None:
        """Seconds per activation, None if never measured."""
        try:
            rate = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return None
        return rate if isinstance(rate, float) and 0 < rate < float("inf") else None

    def write(self, rate: float) -> None:
        """Keep ``rate``; where that is impossible it is measured again next time."""
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(rate).encode()
            replace_file(self._path, lambda file: file.write(text), durable=False)


class Pace:
    """The rate of a running sweep: its own epochs as they come, a rate from before until then."""

    def __init__(self, before: float | None) -> None:
        self._before = before
        self._seconds = self._work = 0.0

    def add(self, seconds: float, work: float) -> None:
        """Take in that ``work`` took one worker ``seconds``."""
        self._seconds += seconds
        self._work += work

    @property
    def measured(self) -> float | None:
        """Seconds per activation of what was taken in; None before anything was."""
        return self._seconds / self._work if self._work else None

    @property
    def rate(self) -> float | None:
        """Seconds per activation, None if unknown."""
        return self._before if self.measured is None else self.measured
