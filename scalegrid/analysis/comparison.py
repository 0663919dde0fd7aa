"""A comparison of two sweeps as plain data: what they share, and how their answers differ."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from scalegrid.analysis.agreement import Agreement
from scalegrid.analysis.differing import SameTrials
from scalegrid.spec import Metric


class Gap(NamedTuple):
    """B - A in the metric's own unit: mean and 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Side:
    """One of the two sweeps, and the network that it recommends.

    ``good`` is the probability that this network is within ``indifference`` of the sweep's best,
    ``good_there`` that it is so in the other sweep, by the zone of that; None where it is no
    candidate there. ``ruled_out`` says whether that is too improbable by the confidence that the
    other sweep asks for. ``repeats`` are the degrees of freedom of the noise, and ``candidates``
    counts those with finished trials.
    """

    name: str
    role: str
    variant: str
    alpha: float
    beta: float
    gamma: float
    resolution: int
    flops_ratio: float
    good: float
    good_there: float | None
    ruled_out: bool
    indifference: float
    candidates: int
    repeats: int


@dataclass(frozen=True)
class SharedCandidate:
    """A candidate of both sweeps: coefficients and FLOPs ratio as in A, posterior means of both.

    ``difference`` is B - A, ``low`` to ``high`` its 95 % interval. Values are in the metric's own
    unit; ranks are among the shared candidates, 1 the best. The baseline is no candidate: it has
    no ranks, and its values are means over its trials.
    """

    variant: str
    alpha: float
    beta: float
    gamma: float
    resolution: int
    flops_ratio: float
    a: float
    b: float
    difference: float
    low: float
    high: float
    rank_a: int | None
    rank_b: int | None


@dataclass(frozen=True)
class Comparison:
    """What `compare` says of two sweeps, A and B, by one metric.

    ``differing`` has the settings of ``sweep.yaml`` and the facts of the trials that are not the
    same, each as the pair of A's and B's. ``same_trials`` are trials with equal descriptions, None
    where there are none. ``shared`` are in the order of A; ``only_a`` and ``only_b`` are the
    variants of the other candidates. ``baseline`` is None unless both have finished trials of the
    same one. ``pairs`` counts the pairs of trials that the differences
    are taken from, 0 where they are those of independent posteriors, and ``noise_in_common`` is the
    correlation of their noise. ``mean_difference`` is the
    mean over the shared candidates, None where there are none. ``agreement`` takes the noise of the
    two as independent, which it is not where there are pairs; None where there is no order.
    """

    metric: Metric
    a: Side
    b: Side
    differing: dict[str, tuple[Any, Any]]
    same_data: bool
    same_trials: SameTrials | None
    shared: tuple[SharedCandidate, ...]
    baseline: SharedCandidate | None
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    pairs: int
    noise_in_common: float
    mean_difference: Gap | None
    agreement: Agreement | None
    notes: tuple[str, ...]

    @property
    def same_network(self) -> bool:
        """Whether both recommend the same."""
        return self.a.variant == self.b.variant

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, all in the metric's own unit: shares in [0, 1], or nats."""
        gap = self.mean_difference
        return {
            **asdict(self),
            "same_network": self.same_network,
            "differing": {key: {"a": x, "b": y} for key, (x, y) in self.differing.items()},
            "mean_difference": gap and gap._asdict(),
        }
