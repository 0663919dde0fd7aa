"""Searches of tiny spaces whose trainings are those of `light_training`: no network is trained.

Run as a program it is one such search in worker processes, for tests that kill it:
``python light_search.py FOLDER NAME SETTINGS``, a key of `KILLED`.
"""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from light_sweep import in_workers

from scalegrid.baselines.blockstring import read_block
from scalegrid.executors import InlineExecutor
from scalegrid.executors.base import Event
from scalegrid.search.run import SearchOutcome, run_search
from scalegrid.search.spec import SearchSpec
from scalegrid.training.trial import Epoch, Outcome, Trial

SPACE = """
resolution: 32
stem: 8
head: 16
choices: {kernel: [3, 5, 7], se: [0, 0.25], expansion: [1, 2, 3], filters: [0.5, 1, 1.5]}
stages:
  - {channels: 16, layers: 1, stride: 1}
  - {channels: 24, layers: 2, stride: 2}
"""


def landscape(trial: Trial, report: Callable[[Epoch], None], device: str) -> None:
    """An accuracy that grows with kernels, expansion and channels, in places, and noise."""
    blocks = [read_block(string) for [string] in json.loads(trial.baseline)["stages"]]
    draw = random.Random(f"{trial.variant} {trial.seed}")
    worth = sum((1.0 + i) * (block.kernel == 5) for i, block in enumerate(blocks))
    worth += sum(math.log(block.channels * block.repeats) for block in blocks)
    worth += 2 * bool(blocks[-1].squeeze) + 0.5 * (blocks[0].expansion == 3)
    top1 = 0.3 + 0.01 * worth + draw.gauss(0, 0.008)
    report(Epoch(1, 1.0, 1.0, top1, top1, 0.1, 1000.0, 0.01))


def light_spec(folder: Path, name: str = "s", **settings: Any) -> SearchSpec:
    """A specification of a search of `SPACE`, written beside its results."""
    path = folder / "space.yaml"
    path.write_text(SPACE)
    values: dict[str, Any] = {
        "space": str(path),
        "target": "1.1M",
        "data": "glyphs",
        "train_images": 64,
        "val_images": 32,
        "batch_size": 32,
        "epochs": 1,
        "trials": 16,
        "race_trials": 7,
        "ahead": 3,
        "workers": 2,
        "device": "cpu",
        "name": name,
        "results": str(folder / "results"),
    }
    return SearchSpec(**{**values, **settings})


class Interrupted(InlineExecutor):
    """Interrupts a search after so many trials."""

    def __init__(self, trials: int, function: str) -> None:
        super().__init__(function=function)
        self._left = trials

    def collect(self, timeout: float | None = None) -> list[Event]:
        """As of the other executor, up to the interruption."""
        if self._left == 0:
            raise KeyboardInterrupt
        events = super().collect(timeout)
        self._left -= sum(isinstance(event, Outcome) for event in events)
        return events


def run_light(
    spec: SearchSpec, interrupted_after: int = -1, function: str = "light_training:train"
) -> SearchOutcome:
    """`run_search` in this process, without training."""
    # As of stand-ins in workers, which do without torch.
    with mock.patch("scalegrid.training.devices.vector_instructions", return_value=None):
        return run_search(
            spec, make_executor=lambda _placement: Interrupted(interrupted_after, function)
        )


KILLED: dict[str, dict[str, Any]] = {
    "sampling": {"searcher": "evolution", "trials": 20, "finalists": 1, "ahead": 4},
    # One worker: which trials a race asks for follows from those that run.
    "race": {"trials": 5, "finalists": 4, "race_trials": 24, "rungs": (1, 3), "workers": 1},
}
"""The settings of searches that are killed."""


if __name__ == "__main__":
    folder, name, settings = sys.argv[1:]
    ended = run_search(light_spec(Path(folder), name, **KILLED[settings]), make_executor=in_workers)
    sys.exit(ended.exit_status)
