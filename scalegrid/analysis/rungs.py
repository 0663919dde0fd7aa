"""The statistical model over rungs: what brief trainings say of long ones.

A line is one candidate's training with one seed. At rung k it has the value

    y_isk = m_k + u_ik + e_isk,

where u_ik is what candidate i differs by at rung k, and e_isk is noise, of which a line that goes
on keeps a part. Over the rungs u has the standard deviations τ_k and e has σ_k; neighbouring rungs
are correlated by ρ, −1 to 1, between candidates, and by η, 0 to 1, within a line. Over the
candidates u is smooth or plain, as in `analysis.model`. Nothing is known of σ, τ, ρ and η but from
the trials: they are averaged over by adaptive importance sampling (Cappé et al., "Population Monte
Carlo", 2004), with fixed draws. docs/statistics.md has the formulas.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scalegrid.analysis.model import Model
from scalegrid.analysis.observations import Flags, Floats, Ints

_DRAWS, _LAST = 200, 400
"""Sets of unknown variances in each round, and in the last."""

_ROUNDS = 8
_ENOUGH = 0.25  # of the draws, which the effective number must reach
_TAIL = 5.0  # degrees of freedom of the proposals
_WIDER = 1.3  # than what was found, in variance
_NEGLIGIBLE = 1e-3
_LEVEL = 30.0
"""Standard deviation of the levels' prior, over that of the values: as good as flat."""


@dataclass(frozen=True)
class Lines:
    """One entry a line: its ``candidate`` in [0, ``size``) and its ``seed``, (L,).

    ``values`` (L, K) are larger where better, and NaN at rungs that it has not finished.
    """

    size: int
    candidate: Ints
    seed: Ints
    values: Floats

    @classmethod
    def collect(cls, size: int, rungs: int, trials: Iterable[tuple[int, int, int, float]]) -> Lines:
        """Gather rows of candidate, seed, number of the rung from 0, and value, in any order."""
        found: dict[tuple[int, int], Floats] = {}
        for candidate, seed, rung, value in trials:
            line = found.setdefault((candidate, seed), np.full(rungs, np.nan))
            line[rung] = value
        order = sorted(found)
        return cls(
            size,
            np.array([one[0] for one in order], dtype=np.int64),
            np.array([one[1] for one in order], dtype=np.int64),
            np.array([found[one] for one in order], dtype=np.float64).reshape(-1, rungs),
        )

    @property
    def rungs(self) -> int:
        """How many there are."""
        return int(self.values.shape[1])

    @property
    def known(self) -> Flags:
        """Where there is a value, (L, K)."""
        return np.isfinite(self.values)

    @property
    def counts(self) -> Ints:
        """Trials of each candidate at each rung, (size, K)."""
        counts: Ints = np.eye(self.size, dtype=np.int64)[self.candidate].T @ self.known
        return counts

    @property
    def repeats(self) -> Ints:
        """Degrees of freedom of the noise at each rung, (K,)."""
        repeats: Ints = np.maximum(self.counts - 1, 0).sum(0)
        return repeats


class Unknown(NamedTuple):
    """What is averaged over, (H, ...): ``sigma`` and ``tau`` (H, K); ``rho``, ``eta`` (H,)."""

    sigma: Floats
    tau: Floats
    rho: Floats
    eta: Floats

    @property
    def between(self) -> Floats:
        """Covariance of a candidate's u over the rungs, (H, K, K)."""
        return _covariance(self.tau, self.rho)

    @property
    def within(self) -> Floats:
        """Covariance of a line's noise over the rungs, (H, K, K)."""
        return _covariance(self.sigma, self.eta)


@dataclass(frozen=True)
class RungPosterior:
    """A weighted sum of H normal distributions of the candidates' true values at each rung.

    At h they have the mean ``mean[h]`` (n, K) and the covariance ``factor[h]`` · ``factor[h]``ᵀ,
    ``factor`` being (H, n, K, D). ``weight`` is (H,).
    """

    weight: Floats
    unknown: Unknown
    mean: Floats
    factor: Floats

    @property
    def expected(self) -> Floats:
        """Posterior mean of each candidate at each rung, (n, K)."""
        expected: Floats = np.einsum("h,hnk->nk", self.weight, self.mean)
        return expected

    def sample(self, count: int, generator: np.random.Generator) -> Floats:
        """Joint draws of all candidates at all rungs, (count, n, K)."""
        edges = np.rint(np.cumsum(self.weight) * count).astype(np.int64)
        point = np.repeat(np.arange(len(edges)), np.diff(edges, prepend=0))
        draws = generator.standard_normal((count, self.factor.shape[3]))
        values = self.mean[point]
        for h in np.unique(point):
            chosen = point == h
            values[chosen] += np.einsum("cd,nkd->cnk", draws[chosen], self.factor[h])
        return values


