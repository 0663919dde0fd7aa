"""What a trainer of a user's own gets, and what may be made of what it gives."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scalegrid.data import CachedData
from scalegrid.metric import TAKEN
from scalegrid.results.schema import ANSWERS, HISTORY, TRIALS
from scalegrid.spec import Recipe
from scalegrid.training import Outcome, TrainerTrial, Trial, attempt
from scalegrid.training.trainer import KNOWN

GIVES: dict[str, Any] = {}
"""What `gives` returns, set by each test."""


def gives(trial: TrainerTrial) -> Any:
    made = GIVES["it"]
    return made(trial) if callable(made) else made


def outcome(it: Any, **changes: Any) -> Outcome:
    GIVES["it"] = it
    trial = Trial(
        trial="t",
        variant="v",
        seed=7,
        baseline="nano",
        depth=1.0,
        width=1.0,
        resolution=32,
        data=CachedData(Path(), "f", 3, (), channels=1),
        recipe=Recipe(epochs=2),
        trainer=f"{Path(__file__).parent}/{__name__}:gives",
        **changes,
    )

    def never(*_: Any) -> None:
        raise AssertionError("the recipe trains")

    return attempt(never, trial)


def test_a_trainer_is_called_with_the_trial_and_seeded_generators() -> None:
    seen: list[Any] = []

    def look(trial: TrainerTrial) -> dict[str, float]:
        output = trial.network()(torch.zeros(2, 1, 32, 32))
        seen.append((trial.resolution, trial.seed, trial.epochs, trial.device, output.shape))
        return {"sum": random.random() + float(np.random.random()) + float(torch.rand(()))}

    before = random.getstate()
    first, again = outcome(look, rung=3), outcome(look, rung=3)
    assert seen[0] == (32, 7, 6, "cpu", (2, 3))
    assert first.history[-1].figures == again.history[-1].figures
    assert random.getstate() == before


def test_figures_are_those_of_each_epoch() -> None:
    figures = [{"miou": 0.1, "val_loss": 2}, {"miou": torch.tensor(0.2), "val_loss": np.float32(1)}]
    ended = outcome(iter(figures))
    assert ended.status == "finished"
    assert ended.answers is None
    assert [epoch.epoch for epoch in ended.history] == [1, 2]
    assert [epoch.val_loss for epoch in ended.history] == [2, 1]
    assert math.isnan(ended.history[0].top1)
    assert dict(ended.history[1].figures or {}) == {"miou": pytest.approx(0.2)}
    assert outcome({"miou": 0.3}).history[-1].figures == {"miou": 0.3}


def test_no_figure_may_take_the_name_of_a_column() -> None:
    columns = {name for schema in (TRIALS, HISTORY, ANSWERS) for name in schema.names}
    assert columns - set(KNOWN) <= TAKEN


@pytest.mark.parametrize(
    ("it", "error"),
    [
        (None, "gives no figures"),
        ([], "gives no figures"),
        (0.5, "returns 0.5; it must yield or return mappings"),
        ([0.5], "gives 0.5 in epoch 1; it must be a mapping"),
        ({}, "gives {} in epoch 1"),
        ({"miou": "high"}, "gives miou 'high' in epoch 1; it must be a number"),
        ({"miou": math.nan}, "miou became nan in epoch 1"),
        ([{"a": 1}, {"a": math.inf}], "a became infinite in epoch 2"),
        ({"top1": 63.0}, "top1 63 in epoch 1; it must be a share from 0 to 1"),
        ({"balanced": 1.5}, "balanced 1.5 in epoch 1; it must be a share from 0 to 1"),
        ({"seconds": 1}, "'seconds', which is a column of the tables"),
        ({"trial": 1}, "'trial', which is a column of the tables"),
        ({3: 1}, "names a figure 3"),
        ({"$x$": 1}, "names a figure '$x$'; a name must be plain text without $"),
        (lambda trial: 1 / 0, "ZeroDivisionError"),
        (lambda trial: (_ for _ in ()).throw(SystemExit(3)), "calls sys.exit(3)"),
    ],
)
def test_what_is_no_figure_fails_the_trial_in_a_sentence(it: Any, error: str) -> None:
    ended = outcome(it)
    assert ended.status == "failed"
    assert error in str(ended.error)
    assert "\n" not in str(ended.error)
