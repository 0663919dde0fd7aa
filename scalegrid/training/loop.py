"""The brief training of one variant, from top to bottom."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn

from scalegrid import baselines
from scalegrid.data import Augment, Images, batches, load_split, steps_per_epoch
from scalegrid.training import cpu
from scalegrid.training.answers import Answers
from scalegrid.training.checkpoint import Checkpoints, generators, set_generators
from scalegrid.training.devices import device_name, versions
from scalegrid.training.evaluation import Evaluation, evaluate
from scalegrid.training.held import held_updates
from scalegrid.training.initialisation import zero_initialise
from scalegrid.training.precise_batchnorm import set_precise_statistics
from scalegrid.training.precision import Arithmetic, total
from scalegrid.training.recipe import make_optimizer, make_schedule
from scalegrid.training.trial import DivergenceError, Epoch, Trial

_CHECK_EVERY = 20  # updates between two checks of the loss; a check waits for the device


def train(trial: Trial, report: Callable[[Epoch], None], device: str = "cpu") -> Answers | None:
    """Train as described on ``cpu``, ``cuda``, ``cuda:N`` or ``mps``, and report after each epoch.

    Returns which validation images the trained network gets right; None for a probe.

    All random draws come from the trial's seed. The initial weights and the network's own draws
    (dropout) need the global generators, whose states are restored afterwards.

    Raises:
        DivergenceError: a loss is not finite.
    """
    on = torch.device(device)
    torch.set_num_threads(trial.threads)
    with seeded(trial.seed, on):
        if trial.probe is not None:
            from scalegrid.training.probe import probe  # which times the updates below

            probe(trial, trial.probe, report, on)
            return None
        decoders = trial.threads if on.type != "cpu" else 0  # on a CPU all threads compute
        images, held_out = (
            load_split(trial.data, split, trial.resolution, loader_workers=decoders).to(on)
            for split in ("train", "val")
        )
        training = Training(trial, images, on)
        for earlier in training.done:
            report(replace(earlier, own=0.0))
        while len(training.done) < trial.epochs:
            start = time.perf_counter()
            epoch = len(training.done) + 1
            loss, updates = training.run_epoch(epoch)
            train_seconds = time.perf_counter() - start
            result = training.evaluate(held_out)
            _check_finite("validation loss", result.loss, epoch)
            training.done.append(
                Epoch(
                    epoch=epoch,
                    train_loss=loss,
                    val_loss=result.loss,
                    top1=result.top1,
                    top5=result.top5,
                    balanced=result.balanced,
                    learning_rate=training.rate,
                    images_per_second=updates * training.batch / train_seconds,
                    seconds=time.perf_counter() - start,
                    own=updates / training.per_epoch,
                )
            )
            report(training.done[-1])
    return result.answers


class Training:
    """A network, its optimiser and its schedule after ``step`` of ``steps`` updates.

    ``done`` are the epochs so far. It goes on from a checkpoint if there is one.
    """

    def __init__(self, trial: Trial, images: Images, device: torch.device) -> None:
        recipe = trial.recipe
        self.recipe, self.seed = recipe, trial.seed
        self.images, self.device = images, device
        self.augment = Augment(flip=bool(recipe.flip), shift=recipe.shift)
        self.model = build_model(trial, device)
        self.forward: Callable[[Tensor], Tensor] = self.model
        if trial.compile:
            self.forward = _compiled(self.model)
        self.average = None
        if recipe.ema_decay:
            self.average = ModelEmaV3(self.model, decay=recipe.ema_decay, use_warmup=True)
        self.arithmetic = Arithmetic(recipe.precision, device)
        self.optimizer = make_optimizer(self.model, recipe)
        self.batch = min(recipe.batch_size, len(images.labels))
        self.per_epoch = steps_per_epoch(len(images.labels), recipe.batch_size)
        self.step, self.steps = 0, trial.epochs * self.per_epoch
        self.total = total(device)  # of losses, this epoch
        self.done: list[Epoch] = []
        self.branch = _Branch.of(trial, device, self.steps)
        if self.branch and (state := self.branch.latest()) is not None:
            self._go_on(state)
        self.schedule = make_schedule(
            self.optimizer, recipe, self.steps, rung=trial.rung, first=self.step
        )
        self.rate = math.nan  # of the last update

    def run_epoch(self, epoch: int) -> tuple[float, int]:
        """Update on all batches of an epoch that are left; the mean loss, and how many were left.

        The loss is that of the whole epoch.
        """
        first = self.step % self.per_epoch
        if not first:
            self.total.zero_()
        for pixels, labels in batches(
            self.images,
            self.recipe.batch_size,
            seed=self.seed,
            epoch=epoch,
            device=self.device,
            augment=self.augment,
            first=first,
        ):
            if self.branch and self.step == self.branch.step:
                self.branch.write(self._state())
            self.total += self.update(pixels, labels) * self.batch
            if self.step % _CHECK_EVERY == 0:
                _check_finite("loss", self.total.item(), epoch)
        loss = self.total.item() / (self.per_epoch * self.batch)
        _check_finite("loss", loss, epoch)
        return loss, self.per_epoch - first

    def _state(self) -> dict[str, Any]:
        """All that the rest of the training depends on."""
        return {
            "model": dict(self.model.state_dict()),
            "average": dict(self.average.module.state_dict()) if self.average else None,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.arithmetic.state(),
            "generators": generators(self.device),
            "step": self.step,
            "total": self.total,
            "done": [asdict(epoch) for epoch in self.done],
        }

    def _go_on(self, state: dict[str, Any]) -> None:
        """Go on with what `_state` returned."""
        self.model.load_state_dict(state["model"])
        if self.average:
            self.average.module.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        for parameter, values in self.optimizer.state.items():
            for key, value in values.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    # In the memory format of the parameter, as fused kernels go through both.
                    values[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        self.arithmetic.restore(state["scaler"])
        self.step = state["step"]
        self.total.copy_(state["total"])
        self.done = [Epoch(**epoch) for epoch in state["done"]]
        set_generators(state["generators"], self.device)

    def update(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """One optimiser step; returns the loss."""
        # First, since a replay of a CUDA graph overwrites the gradients of the previous replay.
        self.optimizer.zero_grad()
        with self.arithmetic.autocast():
            outputs = self.forward(pixels)
        loss = nn.functional.cross_entropy(
            outputs.float(), labels, label_smoothing=self.recipe.label_smoothing
        )
        self.arithmetic.backward(loss)
        self.arithmetic.update(self.optimizer, self.recipe.clip_norm)
        self.step += 1
        if self.average is not None:
            self.average.update(self.model, step=self.step)
        self.rate = self.optimizer.param_groups[0]["lr"]
        if self.step < self.steps:
            self.schedule.step()
        return loss.detach()

    def evaluate(self, held_out: Images) -> Evaluation:
        """Accuracy and loss with precise batch-norm statistics, of averaged weights if any."""
        model = self.model if self.average is None else self.average.module
        with self.arithmetic.autocast():
            set_precise_statistics(model, self.images, seed=self.seed, device=self.device)
            return evaluate(model, held_out, self.device)


class _Branch:
    """Where a training by `wsd` lets its rate fall: after ``step`` updates, and its checkpoints."""

    def __init__(self, trial: Trial, checkpoints: Checkpoints, step: int) -> None:
        self.step, self._trial, self._checkpoints = step, trial, checkpoints

    @classmethod
    def of(cls, trial: Trial, device: torch.device, steps: int) -> _Branch | None:
        """None if the trial has no folder for checkpoints."""
        if trial.checkpoints is None:
            return None
        made_with = [device_name(str(device)), str(trial.threads), versions(trial.compile)]
        folder = Path(trial.checkpoints)
        return cls(trial, Checkpoints(folder, trial.line, made_with), held_updates(steps))

    def latest(self) -> Any | None:
        """The state to go on with, if there is one."""
        return self._checkpoints.latest(self._trial.rung)

    def write(self, state: dict[str, Any]) -> None:
        """Keep a state, if a later rung may want it; without it, that rung trains from nothing."""
        if self._trial.keep:
            with suppress(OSError, TypeError):
                self._checkpoints.write(self._trial.rung, state)


def build_model(trial: Trial, device: torch.device) -> nn.Module:
    """The trial's network as training starts: zero-initialised, channels last, on ``device``."""
    model = unprepared_model(trial)
    zero_initialise(model)
    model.to(device).to(memory_format=torch.channels_last)
    if trial.fast_depthwise and device.type == "cpu":
        cpu.accelerate(model, trial.kernel_limits)
    return model