class RungModel:
    """The prior: candidates as alike as in a `Model`, over ``rungs`` rungs."""

    def __init__(self, model: Model, rungs: int) -> None:
        self._model, self._rungs = model, rungs

    def posterior(self, lines: Lines) -> RungPosterior:
        """What the lines, two or more, say; equal lines give equal numbers."""
        likelihood = _Likelihood(self._model, lines)
        generator = np.random.default_rng(5)
        centre, spread = _first_proposal(lines)
        for _ in range(_ROUNDS):
            points, smooth, log_weight = likelihood.draw(centre, spread, _DRAWS, generator)
            part = _tempered(log_weight)
            weight = _weights(part * log_weight)
            centre = weight @ points
            apart = points - centre
            spread = (_WIDER * weight[:, None] * apart).T @ apart + 1e-6 * np.eye(len(centre))
            if part == 1:
                break
        points, smooth, log_weight = likelihood.draw(centre, spread, _LAST, generator)
        weight = _weights(log_weight)
        kept = weight > _NEGLIGIBLE * weight.max()
        points, weight = points[kept], weight[kept] / weight[kept].sum()
        mean, factor = likelihood.moments(points, smooth[kept])
        return RungPosterior(weight, _unknown(points, self._rungs), mean, factor)


class _Likelihood:
    """What lines say of the unknown variances, and of the candidates given these.

    Lines of the same rungs enter through their number, sum and products alone. Values are taken
    less their mean at each rung, and in units of their standard deviation.
    """

    def __init__(self, model: Model, lines: Lines) -> None:
        self.roots = model.roots
        self._log_smooth = model.log_prior
        self.size, self.rungs = lines.size, lines.rungs
        known = lines.known
        count = np.maximum(known.sum(0), 1)
        self._level = np.where(known, lines.values, 0.0).sum(0) / count
        centred = np.where(known, lines.values - self._level, 0.0)
        self.scale = float(np.sqrt((centred**2).sum() / max(known.sum(), 1))) or 1.0
        values = centred / self.scale
        member = np.eye(self.size)[lines.candidate]
        self._patterns = []
        for pattern in np.unique(known, axis=0):
            these = (known == pattern).all(1)
            own = values[these]
            self._patterns.append(
                (
                    np.flatnonzero(pattern),
                    member[these].sum(0),
                    member[these].T @ own,
                    own.T @ own,
                )
            )

    def draw(
        self, centre: Floats, spread: Floats, count: int, generator: np.random.Generator
    ) -> tuple[Floats, Ints, Floats]:
        """Draws of a Student-t proposal (count, P), what is smooth in each, and log weights."""
        root = np.linalg.cholesky(spread)
        normal = generator.standard_normal((count, len(centre)))
        shrink = np.sqrt(generator.chisquare(_TAIL, count) / _TAIL)
        standard = normal / shrink[:, None]
        points = centre + standard @ root.T
        length = (standard**2).sum(1)
        log_proposed = -0.5 * (_TAIL + len(centre)) * np.log1p(length / _TAIL)
        log_proposed -= np.log(np.diag(root)).sum()
        smooth = np.arange(count) % len(self.roots)
        return points, smooth, self._log_posterior(points, smooth) - log_proposed

    def moments(self, points: Floats, smooth: Ints) -> tuple[Floats, Floats]:
        """Mean (H, n, K) and factor (H, n, K, D), see `RungPosterior`."""
        prior, inverse, pull, _ = self._solved(points, smooth)
        root = np.linalg.cholesky(inverse)
        shape = len(points), self.size, self.rungs
        mean = self._level + self.scale * (prior @ (inverse @ pull[..., None])).reshape(shape)
        return mean, self.scale * (prior @ root).reshape(*shape, -1)

    def _log_posterior(self, points: Floats, smooth: Ints) -> Floats:
        _, inverse, pull, log_evidence = self._solved(points, smooth)
        explained = (pull * (inverse @ pull[..., None])[..., 0]).sum(-1)
        _, log_determinant = np.linalg.slogdet(inverse)
        total: Floats = log_evidence + 0.5 * (explained + log_determinant)
        return total + _log_prior(points, self.rungs) + self._log_smooth[smooth]

    def _solved(self, points: Floats, smooth: Ints) -> tuple[Floats, Floats, Floats, Floats]:
        """The prior's root L (H, nK, D), (I + LᵀWL)⁻¹, Lᵀh, and the evidence but for these.

        W are the precisions of the candidates' values by the lines, and h what they pull to.
        """
        unknown = _unknown(points, self.rungs)
        within = unknown.within
        count, n, rungs = len(points), self.size, self.rungs
        precision = np.zeros((count, n, rungs, rungs))
        pull = np.zeros((count, n, rungs))
        log_evidence = np.zeros(count)
        for pattern, number, total, products in self._patterns:
            where = np.ix_(np.arange(count), pattern, pattern)
            own = np.zeros((count, rungs, rungs))
            own[where] = np.linalg.inv(within[where])
            precision += number[:, None, None] * own[:, None]
            pull += total @ own
            log_evidence -= 0.5 * (own * products).sum((1, 2))
            log_evidence -= 0.5 * number.sum() * np.linalg.slogdet(within[where])[1]
        over = np.linalg.cholesky(unknown.between + 1e-9 * np.eye(rungs))
        deviations = self.roots[smooth][:, :, None, :, None] * over[:, None, :, None, :]
        levels = np.broadcast_to(_LEVEL * np.eye(rungs), (count, n, rungs, rungs))
        prior = np.concatenate([deviations.reshape(count, n, rungs, n * rungs), levels], axis=3)
        weighted = (precision @ prior).reshape(count, n * rungs, -1)
        prior = prior.reshape(count, n * rungs, -1)
        known = prior.swapaxes(1, 2) @ weighted + np.eye(prior.shape[2])
        pulled = (prior.swapaxes(1, 2) @ pull.reshape(count, -1, 1))[..., 0]
        return prior, np.linalg.inv(known), pulled, log_evidence


