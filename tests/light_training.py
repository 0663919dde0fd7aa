"""Stand-ins for the training, for worker processes: quick, deterministic, without torch."""

from __future__ import annotations

import math
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from scalegrid.training.answers import Answers
from scalegrid.training.trial import DivergenceError, Epoch, Trial
from scalegrid.util import disk
from scalegrid.util.files import replace_file

IMAGES = 80


def epoch_of(number: int, *figures: float) -> Epoch:
    """An epoch whose classes have equal numbers of images, so that balanced accuracy is top-1."""
    return replace(Epoch(number, *figures), balanced=figures[2])  # type: ignore[arg-type]


def train(trial: Trial, report: Callable[[Epoch], None], device: str) -> Answers:
    """Numbers that depend on variant, seed and epoch alone; each epoch sleeps LIGHT_SECONDS.

    The answers are on `IMAGES` images, whatever the data: right on the first ones. It goes on from
    a checkpoint, and leaves one, as the training itself does; what it recalls takes no time.

    Writes a line to the file LIGHT_LOG when it starts: the trial, and the epochs that it recalls.
    """
    draw = random.Random(f"{trial.variant} {trial.seed}")
    recalled = _recalled(trial)
    if "LIGHT_LOG" in os.environ:
        with Path(os.environ["LIGHT_LOG"]).open("a") as log:
            log.write(f"{trial.trial} {recalled}\n" if trial.checkpoints else f"{trial.trial}\n")
    for number in range(1, trial.epochs + 1):
        pause = float(os.environ.get("LIGHT_SECONDS", "0")) * draw.uniform(0.5, 1.5)
        if pause and number > recalled:
            time.sleep(pause)
        losses, right = (draw.random(), draw.random()), draw.randrange(IMAGES)
        top1, own = right / IMAGES, float(number > recalled)
        report(epoch_of(number, *losses, top1, max(top1, draw.random()), 0.1, 1000.0, 0.01, own))
        if trial.checkpoints and trial.keep and number == _branch(trial):
            _keep(trial, Path(trial.checkpoints))
    bits = (1 << IMAGES) - (1 << (IMAGES - right))
    return Answers(IMAGES, bits.to_bytes(IMAGES // 8, "big"))


def _branch(trial: Trial) -> int:
    """The epoch after which a longer training branches off."""
    return trial.epochs - 1


def _recalled(trial: Trial) -> int:
    """Epochs that are recalled from a checkpoint."""
    folder = Path(trial.checkpoints or "nowhere")
    found = (path.stem.split("-") for path in folder.glob(f"{trial.line}-*.safetensors"))
    rungs = [int(rung) for _, rung in found]
    return max((_branch(replace(trial, rung=r)) for r in rungs if r <= trial.rung), default=0)


def _keep(trial: Trial, folder: Path) -> None:
    name = f"{trial.line}-{trial.rung}.safetensors"
    with suppress(OSError):  # then a later rung trains from its start
        disk.make_folders(folder)
        replace_file(folder / name, lambda file: file.write(b"0" * 1000))
        for path in folder.glob(f"{trial.line}-*.safetensors"):
            if path.name != name:
                disk.remove(path)


def learn(trial: Trial, report: Callable[[Epoch], None], device: str) -> None:
    """One epoch after which top-1 is LIGHT_TOP1's entry of the seed (the last one's of others)."""
    values = [float(value) for value in os.environ["LIGHT_TOP1"].split()]
    top1 = values[min(trial.seed, len(values) - 1)]
    if top1 < 0:
        raise DivergenceError("the loss became nan in epoch 1")
    report(epoch_of(1, 1.0, 1.0, top1, top1, 0.1, 1000.0, 0.01))


def rated(trial: Trial, report: Callable[[Epoch], None], device: str) -> None:
    """One epoch, with least losses at the learning rate LIGHT_RATE, times depth, width and pixels
    over 32 to the powers LIGHT_EXPONENTS; it diverges above ten times that. The loss is a parabola
    of LIGHT_CURVATURE.

    Writes the rate to the file LIGHT_LOG.
    """
    exponents = map(float, os.environ.get("LIGHT_EXPONENTS", "0 0 0").split())
    multipliers = (trial.depth, trial.width, trial.resolution / 32)
    powers = [m**e for m, e in zip(multipliers, exponents, strict=True)]
    rate, best = trial.recipe.learning_rate, float(os.environ["LIGHT_RATE"]) * math.prod(powers)
    with Path(os.environ["LIGHT_LOG"]).open("a") as log:
        log.write(f"{rate:.4g}\n")
    if rate > 10 * best:
        raise DivergenceError("the loss became nan in epoch 1")
    loss = 1 + float(os.environ.get("LIGHT_CURVATURE", "0.1")) * math.log(rate / best) ** 2
    report(epoch_of(1, loss, loss, 0.5, 0.5, rate, 1000.0, 0.01))


def misbehave(trial: Trial, report: Callable[[Epoch], None], device: str) -> Answers | None:
    """Report an epoch, then do what the trial's baseline says; ``none`` trains.

    The first word: raise, kill, segfault, exit, print, diverge; unpicklable, which returns what no
    process can send; orphan, which is killed and leaves a child that outlives it by ten seconds;
    chatter, which reports epochs for that long; sleep, and environment, which report the process as
    seconds, and this one also the numbers of threads as losses. Words after it select: ``kill seed
    1`` kills at seed 1 alone, and trains otherwise.
    """
    word, *condition = trial.baseline.split()
    if condition and trial.seed != int(condition[-1]):
        word = "none"
    if word != "none":
        seconds = os.getpid() if word == "sleep" else 0.01
        report(epoch_of(1, 0.5, 0.5, 0.5, 0.5, 0.1, 1000.0, seconds))
    if word == "raise":
        raise ValueError("no such layer\nsecond line")
    if word == "orphan" and os.fork() == 0:
        time.sleep(10)
        os._exit(0)
    if word in ("kill", "orphan"):
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "chatter":
        for number in range(2, 100):
            time.sleep(0.1)
            report(epoch_of(number, 0.5, 0.5, 0.5, 0.5, 0.1, 1000.0, 0.1))
    if word == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "exit":
        sys.exit(7)
    if word == "sleep":
        time.sleep(600)
    if word == "print":
        print("chatter")
    if word == "diverge":
        raise DivergenceError("the loss became nan in epoch 2")
    if word == "environment":
        openmp, mkl = (int(os.environ[f"{name}_NUM_THREADS"]) for name in ("OMP", "MKL"))
        report(epoch_of(2, openmp, mkl, 0.5, 0.5, 0.1, 1000.0, os.getpid()))
        return None
    if word == "unpicklable":
        return lambda: None  # type: ignore[return-value]
    return train(trial, report, device)


def read_images(trial: Trial, report: Callable[[Epoch], None], device: str) -> Answers:
    """Read every image in each epoch, and get none right."""
    import torch

    from scalegrid.data import SPLITS, load_split

    for epoch in range(1, trial.epochs + 1):
        for split in SPLITS:
            images = load_split(trial.data, split, trial.resolution)
            count = sum(map(len, images.fetch(torch.arange(len(images.labels)), 8)))
        report(epoch_of(epoch, 1.0, 1.0, 0.0, 0.0, 0.1, 1000.0, 0.01))
    return Answers(count, bytes(-(-count // 8)))


def die(*_arguments: object) -> None:
    """End the process of a worker as it starts."""
    os._exit(3)
