"""Three ways of training the same network: scalegrid's, a plain PyTorch loop, and timm's parts.

Each runs in its own processes and trains on the same images in batches of the same size. After each
round it calls ``report`` with its images per second, which returns when the next round begins. The
first round is for warming up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scalegrid import baselines
from scalegrid.data import CachedData, load_split
from scalegrid.data.batching import normalise
from scalegrid.spec import Recipe
from scalegrid.training import Epoch, Trial, attempt
from scalegrid.training.cpu import keep_freed_memory

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

BATCH = 64
RATE = 0.01
LAYOUTS = ("contiguous", "channels last")
_TIMM_WORKERS = 4  # the default of timm's train.py


class Job(NamedTuple):
    """What to train on, and how.

    A round lasts at least ``seconds``. ``data`` and ``folder`` hold the same images: scalegrid's
    cache, and PNG files for timm.
    """

    baseline: str
    resolution: int
    rounds: int
    seconds: float
    cores: int
    data: CachedData
    folder: Path


Report = Callable[[float, str], None]
"""Takes images per second and the memory layout."""


def scalegrid_trial(job: Job, report: Report) -> None:
    """A worker of scalegrid: one thread, its loop unchanged; a round is an epoch."""
    from scalegrid.training.loop import train

    keep_freed_memory()

    def ended(epoch: Epoch) -> None:
        report(epoch.images_per_second, "channels last")

    recipe = Recipe(
        epochs=job.rounds + 1, batch_size=BATCH, optimizer="sgd", learning_rate=RATE, flip=True
    )
    outcome = attempt(
        train,
        Trial(
            trial="benchmark",
            variant=job.baseline,
            seed=0,
            baseline=job.baseline,
            depth=1.0,
            width=1.0,
            resolution=job.resolution,
            data=job.data,
            recipe=recipe,
        ),
        ended,
    )
    if outcome.error:
        raise RuntimeError(outcome.error)


def plain_loop(job: Job, report: Report) -> None:
    """The loop of a competent user: all threads, tensors in memory, in the faster layout.

    The images are decoded, normalised and laid out beforehand, and not augmented.
    """
    import torch

    torch.set_num_threads(job.cores)
    images = load_split(job.data, "train", job.resolution)
    pixels = normalise(next(images.fetch(torch.arange(len(images.labels)), len(images.labels))))
    network = baselines.get(job.baseline).build(1.0, 1.0, job.data.num_classes)
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE, momentum=0.9)
    criterion = torch.nn.CrossEntropyLoss()

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(images.labels))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            yield pixels[chosen], images.labels[chosen]

    def step(inputs: Tensor, labels: Tensor) -> None:
        optimizer.zero_grad()
        criterion(network(inputs), labels).backward()
        optimizer.step()

    layout = _faster_layout(network, pixels[:BATCH], images.labels[:BATCH], step)
    pixels = pixels.contiguous(memory_format=_memory_format(layout))
    _run_rounds(job, batches, step, report, layout)


def timm_loop(job: Job, report: Report) -> None:
    """timm's loader, optimiser, scheduler and loss, combined as in its train.py.

    With ``--no-aug``, which is the least work for its loader, and ``--channels-last`` if faster.
    """
    import torch
    from timm.data.dataset_factory import create_dataset
    from timm.data.loader import create_loader
    from timm.loss.cross_entropy import LabelSmoothingCrossEntropy
    from timm.optim._optim_factory import create_optimizer_v2
    from timm.scheduler.scheduler_factory import create_scheduler_v2
    from timm.utils.metrics import AverageMeter

    torch.set_num_threads(job.cores)
    dataset = create_dataset("", root=str(job.folder), split="train", is_training=True)
    loader = create_loader(
        dataset,
        input_size=(3, job.resolution, job.resolution),
        batch_size=BATCH,
        is_training=True,
        no_aug=True,
        num_workers=min(_TIMM_WORKERS, job.cores),
        device=torch.device("cpu"),
    )
    network = baselines.get(job.baseline).build(1.0, 1.0, job.data.num_classes)
    optimizer = create_optimizer_v2(network, opt="sgd", lr=RATE, weight_decay=2e-5, momentum=0.9)
    scheduler, _ = create_scheduler_v2(
        optimizer, "cosine", num_epochs=300, step_on_epochs=False, updates_per_epoch=len(loader)
    )
    criterion = LabelSmoothingCrossEntropy(0.1)  # type: ignore[no-untyped-call]
    losses = AverageMeter()  # type: ignore[no-untyped-call]
    updates = 0
    layout = LAYOUTS[0]

    def step(inputs: Tensor, labels: Tensor) -> None:
        nonlocal updates
        inputs = inputs.contiguous(memory_format=_memory_format(layout))
        loss = criterion(network(inputs), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.update(loss.item(), len(labels))  # type: ignore[no-untyped-call]
        updates += 1
        scheduler.step_update(num_updates=updates, metric=losses.avg)

    inputs, labels = next(iter(loader))
    layout = _faster_layout(network, inputs, labels, step)
    _run_rounds(job, lambda: iter(loader), step, report, layout)


def _run_rounds(
    job: Job,
    batches: Callable[[], Iterator[tuple[Tensor, Tensor]]],
    step: Callable[[Tensor, Tensor], None],
    report: Report,
    layout: str,
) -> None:
    """Train for rounds of at least ``seconds`` each.

    Rounds are whole passes over the images: a loader then has no batches left for the next round.
    """
    for _ in range(job.rounds + 1):
        seen = 0
        began = time.perf_counter()
        while time.perf_counter() - began < job.seconds:
            for inputs, labels in batches():
                step(inputs, labels)
                seen += len(labels)
        report(seen / (time.perf_counter() - began), layout)


def _faster_layout(
    network: nn.Module, inputs: Tensor, labels: Tensor, step: Callable[[Tensor, Tensor], None]
) -> str:
    """The memory layout in which steps on a batch are faster; the network is left in it."""
    best: dict[str, float] = {}
    for layout in LAYOUTS * 2:
        network.to(memory_format=_memory_format(layout))
        laid_out = inputs.contiguous(memory_format=_memory_format(layout))
        for _ in range(2):  # the first of a layout may prepare things
            began = time.perf_counter()
            step(laid_out, labels)
            seconds = time.perf_counter() - began
            best[layout] = min(best.get(layout, seconds), seconds)
    fastest = min(best, key=best.__getitem__)
    network.to(memory_format=_memory_format(fastest))
    return fastest


def _memory_format(layout: str) -> torch.memory_format:
    import torch

    return torch.channels_last if layout == "channels last" else torch.contiguous_format
