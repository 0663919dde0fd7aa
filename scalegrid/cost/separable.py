"""The costs of many networks of a baseline, from the operators of few.

The cost of an operator is the product of its sizes. Each size follows from the width (channels) or
from the resolution (positions, tokens), so at any width w and resolution p an operator costs
c(w, p) = c(w, p₀) · c(w₀, p) / c(w₀, p₀). Deeper networks have the same operators more often:
those that cost the same at several widths and resolutions are taken to be alike. So a network is
traced at every width, at every resolution, and at every depth a few times, not at all combinations.
`table` compares some whole networks with this, and a plan all of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from scalegrid.cost.counting import Trace

Find = Callable[[float, float, int], Trace]
"""Takes depth, width and px; the operators of that network."""

IntArray = NDArray[np.int64]
Signature = tuple[tuple[int, ...], ...]
"""What an operator costs at each of the probes."""

_MOST_GROUPS, _FEW = 12, 8


def separable_table(
    trace: Find, depths: Sequence[float], widths: Sequence[float], resolutions: Sequence[int]
) -> IntArray | None:
    """(D, W, P, 3) costs as in `counting.Cost`; None where they do not follow from few networks.

    At some widths or resolutions networks may have operators that others lack (a shortcut where
    channels change), so those with the same sequence of operators are taken together.
    """
    table = np.empty((len(depths), len(widths), len(resolutions), 3), dtype=np.int64)
    middle = depths[len(depths) // 2]
    columns = _alike([trace(middle, width, resolutions[0]) for width in widths])
    sides = _alike([trace(middle, widths[0], px) for px in resolutions])
    if len(columns) * len(sides) > _MOST_GROUPS:
        return None
    for some, few in product(columns, sides):
        part = _Part(trace, [widths[i] for i in some], [resolutions[i] for i in few]).table(depths)
        if part is None:
            return None
        table[np.ix_(range(len(depths)), some, few)] = part
    return table


def _alike(traces: Sequence[Trace]) -> list[list[int]]:
    """Indices of the traces, those with the same sequence of operators together."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, trace in enumerate(traces):
        groups.setdefault(tuple(trace.kinds), []).append(index)
    return list(groups.values())


class _Part:
    """Widths and resolutions at which a network of any depth has the same sequence of operators."""

    def __init__(self, trace: Find, widths: Sequence[float], resolutions: Sequence[int]) -> None:
        self._trace, self._widths, self._resolutions = trace, widths, resolutions
        along_width = [(widths[i], resolutions[0]) for i in _others(len(widths))]
        along_side = [(widths[0], resolutions[i]) for i in _others(len(resolutions))]
        self._probes = [(widths[0], resolutions[0]), *along_width, *along_side]

    def table(self, depths: Sequence[float]) -> IntArray | None:
        """(D, W, P, 3) costs; None where operators are not separable or cannot be told apart."""
        found = [self._signatures(depth) for depth in depths]
        counts = [Counter(signatures) for signatures in found if signatures is not None]
        if len(counts) < len(depths):
            return None
        costs: dict[Signature, IntArray] = {}
        for index in _covering(counts):
            own = self._operators(depths[index])
            if own is None:
                return None
            costs = dict(zip(found[index] or (), own, strict=True)) | costs
        kinds = list(costs)
        repeats = np.array([[count[kind] for kind in kinds] for count in counts])  # (D, S)
        table: IntArray = np.tensordot(repeats, np.array([costs[kind] for kind in kinds]), 1)
        return table

    def _signatures(self, depth: float) -> list[Signature] | None:
        """The signature of each operator; None if the probes have different sequences."""
        traces = [self._trace(depth, *probe) for probe in self._probes]
        if len(_alike(traces)) > 1:
            return None
        return list(zip(*(trace.costs for trace in traces), strict=True))

    def _operators(self, depth: float) -> IntArray | None:
        """(N, W, P, 3) costs of each operator of the network of one depth."""
        wide = [self._trace(depth, width, self._resolutions[0]) for width in self._widths]
        large = [self._trace(depth, self._widths[0], px) for px in self._resolutions]
        if len(_alike([*wide, *large])) > 1:
            return None
        # Products of two costs may exceed 64 bits, and so are taken as Python's integers.
        by_width = np.array([trace.costs for trace in wide]).swapaxes(0, 1).astype(object)
        by_side = np.array([trace.costs for trace in large]).swapaxes(0, 1).astype(object)
        base = np.maximum(by_side[:, None, :1], 1)
        products = by_width[:, :, None] * by_side[:, None, :]
        if (products % base).any():
            return None
        costs: IntArray = (products // base).astype(np.int64)
        return costs


def _others(count: int) -> set[int]:
    """Of several values the last, and of many the middle one, to tell operators apart by."""
    return ({count - 1} | ({count // 2} if count > _FEW else set())) - {0}


def _covering(counts: Sequence[Counter[Signature]]) -> list[int]:
    """Indices of few networks that together have every operator: the shallowest that has all."""
    everything = set().union(*counts)
    for index, count in enumerate(counts):
        if count.keys() == everything:
            return [index]
    chosen: list[int] = []
    for index in reversed(range(len(counts))):  # the deepest have most
        if counts[index].keys() & everything:
            chosen.append(index)
            everything -= counts[index].keys()
    return chosen
