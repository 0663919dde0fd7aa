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
from scalegrid.plan.memory import BYTES
from scalegrid.training.devices import device_memory
from scalegrid.util.errors import UserError
from scalegrid.util.text import plural

PRECISION = 0.01
"""Of the φ that meets a latency: what is measured is not known better."""

LONGEST = 10.0
"""Of the latencies that may be asked for, in seconds."""

_AT_ONCE = 0.25
"""Of a network's outputs, that inference holds at a time: in mobile networks those of one block."""


def with_latency(family: Family, device: str, threads: int) -> Family:
    """The family with the latency of each size, all measured in turns."""
    start = family.terms.start
    _check_fits(start, [size.scaling for size in family.sizes], device)
    _check_time(family, device, threads)
    seconds = _measure(start, [size.scaling for size in family.sizes], device, threads)
    timed = zip(family.sizes, seconds, strict=True)
    sizes = tuple(replace(size, latency=taken) for size, taken in timed)
    return replace(family, sizes=sizes, notes=(*family.notes, _note(device, threads)))


def at_latencies(terms: Terms, budgets: Sequence[float], device: str, threads: int) -> Family:
    """The sizes of the formula whose latency is nearest some budgets in seconds.

    Latencies are taken to grow with φ; each network is measured once.
    """
    for budget in budgets:
        if not 0 < budget <= LONGEST:
            raise UserError(
                f"a latency of {_milliseconds(budget)} is none that is measured; choose one above "
                f"0 and up to {_milliseconds(LONGEST)}."
            )
    start = terms.start
    cost_of = _timed(start, device, threads)
    sizes = []
    for budget in budgets:
        phi = solve(start, terms.coefficients, budget, cost_of, PRECISION, _milliseconds)
        scaling = start.scaling(terms.coefficients, phi)
        taken = cost_of(scaling)
        met = abs(taken / budget - 1) <= terms.tolerance
        sizes.append(replace(size_of(terms, phi, scaling, matched=met), latency=taken))
    family = noted(Family(terms, tuple(sizes)))
    return replace(family, notes=(*family.notes, _note(device, threads)))


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.6g} ms"


def _check_fits(start: Start, scalings: Sequence[Scaling], device: str) -> None:
    """Raise UserError where the networks, all of them at once, are larger than the memory."""
    costs, there = [start.cost(scaling) for scaling in scalings], device_memory(device)
    held = _AT_ONCE * max(cost.activations for cost in costs)
    need = BYTES * (sum(cost.params for cost in costs) + held)
    if need > there:
        raise UserError(
            f"weights and maps of {plural(len(costs), 'network')} of {start.baseline.name} need "
            f"about {need / 2**30:.3g} GiB while they are measured, and {device} has "
            f"{there / 2**30:.3g} GiB; choose φ nearer 0, or fewer sizes."
        )


def _check_time(family: Family, device: str, threads: int) -> None:
    """Raise UserError where a size takes longer than `LONGEST`, by the pace of the baseline."""
    start, largest = family.terms.start, max(family.sizes, key=lambda size: size.flops)
    (taken,) = _measure(start, [Scaling(1.0, 1.0, 1.0)], device, threads)
    expected = taken * largest.flops_ratio
    if expected > LONGEST:
        raise UserError(
            f"at φ = {largest.phi:g} one inference would take about {expected:.3g} s on {device}, "
            f"and up to {LONGEST:g} s are measured; choose φ nearer 0."
        )


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
