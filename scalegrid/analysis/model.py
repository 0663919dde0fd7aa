"""The statistical model: candidates' true values given noisy trials.

A trial of candidate i with seed s has the value

    y_is = m + f(x_i) + d_i + b_s + e_is,

where x_i are the candidate's budget shares, f is a quadratic over the triangle, d_i the candidate's
own deviation from it (the lack of fit, and with it the plain model when f is absent), b_s what all
trials of one seed share, and e_is the noise, pooled over candidates. All are normal; m is flat;
the noise variance σ² is integrated in closed form, which makes every statement Student-t; and the
ratios of the variances are averaged over a grid, each point weighted by how well it explains the
trials. docs/statistics.md has the formulas and their sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scalegrid.analysis.observations import Floats, Ints, Observations
from scalegrid.analysis.region import TRIANGLE, Region, widened

SMOOTH = (0.5, 0.8, 0.95, 0.99)
"""Grid: the part of the variance between candidates that the quadratic explains; 0 is plain."""

SPREAD = 10.0 ** np.arange(-1.0, 3.01, 0.25)
"""Grid: standard deviation between candidates over that of the noise."""

SEEDS = (0.0, 0.3, 3.0)
"""Grid: variance between seeds over that of the noise."""

_NEGLIGIBLE = 1e-3  # grid points this much less likely than the best are left out


def quadratic(shares: Floats) -> Floats:
    """The five terms of a quadratic over the triangle, constant left out: (..., 3) → (..., 5)."""
    depth, width = shares[..., 0] - 1 / 3, shares[..., 1] - 1 / 3
    return np.stack([depth, width, depth**2, width**2, depth * width], axis=-1)


def log_prior_of_spread(spread: Floats) -> Floats:
    """Log density of log10(spread / noise), up to a constant: around 1, half a decade."""
    density: Floats = -0.5 * np.log10(spread) ** 2 / 0.5**2
    return density


class Model:
    """The prior over candidates: how alike they are before any trial.

    Args:
        size: how many candidates.
        shares: their budget shares, (size, 3); without them, if they do not vary, or if there are
            too few candidates for a quadratic, the model is plain: candidates are exchangeable.
    """

    def __init__(self, size: int, shares: Floats | None = None) -> None:
        self.size = size
        self.region: Region = TRIANGLE if shares is None else widened(shares)
        self.centre, self.to_basis = _whitening(size, shares)
        basis = self.basis(shares) if shares is not None else np.zeros((size, 0))
        smooth = SMOOTH if basis.shape[1] else ()
        self.smooth = np.array([0.0, *smooth])
        self.roots = np.stack([_root(basis, part) for part in self.smooth])
        self.at_candidates = basis
        surfaces = max(len(smooth), 1)
        self.log_prior = np.log([0.5 if smooth else 1.0, *[0.5 / surfaces] * len(smooth)])

    def basis(self, shares: Floats) -> Floats:
        """The quadratic's terms, (..., 3) → (..., rank), orthonormal over the candidates."""
        return (quadratic(shares) - self.centre) @ self.to_basis

    @property
    def has_surface(self) -> bool:
        """Whether there is anything but the plain model."""
        return len(self.smooth) > 1

    def posterior(
        self, observations: Observations, *, surface: bool = True, seed_effects: bool = True
    ) -> Posterior:
        """What the trials (two or more) say of the candidates.

        Without ``surface`` it is the plain model's; without ``seed_effects`` seeds share nothing.
        """
        grid = Grid(self, observations, observations.value[None], surface, seed_effects)
        _, j, b, h = np.nonzero(grid.log_weight > grid.log_weight.max() + np.log(_NEGLIGIBLE))
        weight = np.exp(grid.log_weight[0, j, b, h] - grid.log_weight.max())
        points = Points(np.zeros_like(j), j, b, h)
        mean, factor = grid.moments(points)
        return Posterior(
            weight=weight / weight.sum(),
            smooth=grid.smooth[j],
            spread=SPREAD[h] ** 2,
            seeds=grid.seeds[b],
            mean=mean,
            factor=factor,
            degrees=grid.degrees,
            squares=grid.squares[points],
            told=np.ones(len(weight)),
            first=np.ones(len(weight)),
        )


class Points(NamedTuple):
    """Grid points by their numbers along each axis of `Grid.log_weight`, (P,) each."""

    metric: Ints
    smooth: Ints
    seeds: Ints
    spread: Ints