def unprepared_model(trial: Trial) -> nn.Module:
    """The trial's network as its baseline builds it, on the CPU."""
    found = baselines.get(trial.baseline)
    baseline = found.rounded(trial.depth_rounding).placed(trial.placement)
    data = trial.data
    return baseline.build(
        trial.depth,
        trial.width,
        data.num_classes,
        resolution=trial.resolution,
        in_chans=data.channels,
    )


def _compiled(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """``model`` with its training steps replayed as CUDA graphs of fused kernels; shares weights.

    Values and gradients equal the model's to rounding. Compiling takes about a minute, on the
    first call.
    """
    torch.compiler.reset()  # else torch stops compiling after the eighth network of one class
    return torch.compile(model, mode="reduce-overhead", dynamic=False)


def _check_finite(what: str, value: float, epoch: int) -> None:
    if not math.isfinite(value):
        word = "nan" if math.isnan(value) else "infinite"
        raise DivergenceError(f"the {what} became {word} in epoch {epoch}")


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global generators and restore them; cuDNN chooses its algorithms by rule."""
    devices = [device] if device.type == "cuda" else []
    cudnn = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    others = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices), cudnn:
            torch.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed % 2**32)
            yield
    finally:
        random.setstate(others[0])
        np.random.set_state(others[1])
