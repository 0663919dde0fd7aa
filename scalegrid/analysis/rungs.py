"""The statistical model over rungs: what brief trainings say of long ones.

A line is one candidate's training with one seed. At rung k it has the value

    y_isk = m_k + u_ik + e_isk,

where u_ik is what candidate i differs by at rung k, and e_isk is noise, of which a line that goes
on keeps a part. Over the rungs u has the standard deviations τ_k and e has σ_k; neighbouring rungs
are correlated by ρ, −1 to 1, between candidates, and by η, 0 to 1, within a line. σ and τ change by
the same factor from each rung to the next. Over the candidates u is smooth or plain, as in
`analysis.model`. Nothing is known of σ, τ, ρ and η but from the trials: they are averaged over by
importance sampling around their mode (Geweke 1989), with fixed draws. docs/statistics.md has the
formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scalegrid.analysis.model import Model, Posterior
from scalegrid.analysis.observations import Flags, Floats, Ints

_DRAWS = 500
"""Sets of unknown variances that are averaged over."""

_STEPS = 12
_CLOSE = 0.01  # in log density, to its top
_FLAT = 0.2  # least curvature of a log density, near that of the widest prior
_TAIL = 5.0  # degrees of freedom of the proposals
_WIDER = 1.3  # than what was found, in variance
_NEGLIGIBLE = 1e-3
_PRIOR = np.array([2.0, 0.5, 1.15, 0.5])
"""Standard deviations of log σ₁, its rise per rung, log τ₁/σ₁ (half a decade), its rise."""

_CERTAIN = 10**6
"""Degrees of freedom of a noise that is given."""

_UNKNOWNS = 6
_FAR, _ONE = 6.0, 1 - 1e-6
_LEAST = 1e-3  # noise, of the values' standard deviation; with none, covariances are singular
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
    def repeats(self) -> int:
        """Degrees of freedom of the noise: lines beyond the first of each candidate.

        The rungs of a line share a part of its noise, so that further rungs are no repeats.
        """
        return len(self.candidate) - len(np.unique(self.candidate))


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
    ``factor`` being (H, n, K, D). ``weight`` and the part between candidates that is ``smooth`` are
    (H,).
    """

    weight: Floats
    smooth: Floats
    unknown: Unknown
    mean: Floats
    factor: Floats

    @property
    def expected(self) -> Floats:
        """Posterior mean of each candidate at each rung, (n, K)."""
        expected: Floats = np.einsum("h,hnk->nk", self.weight, self.mean)
        return expected

    @property
    def covariance(self) -> Floats:
        """Posterior covariance of all values, (n, K, n, K)."""
        shape, part = self.mean.shape[1:], np.sqrt(self.weight)
        parts = (self.factor * part[:, None, None, None]).transpose(1, 2, 0, 3)
        parts = parts.reshape(shape[0] * shape[1], -1)
        apart = ((self.mean - self.expected) * part[:, None, None]).reshape(len(part), -1)
        covariance: Floats = parts @ parts.T + apart.T @ apart
        return covariance.reshape(*shape, *shape)

    @property
    def noise(self) -> Floats:
        """Posterior mean of the covariance of a line's noise over the rungs, (K, K)."""
        noise: Floats = np.einsum("h,hkl->kl", self.weight, self.unknown.within)
        return noise

    @property
    def at_top(self) -> Posterior:
        """That of the values at the highest rung, as if it were the only one."""
        sigma, tau = self.unknown.sigma[:, -1], self.unknown.tau[:, -1]
        ones = np.ones_like(sigma)
        return Posterior(
            weight=self.weight,
            smooth=self.smooth,
            spread=(tau / sigma) ** 2,
            seeds=0 * ones,
            mean=self.mean[:, :, -1],
            factor=self.factor[:, :, -1] / sigma[:, None, None],
            degrees=_CERTAIN,
            squares=_CERTAIN * sigma**2,
            told=ones,
            first=ones,
        )

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
        centre, spread = _mode(likelihood.log_posterior, _UNKNOWNS)
        points, smooth, log_weight = likelihood.draw(centre, _WIDER * spread, generator)
        weight = np.exp(log_weight - log_weight.max())
        kept = weight > _NEGLIGIBLE * weight.max()
        points, weight = points[kept], weight[kept] / weight[kept].sum()
        mean, factor = likelihood.moments(points, smooth[kept])
        sigma, tau, rho, eta = _unknown(points, self._rungs)
        unknown = Unknown(likelihood.scale * sigma, likelihood.scale * tau, rho, eta)
        return RungPosterior(weight, self._model.smooth[smooth[kept]], unknown, mean, factor)


