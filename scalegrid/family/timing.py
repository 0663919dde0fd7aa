"""How long the sizes of a family take to infer one image, measured on a device."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace

from scalegrid.coefficients import Scaling
from scalegrid.cost import latency
from scalegrid.family.family import Family, noted
from scalegrid.family.phis import solve
from scalegrid.family.sizes import Terms, size_of
from scalegrid.family.start import Place, Start
from scalegrid.util.errors import UserError

PRECISION = 0.01
"""Of the φ that meets a latency: what is measured is not known better."""

LONGEST = 10.0
"""Of the latencies that may be asked for, in seconds."""


def with_latency(family: Family, device: str, threads: int) -> Family:
    """The family with the latency of each size, all measured in turns."""
    start = family.terms.start
    seconds = _measure(start, [size.scaling for size in family.sizes], device, threads)
    timed = zip(family.sizes, seconds, strict=True)
    sizes = tuple(replace(size, latency=taken) for size, taken in timed)
    return replace(family, sizes=sizes, notes=(*family.notes, _note(device, threads)))


def at_latencies(terms: Terms, budgets: Sequence[float], device: str, threads: int) -> Family:
    """The sizes of the formula whose latency is nearest some budgets in seconds.

    Latencies are taken to grow with φ; each network is measured once.
    """
    start = terms.start
    cost_of = _timed(start, device, threads)
    sizes = []
    for budget in budgets:
        if budget > LONGEST:
            raise UserError(
                f"a latency of {_milliseconds(budget)} is more than is measured; choose one up to "
                f"{_milliseconds(LONGEST)}."
            )
        phi = solve(start, terms.coefficients, budget, cost_of, PRECISION, _milliseconds)
        scaling = start.scaling(terms.coefficients, phi)
        taken = cost_of(scaling)
        met = abs(taken / budget - 1) <= terms.tolerance
        sizes.append(replace(size_of(terms, phi, scaling, matched=met), latency=taken))
    family = noted(Family(terms, tuple(sizes)))
    return replace(family, notes=(*family.notes, _note(device, threads)))


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.6g} ms"


def _timed(start: Start, device: str, threads: int) -> Callable[[Scaling], float]:
    """Seconds of a network, measured beside nothing else, and remembered."""
    known: dict[Place, float] = {}

    def cost_of(scaling: Scaling) -> float:
        at = start.place(scaling)
        if at not in known:
            known[at] = _measure(start, [scaling], device, threads)[0]
        return known[at]

    return cost_of


def _measure(start: Start, scalings: Sequence[Scaling], device: str, threads: int) -> list[float]:
    """Median seconds of each network."""
    latency.check_threads(threads)
    costs, sides = start.costs, [start.side(scaling.resolution) for scaling in scalings]
    models = [
        start.baseline.build(
            scaling.depth,
            scaling.width,
            costs.num_classes,
            resolution=side,
            in_chans=costs.in_chans,
        )
        for scaling, side in zip(scalings, sides, strict=True)
    ]
    shapes = [(costs.in_chans, side, side) for side in sides]
    return [statistics.median(times) for times in latency.seconds(models, shapes, device, threads)]


def _note(device: str, threads: int) -> str:
    return (
        f"latency is the median of {latency.REPEATS} inferences of one image on {device}, "
        f"{threads} thread{'s' * (threads > 1)}"
    )
