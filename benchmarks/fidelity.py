"""Whether brief trainings order candidates as long ones do: ``python -m benchmarks.fidelity``.

Each setup is a sweep over rungs (multiples of the brief budget) in which all candidates of equal
cost are trained at all of them, with several seeds each. It is run here, one seed after the other
(again to go on: an interrupted one loses nothing), or read where it is finished.

For each rung but the highest, and each metric there, the table gives Kendall's τ between the
candidates' true values at that rung and their true top-1 at the highest, with its 95 % interval:
the noise of seeds is taken out by a model of both (`scalegrid.analysis.rungs`), in which ρ is
uniform. ``lost`` are the points of top-1 at the highest rung that one loses in the mean by choosing
the candidate that the metric finds best at the rung; ``joint`` is top-1 with the losses' help, as
`recommend` uses it, which has no true value of its own and so no τ.

A setup of brief trainings alone is compared with the longest of another, of the same candidates.

Setups on real data need ``--cifar10`` and ``--clothing``, as in `benchmarks.sensor`. What was
measured, and what it led to, is in docs/fidelity.md.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks import sensor
from benchmarks.selection_worlds import World, rung_worlds
from benchmarks.timing import publish
from scalegrid.analysis.model import Model
from scalegrid.analysis.observations import Floats
from scalegrid.analysis.over_rungs import OverRungs
from scalegrid.analysis.rungs import Lines
from scalegrid.analysis.selection import SAMPLES, interval
from scalegrid.analysis.surface import fit
from scalegrid.analysis.verdict import kendall
from scalegrid.progress import display_for
from scalegrid.results import SweepTables, load_sweep
from scalegrid.spec import SweepSpec
from scalegrid.sweep import run_sweep
from scalegrid.util.errors import UserError

SETUPS: dict[str, dict[str, Any]] = {
    "nano-cifar10": {
        "baseline": "nano",
        "candidates": 10,
        "data": "cifar10",
        "resolution": 32,
        "train_images": 15_000,
        "epochs": 2,
        "rungs": (1, 2, 4, 7),
    },
    "nano-cifar10-default": {
        "baseline": "nano",
        "candidates": 10,
        "data": "cifar10",
        "resolution": 32,
    },
    "mobilenetv2-clothing": {
        "baseline": "mobilenetv2",
        "candidates": 10,  # eight of equal cost; the axes depth and resolution cannot meet it
        "data": "clothing",
        "val_images": 1000,
        "rungs": (1, 3),
    },
    "b0-leaves": {"baseline": "b0", "rungs": (1, 3)},
}
"""What each sweep differs in from the default; of ``--cifar10`` and ``--clothing`` the data."""

LONG = {"nano-cifar10-default": "nano-cifar10"}
"""Setups of brief trainings alone, by default settings, and the one with whose longest trainings
they are compared; it comes before them."""

ENOUGH = 0.8
"""The τ from which on an order is called kept."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing of the sweeps, print the table, write it as parquet."""
    options = parser().parse_args(arguments)
    rows: list[dict[str, object]] = []
    done: dict[str, SweepTables] = {}
    for name, given in sensor.chosen(options, SETUPS, "fidelity"):
        given |= {"allocation": "uniform"}
        long = _long_of(name, done)
        for seeds in range(1, options.seeds + 1):  # so that some are whole if it is interrupted
            spec = SweepSpec(**given | {"seeds": seeds})
            if run_sweep(spec, display=display_for(sys.stderr)).interrupted:
                return
        done[name] = load_sweep(spec.name, spec.results)
        rows += measure(name, done[name], long)
    publish("fidelity", rows, options.out)
    for name in dict.fromkeys(str(row["setup"]) for row in rows):
        print(kept_from(name, rows))


def _long_of(name: str, done: Mapping[str, SweepTables]) -> SweepTables | None:
    if name not in LONG:
        return None
    if LONG[name] not in done:
        raise UserError(
            f"{name} is compared with {LONG[name]}; give --only {LONG[name]} before it."
        )
    return done[LONG[name]]