class _Likelihood:
    """What lines say of the unknown variances, and of the candidates given these.

    Lines of the same rungs enter through their number, sum and products alone. Values are taken
    less their mean at each rung, and in units of their standard deviation.
    """

    def __init__(self, model: Model, lines: Lines) -> None:
        self._smooth, self._log_smooth = model.smooth, model.log_prior
        self._basis = model.at_candidates
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
        self, centre: Floats, spread: Floats, generator: np.random.Generator
    ) -> tuple[Floats, Ints, Floats]:
        """Draws of a Student-t proposal (H, P), what is smooth in each, and log weights."""
        count = _DRAWS
        root = np.linalg.cholesky(spread)
        normal = generator.standard_normal((count, len(centre)))
        shrink = np.sqrt(generator.chisquare(_TAIL, count) / _TAIL)
        standard = normal / shrink[:, None]
        points = centre + standard @ root.T
        length = (standard**2).sum(1)
        log_proposed = -0.5 * (_TAIL + len(centre)) * np.log1p(length / _TAIL)
        log_proposed -= np.log(np.diag(root)).sum()
        smooth = np.arange(count) % len(self._smooth)
        return points, smooth, self.log_posterior(points, smooth) - log_proposed

    def moments(self, points: Floats, smooth: Ints) -> tuple[Floats, Floats]:
        """Mean (H, n, K) and factor (H, n, K, D), see `RungPosterior`."""
        solved = self._solved(points, smooth)
        shared = solved.inverse @ solved.pulled[..., None]
        # What is left of an effect of all, once the candidate's own deviation has followed.
        kept = solved.design - solved.own @ (solved.precision @ solved.design)
        mean = (kept @ shared[:, None])[..., 0]
        mean += (solved.own @ solved.pull[..., None])[..., 0]
        common = kept @ np.linalg.cholesky(solved.inverse)[:, None]
        left = solved.own - solved.own @ solved.precision @ solved.own
        apart = _root(left)
        count, n, rungs = len(points), self.size, self.rungs
        alone = np.zeros((count, n, rungs, n, rungs))
        alone[:, np.arange(n), :, np.arange(n)] = apart.swapaxes(0, 1)
        factor = np.concatenate([common, alone.reshape(count, n, rungs, n * rungs)], axis=3)
        return self._level + self.scale * mean, self.scale * factor

    def log_posterior(self, points: Floats, smooth: Ints) -> Floats:
        """Log density of the unknowns (H, P) and of which part is smooth (H,), up to a constant."""
        solved = self._solved(points, smooth)
        explained = (solved.pulled * (solved.inverse @ solved.pulled[..., None])[..., 0]).sum(-1)
        total: Floats = solved.log_evidence + 0.5 * explained
        return total + _log_prior(points) + self._log_smooth[smooth]

    def _solved(self, points: Floats, smooth: Ints) -> _Solved:
        """The candidates' own deviations and what all share, given the unknowns."""
        unknown = _unknown(points, self.rungs)
        count, rungs = len(points), self.rungs
        precision, pull, log_evidence = self._told(unknown.within)
        between = unknown.between
        part = self._smooth[smooth][:, None, None]
        own = ((1 - part) * between)[:, None]  # (H, 1, K, K): alike for all candidates
        followed = np.eye(rungs) + precision @ own
        log_evidence -= 0.5 * np.linalg.slogdet(followed)[1].sum(1)
        back = np.linalg.inv(followed)
        precision, own_pull = back @ precision, (back @ pull[..., None])[..., 0]
        log_evidence += 0.5 * (pull * (own @ own_pull[..., None])[..., 0]).sum((1, 2))
        root = np.sqrt(part) * _root(between)
        surface = self._basis[:, None, :, None] * root[:, None, :, None, :]  # (H, n, K, R, K)
        levels = np.broadcast_to(_LEVEL * np.eye(rungs), (count, self.size, rungs, rungs))
        design = np.concatenate([levels, surface.reshape(*levels.shape[:3], -1)], axis=3)
        across = design.swapaxes(2, 3)
        known = np.eye(design.shape[3]) + (across @ precision @ design).sum(1)
        log_evidence -= 0.5 * np.linalg.slogdet(known)[1]
        pulled = (across @ own_pull[..., None])[..., 0].sum(1)
        return _Solved(own, precision, own_pull, design, np.linalg.inv(known), pulled, log_evidence)

    def _told(self, within: Floats) -> tuple[Floats, Floats, Floats]:
        """Of each candidate its precision W (H, n, K, K) by its lines, and what they pull to, h.

        And the evidence of the lines, were their candidates' values zero.
        """
        count = len(within)
        precision = np.zeros((count, self.size, self.rungs, self.rungs))
        pull = np.zeros((count, self.size, self.rungs))
        log_evidence = np.zeros(count)
        for pattern, number, total, products in self._patterns:
            where = np.ix_(np.arange(count), pattern, pattern)
            own = np.zeros_like(within)
            own[where] = np.linalg.inv(within[where])
            precision += number[:, None, None] * own[:, None]
            pull += total @ own
            log_evidence -= 0.5 * (own * products).sum((1, 2))
            log_evidence -= 0.5 * number.sum() * np.linalg.slogdet(within[where])[1]
        return precision, pull, log_evidence


