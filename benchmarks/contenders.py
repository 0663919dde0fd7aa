"""Three ways of training the same network: scalegrid's, a plain PyTorch loop, and timm's parts.

Each runs in its own processes and trains on the same images in batches of the same size, in the
number format that is faster for the network. After each round it calls ``report`` with its images
per second, which returns when the next round begins. The first round is for warming up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scalegrid import baselines
from scalegrid.data import CachedData, load_split
from scalegrid.data.batching import normalise
from scalegrid.spec import KernelLimits, Precision, Recipe
from scalegrid.training import Epoch, Trial, attempt
from scalegrid.training.cpu import keep_freed_memory
from scalegrid.training.devices import number_format

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

BATCH = 64
RATE = 0.01
_LAYOUTS, _FORMATS = ("contiguous", "channels last"), ("fp32", "bf16")
_ENDLESS = 1_000_000  # epochs; the last round ends the process
_TIMM_WORKERS = 4  # the default of timm's train.py


class Job(NamedTuple):
    """What to train on, and how.

    A round lasts at least ``seconds``. ``data`` and ``folder`` hold the same images: scalegrid's
    cache, and PNG files for timm. ``precision`` and ``kernel_limits`` are what scalegrid's probe
    has chosen. ``compile`` and ``whole`` are for scalegrid's loop alone; ``whole``: the time of an
    epoch is all of it, with its evaluation, not that of training alone.
    """

    baseline: str
    resolution: int
    rounds: int
    seconds: float
    cores: int
    data: CachedData
    folder: Path
    precision: Precision
    kernel_limits: KernelLimits | None
    device: str = "cpu"
    compile: bool = False
    whole: bool = False
    batch: int = BATCH


Report = Callable[[float, str], None]
"""Takes images per second, and the memory layout and number format."""


class Way(NamedTuple):
    """A memory layout and a number format."""

    layout: str
    precision: str

    @property
    def memory_format(self) -> torch.memory_format:
        """The layout as torch has it."""
        import torch

        return torch.channels_last if self.layout == "channels last" else torch.contiguous_format

    def autocast(self, device: str) -> torch.autocast:
        """The context of a forward pass."""
        import torch

        kind = torch.device(device).type
        return torch.autocast(kind, torch.bfloat16, enabled=self.precision == "bf16")


def scalegrid_trial(job: Job, report: Report) -> None:
    """A worker of scalegrid: one thread, its loop unchanged; a round is one epoch or more."""
    from scalegrid.training.loop import train

    keep_freed_memory()

    seen = seconds = 0.0
    per_epoch = len(load_split(job.data, "train", job.resolution).labels) // job.batch * job.batch
    way = f"channels last, {number_format(job.precision, job.device)}"

    def ended(epoch: Epoch) -> None:
        nonlocal seen, seconds
        training = per_epoch / epoch.images_per_second
        seen, seconds = seen + per_epoch, seconds + (epoch.seconds if job.whole else training)
        if seconds >= job.seconds:
            report(seen / seconds, way)
            seen = seconds = 0.0

    recipe = Recipe(
        epochs=_ENDLESS,
        batch_size=job.batch,
        optimizer="sgd",
        learning_rate=RATE,
        flip=True,
        precision=job.precision,
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
            kernel_limits=job.kernel_limits,
            compile=job.compile,
        ),
        ended,
        job.device,
    )
    if outcome.error:
        raise RuntimeError(outcome.error)


def plain_loop(job: Job, report: Report) -> None:
    """The loop of a competent user: all threads, tensors in memory, in the fastest way.

    The images are decoded, normalised and laid out beforehand, and not augmented.
    """
    import torch

    torch.set_num_threads(job.cores)
    images = load_split(job.data, "train", job.resolution)
    every = torch.arange(len(images.labels))
    pixels = normalise(next(images.fetch(every, len(every)))).to(job.device)
    all_labels = images.labels.to(job.device)
    network = baselines.get(job.baseline).build(1.0, 1.0, job.data.num_classes).to(job.device)
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE, momentum=0.9)
    criterion = torch.nn.CrossEntropyLoss()

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(all_labels), device=job.device)
        for start in range(0, len(order) - job.batch + 1, job.batch):
            chosen = order[start : start + job.batch]
            yield pixels[chosen], all_labels[chosen]

    def step(inputs: Tensor, labels: Tensor, way: Way) -> None:
        optimizer.zero_grad()
        with way.autocast(job.device):
            loss = criterion(network(inputs), labels)
        loss.backward()
        optimizer.step()

    way = _fastest_way(network, pixels[: job.batch], all_labels[: job.batch], step)
    pixels = pixels.contiguous(memory_format=way.memory_format)
    _run_rounds(job, batches, step, report, way)


def timm_loop(job: Job, report: Report) -> None:
    """timm's loader, optimiser, scheduler and loss, combined as in its train.py.

    With ``--no-aug``, which is the least work for its loader, and ``--channels-last`` and ``--amp
    --amp-dtype bfloat16`` if faster.
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
        batch_size=job.batch,
        is_training=True,
        no_aug=True,
        num_workers=min(_TIMM_WORKERS, job.cores),
        device=torch.device(job.device),
    )
    network = baselines.get(job.baseline).build(1.0, 1.0, job.data.num_classes).to(job.device)
    optimizer = create_optimizer_v2(network, opt="sgd", lr=RATE, weight_decay=2e-5, momentum=0.9)
    scheduler, _ = create_scheduler_v2(
        optimizer, "cosine", num_epochs=300, step_on_epochs=False, updates_per_epoch=len(loader)
    )
    criterion = LabelSmoothingCrossEntropy(0.1)  # type: ignore[no-untyped-call]
    losses = AverageMeter()  # type: ignore[no-untyped-call]
    updates = 0

    def step(inputs: Tensor, labels: Tensor, way: Way) -> None:
        nonlocal updates
        inputs = inputs.contiguous(memory_format=way.memory_format)
        with way.autocast(job.device):
            loss = criterion(network(inputs), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.update(loss.item(), len(labels))  # type: ignore[no-untyped-call]
        updates += 1
        scheduler.step_update(num_updates=updates, metric=losses.avg)

    inputs, labels = next(iter(loader))
    way = _fastest_way(network, inputs, labels, step)
    _run_rounds(job, lambda: iter(loader), step, report, way)


def _run_rounds(
    job: Job,
    batches: Callable[[], Iterator[tuple[Tensor, Tensor]]],
    step: Callable[[Tensor, Tensor, Way], None],
    report: Report,
    way: Way,
) -> None:
    """Train for rounds of at least ``seconds`` each.

    Rounds are whole passes over the images: a loader then has no batches left for the next round.
    """
    for _ in range(job.rounds + 1):
        seen = 0
        began = time.perf_counter()
        while time.perf_counter() - began < job.seconds:
            for inputs, labels in batches():
                step(inputs, labels, way)
                seen += len(labels)
            _wait_for(labels)
        report(seen / (time.perf_counter() - began), ", ".join(way))


def _fastest_way(
    network: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    step: Callable[[Tensor, Tensor, Way], None],
) -> Way:
    """The layout and format in which steps on a batch are fastest; the network is left in it."""
    ways = [Way(layout, precision) for precision in _FORMATS for layout in _LAYOUTS]
    best: dict[Way, float] = {}
    for way in ways * 2:
        network.to(memory_format=way.memory_format)
        laid_out = inputs.contiguous(memory_format=way.memory_format)
        for _ in range(2):  # the first of a way may prepare things
            began = time.perf_counter()
            step(laid_out, labels, way)
            _wait_for(labels)
            seconds = time.perf_counter() - began
            best[way] = min(best.get(way, seconds), seconds)
    fastest = min(best, key=best.__getitem__)
    network.to(memory_format=fastest.memory_format)
    return fastest


def _wait_for(values: Tensor) -> None:
    """Wait until the device of ``values`` has done all that it was given."""
    import torch

    if values.is_cuda:
        torch.cuda.synchronize(values.device)
