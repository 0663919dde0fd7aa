"""Running one trial so that whatever it does, an outcome comes back."""

from __future__ import annotations

import importlib
import time
import traceback
from collections.abc import Callable
from typing import TypeAlias

from scalegrid.training.trial import Epoch, Outcome, Trial

Report: TypeAlias = Callable[[Epoch], None]
RunTrial: TypeAlias = Callable[[Trial, Report, str], Outcome]
"""Trains a trial on a device (``cpu``, ``cuda:1``), reporting each epoch as it ends."""

TRAIN = "scalegrid.training.loop:run_trial"
"""The training itself, as ``module:function``, so that naming it does not import torch."""


def find(function: str) -> RunTrial:
    """The function that ``module:function`` names."""
    module, _, name = function.partition(":")
    found: RunTrial = getattr(importlib.import_module(module), name)
    return found


def attempt(run: RunTrial, trial: Trial, report: Report, device: str) -> Outcome:
    """Run a trial; an exception becomes a failed outcome with the epochs that were finished."""
    began = time.monotonic()
    history: list[Epoch] = []

    def remember(epoch: Epoch) -> None:
        history.append(epoch)
        report(epoch)

    try:
        return run(trial, remember, device)
    except Exception as error:
        return Outcome(
            trial=trial.trial,
            status="failed",
            history=tuple(history),
            error=describe(error),
            seconds=time.monotonic() - began,
            device=device,
        )


def describe(error: BaseException) -> str:
    """One line: the kind of error, its first line, and where it was raised."""
    lines = str(error).strip().splitlines()
    said = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return said
    return f"{said} ({frames[-1].filename}:{frames[-1].lineno})"
