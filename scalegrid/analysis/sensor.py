"""How well one trial tells candidates apart: noise, spread and reliability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scalegrid.analysis.model import Model, Posterior
from scalegrid.analysis.observations import Floats, Observations
from scalegrid.analysis.selection import SAMPLES, interval
from scalegrid.spec import Metric

if TYPE_CHECKING:
    import pandas as pd

    from scalegrid.analysis.estimates import Estimates

POOR = 0.5
"""Below this reliability a trial says more of its seed than of its candidate."""


@dataclass(frozen=True)
class Sensor:
    """What a trial of a sweep tells, by the trials of its candidates.

    ``noise`` is the standard deviation between seeds and ``spread`` that between candidates, in the
    unit of the metric. ``reliability`` is that of one trial by the metric alone, spread² / (spread²
    + noise²), with its 95 % interval ``low`` to ``high``; ``helped`` with the other metrics' help.
    ``better`` is the metric of the highest reliability, and that, where it exceeds this one's.
    ``seconds`` is the time from one trial to the next (`pace.Pace.each`), and ``trials`` counts
    them. ``repeats`` are the degrees of freedom of the noise.
    """

    metric: Metric
    noise: float
    spread: float
    reliability: float
    low: float
    high: float
    helped: float
    better: tuple[Metric, float] | None
    trials: int
    repeats: int
    seconds: float | None

    @property
    def poor(self) -> bool:
        """Whether one trial says more of its seed than of its candidate."""
        return self.reliability < POOR

    @property
    def noise_wanted(self) -> float:
        """The noise at which a trial would not be poor."""
        return float(self.spread * np.sqrt(1 / POOR - 1))


def sense(
    posterior: Posterior,
    observations: Observations,
    metric: Metric,
    rivals: dict[Metric, Observations],
    seconds: float | None,
) -> Sensor | None:
    """The sensor that a posterior describes; None where one seed each cannot show the noise.

    Args:
        posterior: of the candidates.
        observations: the trials it was made from.
        metric: what they were compared by.
        rivals: the same trials by other metrics, which might be better.
        seconds: from one trial to the next, None where the tables do not say.
    """
    if observations.repeats == 0 or observations.size < 2:
        return None
    spread, noise = _variances(posterior)
    first = posterior.noise_first / posterior.noise
    reliability = spread / (spread + noise)
    mean = float(reliability.mean())
    others = {name: _reliability(given) for name, given in rivals.items()}
    best = max(others, key=others.__getitem__, default=None)
    return Sensor(
        metric=metric,
        noise=float(np.sqrt(posterior.noise)),
        spread=float(np.sqrt(spread.mean())),
        reliability=mean,
        low=interval(reliability)[0],
        high=interval(reliability)[1],
        helped=float((spread / (spread + first * noise)).mean()),
        better=None if best is None or others[best] <= mean else (best, others[best]),
        trials=len(observations.value),
        repeats=observations.repeats,
        seconds=seconds,
    )


class Span(NamedTuple):
    """An estimate and the ends of its 95 % interval."""

    middle: float
    low: float
    high: float


class Reading(NamedTuple):
    """What a trial tells by one metric, in its own unit; as in `Sensor`, with intervals.

    ``shared`` is the standard deviation of what all trials of a seed have in common, which cancels
    between candidates and is no part of ``noise``.
    """

    noise: Span
    spread: Span
    reliability: Span
    shared: float


JOINT = "joint"


def readings(estimates: Estimates) -> dict[str, Reading]:
    """Noise, spread and reliability by the metric that is compared, and by the others there are.

    The first is by the metric alone, `JOINT` the same with the others' help, where they help. The
    rest are ``top1``, ``top5``, ``balanced``, ``val_loss`` and ``train_loss``, as far as all trials
    have them; at a higher rung only if there are two seeds of a candidate there.
    Empty where there is one seed each, or one candidate.
    """
    number = {variant: i for i, variant in enumerate(estimates.variants)}
    own = estimates.trials[estimates.trials["variant"].isin(number)]
    if estimates.repeats == 0 or len(number) < 2:
        return {}
    posterior = estimates.fitted.on_images
    found: dict[str, Reading] = {estimates.metric: _reading(posterior, 1.0)}
    first = posterior.noise_first / posterior.noise
    if first < 1 - 1e-9:
        found[JOINT] = _reading(posterior, first)
    for name in ("top1", "top5", "balanced", "val_loss", "train_loss"):
        sign = -1 if name.endswith("loss") else 1
        if tells_more(own, name, estimates.metric):
            trials = zip(own["variant"].map(number), own["seed"], sign * own[name], strict=True)
            alone = Observations.collect(len(number), trials)
            if alone.repeats:
                found[name] = _reading(Model(len(number)).posterior(alone), 1.0)
    return found


def tells_more(trials: pd.DataFrame, name: str, metric: Metric) -> bool:
    """Whether a figure, which all trials have, is another one than the metric.

    Of classes with equally many images, balanced accuracy is top-1, and only one of them counts.
    """
    if name == metric or name not in trials or not np.isfinite(trials[name]).all():
        return False
    if name == "balanced" or (name, metric) == ("top1", "balanced"):
        return not np.allclose(trials["balanced"], trials["top1"], rtol=0, atol=1e-9)
    return True


def _reading(posterior: Posterior, part: float) -> Reading:
    """The reading of a trial with ``part`` of the noise variance."""
    spread, noise = _variances(posterior)
    noise = part * noise
    reliability = spread / (spread + noise)
    middle = part * posterior.noise
    return Reading(
        noise=Span(float(np.sqrt(middle)), *interval(np.sqrt(noise))),
        spread=Span(float(np.sqrt(spread.mean())), *interval(np.sqrt(spread))),
        reliability=Span(float(reliability.mean()), *interval(reliability)),
        shared=float(np.sqrt(posterior.weight @ posterior.seeds * posterior.noise)),
    )


def _variances(posterior: Posterior) -> tuple[Floats, Floats]:
    """Draws of the variance between these candidates and of the noise."""
    samples = posterior.sample(SAMPLES, np.random.default_rng(5))
    return samples.values.var(1, ddof=1), samples.noise


def _reliability(observations: Observations) -> float:
    spread, noise = _variances(Model(observations.size).posterior(observations))
    return float((spread / (spread + noise)).mean())
