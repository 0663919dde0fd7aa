"""Whether a GPU trains rightly, and how fast: ``python -m benchmarks.gpu``.

First its checks: a trial on the GPU equals that on the CPU to tolerance, in float32 and in the
format of the GPU; the same trial twice is equal bit for bit; compiled into CUDA graphs it equals
that without to tolerance; three seeds as one batched network equal each alone. Then images per
second of the whole GPU, for 1, 2, 4 and 8 trials at once in processes of their own, with CUDA
graphs and without, 4 and 16 as one network (`together`), beside a plain loop and timm's parts,
which train one network in the layout and number format that is fastest (see `contenders`). The
figures of trials count the evaluation after each epoch of 100 steps, since other trials use the GPU
meanwhile. ``busy`` is the share of the time in which the GPU computes, ``GB`` the most memory in
use, both as the driver says.

A network at a resolution takes minutes, mostly to start processes and to compile: ``--quick`` is
`nano` at 32 px, ``--only b0-64`` another. The table of each is written as it ends; what fails,
such as for lack of memory, is a row without figures. Without a CUDA device the checks run on the
CPU, and nothing is timed.
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.contenders import BATCH, Job, Report, plain_loop, scalegrid_trial, timm_loop
from benchmarks.timing import median_range, options_parser, publish
from benchmarks.together import Together, batches_of, four_together, sixteen_together
from benchmarks.train_throughput import (
    NETWORKS,
    RESOLUTIONS,
    running,
    write_png,
)
from scalegrid.data import CachedData, open_source, prepare
from scalegrid.spec import Precision, Recipe
from scalegrid.training import Outcome, Trial, attempt
from scalegrid.training.devices import cuda_devices, device_name
from scalegrid.util.processes import available_cores

AT_ONCE = (1, 2, 4, 8)
CELLS = {f"{network}-{px}": (network, px) for network in NETWORKS for px in RESOLUTIONS}
_ROUNDS, _SECONDS, _STEPS = 2, 1.0, 100
_SEEDS, _UPDATES = (3, 5, 8), 8  # that are trained as one network, and each alone
_SIDE, _TRAIN, _VALIDATION = 32, 128, 100  # of the trials of the checks
_ROUNDING, _MIXED = 2e-3, 5e-2  # nats by which losses may differ: in float32, and in half of it


class Check(NamedTuple):
    """By how many nats two trials that should agree differ in their losses, at most."""

    name: str
    nats: float
    tolerance: float

    @property
    def right(self) -> bool:
        """Whether they agree."""
        return self.nats <= self.tolerance


def main() -> None:
    """Check, measure, print, write parquet; exits with 1 if a check fails."""
    options = _parser().parse_args()
    device = "cuda:0" if cuda_devices() else "cpu"
    found = checks(device)
    rows = [{"check": c.name, "nats": c.nats, "most": c.tolerance, "right": c.right} for c in found]
    publish("gpu-checks", rows, options.out)
    if device == "cpu":
        print("There is no CUDA device: the checks ran on the CPU, and nothing was timed.")
    else:
        for cell in ["nano-32"] if options.quick else options.only or CELLS:
            publish(f"gpu-{cell}", list(throughput(device, *CELLS[cell])), options.out)
    if not all(one.right for one in found):
        sys.exit(1)


def checks(device: str) -> list[Check]:
    """Trials on a device against each other, and against the CPU's."""
    with tempfile.TemporaryDirectory() as folder:
        source = open_source("leaves", train_images=_TRAIN, val_images=_VALIDATION)
        data = prepare(source, [_SIDE], cache_dir=Path(folder), workers=available_cores())
        on_cpu = _trained(data, "fp32", "cpu")
        single = _trained(data, "fp32", device)
        usual, again = (_trained(data, "auto", device) for _ in range(2))
        found = [
            Check("float32, against the CPU", _apart(single, on_cpu), _ROUNDING),
            Check("its own format, against float32", _apart(usual, single), _MIXED),
            Check("the same again", changed(usual, again), 0.0),
            Check("seeds as one network, against each", _together_apart(data, device), _ROUNDING),
        ]
        if device != "cpu":
            graphs = _trained(data, "auto", device, compiled=True)
            apart = _apart(graphs, usual)
            found.append(Check("CUDA graphs, against none", apart, _MIXED))
    return found


def _together_apart(data: CachedData, device: str) -> float:
    """The largest difference of the losses of seeds as one network to those of each alone."""
    import torch

    from scalegrid.data import load_split
    from scalegrid.training.loop import Training, seeded

    recipe = Recipe(learning_rate=0.05, schedule="none", precision="fp32", flip=True)
    trial, place = _trial(data, recipe), torch.device(device)
    images = load_split(data, "train", _SIDE).to(place)
    with seeded(0, place):
        together = Together(trial, _SEEDS, place)
        source = batches_of(images, trial, _SEEDS, place)
        as_one = torch.stack([together.update(*next(source)) for _ in range(_UPDATES)])
    apart = []
    for seed, losses in zip(_SEEDS, as_one.T, strict=True):
        with seeded(seed, place):
            alone = Training(replace(trial, seed=seed), images, place)
            source = batches_of(images, trial, [seed], place)
            for loss in losses:
                (pixels,), (labels,) = next(source)
                apart.append(abs(loss - alone.update(pixels, labels)).item())
    return float(np.max(apart))


