"""Networks of equal inference latency on the present device.

Latency cannot be counted, and measuring every realisable network would take hours. So a model that
is linear in the logarithms of the costs is fitted to the networks measured so far, the networks
that it expects nearest the target are measured next, and only measured ones count as equal.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scalegrid.cost import latency
from scalegrid.cost.table import Costs
from scalegrid.plan import triangle
from scalegrid.plan.realisable import Cell, Realisable, measured_shares
from scalegrid.spec import SweepSpec
from scalegrid.training.devices import find_devices
from scalegrid.util.files import cache_root, digest, load_arrays, save_arrays

ROUNDS = 3

Measure = Callable[[Sequence[Cell]], list[list[float]]]
"""Seconds of repeated inferences of each network."""


def with_latencies(
    networks: Realisable, spec: SweepSpec, costs: Costs, factor: float
) -> tuple[Realisable, list[str]]:
    """Measure networks until enough are known to be ``factor`` times as slow as the baseline.

    Measurements are kept on disk, so that a sweep that is run again has the same plan.

    Args:
        networks: of ``costs``; if they are few, all are measured.
        spec: whose device, threads and number of candidates are used.
        costs: of the baseline's networks.
        factor: of the latency.

    Returns:
        The networks with latency ratios, NaN for those not measured; and a note on the noise.
    """
    device = find_devices(spec.device)[0]
    latency.check_threads(spec.threads)
    path = _path(networks, spec, costs, factor, device)

    def measure(cells: Sequence[Cell]) -> list[list[float]]:
        sides = [networks.resolutions[p] for _, _, p in cells]
        models = [
            costs.baseline.build(
                networks.depths[d].high,
                networks.widths[w].high,
                costs.num_classes,
                resolution=side,
                in_chans=costs.in_chans,
            )
            for (d, w, _), side in zip(cells, sides, strict=True)
        ]
        images = [(costs.in_chans, side, side) for side in sides]
        return latency.seconds(models, images, device, spec.threads)

    known = _load(path, networks)
    if known is None:
        known = search(networks, factor, _wanted(spec), measure)
        _save(path, *known)
    ratios, noise = known
    note = (
        f"latency is the median of {latency.REPEATS} interleaved inferences of one image on "
        f"{device}, {spec.threads} thread{'s' * (spec.threads > 1)}; repeated "
        f"measurements of a network spread by {100 * noise:.1f} % (median absolute deviation)"
    )
    return replace(networks, ratios=ratios), [note]


def _wanted(spec: SweepSpec) -> int:
    """How many networks are measured in a round."""
    return max(32, 0 if spec.candidates == "all" else 2 * spec.candidates)


def search(
    networks: Realisable, factor: float, count: int, measure: Measure
) -> tuple[NDArray[np.float64], float]:
    """Ratios of latency, NaN where not measured, and the relative noise of one measurement.

    Each round measures the ``count`` networks expected nearest ``factor``, spread over the budget
    triangle; the first one is guided by FLOPs alone, and includes the single axes.
    """
    features = _features(networks)
    expected = np.exp(features[..., 1])  # the FLOPs ratio
    ratios = np.full(expected.shape, np.nan)
    deviations: list[float] = []
    for _ in range(ROUNDS):
        chosen = _next(networks, expected, ratios, factor, count)
        if not chosen:
            break
        times = measure([(0, 0, 0), *chosen])
        medians = [statistics.median(sample) for sample in times]
        deviations += [
            statistics.median(abs(t / middle - 1) for t in sample)
            for sample, middle in zip(times, medians, strict=True)
        ]
        for at, middle in zip(chosen, medians[1:], strict=True):
            ratios[at] = middle / medians[0]
        ratios[0, 0, 0] = 1.0
        known = ~np.isnan(ratios)
        solution = np.linalg.lstsq(features[known], np.log(ratios[known]), rcond=None)[0]
        expected = np.exp(features @ solution)
    return ratios, statistics.median(deviations)


def _features(networks: Realisable) -> NDArray[np.float64]:
    """(D, W, P, 4): one, and the logarithms of the ratios of FLOPs, layers' outputs and depth."""
    logs = np.log(networks.costs / networks.costs[0, 0, 0])
    layers = np.log([step.high for step in networks.depths])
    depth = np.broadcast_to(layers[:, None, None], logs.shape[:3])
    return np.stack([np.ones(logs.shape[:3]), logs[..., 0], logs[..., 2], depth], axis=-1)


def _next(
    networks: Realisable,
    expected: NDArray[np.float64],
    ratios: NDArray[np.float64],
    factor: float,
    count: int,
) -> list[Cell]:
    """The most promising networks not measured yet: the single axes' best, then spread evenly."""

    def miss(at: Cell) -> float:
        return float(abs(np.log(expected[at] / factor)))

    fresh = [at for at in np.ndindex(*ratios.shape) if np.isnan(ratios[at]) and any(at)]
    axes = [
        min(
            (at for at in networks.axis(role, factor > 1) if np.isnan(ratios[at])),
            key=miss,
            default=None,
        )
        for role in triangle.CORNERS
    ]
    chosen = [at for at in axes if at is not None]
    near = sorted((at for at in fresh if at not in chosen), key=miss)[: 4 * count]
    pool = chosen + near
    if not pool:
        return []
    points = np.array([measured_shares(networks.costs, at) for at in pool])
    return [pool[i] for i in triangle.farthest_first(points, range(max(1, len(chosen))), count)]


def _path(
    networks: Realisable,
    spec: SweepSpec,
    costs: Costs,
    factor: float,
    device: str,
) -> Path:
    content = [
        costs.baseline.definition,
        [asdict(row) for row in costs.baseline.layout(1.0, 1.0)],
        [list(map(list, steps)) for steps in (networks.depths, networks.widths)],
        [networks.resolutions, costs.num_classes, costs.in_chans],
        [factor, spec.candidates],
        [device, latency.machine(device), spec.threads, version("torch")],
    ]
    return cache_root() / "latencies" / f"{digest(content)}.npz"


def _load(path: Path, networks: Realisable) -> tuple[NDArray[np.float64], float] | None:
    stored = load_arrays(path, ("ratios", "noise"))
    if stored is None or stored[0].shape != networks.ratios.shape:
        return None
    return stored[0], float(stored[1])


def _save(path: Path, ratios: NDArray[np.float64], noise: float) -> None:
    save_arrays(path, ratios=ratios, noise=np.array(noise))