class Grid:
    """What the trials say at every grid point, of several metrics of the same trials.

    ``log_weight`` and ``squares`` are (K, J, B, H): K metrics, J parts that are smooth, B ratios of
    seeds and H of spread to noise. A metric's weights can be compared with another's: what does not
    depend on the values is the same for all.

    Args:
        model: the prior.
        observations: which trial is of which candidate and seed.
        values: the metrics, (K, trials).
        surface: whether anything may be smooth.
        seed_effects: whether trials of a seed may share anything.
    """

    def __init__(
        self,
        model: Model,
        observations: Observations,
        values: Floats,
        surface: bool,
        seed_effects: bool,
    ) -> None:
        self._roots = roots = model.roots if surface else model.roots[:1]
        self.smooth = model.smooth[: len(roots)]
        self._trials = trials = _Trials(observations, values, SEEDS if seed_effects else SEEDS[:1])
        self.seeds, self.degrees = np.array(trials.ratios), trials.degrees
        # From here on: j counts smoothness, b seeds, h spread, i and k candidates, m metrics.
        seen = roots.swapaxes(1, 2)[:, None] @ trials.information @ roots[:, None]
        known, self._vectors = np.linalg.eigh(seen)
        known = np.maximum(known, 0.0)
        rotated = (roots[:, None] @ self._vectors).swapaxes(2, 3)
        self._pull = (rotated @ trials.pull[:, None, :, :, None])[..., 0]
        ratio = (SPREAD**2)[:, None]
        self._gain = ratio / (1 + ratio * known[:, :, None, :])
        explained = (self._gain @ (self._pull**2)[..., None])[..., 0]
        floor = trials.floor[:, None, None, None]
        self.squares = np.maximum(trials.squares[:, None, :, None] - explained, floor)
        self.log_weight = (
            model.log_prior[: len(roots), None, None]
            + log_prior_of_spread(SPREAD)
            - 0.5 * np.log1p(ratio * known[:, :, None, :]).sum(-1)
            + trials.log_evidence[:, None]
            - trials.degrees / 2 * np.log(self.squares)
        )

    def moments(self, points: Points) -> tuple[Floats, Floats]:
        """Mean (P, n) and factor (P, n, n + 1) at grid points, see `Posterior`."""
        m, j, b, h = points
        trials = self._trials
        deviation = (self._roots[:, None] @ self._vectors)[j, b]
        relative = deviation - (trials.level_pull[b][:, None] @ deviation)
        gain = self._gain[j, b, h]
        pulled = (gain * self._pull[m, j, b])[..., None]
        mean = trials.level[m, b][:, None] + (relative @ pulled)[..., 0]
        level_sd = np.broadcast_to(
            trials.level_sd[b][:, None, None], (len(b), deviation.shape[1], 1)
        )
        return mean, np.concatenate([relative * np.sqrt(gain)[:, None], level_sd], axis=2)


@dataclass(frozen=True)
class Posterior:
    """A weighted sum of H multivariate Student-t distributions over the candidates.

    At grid point h, given the noise variance σ², the true values are normal with mean ``mean[h]``
    and covariance σ² · ``factor[h]`` · ``factor[h]``ᵀ, and σ² is inverse gamma with shape
    ``degrees`` / 2 and scale ``squares[h]`` / 2.

    ``smooth`` is the quadratic's part of the variance between candidates, ``spread`` that variance
    over σ², ``seeds`` the variance between seeds over σ². ``told`` is the noise variance of a lone
    metric that would tell as much as one more trial, over σ²: one, unless other metrics help.
    ``first`` is that of a candidate's first trial.

    Shapes: ``weight``, ``smooth``, ``spread``, ``seeds``, ``squares``, ``told``, ``first``
    (H,); ``mean`` (H, n); ``factor`` (H, n, any).
    """

    weight: Floats
    smooth: Floats
    spread: Floats
    seeds: Floats
    mean: Floats
    factor: Floats
    degrees: int
    squares: Floats
    told: Floats
    first: Floats

    @property
    def expected(self) -> Floats:
        """Posterior mean of each candidate, (n,)."""
        return self.weight @ self.mean

    @property
    def noise(self) -> float:
        """Posterior mean of the noise variance (of its scale, if there are too few trials)."""
        return float(self.weight @ self._noise)

    @property
    def noise_told(self) -> float:
        """What `noise` would have to be for one metric alone to tell as much as a trial does."""
        return float(self.weight @ (self.told * self._noise))

    @property
    def noise_first(self) -> float:
        """As `noise_told`, of a candidate's first trial."""
        return float(self.weight @ (self.first * self._noise))

    @property
    def _noise(self) -> Floats:
        return self.squares / max(self.degrees - 2, 1)

    @property
    def covariance(self) -> Floats:
        """Posterior covariance of the candidates, (n, n)."""
        scaled = self.factor * np.sqrt(self.weight * self._noise)[:, None, None]
        rows = scaled.transpose(1, 0, 2).reshape(scaled.shape[1], -1)
        apart = (self.mean - self.expected) * np.sqrt(self.weight)[:, None]
        covariance: Floats = rows @ rows.T + apart.T @ apart
        return covariance

    def sample(self, count: int, generator: np.random.Generator) -> Samples:
        """Draw ``count`` joint samples; each grid point gets its share of them."""
        edges = np.rint(np.cumsum(self.weight) * count).astype(np.int64)
        point = np.repeat(np.arange(len(edges)), np.diff(edges, prepend=0))
        noise = self.squares[point] / 2 / generator.standard_gamma(self.degrees / 2, count)
        draws = generator.standard_normal((count, self.factor.shape[2]))
        values = np.empty((count, self.mean.shape[1]))
        for h in np.unique(point):
            chosen = slice(edges[h - 1] if h else 0, edges[h])
            values[chosen] = draws[chosen] @ self.factor[h].T
        values = self.mean[point] + np.sqrt(noise)[:, None] * values
        ratios = self.spread[point], self.seeds[point]
        return Samples(values, noise, self.smooth[point], *(noise * ratio for ratio in ratios))


