"""Whatever a trainer does, one outcome comes back. The trainers here are stand-ins."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import light_training
import pytest

from scalegrid.data import CachedData
from scalegrid.spec import Recipe
from scalegrid.training import Epoch, Train, Trial, attempt, find
from scalegrid.training.answers import Answers
from scalegrid.training.devices import device_name
from scalegrid.training.trial import DivergenceError

EPOCH = Epoch(1, 0.5, 0.5, 0.5, 0.5, 0.1, 1000.0, 0.01)
ANSWERS = Answers(8, b"\xf0")
TRIAL = Trial(
    *("trial", "variant", 0, "b0", 1.0, 1.0, 32),
    data=CachedData(Path("nowhere"), "f", 10, (32,)),
    recipe=Recipe(),
)


def train_then(raised: BaseException | None) -> Train:
    """Reports an epoch, then raises."""

    def train(trial: Trial, report: Callable[[Epoch], None], device: str) -> Answers:
        report(EPOCH)
        if raised is not None:
            raise raised
        return ANSWERS

    return train


def test_a_training_that_returns_has_finished() -> None:
    reported: list[Epoch] = []
    outcome = attempt(train_then(None), TRIAL, reported.append, "cpu:0")
    assert (outcome.trial, outcome.status, outcome.error) == ("trial", "finished", None)
    assert outcome.history == tuple(reported) == (EPOCH,)
    assert outcome.answers == ANSWERS
    assert outcome.device == device_name("cpu")
    assert outcome.seconds >= 0


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (DivergenceError("the loss became nan in epoch 2"), "the loss became nan in epoch 2"),
        (ValueError("no such layer.\nsecond line"), "ValueError: no such layer"),
        (KeyError(), "KeyError"),
    ],
)
def test_an_exception_is_a_failed_outcome_in_one_line(raised: Exception, error: str) -> None:
    outcome = attempt(train_then(raised), TRIAL)
    assert (outcome.status, outcome.error, outcome.history) == ("failed", error, (EPOCH,))
    assert outcome.answers is None
    assert outcome.device == device_name("cpu")
    assert outcome.versions.startswith("scalegrid ")


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), SystemExit(7)])
def test_interruptions_and_exits_pass_through(raised: BaseException) -> None:
    with pytest.raises(type(raised)):
        attempt(train_then(raised), TRIAL)


def test_the_number_format_is_that_of_a_finished_training_alone() -> None:
    half = replace(TRIAL, recipe=Recipe(precision="bf16"))
    assert attempt(train_then(None), TRIAL).number_format == "fp32"
    assert attempt(train_then(None), half).number_format == "bf16"
    assert attempt(train_then(RuntimeError()), half).number_format is None


@pytest.mark.parametrize(
    ("precision", "before", "reason"),
    [
        ("auto", "bf16", r"trials before are in bf16, and on cpu, .* they are in fp32; go on with"),
        ("fp16", None, "trials in fp16 cannot be trained on cpu; choose another --device"),
    ],
)
def test_a_device_of_another_number_format_leaves_a_trial_untrained(
    precision: Any, before: str | None, reason: str
) -> None:
    other = replace(TRIAL, recipe=Recipe(precision=precision), number_format=before)
    outcome = attempt(train_then(AssertionError("it was trained")), other)
    assert (outcome.status, outcome.history) == ("failed", ())
    assert outcome.unfit
    assert outcome.stops
    assert re.match(reason, str(outcome.error))


def test_a_trainer_is_found_by_module_and_name() -> None:
    assert find("light_training:train") is light_training.train
