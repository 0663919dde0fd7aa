"""How well one brief training tells candidates apart: ``python -m benchmarks.sensor``.

Each setup is a sweep of equal-cost candidates with several seeds each, which is run here (again to
go on: an interrupted one loses nothing) or read where it is finished. Of each metric the table
gives the noise (standard deviation between seeds), the spread (between candidates), and the
reliability of one trial, spread² / (spread² + noise²), with its 95 % interval; and, by races that
replay the trials, how many trials and minutes of this machine it takes until the answer is clear.
The row ``joint`` is top-1 with the losses' help, as `recommend` and racing use it: its noise is
that of a lone metric which tells as much as a candidate's first trial.

Setups on real data need ``--cifar10`` and ``--clothing``, the folders of those images. Clothing's
training and validation images are pooled, and 1,000 of them are held out. What was measured, and
what it led to, is in docs/sensor.md.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.selection_worlds import (
    World,
    candidates_of,
    race_of,
    replay_worlds,
    table_world,
)
from benchmarks.timing import bounded, options_parser, publish
from scalegrid.allocation import Result
from scalegrid.analysis.model import Model
from scalegrid.analysis.observations import Observations
from scalegrid.analysis.selection import SAMPLES, interval
from scalegrid.analysis.surface import Fit, fit
from scalegrid.progress import display_for
from scalegrid.results import SweepTables, load_sweep
from scalegrid.spec import CONFIDENCE, SweepSpec
from scalegrid.sweep import run_sweep
from scalegrid.util.errors import UserError
from scalegrid.util.processes import available_cores

BEFORE = {"data": "glyphs", "epochs": 2, "batch_size": 32, "learning_rate": 0.5}
"""What was the default before the embedded data were leaves."""

PLAIN = {
    "batch_size": 64,
    "schedule": "cosine",
    "warmup": 0.05,
    "shift": 0.125,
    "rates": "tune",
}
"""A usual recipe: larger batches, cosine with a short warm-up, images shifted by four of 32 px.

Its rate is tuned for each network; the rest of the recipe is the default's, clipping included.
"""

_CIFAR10 = {"baseline": "nano", "data": "cifar10", "train_images": 10_000, "epochs": 3}
_CLOTHING = {"baseline": "mobilenetv2", "candidates": 10, "data": "clothing", "val_images": 1000}
_LEAVES = {"baseline": "b0", "candidates": 9}

SETUPS: dict[str, dict[str, Any]] = {
    "nano-leaves": {"baseline": "nano", "precision": "fp32"},
    "nano-leaves-bf16": {"baseline": "nano", "precision": "bf16"},
    "nano-glyphs": {"baseline": "nano", **BEFORE},
    "b0-leaves": _LEAVES,
    "b0-leaves-plain": _LEAVES | PLAIN,
    "b0-glyphs": {"baseline": "b0", "resolution": 48, **BEFORE},
    "nano-cifar10": _CIFAR10,
    "nano-cifar10-plain": _CIFAR10 | PLAIN,
    "mobilenetv2-clothing": _CLOTHING,
    "mobilenetv2-clothing-plain": _CLOTHING | PLAIN,
}
"""What each sweep differs in from the default; of ``--cifar10`` and ``--clothing`` the data."""

RACES, LONGEST = 40, 400  # replays of a sweep, and trials after which a race is given up


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing of the sweeps, print the table, write it as parquet."""
    options = parser().parse_args(arguments)
    rows = []
    for name, given in chosen(options, SETUPS, "sensor"):
        spec = SweepSpec(**given)
        if run_sweep(spec, display=display_for(sys.stderr)).interrupted:
            return
        rows += measure(name, load_sweep(spec.name, spec.results))
    publish("sensor", rows, options.out)


