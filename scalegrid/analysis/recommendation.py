"""A recommendation as plain data: which coefficients, how sure, and by how much."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from scalegrid.analysis.advantage import Advantage
from scalegrid.analysis.failing import Failing
from scalegrid.analysis.luck import Images, Luck
from scalegrid.analysis.observations import Floats
from scalegrid.analysis.pace import Pace
from scalegrid.analysis.placements import Placed
from scalegrid.analysis.region import Region
from scalegrid.analysis.sensor import Sensor
from scalegrid.analysis.surface import CrossValidation
from scalegrid.analysis.verdict import Verdict
from scalegrid.coefficients import Coefficients, Shares
from scalegrid.spec import Match, Metric
from scalegrid.util.html import html_lines, html_table


@dataclass(frozen=True)
class Candidate:
    """One variant that could be recommended, and what its trials say.

    ``accuracy`` is the posterior mean of the metric, in the metric's own unit (so a loss for
    ``val_loss``), and ``low`` to ``high`` its 95 % interval; ``mean`` is the plain mean of its
    ``trials`` at the highest rung, None where it has none there. ``cost_ratio`` is that of the cost
    which the plan makes equal, see `matched_cost.cost_ratios`, ``resolution_ratio`` that of px to
    the baseline's. Any α from ``alpha_low`` to ``alpha_high`` builds the same network at φ = 1, and
    any β likewise.
    """

    variant: str
    role: str
    alpha: float
    beta: float
    gamma: float
    alpha_low: float
    alpha_high: float
    beta_low: float
    beta_high: float
    depth_rounding: str
    resolution: int
    resolution_ratio: float
    flops_ratio: float
    cost_ratio: float
    trials: int
    mean: float | None
    accuracy: float
    low: float
    high: float
    probability_best: float
    probability_within_indifference: float

    @property
    def axes(self) -> int:
        """How many axes it scales; a coefficient that builds what 1 builds scales none."""
        ranges = (
            (self.alpha_low, self.alpha, self.alpha_high),
            (self.beta_low, self.beta, self.beta_high),
            (self.resolution_ratio,) * 3,
        )
        return sum(value == value and not low <= 1 <= high for low, value, high in ranges)


@dataclass(frozen=True)
class Gain:
    """How much better the recommended variant is than a rival: mean and 95 % interval.

    Better is positive whatever the metric. ``accuracy`` is the rival's. Of a candidate they are by
    the posterior; of a rival that is none, since its cost is off, they are differences of means as
    ``measured``, at the highest rung if the rival has trials there, else at the first. ``rung`` is
    that one, and by the posterior the highest that the rival has a trial of, above which what is
    said of it is an estimate alone.
    """

    variant: str
    role: str
    alpha: float
    beta: float
    gamma: float
    flops_ratio: float
    cost_ratio: float
    accuracy: float
    gain: float
    low: float
    high: float
    measured: bool
    rung: int = 1


@dataclass(frozen=True)
class SurfaceOptimum:
    """The top of the response surface: coefficients on α·β²·γ² = F, and how far it is known.

    ``accuracy`` and ``interval`` are the surface's there. The intervals of the coefficients span
    the 95 % region, which covers ``region`` of the area that was ``searched``: the triangle, and
    beyond it where candidates are. ``points`` are its shares on a fine mesh, (k, 3).
    """

    coefficients: Coefficients
    shares: Shares
    accuracy: float
    interval: tuple[float, float]
    intervals: dict[str, tuple[float, float]]
    region: float
    points: Floats
    searched: Region

    @property
    def vague(self) -> bool:
        """Whether that says nothing: half of the area is left, or every coefficient is free."""
        low, high = np.array(self.searched)
        rim = 0.05 * (high - low)
        spans = (self.points.min(0) < low + rim) & (self.points.max(0) > high - rim)
        return self.region > 0.5 or bool(spans.all())


@dataclass(frozen=True)
class Recommendation:
    """What `recommend` says. ``ranking`` holds all candidates, the recommended one first.

    ``match`` is the cost that the plan makes equal, and ``equal_cost`` whether it is.
    ``gains`` has an entry for each of depth, width, resolution, paper and baseline, None where
    there is no finished trial of it. ``surface_optimum`` is None where the surface does not fit,
    ``trials_needed`` is 0 when the answer is clear and None when it is out of reach, and
    ``trials_most`` is what it takes in nine cases of ten, None when that is. ``pace`` is what
    trials cost. ``sigma`` is the standard deviation of one trial, by ``repeats`` degrees of
    freedom; ``sensor`` says how well one trial tells candidates apart, None where there is one seed
    each. ``luck`` is that of the candidates with the validation images, None where it is not known;
    ``images_needed`` is how many images would make the answer clear where more seeds could not,
    else None. ``advantage`` is that of compound scaling over φ, None where it is trained at φ = 1
    alone. ``placements`` compare layers added early and late with those added evenly, where the
    plan has such networks. All is said of trainings of ``rung`` times the brief budget, by those of
    all rungs; ``verdict`` is whether the order of the brief ones held, None where all are brief.
    Advantage and placements are those of brief trainings. ``failing`` is where trainings of longer
    rungs fail, None where they do not.
    """

    metric: Metric
    match: Match
    equal_cost: bool
    indifference: float
    confidence: float
    ranking: tuple[Candidate, ...]
    tie_set: tuple[Candidate, ...]
    gains: dict[str, Gain | None]
    surface_optimum: SurfaceOptimum | None
    trials_needed: int | None
    trials_most: int | None
    pace: Pace
    validation: CrossValidation
    sigma: float
    repeats: int
    sensor: Sensor | None
    luck: Luck | None
    images_needed: Images | None
    advantage: Advantage | None
    notes: tuple[str, ...]
    placements: tuple[Placed, ...] = ()
    rung: int = 1
    verdict: Verdict | None = None
    failing: Failing | None = None

    @property
    def best(self) -> Candidate:
        """The recommended variant."""
        return self.ranking[0]

    @property
    def compound(self) -> tuple[Candidate, ...]:
        """The candidates that scale several axes, as the paper does."""
        return tuple(one for one in self.ranking if one.axes > 1)

    @property
    def probability_compound(self) -> float | None:
        """That the best candidate scales several axes; None where candidates are of one kind."""
        if len(self.compound) in (0, len(self.ranking)):
            return None
        return min(1.0, sum(one.probability_best for one in self.compound))

    def __repr__(self) -> str:
        from scalegrid.analysis.wording import to_text

        return to_text(self)

    def _repr_html_(self) -> str:
        """What `scalegrid recommend` prints, in a notebook."""
        from scalegrid.analysis.wording import rows, sentences

        return html_lines(sentences(self)) + html_table(rows(self))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, all in the metric's own unit: shares in [0, 1], or nats."""
        best, top, sensor = self.best, self.surface_optimum, self.sensor
        return {
            "variant": best.variant,
            "alpha": best.alpha,
            "beta": best.beta,
            "gamma": best.gamma,
            "alpha_range": [best.alpha_low, best.alpha_high],
            "beta_range": [best.beta_low, best.beta_high],
            "depth_rounding": best.depth_rounding,
            "resolution": best.resolution,
            "flops_ratio": best.flops_ratio,
            "match": self.match,
            "cost_ratio": best.cost_ratio,
            "accuracy": best.accuracy,
            "accuracy_measured": best.mean,
            "probability_best": best.probability_best,
            "probability_within_indifference": best.probability_within_indifference,
            "probability_compound": self.probability_compound,
            "tie_set": [asdict(candidate) for candidate in self.tie_set],
            "gains": {role: gain and asdict(gain) for role, gain in self.gains.items()},
            "rung": self.rung,
            "verdict": self.verdict and self.verdict.to_dict(),
            "placements": [asdict(placed) for placed in self.placements],
            "surface_optimum": top
            and {
                **top.coefficients._asdict(),
                "shares": top.shares._asdict(),
                "accuracy": top.accuracy,
                "accuracy_interval": list(top.interval),
                **{f"{name}_interval": list(ends) for name, ends in top.intervals.items()},
                "region": top.region,
            },
            "trials_needed": self.trials_needed,
            "trials_most": self.trials_most,
            "seconds_a_trial": self.pace.each,
            "metric": self.metric,
            "indifference": self.indifference,
            "confidence": self.confidence,
            "noise": self.sigma,
            "repeats": self.repeats,
            "spread": sensor and sensor.spread,
            "reliability": sensor and sensor.reliability,
            "reliability_interval": sensor and [sensor.low, sensor.high],
            "reliability_by_all_metrics": sensor and sensor.helped,
            "luck_with_images": self.luck and math.sqrt(self.luck.variance),
            "images_needed": self.images_needed and self.images_needed.number,
            "images_beyond": self.images_needed and self.images_needed.beyond,
            "cross_validated_error": asdict(self.validation),
            "advantage": self.advantage and self.advantage.to_dict(),
            "notes": list(self.notes),
            "failing": self.failing and self.failing._asdict(),
        }
