"""Several seeds of a variant as one batched network, which keeps a device busier than one alone.

By ``torch.func``: the weights of all are stacked, `vmap` turns convolutions into grouped ones, and
each seed has its own images, order, batch norms, gradient norm and optimiser state. On CPUs it is
slower than one after the other (docs/speed.md), and sweeps do not train so.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from benchmarks.contenders import RATE, Job, Report
from scalegrid.data import Augment, Images, batches, load_split
from scalegrid.spec import Recipe
from scalegrid.training import Trial
from scalegrid.training.devices import number_format
from scalegrid.training.loop import build_model, seeded
from scalegrid.training.precision import Arithmetic

_MOMENTUM = 0.9  # Nesterov's, as timm's ``sgd``


class Together:
    """Trainings of one description with several seeds, a step of all at once.

    By SGD at a constant rate; where ``auto`` is float16, whose losses need a scale, in float32.
    """

    def __init__(self, trial: Trial, seeds: Sequence[int], device: torch.device) -> None:
        networks = []
        for seed in seeds:
            with seeded(seed, device):
                networks.append(build_model(replace(trial, fast_depthwise=False), device))
        half = number_format(trial.recipe.precision, str(device)) == "fp16"
        self.recipe = trial.recipe
        self._arithmetic = Arithmetic("fp32" if half else trial.recipe.precision, device)
        self._network = _batchable(copy.deepcopy(networks[0]).to("meta"))
        self._weights, self._buffers = stack_module_state(networks)
        self._optimizer = torch.optim.SGD(
            [
                {"params": list(self._of_axes(2)), "weight_decay": self.recipe.weight_decay},
                {"params": list(self._of_axes(0, 2)), "weight_decay": 0.0},
            ],
            lr=self.recipe.learning_rate,
            momentum=_MOMENTUM,
            nesterov=True,
            fused=True,
        )

    def update(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """One step of each on images (seeds, batch, C, R, R) and labels (seeds, batch).

        Returns:
            The loss of each, (seeds,).
        """
        self._optimizer.zero_grad()
        with self._arithmetic.autocast():
            outputs = vmap(self._forward, randomness="different")(
                self._weights, self._buffers, pixels
            )
        losses = nn.functional.cross_entropy(
            outputs.float().flatten(0, 1),
            labels.flatten(),
            label_smoothing=self.recipe.label_smoothing,
            reduction="none",
        )
        each = losses.view(labels.shape).mean(1)
        torch.autograd.backward(each.sum())
        self._clip()
        self._optimizer.step()
        return each.detach()

    def _forward(
        self, weights: dict[str, Tensor], buffers: dict[str, Tensor], pixels: Tensor
    ) -> Tensor:
        outputs: Tensor = functional_call(self._network, (weights, buffers), (pixels,))
        return outputs

    def _of_axes(self, least: int, below: int = 100) -> Iterator[Tensor]:
        """The weights that have so many axes in each network."""
        return (w for w in self._weights.values() if least <= w.dim() - 1 < below)

    def _clip(self) -> None:
        """Limit the norm of each seed's gradient as `torch.nn.utils.clip_grad_norm_` does."""
        if not self.recipe.clip_norm:
            return
        gradients = [w.grad for w in self._weights.values() if w.grad is not None]
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in gradients]).norm(dim=0)
        factors = (self.recipe.clip_norm / (norms + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(factors.view(-1, *[1] * (gradient.dim() - 1)))


class _Mean(nn.Module):
    """Global average pooling in a way that `vmap` knows in every memory layout."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True)


def _batchable(network: nn.Module) -> nn.Module:
    """The network, changed in place, with the same values from operations that `vmap` batches."""
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.AdaptiveAvgPool2d):
            network.set_submodule(name, _Mean())
    return network


def batches_of(
    images: Images, trial: Trial, seeds: Sequence[int], device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of all seeds, without end: each the batches that its own training has."""
    recipe = trial.recipe
    augment = Augment(flip=bool(recipe.flip), shift=recipe.shift)

    def own(seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        for epoch in count(1):
            order = {"seed": seed, "epoch": epoch}
            yield from batches(images, recipe.batch_size, **order, device=device, augment=augment)

    for one in zip(*map(own, seeds), strict=True):
        pixels, labels = zip(*one, strict=True)
        yield torch.stack(pixels), torch.stack(labels)


def four_together(job: Job, report: Report) -> None:
    """Four seeds as one network, without end."""
    _loop(job, report, range(4))


def sixteen_together(job: Job, report: Report) -> None:
    """Sixteen seeds as one network, without end."""
    _loop(job, report, range(16))


def _loop(job: Job, report: Report, seeds: Sequence[int]) -> None:
    device = torch.device(job.device)
    torch.set_num_threads(job.cores)
    recipe = Recipe(
        batch_size=job.batch,
        optimizer="sgd",
        learning_rate=RATE,
        flip=True,
        precision=job.precision,
    )
    network = (job.baseline, 0, job.baseline, 1.0, 1.0, job.resolution)
    trial = Trial("benchmark", *network, job.data, recipe)
    images = load_split(job.data, "train", job.resolution).to(device)
    together = Together(trial, seeds, device)
    source = batches_of(images, trial, seeds, device)
    way = f"as one, {number_format(job.precision, job.device)}"
    while True:
        began, seen = time.perf_counter(), 0
        while time.perf_counter() - began < job.seconds:
            losses = together.update(*next(source))
            seen += len(losses) * job.batch
        losses.sum().item()  # waits for the device
        report(seen / (time.perf_counter() - began), way)