def chosen(
    options: argparse.Namespace, setups: Mapping[str, Mapping[str, Any]], benchmark: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The setups asked for whose data were given, with all settings of their sweeps."""
    names = options.only or list(setups)
    left_out = 0
    for name in names:
        given = settings(name, options, setups, benchmark)
        if given is None:
            print(f"{name} is left out: its data were not given.", file=sys.stderr)
            left_out += 1
        else:
            yield name, given
    if left_out == len(names):
        raise UserError("nothing is left to measure; give --cifar10 FOLDER, or --clothing FOLDER.")


def settings(
    name: str, options: argparse.Namespace, setups: Mapping[str, Mapping[str, Any]], benchmark: str
) -> dict[str, Any] | None:
    """All settings of a setup's sweep, its data ready; None where they were not given."""
    made = {
        "candidates": 8,
        "seeds": options.seeds,
        "check_learning": False,
        "name": f"{benchmark}-{'quick-' if options.quick else ''}{name}",
        "results": str(options.results),
        **setups[name],
    }
    for data in ("cifar10", "clothing"):
        if made.get("data") == data:
            if (folder := getattr(options, data)) is None:
                return None
            if data == "clothing":
                folder = pooled(folder, options.results / f"{benchmark}-clothing-pooled")
            made["data"] = str(folder)
    if options.quick:
        made |= {"candidates": 4, "seeds": 2, "train_images": 640, "val_images": 200, "epochs": 1}
    return made


def pooled(folder: Path, into: Path) -> Path:
    """Make ``into`` one set of the training and validation images of ``folder``, by links.

    The links are ``into/CLASS/train`` and ``into/CLASS/val``; those that are right stay.

    Raises:
        UserError: ``folder`` has not both.
    """
    wanted = {}
    for split in ("train", "val"):
        if not (folder / split).is_dir():
            raise UserError(
                f"{folder} has no {split}/ to pool; give a folder with train/ and val/."
            )
        for images in filter(Path.is_dir, (folder / split).glob("[!.]*")):
            wanted[into / images.name / split] = images.resolve()
    for link in list(into.glob("*/*")):
        if link.resolve() != wanted.get(link):
            link.unlink()
            if not any(link.parent.iterdir()):
                link.parent.rmdir()
    for link, images in wanted.items():
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(images)
    return into


def measure(name: str, tables: SweepTables) -> list[dict[str, object]]:
    """Rows of the table for a sweep, one a metric and one for all of them together."""
    world = table_world(tables)
    trials = tables.trials[tables.trials["variant"].isin(candidates_of(tables)["variant"])]
    seconds = float(trials[trials["status"] == "finished"]["seconds"].median())
    val_loss, train_loss = (-loss for loss in world.others)
    unraced = dict.fromkeys(("trials", "minutes", "right"))
    rows = {
        "top1": components(world.values) | races(tables, seconds, losses=False),
        "val_loss": components(val_loss) | unraced,
        "train_loss": components(train_loss) | unraced,
        "joint": joint_components(world) | races(tables, seconds, losses=True),
    }
    return [
        {"setup": name, "metric": metric, "seconds": seconds, **row} for metric, row in rows.items()
    ]


def components(values: np.ndarray[Any, Any]) -> dict[str, object]:
    """Noise, spread and reliability by one-way analysis of variance of (candidates, seeds).

    The reliability is the intraclass correlation ICC(1), its interval that of Shrout & Fleiss
    (1979): (F/F₀ - 1) / (F/F₀ + n - 1), with F₀ the quantiles of the F distribution.
    """
    count, seeds = values.shape
    within = float(values.var(axis=1, ddof=1).mean())
    between = seeds * float(values.mean(axis=1).var(ddof=1))
    degrees = (count - 1, count * (seeds - 1))
    ends = [between / within / stats.f.ppf(q, *degrees) for q in (0.975, 0.025)]
    low, high = ((end - 1) / (end + seeds - 1) for end in ends)
    signal = max(0.0, (between - within) / seeds)
    return {
        "candidates": count,
        "seeds": seeds,
        "mean": float(values.mean()),
        "noise": within**0.5,
        "spread": signal**0.5,
        "reliability": signal / (signal + within),
        "low": max(0.0, float(low)),
        "high": max(0.0, float(high)),
    }


def joint_components(world: World) -> dict[str, object]:
    """As `components`, of top-1 with the losses' help, by the model of `recommend`.

    Its averages over what is not known stand in the place of the analysis of variance.
    """
    size, seeds = world.values.shape
    posterior = _fit(world, world.observed([seeds] * size, losses=True)).on_images
    draws = posterior.sample(SAMPLES, np.random.default_rng(0))
    signal = draws.values.var(1, ddof=1)
    noise = draws.noise * posterior.noise_first / posterior.noise
    reliability = signal / (signal + noise)
    low, high = interval(reliability)
    return {
        "candidates": size,
        "seeds": seeds,
        "mean": float(world.values.mean()),
        "noise": float(noise.mean() ** 0.5),
        "spread": float(signal.mean() ** 0.5),
        "reliability": float(reliability.mean()),
        "low": low,
        "high": high,
    }


def races(tables: SweepTables, seconds: float, *, losses: bool) -> dict[str, object]:
    """How long races on replayed trials take until they are clear, and how often they are right.

    The table's means on its validation images are the truth, so that the luck with these plays no
    part. A race that is given up counts with all its trials. Minutes are those of this machine,
    all of whose cores train, if trials take ``seconds``.
    """
    ended = [_race(world, losses=losses) for world in replay_worlds(tables, RACES, LONGEST)]
    trials = statistics.median(count for count, _ in ended)
    return {
        "trials": float(trials),
        "minutes": trials * seconds / 60 / available_cores(),
        "right": statistics.fmean(good for _, good in ended),
    }


def _race(world: World, *, losses: bool) -> tuple[int, bool]:
    """The trials that a race needs until it is clear, and whether its leader is good enough."""
    racing = race_of(world.shares, CONFIDENCE, most=LONGEST)
    counts = [0] * len(world.truth)
    while (ask := racing.ask()) is not None:
        at = int(ask.variant), ask.seed
        others = [float(loss[at]) for loss in world.others] if losses else []
        racing.tell(ask, Result(float(world.values[at]), others))
        counts[at[0]] += 1
    fitted = _fit(world, world.observed(counts, losses=losses))
    return sum(counts), bool(world.good[fitted.posterior.expected.argmax()])


def _fit(world: World, observations: Observations) -> Fit:
    return fit(Model(len(world.truth), world.shares), observations)


def parser(
    name: str = "sensor",
    doc: str | None = __doc__,
    setups: Mapping[str, Any] = SETUPS,
    seeds: int = 8,
) -> argparse.ArgumentParser:
    """A parser of the options of this benchmark, or of another of sweeps of candidates."""
    made = options_parser(name, doc)
    made.add_argument("--only", action="append", choices=setups, help="this setup; repeatable")
    made.add_argument("--seeds", type=bounded(int, 2), default=seeds, help="of each candidate")
    made.add_argument("--cifar10", type=Path, help="a folder of CIFAR-10's images")
    made.add_argument("--clothing", type=Path, help="a folder of photographs of clothing")
    made.add_argument("--results", type=Path, default=Path("results"), help="where the sweeps are")
    return made


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
