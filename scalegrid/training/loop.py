"""The brief training of one variant, from top to bottom."""

from __future__ import annotations

import math
import platform
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version

import numpy as np
import torch
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn

from scalegrid import __version__, baselines
from scalegrid.data import Augment, batches, load_split, steps_per_epoch
from scalegrid.training.cpu import activations, depthwise, pointwise, squeeze
from scalegrid.training.evaluate import evaluate
from scalegrid.training.initialisation import calm
from scalegrid.training.precise_batchnorm import estimate_statistics
from scalegrid.training.precision import Precision
from scalegrid.training.recipe import make_optimizer, make_schedule
from scalegrid.training.trial import Epoch, Outcome, Trial

_GLANCE = 20  # updates between two looks at the loss; a look waits for the device


class DivergenceError(Exception):
    """A loss is no longer finite; the message says which, what and when."""


def run_trial(
    trial: Trial, report: Callable[[Epoch], None] = lambda epoch: None, device: str = "cpu"
) -> Outcome:
    """Train and evaluate one variant; whatever goes wrong becomes a failed outcome.

    Args:
        trial: the description, which alone decides the numbers on a kind of device.
        report: called after each epoch.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
    """
    history: list[Epoch] = []
    error = None
    start = time.perf_counter()

    def remember(epoch: Epoch) -> None:
        history.append(epoch)
        report(epoch)

    try:
        train(trial, remember, torch.device(device))
    except DivergenceError as divergence:
        error = str(divergence)
    except Exception as exception:  # of a model, a library, the data: a row, not a crash
        error = ": ".join([type(exception).__name__, *str(exception).strip().splitlines()[:1]])
    return Outcome(
        trial=trial.trial,
        status="failed" if error else "finished",
        history=tuple(history),
        error=error,
        seconds=time.perf_counter() - start,
        device=device_name(torch.device(device)),
        versions=versions(trial.compile),
    )


def train(trial: Trial, report: Callable[[Epoch], None], device: torch.device) -> None:
    """Train as described; reports after each epoch.

    All random draws come from the trial's seed. The initial weights and the network's own draws
    (dropout) need torch's global generator, which is given back as it was.

    Raises:
        DivergenceError: a loss is not finite.
    """
    recipe = trial.recipe
    torch.set_num_threads(trial.threads)
    with _seeded(trial.seed, device):
        images = load_split(trial.data, "train", trial.resolution).to(device)
        held_out = load_split(trial.data, "val", trial.resolution).to(device)
        augment = Augment(flip=bool(recipe.flip), shift=recipe.shift)

        model = build_model(trial, device)
        forward: Callable[[Tensor], Tensor] = compiled(model) if trial.compile else model
        average = None
        if recipe.ema_decay:
            average = ModelEmaV3(model, decay=recipe.ema_decay, use_warmup=True)
        precision = Precision(device)
        optimizer = make_optimizer(model, recipe)
        steps_each = steps_per_epoch(len(images.labels), recipe.batch_size)
        steps = steps_each * recipe.epochs
        schedule = make_schedule(optimizer, recipe, steps)

        step = 0
        for epoch in range(1, recipe.epochs + 1):
            start = time.perf_counter()
            seen = 0
            total_loss = torch.zeros((), dtype=torch.float64, device=device)
            for pixels, labels in batches(
                images,
                recipe.batch_size,
                seed=trial.seed,
                epoch=epoch,
                device=device,
                augment=augment,
            ):
                # First, since the next replay of a CUDA graph overwrites the last one's gradients.
                optimizer.zero_grad()
                with precision.autocast():
                    outputs = forward(pixels)
                loss = nn.functional.cross_entropy(
                    outputs.float(), labels, label_smoothing=recipe.label_smoothing
                )
                precision.backward(loss)
                precision.update(optimizer, recipe.clip_norm)
                step += 1
                if average is not None:
                    average.update(model, step=step)
                rate = optimizer.param_groups[0]["lr"]
                if step < steps:
                    schedule.step()
                seen += len(labels)
                total_loss += loss.detach() * len(labels)
                if step % _GLANCE == 0:
                    _check_finite("loss", total_loss.item(), epoch)
            train_loss = total_loss.item() / seen
            _check_finite("loss", train_loss, epoch)
            train_seconds = time.perf_counter() - start

            learnt = model if average is None else average.module
            with precision.autocast():
                estimate_statistics(learnt, images, seed=trial.seed, device=device)
                result = evaluate(learnt, held_out, device)
            _check_finite("validation loss", result.loss, epoch)
            report(
                Epoch(
                    epoch=epoch,
                    train_loss=train_loss,
                    val_loss=result.loss,
                    top1=result.top1,
                    top5=result.top5,
                    learning_rate=rate,
                    images_per_second=seen / train_seconds,
                    seconds=time.perf_counter() - start,
                )
            )


def build_model(trial: Trial, device: torch.device) -> nn.Module:
    """The trial's network as training starts: calm, channels last, on ``device``."""
    baseline = baselines.get(trial.baseline)
    model = baseline.build(trial.depth, trial.width, trial.data.num_classes)
    calm(model)
    model.to(device).to(memory_format=torch.channels_last)
    if trial.fast_depthwise and device.type == "cpu":
        depthwise.accelerate(model)
        pointwise.accelerate(model)
        activations.accelerate(model)
        squeeze.accelerate(model)
    return model


def compiled(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """``model`` with its training steps replayed as CUDA graphs of fused kernels; shares weights.

    Values and gradients equal the model's to rounding. Compiling takes about a minute, on the
    first call.
    """
    torch.compiler.reset()  # else torch stops compiling after the eighth network of one class
    return torch.compile(model, mode="reduce-overhead", dynamic=False)


def device_name(device: torch.device) -> str:
    """The kind of device, which numbers depend on, without an index, which they do not."""
    if device.type == "cuda":
        return f"cuda, {torch.cuda.get_device_name(device)}"
    return device.type


def versions(with_compiler: bool = False) -> str:
    """What the numbers depend on beside the description."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "timm"))
    text = f"scalegrid {__version__}, {packages}, python {platform.python_version()}"
    return f"{text}, compiled" if with_compiler else text


def _check_finite(what: str, value: float, epoch: int) -> None:
    if not math.isfinite(value):
        word = "nan" if math.isnan(value) else "infinite"
        raise DivergenceError(f"the {what} became {word} in epoch {epoch}")


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global generators, and put them back afterwards; cuDNN without its lottery."""
    devices = [device] if device.type == "cuda" else []
    cudnn = torch.backends.cudnn.flags(benchmark=False, deterministic=True)
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
