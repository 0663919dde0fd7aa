"""How long a network takes to infer: latency of one image, measured on a device."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scalegrid.util.errors import UserError
from scalegrid.util.processes import available_cores
from scalegrid.util.text import plural

if TYPE_CHECKING:
    from torch import nn

REPEATS = 9
WARM_UP = 2


def seconds(
    models: Sequence[nn.Module], shapes: Sequence[tuple[int, ...]], device: str, threads: int
) -> list[list[float]]:
    """Seconds of `REPEATS` inferences of each model on one image, in turns after a warm-up.

    Turns spread whatever else the machine does over all models alike.

    Args:
        models: in eval mode and on the device afterwards.
        shapes: of each model's image: channels and px.
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        threads: CPU threads.
    """
    import torch

    images = [torch.zeros(1, *shape, device=device) for shape in shapes]
    ready = [model.eval().to(device) for model in models]
    samples: list[list[float]] = [[] for _ in ready]
    with torch.inference_mode(), _threads(threads):
        for turn in range(WARM_UP + REPEATS):
            for sample, model, image in zip(samples, ready, images, strict=True):
                _synchronise(device)
                start = time.perf_counter()
                model(image)
                _synchronise(device)
                if turn >= WARM_UP:
                    sample.append(time.perf_counter() - start)
    return samples


def check_threads(threads: int) -> None:
    """Raise UserError if the cores are fewer: latency would be that of waiting for one another."""
    cores = available_cores()
    if threads > cores:
        raise UserError(
            f"--threads {threads} is more than the {plural(cores, 'core')} of this machine, on "
            f"which latency is measured; choose up to {cores}."
        )


def machine(device: str) -> str:
    """What latencies on ``device`` depend on: the host's name, or that of the GPU."""
    if not device.startswith("cuda"):
        return platform.node()
    import torch

    return torch.cuda.get_device_name(device)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _synchronise(device: str) -> None:
    import torch

    if device == "mps":
        torch.mps.synchronize()
    elif device != "cpu":
        torch.cuda.synchronize(device)
