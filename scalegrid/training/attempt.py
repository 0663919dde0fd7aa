"""Running a trial: an outcome comes back even if the training raises. Imports no torch."""

from __future__ import annotations

import importlib
import time
import traceback
from collections.abc import Callable
from typing import TypeAlias

from scalegrid.training.answers import Answers
from scalegrid.training.devices import (
    check_precision,
    device_name,
    differing,
    number_format,
    versions,
)
from scalegrid.training.trainer import TrainerError
from scalegrid.training.trial import DivergenceError, Epoch, Outcome, Trial
from scalegrid.util.errors import ImageError, UserError, one_line

Report: TypeAlias = Callable[[Epoch], None]
Train: TypeAlias = Callable[[Trial, Report, str], Answers | None]
"""Trains a trial on a device (``cpu``, ``cuda:1``) and reports each epoch as it ends.

Returns which validation images it gets right at the end; None if it does not know."""

TRAIN = "scalegrid.training.loop:train"
"""The training itself as ``module:function``, which names it without importing torch."""

TRAINER = "scalegrid.training.trainer:train"
"""The same by a user's own trainer, for trials that have one."""


def find(function: str) -> Train:
    """The function that ``module:function`` names."""
    module, _, name = function.partition(":")
    found: Train = getattr(importlib.import_module(module), name)
    return found


def _unfit(trial: Trial, device: str) -> str | None:
    """Why the device cannot train in the format that is asked for, or that trials before had."""
    try:
        check_precision(trial.recipe.precision, [device])
        now = number_format(trial.recipe.precision, device)
    except UserError as error:
        return str(error).rstrip(".")
    before = trial.number_format
    return differing(before, now, device_name(device)) if before not in (None, now) else None


def attempt(
    train: Train,
    trial: Trial,
    report: Report = lambda epoch: None,
    device: str = "cpu",
    *,
    explain: bool = False,
) -> Outcome:
    """Train and return the outcome; an exception fails the trial, and earlier epochs are kept.

    ``explain`` prints where it was raised to standard error.
    """
    history: list[Epoch] = []
    answers = error = image = None
    start = time.perf_counter()

    def record(epoch: Epoch) -> None:
        history.append(epoch)
        report(epoch)

    if trial.trainer is not None:
        train = find(TRAINER)
    if trial.trainer is None and (reason := _unfit(trial, device)):
        return Outcome(trial.trial, "failed", error=reason, device=device_name(device), unfit=True)
    try:
        answers = train(trial, record, device)
    except (DivergenceError, TrainerError) as reason:
        error = str(reason)
    except ImageError as unreadable:
        error, image = str(unreadable), unreadable.name
    except Exception as exception:  # of a model, a library, the data: a row, not a crash
        error = one_line(exception)
        if explain:
            traceback.print_exc()
    return Outcome(
        trial=trial.trial,
        status="failed" if error else "finished",
        history=tuple(history),
        error=error,
        seconds=time.perf_counter() - start,
        device=device_name(device),
        versions=versions(trial.compile),
        answers=answers,
        image=image,
        number_format=(
            None if error or trial.trainer else number_format(trial.recipe.precision, device)
        ),
    )