def _trial(data: CachedData, recipe: Recipe, *, compiled: bool = False) -> Trial:
    return Trial("check", "nano", 0, "nano", 1.0, 1.0, _SIDE, data, recipe, compile=compiled)


def _trained(
    data: CachedData, precision: Precision, device: str, *, compiled: bool = False
) -> Outcome:
    from scalegrid.training.loop import train

    recipe = Recipe(epochs=2, learning_rate=0.01, precision=precision, flip=True)
    outcome = attempt(train, _trial(data, recipe, compiled=compiled), device=device)
    if outcome.error:
        print(f"A trial of the checks failed on {device}: {outcome.error}", file=sys.stderr)
    return outcome


def _apart(one: Outcome, other: Outcome) -> float:
    """The largest difference of their losses, of training and validation, in any epoch.

    NaN if one of them failed, which is no agreement.
    """
    if one.error or other.error:
        return math.nan
    pairs = list(zip(one.history, other.history, strict=True))
    losses = [(a.train_loss - b.train_loss, a.val_loss - b.val_loss) for a, b in pairs]
    return float(np.abs(losses).max())


def changed(one: Outcome, other: Outcome) -> float:
    """By how many nats two outcomes differ at most.

    Infinite where losses are the same, and an accuracy or an answer is not.
    """
    apart = _apart(one, other)
    accuracies = [
        [(epoch.top1, epoch.top5, epoch.balanced) for epoch in outcome.history]
        for outcome in (one, other)
    ]
    same = one.answers == other.answers and accuracies[0] == accuracies[1]
    return math.inf if apart == 0 and not same else apart


def throughput(device: str, network: str, px: int) -> Iterator[dict[str, object]]:
    """Rows of the table of a network at a resolution, one a way of training."""
    print(f"{network} at {px} px", file=sys.stderr)
    cores = available_cores()
    with tempfile.TemporaryDirectory() as name:
        source = open_source("leaves", train_images=_STEPS * BATCH, val_images=_VALIDATION)
        data = prepare(source, [px], cache_dir=Path(name), workers=cores)
        folder = Path(name) / "png"
        write_png(data, px, folder)
        common = (network, px, _ROUNDS, _SECONDS, cores, data, folder)
        job = Job(*common, precision="auto", kernel_limits=None, device=device, whole=True)
        for count in AT_ONCE:
            yield _timed(f"{count} at once", scalegrid_trial, job, count)
        graphs = job._replace(compile=True)
        for count in AT_ONCE:
            yield _timed(f"{count} at once, CUDA graphs", scalegrid_trial, graphs, count)
        yield _timed("4 as one network", four_together, job, 1)
        yield _timed("16 as one network", sixteen_together, job, 1)
        yield _timed("plain", plain_loop, job, 1)
        yield _timed("timm", timm_loop, job, 1)


def _timed(
    title: str, loop: Callable[[Job, Report], None], job: Job, count: int
) -> dict[str, object]:
    """A row: images per second of so many processes together; none if one of them fails."""
    way, rates, seen = "failed", [], []
    processes = running(loop, job, processes=count, threads=job.cores // count or 1)
    with processes as contender, suppress(EOFError, ConnectionError):  # its reason is printed
        laid_out = contender.warm_up()
        with _watched(job.device) as seen:
            rates = [contender.rate() for _ in range(job.rounds)]
        way = laid_out
    return {
        "network": job.baseline,
        "px": job.resolution,
        "trials": title,
        "way": way,
        "images/s": median_range(rates).median if rates else None,
        "busy": statistics.fmean(busy for busy, _ in seen) / 100 if seen else None,
        "GB": max(used for _, used in seen) * 2**20 / 1e9 if seen else None,
        "device": device_name(job.device),
    }


@contextmanager
def _watched(device: str) -> Iterator[list[tuple[float, float]]]:
    """Filled at the end: utilisation in per cent and used memory in MiB, five times a second.

    It stays empty where the driver's program cannot be run.
    """
    seen: list[tuple[float, float]] = []
    query = "--query-gpu=utilization.gpu,memory.used"
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits", "-lms", "200"]
    try:
        process = subprocess.Popen(
            [*command, *_of_driver(device)], stdout=subprocess.PIPE, text=True
        )
    except OSError:
        yield seen
        return
    try:
        yield seen
    finally:
        process.terminate()
        for line in process.communicate()[0].splitlines():
            with suppress(ValueError):  # a line that the end has cut
                busy, used = map(float, line.split(","))
                seen.append((busy, used))


def _of_driver(device: str) -> list[str]:
    """The option of nvidia-smi for a device of torch, whose numbers may be others."""
    if not device.startswith("cuda"):
        return []
    import torch

    return ["-i", f"GPU-{torch.cuda.get_device_properties(device).uuid}"]


def _parser() -> argparse.ArgumentParser:
    parser = options_parser("gpu", __doc__)
    parser.add_argument("--only", action="append", choices=list(CELLS), help="this, not all")
    return parser


if __name__ == "__main__":
    main()