def measure(
    name: str, tables: SweepTables, long: SweepTables | None = None
) -> list[dict[str, object]]:
    """Rows of the table for a sweep, one a rung below the highest and a metric.

    Or one for each rung, where its trainings are compared with the longest of ``long``.
    """
    worlds = rung_worlds(tables)
    if long is None:
        *brief, last = worlds
        top = worlds[last]
    else:
        brief, top = list(worlds), [*rung_worlds(long).values()][-1]
    images = tables.trials.groupby("rung")["images"].median()
    return [
        {
            "setup": name,
            "rung": rung,
            "images": float(images[rung]),
            "metric": metric,
            "candidates": len(top.values),
            "seeds": worlds[rung].values.shape[1],
            **found._asdict(),
        }
        for rung in brief
        for metric, found in between(worlds[rung], top, going_on=long is None)
    ]


class Kept(NamedTuple):
    """Kendall's τ with its 95 % interval, and the points lost by the choice; NaN: not defined."""

    tau: float
    low: float
    high: float
    lost: float


def between(brief: World, top: World, *, going_on: bool = True) -> Iterator[tuple[str, Kept]]:
    """Of each metric of the brief trainings what it says of top-1 after the long ones.

    These go on from the brief ones of their seeds, or are apart from them.
    """
    model = Model(len(top.values), top.shares)
    losses = dict(zip(("val_loss", "train_loss"), brief.others, strict=True))
    for metric, values in {"top1": brief.values, **losses}.items():
        draws = pair_draws(model, values, top.values, going_on=going_on)
        tau = kendall(draws[:, :, 0], draws[:, :, 1])
        chosen = int(values.mean(1).argmax())
        yield metric, Kept(float(tau.mean()), *interval(tau), _lost(draws, chosen, top))
        if metric == "top1":
            seen = brief.observed([brief.values.shape[1]] * len(top.values), losses=True)
            joint = int(fit(model, seen).posterior.expected.argmax())
            helped = Kept(math.nan, math.nan, math.nan, _lost(draws, joint, top))
    yield "joint", helped


def pair_draws(model: Model, first: Floats, second: Floats, *, going_on: bool = True) -> Floats:
    """Joint draws of the candidates' true values by two metrics, (draws, n, 2), standardised.

    Args:
        model: the prior over the candidates.
        first: of each candidate and seed, (n, seeds), more being better.
        second: likewise.
        going_on: whether its trials go on from those of ``first`` with the same seed.
    """
    apart = 0 if going_on else first.shape[1]
    pairs = [(one - one.mean()) / one.std() for one in (first, second)]
    rows = (
        (i, seed + column * apart, column, float(values[i, seed]))
        for column, values in enumerate(pairs)
        for i, seed in np.ndindex(values.shape)
    )
    names = [f"{i}" for i in range(len(first))]
    over = OverRungs(names, (1, 2), Lines.collect(len(first), 2, rows), model)
    return over.posterior.sample(SAMPLES, np.random.default_rng(0))


def _lost(draws: Floats, chosen: int, top: World) -> float:
    """Points of top-1 by which the chosen candidate is below the best, in the mean over draws."""
    late = draws[:, :, 1] * top.values.std()
    return float((late.max(1) - late[:, chosen]).mean())


def kept_from(name: str, rows: Sequence[dict[str, Any]]) -> str:
    """From which rung on a setup's order is kept, in a sentence."""
    own = [row for row in rows if row["setup"] == name and row["metric"] == "top1"]
    enough = [row["rung"] for row in own if row["tau"] >= ENOUGH]
    taus = ", ".join(f"{row['rung']}× {row['tau']:.2f}" for row in own)
    said = f"reaches {ENOUGH:g} at {enough[0]}×" if enough else f"stays below {ENOUGH:g}"
    return f"{name}: τ of top-1 with the longest trainings {said} ({taus})."


def parser() -> argparse.ArgumentParser:
    """A parser of this benchmark's options."""
    return sensor.parser("fidelity", __doc__, SETUPS, seeds=3)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
