"""Stand-ins for the training, for worker processes: quick, deterministic, without torch."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from scalegrid.training.trial import Epoch, Outcome, Trial


def run_trial(trial: Trial, report: Callable[[Epoch], None], device: str) -> Outcome:
    """Numbers that depend on variant and seed alone; each epoch sleeps LIGHT_SECONDS.

    Writes a line to the file LIGHT_LOG when it starts.
    """
    draw = random.Random(f"{trial.variant} {trial.seed}")
    if "LIGHT_LOG" in os.environ:
        with Path(os.environ["LIGHT_LOG"]).open("a") as log:
            log.write(f"{trial.trial}\n")
    history = []
    began = time.monotonic()
    for number in range(1, trial.recipe.epochs + 1):
        time.sleep(float(os.environ.get("LIGHT_SECONDS", "0")) * draw.uniform(0.5, 1.5))
        losses, top1 = (draw.random(), draw.random()), draw.random()
        epoch = Epoch(number, *losses, top1, max(top1, draw.random()), 0.1, 1000.0, 0.01)
        history.append(epoch)
        report(epoch)
    seconds = time.monotonic() - began
    return Outcome(trial.trial, "finished", tuple(history), None, seconds, "cpu", "light 1")


def misbehave(trial: Trial, report: Callable[[Epoch], None], device: str) -> Outcome:
    """Does what the trial's baseline says: raise, kill, exit, sleep, print or diverge; else trains.

    Words after the first select: ``kill seed 1`` kills at seed 1 alone.
    """
    word, *condition = trial.baseline.split()
    if condition and trial.seed != int(condition[-1]):
        return run_trial(trial, report, device)
    epoch = Epoch(1, 0.5, 0.5, 0.5, 0.5, 0.1, 1000.0, 0.01)
    if word != "none":
        report(epoch)
    if word == "raise":
        raise ValueError("no such layer\nsecond line")
    if word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "exit":
        sys.exit(7)
    if word == "sleep":
        time.sleep(600)
    if word == "print":
        print("chatter")
    if word == "diverge":
        reason = "the loss became nan in epoch 2"
        return Outcome(trial.trial, "failed", (epoch,), reason, 0.1, device, "light 1")
    if word == "environment":
        said = f"{os.environ['OMP_NUM_THREADS']} {os.environ['MKL_NUM_THREADS']} {os.getpid()}"
        return Outcome(trial.trial, "finished", (epoch,), None, 0.1, device, said)
    return run_trial(trial, report, device)


def die(*_arguments: object) -> None:
    """A worker that does not even start."""
    os._exit(3)
