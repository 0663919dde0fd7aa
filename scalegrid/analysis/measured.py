"""Kinds of sweeps whose noise was measured, to plan others by.

The numbers are what the committed tables under results/published say; a test computes them again.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from scalegrid.metric import measure
from scalegrid.spec import Metric


class Deviations(NamedTuple):
    """Standard deviations between seeds and between candidates, in points or nats."""

    noise: float
    spread: float


class Kind(NamedTuple):
    """A network on some data: ``flops`` of its baseline, ``images`` that a trial saw.

    ``drawn`` images are leaves or glyphs, the others photographs. ``table`` is the sweep under
    results/published, ``measured`` by metric.
    """

    name: str
    table: str
    drawn: bool
    flops: int
    images: int
    measured: dict[Metric, Deviations]

    def of(self, metric: Metric) -> Deviations:
        """By a metric, in the unit of its values; by top-1 for one that was not measured."""
        own = self.measured.get(metric, self.measured["top1"])
        scale = measure(metric if metric in self.measured else "top1").scale
        return Deviations(own.noise / scale, own.spread / scale)


KINDS = (
    Kind(
        *("nano on leaves", "nano-leaves-32", True, 1_713_088, 12_800),
        {"top1": Deviations(0.88, 0.67), "val_loss": Deviations(0.027, 0.022)},
    ),
    Kind(
        *("b0 on leaves", "b0-leaves-36", True, 20_550_592, 6_400),
        {"top1": Deviations(1.74, 0.58), "val_loss": Deviations(0.065, 0.020)},
    ),
    Kind(
        *("nano on CIFAR-10", "nano-cifar10-32", False, 1_711_808, 30_000),
        {"top1": Deviations(0.85, 1.14), "val_loss": Deviations(0.018, 0.029)},
    ),
    Kind(
        *("mobilenetv2 on clothing", "mobilenetv2-clothing-36", False, 14_397_504, 7_200),
        {"top1": Deviations(1.44, 0.75), "val_loss": Deviations(0.038, 0.022)},
    ),
)


class Agreement(NamedTuple):
    """What three times as long a training leaves: the correlation of candidates' true values, and
    the spread between them, over that before. ``table`` is the sweep that showed it.
    """

    name: str
    table: str
    correlation: float
    spread: float


AGREEMENT = Agreement("nano on CIFAR-10", "fidelity-nano-cifar10", 0.87, 0.77)
"""That of all kinds: what was measured of b0 and mobilenetv2 leaves it open (docs/fidelity.md)."""


def nearest_kind(flops: int, *, drawn: bool) -> Kind:
    """Of the kinds with drawn images, or without, the one of the nearest FLOPs (as a ratio)."""
    alike = [kind for kind in KINDS if kind.drawn == drawn]
    return min(alike, key=lambda kind: abs(math.log(kind.flops / flops)))
