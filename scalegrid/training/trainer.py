"""A user's own training in the place of `loop`: ``--trainer package.module:function``.

The function is called with a `TrainerTrial`. It yields the figures of each epoch, or returns those
of its end: a mapping of names to numbers. Imports no torch before a trial is trained.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scalegrid.metric import TAKEN, is_name
from scalegrid.training.trial import DivergenceError, Epoch, Trial

if TYPE_CHECKING:
    from torch import nn

KNOWN = ("top1", "top5", "balanced", "train_loss", "val_loss", "learning_rate")
"""Figures that have columns of their own: accuracies as shares in [0, 1], and losses in nats."""


@dataclass(frozen=True)
class TrainerTrial:
    """One training of one network with one seed, as a trainer gets it.

    Attributes:
        depth: multiplier of the baseline's layers.
        width: multiplier of its channels.
        resolution: side of the square input in px.
        seed: the global generators of torch, numpy and Python are seeded with it already.
        epochs: how long to train.
        device: ``cpu``, ``cuda:0``, …
        num_classes: outputs of the network, `--num-classes`.
        channels: of the images, `--channels`.
        network: builds the network, freshly initialised, on the CPU.
    """

    depth: float
    width: float
    resolution: int
    seed: int
    epochs: int
    device: str
    num_classes: int
    channels: int
    network: Callable[[], nn.Module]


class TrainerError(Exception):
    """What a trainer gives cannot be used; the message says why, and is the trial's error."""


def train(trial: Trial, report: Callable[[Epoch], None], device: str = "cpu") -> None:
    """Call the trial's trainer, and report the figures of each epoch.

    Raises:
        DivergenceError: a figure is not finite.
        TrainerError: it gives no figures, or what is none; or it wants to end the process.
    """
    import torch

    from scalegrid.baselines.user_code import attribute_of
    from scalegrid.training.loop import seeded

    torch.set_num_threads(trial.threads)
    function = attribute_of(str(trial.trainer), "function")
    epoch, start = 0, time.perf_counter()
    with seeded(trial.seed, torch.device(device)):
        try:
            for epoch, figures in enumerate(_given(function(_described(trial, device))), start=1):
                now = time.perf_counter()
                report(_epoch(epoch, figures, now - start))
                start = now
        except SystemExit as error:  # it ends the trial, not the worker
            raise TrainerError(f"the trainer calls sys.exit({error.code!r})") from error
    if epoch == 0:
        raise TrainerError("the trainer gives no figures; yield or return a mapping of them")


def _described(trial: Trial, device: str) -> TrainerTrial:
    from scalegrid.training.loop import unprepared_model

    return TrainerTrial(
        depth=trial.depth,
        width=trial.width,
        resolution=trial.resolution,
        seed=trial.seed,
        epochs=trial.epochs,
        device=device,
        num_classes=trial.data.num_classes,
        channels=trial.data.channels,
        network=lambda: unprepared_model(trial),
    )


def _given(result: Any) -> Iterator[Any]:
    """The figures of each epoch, as they come."""
    if isinstance(result, Mapping):
        yield result
    elif isinstance(result, Iterable) and not isinstance(result, str | bytes):
        yield from result
    elif result is not None:
        raise TrainerError(
            f"the trainer returns {_shown(result)}; it must yield or return mappings of names to "
            "numbers"
        )


def _epoch(number: int, given: Any, seconds: float) -> Epoch:
    """The figures of an epoch, checked."""
    if not isinstance(given, Mapping) or not given:
        raise TrainerError(
            f"the trainer gives {_shown(given)} in epoch {number}; it must be a mapping of names "
            "to numbers"
        )
    figures = {_name(name): _number(name, value, number) for name, value in given.items()}
    for name in ("top1", "top5", "balanced"):
        if not 0 <= figures.get(name, 0) <= 1:
            raise TrainerError(
                f"the trainer gives {name} {figures[name]:g} in epoch {number}; it must be a share "
                "from 0 to 1, or have another name"
            )
    known = {name: figures.pop(name, math.nan) for name in KNOWN}
    return Epoch(
        epoch=number, images_per_second=math.nan, seconds=seconds, figures=figures, **known
    )


def _name(name: object) -> str:
    if not isinstance(name, str) or not is_name(name):
        raise TrainerError(
            f"the trainer names a figure {_shown(name)}; a name must be plain text without $"
        )
    if name in TAKEN:
        raise TrainerError(
            f"the trainer names a figure {name!r}, which is a column of the tables; call it "
            "otherwise"
        )
    return name


def _number(name: object, value: Any, epoch: int) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError):
        raise TrainerError(
            f"the trainer gives {name} {_shown(value)} in epoch {epoch}; it must be a number"
        ) from None
    if not math.isfinite(number):
        word = "nan" if math.isnan(number) else "infinite"
        raise DivergenceError(f"{name} became {word} in epoch {epoch}")
    return number


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"an object of type {type(value).__name__}"
