"""How fast a network trains here in each number format, and up to which maps each kernel is faster.

Timed on noise, within seconds. What is found decides rounding, and how long trainings take.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain, count

import torch
from torch import Tensor, nn

from scalegrid.data import batches
from scalegrid.data.images import CachedImages
from scalegrid.spec import KernelLimits, Precision
from scalegrid.training.cpu import dense, depthwise
from scalegrid.training.cpu.convolution import library_gradients
from scalegrid.training.loop import Training
from scalegrid.training.trial import Epoch, Probe, Trial

LIMITS = ("products", "correlations", "taps")
"""Names of the figures that hold `Trial.kernel_limits`."""

_MOST_IMAGES = 32  # of a step on a CPU; larger batches are hardly faster per image there
_BATCHES = 4  # of different images
_WARM = 2  # steps that are not timed: in the second, memory is allocated
_SECONDS = 0.12  # of each format in a round, in which they take turns
_PATIENCE = 12.0  # seconds after which no other round begins
_REPEATS = 7  # of a kernel
_GAIN = 0.95  # of the other's time, at most, for a kernel to be faster
_SIDES = (8, 6, 4)  # px of maps that are tried
_ALWAYS = (9, 36, 1)  # limits that suit every machine: 3 × 3, 3 × 3 to 2 × 2, 1 × 1
_CHANNELS = (240, 40)  # in a block of B0, and between blocks
_RESNET = {8: 128, 4: 256, 2: 512}  # channels of its maps, by their side in px
_MATRIX = 768  # rows and columns; a product takes about 10 ms


def probe(
    trial: Trial, wanted: Probe, report: Callable[[Epoch], None], device: torch.device
) -> None:
    """Report an epoch for each precision, with its images per second.

    NaN for bfloat16 beside another where its products are slower, or the network does not run in
    it. The figures of an epoch are the limits of kernels, if these are asked for.
    """
    began = time.perf_counter()
    tried = list(wanted.precisions)
    if len(tried) > 1 and not _bf16_products_are_faster(device):
        tried.remove("bf16")
    limits = {one: fastest_limits(trial, one) for one in tried if wanted.limits}
    first, *others = tried
    steps = {first: _steps(trial, first, limits.get(first), device)}
    for one in others:
        with suppress(Exception):  # of a user's own network, which need not run in bfloat16
            steps[one] = _steps(trial, one, limits.get(one), device)
    speeds: dict[Precision, list[float]] = {one: [] for one in wanted.precisions}
    for _ in range(wanted.rounds):
        for one, updates in steps.items():
            speeds[one].append(_speed(updates, _batch(trial, device)))
        if time.perf_counter() - began > _PATIENCE:
            break
    for number, one in enumerate(wanted.precisions, start=1):
        found = limits.get(one)
        report(
            Epoch(
                epoch=number,
                train_loss=math.nan,
                val_loss=math.nan,
                top1=math.nan,
                top5=math.nan,
                learning_rate=math.nan,
                images_per_second=statistics.median(speeds[one]) if speeds[one] else math.nan,
                seconds=time.perf_counter() - began,
                figures=dict(zip(LIMITS, map(float, found), strict=True)) if found else None,
            )
        )


def fastest_limits(trial: Trial, precision: Precision) -> KernelLimits:
    """The largest maps for which the trial's batches are faster by matrix products on this CPU.

    See `Trial.kernel_limits`.
    """
    kind = torch.bfloat16 if precision == "bf16" else torch.float32

    def map_of(channels: int, side: int) -> Tensor:
        x = torch.randn(_batch(trial, torch.device("cpu")), side, side, channels, dtype=kind)
        return x.permute(0, 3, 1, 2)

    inside = _CHANNELS[0]
    products = (n**2 for n in _SIDES if _product_is_faster(map_of(inside, n)))
    correlations = (n**4 for n in _SIDES if _correlation_is_faster(map_of(inside, n)))
    taps = (n**2 for n, many in _RESNET.items() if _taps_are_faster(map_of(many, n)))
    found = (products, correlations, taps)
    first, second, third = map(next, found, _ALWAYS)
    return first, second, third


def _product_is_faster(x: Tensor) -> bool:
    """Whether a pointwise convolution is, forward and backward, as a matrix product."""
    weight = torch.randn(_CHANNELS[1], _CHANNELS[0], 1, 1, dtype=x.dtype, requires_grad=True)
    rows = x.permute(0, 2, 3, 1).flatten(0, 2).requires_grad_()
    x = x.detach().requires_grad_()

    def by(result: Tensor) -> None:
        torch.autograd.backward(result, torch.ones_like(result))

    return _faster(
        lambda: by(nn.functional.linear(rows, weight.flatten(1))),
        lambda: by(nn.functional.conv2d(x, weight)),
    )


def _correlation_is_faster(x: Tensor) -> bool:
    """Whether the weight gradient of a depthwise convolution is, than by strips."""
    geometry = (x, x, (5, 5), (1, 1), (2, 2))
    return _faster(
        lambda: depthwise.weight_gradient_by_correlation(*geometry),
        lambda: depthwise.weight_gradient_by_strips(*geometry),
    )


def _taps_are_faster(x: Tensor) -> bool:
    """Whether the weight gradient of a dense convolution is, than by the library."""
    kernel, unit = (3, 3), (1, 1)
    weight = x.new_empty((x.shape[1], *kernel, x.shape[1])).permute(0, 3, 1, 2)
    return _faster(
        lambda: dense.weight_gradient_by_taps(x, x, kernel, unit, unit),
        lambda: library_gradients(x, x, weight, unit, unit, 1, (False, True)),
    )


def _bf16_products_are_faster(device: torch.device) -> bool:
    """Whether matrix products are, without which nothing is; they are slow where emulated."""
    if device.type != "cpu":
        return True
    matrix = torch.randn(_MATRIX, _MATRIX)
    half = matrix.bfloat16()
    return _faster(lambda: half @ half, lambda: matrix @ matrix)


def _faster(one: Callable[[], object], other: Callable[[], object]) -> bool:
    """Whether ``one`` is clearly faster, by the best of some runs of each in turn."""
    best = [math.inf, math.inf]
    for _ in range(_REPEATS):
        for i, action in enumerate((one, other)):
            began = time.perf_counter()
            action()
            best[i] = min(best[i], time.perf_counter() - began)
    return best[0] <= _GAIN * best[1]


def _batch(trial: Trial, device: torch.device) -> int:
    """How many images a timed step has."""
    batch = trial.recipe.batch_size
    return min(batch, _MOST_IMAGES) if device.type == "cpu" else batch


def _steps(
    trial: Trial, precision: Precision, limits: KernelLimits | None, device: torch.device
) -> Iterator[Tensor]:
    """Updates of the trial's network on noise, without end; the loss of each."""
    side, data, batch = trial.resolution, trial.data, _batch(trial, device)
    recipe = trial.recipe.model_copy(update={"precision": precision, "batch_size": batch})
    generator = torch.Generator().manual_seed(trial.seed)
    shape = (_BATCHES * batch, side, side, data.channels)
    pixels = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
    labels = torch.arange(len(pixels)) % data.num_classes
    images = CachedImages(pixels, labels, data.statistics).to(device)
    described = replace(trial, recipe=recipe, kernel_limits=limits or trial.kernel_limits)
    training = Training(described, images, device)
    epochs = (
        batches(
            *(images, batch),
            seed=trial.seed,
            epoch=epoch,
            device=device,
            augment=training.augment,
        )
        for epoch in count(1)
    )
    updates = (training.update(*one) for one in chain.from_iterable(epochs))
    for _ in range(_WARM):
        next(updates).item()
    return updates


def _speed(updates: Iterator[Tensor], batch: int) -> float:
    """Images per second of updates within a round."""
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < _SECONDS or not done:
        loss = next(updates)
        done += 1
    loss.item()  # waits for the device
    return done * batch / (time.perf_counter() - began)