@dataclass(frozen=True)
class Samples:
    """Joint draws: ``values`` (count, n), and of each draw the ``noise`` variance, the ``spread``
    variance between candidates, its ``smooth`` part, and the variance between ``seeds`` (count,).
    """

    values: Floats
    noise: Floats
    smooth: Floats
    spread: Floats
    seeds: Floats

    @property
    def of_a_trial(self) -> Floats:
        """The variance of one trial of a network, (count,)."""
        return self.noise + self.seeds


class _Trials:
    """Trials reduced to what the posterior needs, for each ratio of seed to noise variance.

    With Z the trials' candidates and W the trials' covariance over σ² (noise and seeds), and the
    level m integrated out: ``information`` Zᵀ P Z (b, n, n), and of each metric y ``pull`` Zᵀ P y
    (metrics, b, n) and ``squares`` yᵀ P y (metrics, b), where P = W⁻¹ − W⁻¹1 (1ᵀW⁻¹1)⁻¹ 1ᵀW⁻¹.
    """

    def __init__(self, observations: Observations, values: Floats, ratios: Sequence[float]) -> None:
        table = observations.table
        total = values.mean(1, keepdims=True)
        values = values - total  # against cancellation
        _, column = np.unique(observations.seed, return_inverse=True)
        per_seed = table.sum(0)
        shared = bool((np.count_nonzero(table, axis=0) > 1).any())
        self.ratios = ratios if shared else ratios[:1]
        # W⁻¹ = I − S D Sᵀ with S the trials' seeds (Woodbury).
        shrink = np.array([[ratio / (1 + ratio * n) for n in per_seed] for ratio in self.ratios])
        counts = table.sum(1)
        sums = values @ np.eye(observations.size)[observations.candidate]
        seed_sums = values @ np.eye(len(per_seed))[column]
        information = np.diag(counts) - np.einsum("is,bs,ks->bik", table, shrink, table)
        pull = sums[:, None] - (shrink * seed_sums[:, None]) @ table.T
        weights = counts - (shrink * per_seed) @ table.T  # Zᵀ W⁻¹ 1
        precision = weights.sum(1)
        centre = pull.sum(2) / precision

        self.degrees = len(column) - 1
        self.information = information - (
            weights[:, :, None] * weights[:, None, :] / precision[:, None, None]
        )
        self.pull = pull - weights * centre[:, :, None]
        squares = (values**2).sum(1, keepdims=True)
        self.squares = squares - seed_sums**2 @ shrink.T - precision * centre**2
        largest = np.abs(values).max(1, initial=0.0)
        self.floor = len(column) * (1e-12 * largest) ** 2 + 1e-300
        self.log_evidence = -0.5 * (
            np.log1p(np.outer(self.ratios, per_seed)).sum(1) + np.log(precision)
        )
        self.level = total + centre
        self.level_pull = weights / precision[:, None]
        self.level_sd = 1 / np.sqrt(precision)


def _root(basis: Floats, part: float) -> Floats:
    """A square root of the prior correlation: ``part`` smooth, the rest each candidate's own."""
    smooth = basis @ basis.T if basis.shape[1] else np.zeros((len(basis), len(basis)))
    root: Floats = np.linalg.cholesky(part * smooth + (1 - part) * np.eye(len(basis)))
    return root


def _whitening(size: int, shares: Floats | None) -> tuple[Floats, Floats]:
    """Centre and matrix that make the quadratic's terms orthonormal over the candidates.

    Their mean square norm over candidates is then one, so that smoothness is a part of variance.
    """
    if shares is None or not np.isfinite(shares).all():
        return np.zeros(5), np.zeros((5, 0))
    terms = quadratic(shares)
    centre = terms.mean(0)
    _, lengths, axes = np.linalg.svd(terms - centre, full_matrices=False)
    rank = int((lengths > 1e-6 * max(float(lengths.max(initial=0.0)), 1e-6)).sum())
    if rank >= size - 1:  # it would go through all of them
        return np.zeros(5), np.zeros((5, 0))
    scale = np.sqrt(size / max(rank, 1)) / lengths[:rank]
    return centre, axes[:rank].T * scale
