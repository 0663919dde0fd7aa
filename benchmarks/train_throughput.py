"""Images per second of a whole machine, training: ``python -m benchmarks.train_throughput``.

scalegrid's worker processes, one per core, against a plain PyTorch loop and against timm's
components, each of which has all cores (see `contenders`; docs/speed.md says why this is fair).
scalegrid trains as its probe chooses, as in a sweep; the others in the layout and number format
that is fastest. Contenders train in turn, in rounds of a few seconds; start, building, probes and
warm-up do not count.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.contenders import BATCH, Job, Report, plain_loop, scalegrid_trial, timm_loop
from benchmarks.timing import bounded, in_turn, median_range, options_parser, pairwise, publish
from scalegrid import baselines, cost
from scalegrid.data import CachedData, open_source, prepare
from scalegrid.executors import LocalExecutor, placement_for
from scalegrid.plan import make_plan
from scalegrid.progress.estimate import TYPICAL_RATE
from scalegrid.spec import KernelLimits, Precision, SweepSpec
from scalegrid.speed import probed
from scalegrid.training.devices import device_name, vector_instructions
from scalegrid.util.processes import available_cores

NETWORKS = ("b0", "mobilenetv2", "resnet18", "nano")
RESOLUTIONS = (32, 64, 128)
_SEPARABLE = {"avx2": {32: 3.0, 64: 2.2}, "avx512": {32: 2.7, 64: 1.8}}
"""Targets of the ratio to the better rival for networks of separable convolutions, by px."""
_OTHERS = {("resnet18", 32): 1.5, ("resnet18", 64): 1.5, ("nano", 32): 2.0, ("nano", 64): 2.0}

QUICK = (("b0", 32),)  # starting the contenders of a network takes most of a minute
RIVALS = ("plain", "timm")
_STEPS = (3, 37)  # of a round of scalegrid's; glyphs has images for 37
_VALIDATION = 100
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Cell(NamedTuple):
    """A network at a resolution: images per second of each contender in each round, and how."""

    figures: Mapping[str, Sequence[float]]
    ways: Mapping[str, str]


def main() -> None:
    """Measure, print, write parquet."""
    options = _parser().parse_args()
    cells = QUICK if options.quick else [(n, px) for n in NETWORKS for px in options.px]
    name = table_name(options.batch)
    rounds, seconds = (3, 0.7) if options.quick else (5, 2.5)
    rows, runs = [], []
    for network, px in cells:
        print(f"{network} at {px} px", file=sys.stderr)
        cell = measure(network, px, rounds, seconds, options.batch)
        target = target_of(network, px) if options.batch == BATCH else None
        rows.append({"network": network, "px": px, **compare(cell, target)})
        for loop, figures in cell.figures.items():
            where = {"network": network, "px": px, "contender": loop, "way": cell.ways[loop]}
            runs += [{**where, "round": i, "rate": rate} for i, rate in enumerate(figures)]
    publish(name, rows, options.out)
    pd.DataFrame(runs).to_parquet(options.out / f"{name}-runs.parquet", index=False)


def table_name(batch: int) -> str:
    """The name of the table of batches of so many images."""
    return "train_throughput" if batch == BATCH else f"train_throughput-{batch}"


def compare(cell: Cell, target: float | None) -> dict[str, object]:
    """A row of the table: rates, and ratios formed round by round.

    The better rival is that with the higher median, not the faster one of each round.
    """
    ours = cell.figures["scalegrid"]
    ratios = {name: pairwise(ours, cell.figures[name]) for name in RIVALS}
    better = max(RIVALS, key=lambda name: median_range(cell.figures[name]).median)
    return {
        **{f"{name} images/s": median_range(cell.figures[name]).median for name in cell.figures},
        "processor": device_name("cpu"),
        **{f"{name} way": way for name, way in cell.ways.items()},
        **{f"over {name}": ratios[name] for name in RIVALS},
        "over the better": ratios[better],
        "target": target,
        "met": None if target is None else ratios[better].median >= target,
    }


def measure(network: str, resolution: int, rounds: int, seconds: float, batch: int = BATCH) -> Cell:
    """Start the contenders of one network, warm them up, and measure them in turn."""
    cores = available_cores()
    with tempfile.TemporaryDirectory() as name:
        data = images_for(network, resolution, seconds, Path(name))
        folder = Path(name) / "png"
        write_png(data, resolution, folder)
        found = probe(network, resolution, batch)
        job = Job(*(network, resolution, rounds, seconds, cores, data, folder, *found), batch=batch)
        with (
            running(scalegrid_trial, job, processes=cores, threads=1) as ours,
            running(plain_loop, job, processes=1, threads=cores) as plain,
            running(timm_loop, job, processes=1, threads=cores) as timm,
        ):
            contenders = {"scalegrid": ours, "plain": plain, "timm": timm}
            ways = {name: contender.warm_up() for name, contender in contenders.items()}
            figures = in_turn(rounds, {name: c.rate for name, c in contenders.items()})
    return Cell(figures, ways)


def target_of(network: str, px: int) -> float:
    """The ratio to the better rival that is wanted on a processor as this one is; 1 by default."""
    if network in ("b0", "mobilenetv2"):
        wide = "avx512" in (vector_instructions() or "")
        return _SEPARABLE["avx512" if wide else "avx2"].get(px, 1.0)
    return _OTHERS.get((network, px), 1.0)


def probe(
    network: str, resolution: int, batch: int = BATCH
) -> tuple[Precision, KernelLimits | None]:
    """The number format and kernels that a sweep's probe chooses on this machine."""
    given = {"baseline": network, "resolution": resolution, "batch_size": batch, "device": "cpu"}
    plan = make_plan(SweepSpec.model_validate(given))
    placement = placement_for(plan.spec)
    workers = LocalExecutor(placement.workers, placement.devices, placement.threads)
    try:
        spec = probed(plan, placement, workers).plan.spec
    finally:
        workers.cancel()
    return spec.precision, spec.kernel_limits


