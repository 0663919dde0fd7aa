"""A trial as plain data: its description and its outcome. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from scalegrid.coefficients import DepthRule
from scalegrid.spec import KernelLimits, Precision, Recipe
from scalegrid.training.answers import Answers
from scalegrid.util.files import digest

if TYPE_CHECKING:
    from scalegrid.data import CachedData


@dataclass(frozen=True)
class Probe:
    """What to time in the place of a training: steps in each of these formats.

    ``limits``: whether the fastest `Trial.kernel_limits` are found first. ``rounds`` of steps are
    timed, of a good tenth of a second each.
    """

    precisions: tuple[Precision, ...]
    limits: bool
    rounds: int = 5


@dataclass(frozen=True)
class Trial:
    """One brief training of one variant with one seed: all that a worker needs.

    ``depth`` and ``width`` are multipliers of the baseline, whose layers are rounded by
    ``depth_rounding`` and added to stages by ``placement``; ``resolution`` is in px. At a ``rung``
    it trains for that many times the recipe's epochs. By a schedule that holds its rate it goes on
    from the checkpoint of an earlier rung in the folder ``checkpoints``, and leaves one for a later
    rung if it is to be kept (``keep``); neither changes its numbers. ``kernel_limits`` are those of
    `scalegrid.training.cpu`. ``number_format`` is that of the sweep's trials before, if there are
    any: it is not trained on a device where it would be another. A ``trainer``, a user's own
    function, trains in the place of the recipe. With a ``probe`` nothing is trained: steps are
    timed, as it says.
    """

    trial: str
    variant: str
    seed: int
    baseline: str
    depth: float
    width: float
    resolution: int
    data: CachedData
    recipe: Recipe
    fast_depthwise: bool = True
    compile: bool = False
    depth_rounding: DepthRule = "authors"
    threads: int = 1
    placement: float = 0.0
    rung: int = 1
    checkpoints: str | None = None
    keep: bool = False
    trainer: str | None = None
    kernel_limits: KernelLimits | None = None
    number_format: str | None = None
    probe: Probe | None = None

    @property
    def line(self) -> str:
        """The id of the same trial at rung 1."""
        return trial_id(self.variant, self.seed, self.data.fingerprint, self.recipe)

    @property
    def epochs(self) -> int:
        """Passes over the training images."""
        return self.rung * self.recipe.epochs


@dataclass(frozen=True)
class Epoch:
    """One row of the history: training and validation figures after one epoch.

    Accuracies are shares in [0, 1], ``balanced`` the mean over classes of top-1 within each; losses
    are cross-entropies in nats (the training loss includes label smoothing, the validation loss
    does not); ``images_per_second`` is of training alone.
    ``own`` is the share of the epoch that this trial trained itself: the rest of it, or all, was
    recalled from a checkpoint, with the times of then. ``figures`` are those of a user's own
    trainer, which may leave out the others (NaN); None of the built-in training.
    """

    epoch: int
    train_loss: float
    val_loss: float
    top1: float
    top5: float
    learning_rate: float
    images_per_second: float
    seconds: float
    own: float = field(default=1.0, compare=False)
    figures: Mapping[str, float] | None = None
    balanced: float = math.nan


@dataclass(frozen=True)
class Outcome:
    """How a trial ended. A failed one has the reason and the epochs that it finished.

    ``device`` is its kind, ``number_format`` that of products there (None if it failed, or a
    trainer decides), and ``versions`` those of scalegrid and the libraries: all that the numbers
    depend on beside the description. ``seconds`` is wall time. ``answers`` are those on the
    validation images at the end; None if it failed. ``image`` is the image that cannot be used,
    where that is why: other trials would fail as well. ``unfit``: the device is why, which does not
    compute in the format that is asked for, or has another than the trials before.
    """

    trial: str
    status: Literal["finished", "failed"]
    history: tuple[Epoch, ...] = ()
    error: str | None = None
    seconds: float = 0.0
    device: str = ""
    versions: str = ""
    answers: Answers | None = None
    image: str | None = None
    number_format: str | None = None
    unfit: bool = False

    @property
    def stops(self) -> bool:
        """Whether it ends the run, and is no row."""
        return self.unfit or self.image is not None


class DivergenceError(Exception):
    """A loss is no longer finite; the message says which, what and when, and is the error."""


def trial_id(variant: str, seed: int, data_fingerprint: str, recipe: Recipe, rung: int = 1) -> str:
    """The digest of a trial's content; equal content is the same trial.

    Ids are those of before there was a choice of precision, unless it is bf16 or fp16: fp32 has
    that of auto, which a sweep does not mix.
    """
    described = recipe.model_dump(mode="json")
    if recipe.precision in ("auto", "fp32"):
        del described["precision"]
    higher = [] if rung == 1 else [rung]
    return digest([variant, seed, data_fingerprint, described, *higher])
