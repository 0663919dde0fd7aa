from __future__ import annotations

import numpy as np
import pytest

from benchmarks.sensor import components


def test_components_of_known_variances() -> None:
    """Many candidates with spread 2 and noise 1: reliability 4 / 5, inside its interval."""
    generator = np.random.default_rng(0)
    values = 2 * generator.standard_normal((4000, 1)) + generator.standard_normal((4000, 4))
    found = components(values)
    assert (found["noise"], found["spread"]) == pytest.approx((1.0, 2.0), rel=0.03)
    assert found["reliability"] == pytest.approx(0.8, abs=0.02)
    assert 0.75 < float(str(found["low"])) < 0.8 < float(str(found["high"])) < 0.85


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(2000):
        values = generator.standard_normal((8, 1)) + generator.standard_normal((8, 4))
        found = components(values)
        covered += float(str(found["low"])) <= 0.5 <= float(str(found["high"]))
    assert 0.935 < covered / 2000 < 0.965


def test_candidates_that_do_not_differ_have_no_reliability() -> None:
    alternating = np.tile([0.0, 1.0], (5, 3))
    assert components(alternating)["reliability"] == 0.0