def images_for(network: str, resolution: int, seconds: float, folder: Path) -> CachedData:
    """As many images as a worker of scalegrid may train on in a round."""
    model = baselines.skeleton(baselines.get(network), 1.0, 1.0, 10)
    activations = cost.measure(model, resolution).activations
    steps = round(seconds / (3 * TYPICAL_RATE * activations * BATCH))
    count = BATCH * max(_STEPS[0], min(steps, _STEPS[1]))
    source = open_source("glyphs", train_images=count, val_images=_VALIDATION)
    return prepare(source, [resolution], cache_dir=folder)


def write_png(data: CachedData, resolution: int, folder: Path) -> None:
    """The training images as timm's train.py reads them: a folder for each class."""
    cached = data.directory / str(resolution)
    pixels, labels = np.load(cached / "train.npy"), np.load(cached / "train-labels.npy")
    for number, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        path = folder / "train" / f"{label:03}" / f"{number:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


class _Contender:
    """The processes of a contender, which train during its own rounds alone."""

    def __init__(self, pipes: Sequence[Connection]) -> None:
        self._pipes = pipes

    def warm_up(self) -> str:
        """Run the first round, whose rate does not count; the memory layout and format."""
        return self._round()[0][1]

    def rate(self) -> float:
        """Images per second of all its processes together in another round."""
        return sum(rate for rate, _ in self._round())

    def _round(self) -> list[tuple[float, str]]:
        for pipe in self._pipes:
            pipe.send("go")
        return [pipe.recv() for pipe in self._pipes]


@contextmanager
def running(
    loop: Callable[[Job, Report], None], job: Job, *, processes: int, threads: int
) -> Iterator[_Contender]:
    """Processes that run ``loop``, and have ended afterwards."""
    spawn = multiprocessing.get_context("spawn")
    pipes: list[Connection] = []
    started: list[SpawnProcess] = []
    try:
        for _ in range(processes):
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=_contend, args=(theirs, loop, job, threads))
            process.start()
            theirs.close()
            pipes.append(ours)
            started.append(process)
        yield _Contender(pipes)
    finally:
        for pipe in pipes:
            pipe.close()
        for process in started:
            process.join()


def _contend(pipe: Connection, loop: Callable[[Job, Report], None], job: Job, threads: int) -> None:
    """Run a contender in its process until the pipe closes."""
    for variable in _THREADS:
        os.environ[variable] = str(threads)

    def wait() -> None:
        try:
            pipe.recv()
        except EOFError:
            raise SystemExit from None

    def report(rate: float, way: str) -> None:
        pipe.send((rate, way))
        wait()

    wait()
    loop(job, report)


def _parser() -> argparse.ArgumentParser:
    parser = options_parser("train_throughput", __doc__)
    parser.add_argument(
        *("--batch",), type=int, choices=(8, 16, 32, BATCH), default=BATCH, help="images a step"
    )
    parser.add_argument(
        "--px", type=bounded(int, 1), nargs="+", default=RESOLUTIONS, help="of images"
    )
    return parser


if __name__ == "__main__":
    main()