class _Solved(NamedTuple):
    """What the lines say, given the unknowns: of each candidate, and of what all share.

    With D the covariance of candidates' ``own`` deviations and W the precision by their lines, the
    ``precision`` of a candidate's value with D integrated out is (I + WD)⁻¹W, and ``pull`` is
    (I + WD)⁻¹h. ``design`` (H, n, K, P) multiplies what all share, levels and surface, of prior
    covariance I and posterior covariance ``inverse`` (H, P, P); ``pulled`` is (H, P).
    """

    own: Floats
    precision: Floats
    pull: Floats
    design: Floats
    inverse: Floats
    pulled: Floats
    log_evidence: Floats


def _mode(log_density: Callable[[Floats, Ints], Floats], size: int) -> tuple[Floats, Floats]:
    """Where a density of ``size`` unknowns is highest, and the inverse of minus its curvature.

    By Newton's method from the prior's middle, with differences for derivatives: all points of a
    step are computed at once. The curvature is taken to be at least half of the prior's own.
    """
    step, at = 0.05, np.zeros(size)
    unit = step * np.eye(size)
    rows, columns = np.triu_indices(size, 1)
    moves = np.concatenate([np.zeros((1, size)), unit, -unit, unit[rows] + unit[columns]])
    damping = np.array([0.0, 0.1, 1.0, 10.0, 100.0])
    for _ in range(_STEPS):
        values = log_density(at + moves, np.zeros(len(moves), np.int64))
        here, above, below = values[0], values[1 : size + 1], values[size + 1 : 2 * size + 1]
        gradient = (above - below) / (2 * step)
        curvature = np.diag((above + below - 2 * here) / step**2)
        mixed = (values[2 * size + 1 :] - above[rows] - above[columns] + here) / step**2
        curvature[rows, columns] = curvature[columns, rows] = mixed
        lengths, axes = np.linalg.eigh(-curvature)
        lengths = np.maximum(lengths, _FLAT)
        spread = (axes / lengths) @ axes.T
        tried = at + ((axes.T @ gradient) / (lengths + damping[:, None])) @ axes.T
        reached = log_density(tried, np.zeros(len(tried), np.int64))
        if reached.max() <= here + _CLOSE:
            break
        at = tried[reached.argmax()]
    return at, spread


def _log_prior(points: Floats) -> Floats:
    """Log density of the unknowns, (H,): ρ and η are uniform, the others log-normal."""
    scales = points[:, :4] / _PRIOR
    rho, eta = points[:, 4], points[:, 5]
    # The derivatives of tanh and of the logistic function.
    log_rho = -2 * np.logaddexp(rho, -rho)
    log_eta = -np.logaddexp(0, eta) - np.logaddexp(0, -eta)
    total: Floats = -0.5 * (scales**2).sum(1) + log_rho + log_eta
    return total


def _unknown(points: Floats, rungs: int) -> Unknown:
    """From the numbers that are drawn; σ and τ in units of the values' standard deviation."""
    points = np.clip(points, -_FAR, _FAR)
    first, rising, ratio, ratio_rising = points[:, :4, None].swapaxes(0, 1)
    rung = np.arange(rungs)
    sigma = np.maximum(np.exp(first + rising * rung), _LEAST)
    tau = sigma * np.exp(ratio + ratio_rising * rung)
    rho, eta = np.tanh(points[:, 4]), 1 / (1 + np.exp(-points[:, 5]))
    return Unknown(sigma, tau, np.clip(rho, -_ONE, _ONE), np.clip(eta, 0.0, _ONE))


def _covariance(deviations: Floats, correlation: Floats) -> Floats:
    """(H, K) and (H,) → (H, K, K), where the correlation falls with each rung between."""
    apart = np.abs(
        np.subtract.outer(np.arange(deviations.shape[1]), np.arange(deviations.shape[1]))
    )
    covariance: Floats = (
        deviations[:, :, None] * deviations[:, None, :] * correlation[:, None, None] ** apart
    )
    return covariance


def _root(covariance: Floats) -> Floats:
    """A square root of covariances (..., K, K) that may be singular up to rounding."""
    lengths, axes = np.linalg.eigh(covariance)
    root: Floats = axes * np.sqrt(np.maximum(lengths, 0.0))[..., None, :]
    return root
