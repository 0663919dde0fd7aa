from __future__ import annotations

import numpy as np
import pytest
from analysis_tables import observe, spread_shares

from scalegrid.analysis import model as module
from scalegrid.analysis.model import Model
from scalegrid.analysis.observations import Floats
from scalegrid.analysis.region import mesh, spacing, widened
from scalegrid.analysis.surface import cross_validate, fit, optimum

TOP = np.array([0.2, 0.5, 0.3])


def peak(shares: Floats) -> Floats:
    return np.asarray(-4 * ((shares - TOP) ** 2).sum(-1))


def noisy(truth: Floats, seeds: int, noise: float, seed: int = 0) -> list[list[float]]:
    draws = np.random.default_rng(seed).normal(0, noise, (len(truth), seeds))
    values: list[list[float]] = (truth[:, None] + draws).tolist()
    return values


@pytest.mark.parametrize("surface", [True, False])
def test_cross_validation_equals_leaving_out_one_by_one(
    monkeypatch: pytest.MonkeyPatch, surface: bool
) -> None:
    """Exactly, at one grid point, where no weights can change."""
    monkeypatch.setattr(module, "SPREAD", np.array([1.5]))
    monkeypatch.setattr(module, "SMOOTH", (0.8,))
    shares = spread_shares(8)
    values = noisy(peak(shares), 3, 0.5)
    values[2] = values[2][:1]
    model = Model(8, shares)
    if surface:
        model.smooth, model.roots = model.smooth[1:], model.roots[1:]
        model.log_prior = model.log_prior[1:]
    errors = []
    for left_out in range(8):
        rest = observe([row if i != left_out else [] for i, row in enumerate(values)])
        predicted = model.posterior(rest, surface=surface, seed_effects=False).expected[left_out]
        errors.append(predicted - np.mean(values[left_out]))
    error = cross_validate(model, observe(values), surface=surface)
    assert error == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-6)


def test_a_smooth_surface_is_used_and_its_top_found() -> None:
    shares = spread_shares(20)
    fitted = fit(Model(20, shares), observe(noisy(peak(shares), 4, 0.1)))
    assert fitted.validation.fits
    assert fitted.validation.surface is not None
    assert fitted.validation.surface < 0.5 * fitted.validation.plain
    top = optimum(fitted)
    assert top is not None
    assert np.abs(top.shares - TOP).max() <= 0.1
    assert top.interval[0] < 0.0 < top.interval[1]
    assert top.interval[1] - top.interval[0] < 0.4
    assert np.abs(top.region - TOP).sum(1).min() < 0.06
    assert 0 < top.area < 0.2


def test_the_region_grows_with_the_noise_and_mostly_holds_the_top() -> None:
    shares = spread_shares(20)
    areas, held = [], []
    for noise in (0.2, 1.0):
        tops = [
            optimum(fit(Model(20, shares), observe(noisy(peak(shares), 3, noise, seed))))
            for seed in range(10)
        ]
        found = [top for top in tops if top is not None]
        areas.append(np.mean([top.area for top in found]))
        held += [np.abs(top.region - TOP).sum(1).min() < 0.03 for top in found]
    assert areas[1] > 2 * areas[0]
    assert np.mean(held) > 0.85


def test_where_nothing_is_smooth_the_surface_wins_no_more_than_luck_allows() -> None:
    shares = spread_shares(20)
    used = []
    for seed in range(30):
        truth = np.random.default_rng(seed).standard_normal(20)
        fitted = fit(Model(20, shares), observe(noisy(truth, 3, 0.3, seed)))
        used.append(fitted.validation.fits)
        if not fitted.validation.fits:
            assert optimum(fitted) is None
            assert set(fitted.posterior.smooth) == {0.0}
    assert np.mean(used) < 0.5


def test_without_shares_there_is_no_surface() -> None:
    fitted = fit(Model(4), observe([[0.1, 0.2], [0.3], [0.2], [0.5]]))
    assert fitted.validation.surface is None
    assert optimum(fitted) is None


def test_the_mesh_covers_the_triangle() -> None:
    points = mesh(4)
    assert len(points) == 15
    np.testing.assert_allclose(points.sum(1), 1)
    assert {tuple(p) for p in np.eye(3)} <= {tuple(p) for p in points}


def test_where_candidates_lie_beyond_the_triangle_the_top_is_searched_there() -> None:
    far = np.array([[1.3, 0.4, -0.7], [0.9, 0.8, -0.7], [0.4, 1.2, -0.6], [0.7, 0.6, -0.3]])
    shares = np.concatenate([spread_shares(16), far])
    outside = np.array([0.7, 0.7, -0.4])
    truth = -4 * ((shares - outside) ** 2).sum(1)
    top = optimum(fit(Model(len(shares), shares), observe(noisy(truth, 3, 0.1, 0))))
    assert top is not None
    assert np.abs(top.shares - outside).sum() < 0.1
    assert top.searched.low == pytest.approx((0, 0, -0.7))
    inside = optimum(fit(Model(16, shares[:16]), observe(noisy(truth[:16], 3, 0.1, 0))))
    assert inside is not None
    assert inside.shares.min() >= 0


@pytest.mark.parametrize("reach", [0.2, 1.0, 50.0])
def test_a_mesh_of_a_wider_region_reaches_to_its_ends_with_about_as_many_points(
    reach: float,
) -> None:
    region = widened(np.array([[-reach, 1.0, reach], [reach, 1.0, -reach], [np.nan] * 3]))
    points = mesh(40, region)
    step = spacing(40, region)
    assert 861 < len(points) < 4400
    np.testing.assert_allclose(points.sum(1), 1)
    assert (points >= np.array(region.low) - 1e-9).all()
    assert (points <= np.array(region.high) + 1e-9).all()
    assert points[:, 0].min() < -reach + step
    edge = mesh(40, region, idle=[1])
    assert set(edge[:, 1]) == {0.0}
    assert np.diff(np.sort(edge[:, 0])) == pytest.approx(step)
