"""The response surface over the budget triangle: whether it fits, and where its top is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scalegrid.analysis import joint
from scalegrid.analysis.luck import Luck, beyond
from scalegrid.analysis.model import Model, Posterior, Samples
from scalegrid.analysis.observations import Floats, Observations
from scalegrid.analysis.region import Region, mesh
from scalegrid.analysis.selection import SAMPLES, interval, tie_set

_DIVISIONS = 40  # of the region's side, for the search of the top


@dataclass(frozen=True)
class CrossValidation:
    """Root mean square errors of predicting a candidate's mean from the other candidates.

    ``surface`` is None where there is no surface to fit.
    """

    surface: float | None
    plain: float

    @property
    def fits(self) -> bool:
        """Whether the surface predicts better than the plain model, by more than rounding."""
        return self.surface is not None and self.surface < (1 - 1e-6) * self.plain


@dataclass(frozen=True)
class Fit:
    """The posterior that statements are made from, and why it is this one.

    ``on_images`` is that of the values on the validation images there are, ``posterior`` that on
    all there could be; they are the same where the ``luck`` with the images is not known.
    """

    model: Model
    on_images: Posterior
    luck: Luck | None
    validation: CrossValidation

    @cached_property
    def posterior(self) -> Posterior:
        """Of the candidates' true values."""
        if self.luck is None:
            return self.on_images
        return beyond(self.on_images, self.model, self.luck)

    @cached_property
    def samples(self) -> Samples:
        """The joint samples behind the statements; the generator is fixed."""
        return self.posterior.sample(SAMPLES, np.random.default_rng(0))


def fit(model: Model, observations: Observations, luck: Luck | None = None) -> Fit:
    """The posterior with the surface if cross-validation favours it, else by the plain model.

    The value alone is cross-validated; the posterior is that of all metrics.
    """
    validation = validate(model, observations)
    on_images = joint.posterior(model, observations, surface=validation.fits)
    return Fit(model, on_images, luck, validation)


def validate(model: Model, observations: Observations) -> CrossValidation:
    """The errors with the surface and without it."""
    plain = cross_validate(model, observations, surface=False)
    error = cross_validate(model, observations, surface=True) if model.has_surface else None
    return CrossValidation(error, plain)


def cross_validate(model: Model, observations: Observations, *, surface: bool) -> float:
    """Root mean square error of predicting each candidate's mean from all the others' trials.

    In closed form at each grid point: taking the n trials of a candidate away undoes one step of
    normal conditioning (Rasmussen & Williams, 2006, section 5.4.2). The weights of the grid points
    stay those given all trials, and seed effects are left out.
    """
    posterior = model.posterior(observations, surface=surface, seed_effects=False)
    tried = observations.counts > 0
    counts, means = observations.counts[tried], observations.means[tried]
    mean = posterior.mean[:, tried]
    known = counts * (posterior.factor[:, tried] ** 2).sum(2)  # variance over that of its own mean
    predicted = (mean - known * means) / np.maximum(1 - known, 1e-12)
    return float(np.sqrt(np.mean((posterior.weight @ predicted - means) ** 2)))


@dataclass(frozen=True)
class Optimum:
    """Where on the triangle the smooth surface is highest, and how far that is known.

    ``region`` holds the points of a fine mesh, shares (k, 3), that make up the smallest set with
    95 % of the posterior probability of being the top; ``area`` is its part of the triangle.
    ``value`` and ``interval`` are those of the surface at ``shares``. Where candidates lie beyond
    the triangle, it is searched there too, and ``searched`` says how far.
    """

    shares: Floats
    value: float
    interval: tuple[float, float]
    region: Floats
    area: float
    searched: Region


def optimum(fitted: Fit, idle: Sequence[int] = ()) -> Optimum | None:
    """The top of the surface; None where the plain model is used.

    The search covers the whole triangle, or its edge where an axis is ``idle`` (0 depth, 1 width, 2
    resolution) and cannot be scaled, and beyond it as far as candidates go along each axis; where
    there are none the quadratic extrapolates.
    """
    if not fitted.validation.fits:
        return None
    points, values = _on_mesh(fitted, idle)
    inside = np.sort(tie_set(_chance_of_top(values)))
    at = int(values.mean(0).argmax())
    return Optimum(
        shares=points[at],
        value=float(values[:, at].mean()),
        interval=interval(values[:, at]),
        region=points[inside],
        area=len(inside) / len(points),
        searched=fitted.model.region,
    )


def chance_of_top(fitted: Fit, idle: Sequence[int] = ()) -> tuple[Floats, Floats] | None:
    """How probably the surface is highest at each point of the mesh that `optimum` searches.

    Returns:
        The points as shares (k, 3), and their probabilities (k,), which sum to one; None where the
        plain model is used.
    """
    if not fitted.validation.fits:
        return None
    points, values = _on_mesh(fitted, idle)
    return points, _chance_of_top(values)


def _on_mesh(fitted: Fit, idle: Sequence[int]) -> tuple[Floats, Floats]:
    """The points searched, (k, 3), and the samples of the surface there, (count, k)."""
    points = mesh(_DIVISIONS, fitted.model.region, idle)
    level, coefficients = _surface_samples(fitted)
    return points, level + coefficients @ fitted.model.basis(points).T


def _chance_of_top(values: Floats) -> Floats:
    """The part of the samples (count, k) in which each column is the largest, (k,)."""
    chance: Floats = np.bincount(values.argmax(1), minlength=values.shape[1]) / len(values)
    return chance


def surface_mean(fitted: Fit, shares: Floats) -> Floats:
    """The posterior mean (k,) of the surface at ``shares`` (k, 3), where the surface fits."""
    level, coefficients = _surface_samples(fitted)
    mean: Floats = level.mean() + fitted.model.basis(shares) @ coefficients.mean(0)
    return mean


def _surface_samples(fitted: Fit) -> tuple[Floats, Floats]:
    """Joint samples of the surface: its level (count, 1) and its r coefficients (count, r).

    Local deviations are no part of it. Given the true values u of the n candidates, and since the
    basis Q is orthogonal to constants with QᵀQ = (n/r) I, level and coefficients are independent:
    with λσ² the variance between candidates and ρ its smooth part, the level has mean ū and
    variance λσ²(1−ρ)/n; the coefficients have precision p = 1/ρ + (n/r)/(1−ρ) over λσ² and mean
    Qᵀu / (p (1−ρ)).
    """
    samples, basis = fitted.samples, fitted.model.at_candidates
    chosen = samples.smooth > 0
    smooth, spread = samples.smooth[chosen, None], samples.spread[chosen, None]
    values = samples.values[chosen]
    size, rank = basis.shape
    generator = np.random.default_rng(1)
    precision = 1 / smooth + size / rank / (1 - smooth)
    coefficients = (values @ basis) / (precision * (1 - smooth))
    coefficients += np.sqrt(spread / precision) * generator.standard_normal(coefficients.shape)
    level = values.mean(1, keepdims=True)
    level = level + np.sqrt(spread * (1 - smooth) / size) * generator.standard_normal(level.shape)
    return level, coefficients