def _first_proposal(lines: Lines) -> tuple[Floats, Floats]:
    """Mean and covariance of the unknowns before any trial: those of `_log_prior`, by and large."""
    rungs = lines.rungs
    sd = np.array([*_scales(rungs), 1.0, 1.5])
    return np.zeros(2 * rungs + 2), np.diag(sd**2)


def _scales(rungs: int) -> list[float]:
    """Standard deviations of log σ₁, of log σ_k/σ₁ and of log τ_k/σ_k."""
    return [2.0, *[0.7] * (rungs - 1), *[1.15] * rungs]


def _log_prior(points: Floats, rungs: int) -> Floats:
    """Log density of the unknowns, (H,): ρ and η are uniform, the others log-normal."""
    scales = points[:, : 2 * rungs] / np.array(_scales(rungs))
    rho, eta = points[:, -2], points[:, -1]
    # The derivatives of tanh and of the logistic function.
    log_rho = -2 * np.logaddexp(rho, -rho)
    log_eta = -np.logaddexp(0, eta) - np.logaddexp(0, -eta)
    total: Floats = -0.5 * (scales**2).sum(1) + log_rho + log_eta
    return total


def _unknown(points: Floats, rungs: int) -> Unknown:
    """From the numbers that are drawn; σ and τ in units of the values' standard deviation."""
    first = points[:, :1]
    sigma = np.exp(first + np.column_stack([np.zeros(len(points)), points[:, 1:rungs]]))
    tau = sigma * np.exp(points[:, rungs : 2 * rungs])
    return Unknown(sigma, tau, np.tanh(points[:, -2]), 1 / (1 + np.exp(-points[:, -1])))


def _covariance(deviations: Floats, correlation: Floats) -> Floats:
    """(H, K) and (H,) → (H, K, K), where the correlation falls with each rung between."""
    apart = np.abs(
        np.subtract.outer(np.arange(deviations.shape[1]), np.arange(deviations.shape[1]))
    )
    covariance: Floats = (
        deviations[:, :, None] * deviations[:, None, :] * correlation[:, None, None] ** apart
    )
    return covariance


def _weights(log_weight: Floats) -> Floats:
    weight = np.exp(log_weight - log_weight.max())
    total: Floats = weight / weight.sum()
    return total


def _tempered(log_weight: Floats) -> float:
    """The largest power of the weights, at most 1, at which enough of the draws count."""
    least = _ENOUGH * len(log_weight)

    def effective(part: float) -> float:
        return float(1 / (_weights(part * log_weight) ** 2).sum())

    if effective(1.0) >= least:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if effective(middle) >= least else (low, middle)
    return low
