"""What the figures of a search show."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from light_search import light_spec, run_light

from scalegrid.figures import SEARCH_FIGURES, draw_search
from scalegrid.figures.search_importance import importances
from scalegrid.figures.search_progress import normal, resampled
from scalegrid.search.tables import load_search
from scalegrid.util.errors import UserError


def test_all_figures_of_a_search_are_drawn(tmp_path: Path) -> None:
    spec = light_spec(tmp_path, trials=24, searcher="tpe", finalists=2, race_trials=4)
    outcome = run_light(spec, function="light_search:landscape")
    tables = load_search("s", spec.results)
    paths = draw_search(None, tables, tmp_path / "figures", ("svg",))
    assert {path.stem for path in paths} == set(SEARCH_FIGURES)
    caption = (tmp_path / "figures" / "search-front.txt").read_text()
    assert caption.startswith("Accuracy against cost of 24 networks of ")
    assert tables.found.variant == outcome.finalists[0].network.variant
    assert [one.best for one in tables.finalists] == [one.best for one in outcome.finalists]


def test_too_few_networks_leave_figures_out(tmp_path: Path) -> None:
    spec = light_spec(tmp_path, trials=3, finalists=1)
    run_light(spec)
    reasons: list[str] = []
    tables = load_search("s", spec.results)
    paths = draw_search(None, tables, tmp_path / "figures", ("svg",), warn=reasons.append)
    assert {path.stem for path in paths} == {"search-front", "search-progress"} or reasons
    assert any("takes 20 trained networks" in reason for reason in reasons)


def test_a_search_without_trials_has_no_figures(tmp_path: Path) -> None:
    spec = light_spec(tmp_path)
    run_light(spec, 0)
    with pytest.raises(UserError, match="no two trained networks yet"):
        draw_search(None, load_search("s", spec.results), tmp_path / "figures")


def test_the_expected_best_is_that_of_all_subsets() -> None:
    values = np.array([0.3, 0.9, 0.1, 0.5, 0.7])
    _, mean, _ = resampled(values)
    for k in range(1, 6):
        listed = [max(one) for one in itertools.combinations(values, k)]
        assert mean[k - 1] == pytest.approx(np.mean(listed))


def test_the_expected_best_of_normals_is_the_known_one() -> None:
    """E max of 2 is 1/√π and of 3 is 3/(2√π) (e.g. Jones 1948)."""
    _, mean, _ = normal(np.array([-1.0, 0.0, 1.0]), 3)
    assert mean == pytest.approx([0, np.pi**-0.5, 1.5 * np.pi**-0.5], abs=1e-4)


def test_importance_is_the_share_that_a_choice_explains() -> None:
    generator = np.random.default_rng(0)
    points = pd.DataFrame({name: generator.integers(0, 3, 600) for name in ("1.a", "2.b", "3.c")})
    values = 2.0 * points["1.a"] + 1.0 * points["2.b"] + generator.normal(0, 1, 600)
    first, second, third = importances(points, values.to_numpy())
    assert (first[0], second[0], third[0]) == ("1.a", "2.b", "3.c")
    total = (4 + 1) * 2 / 3 + 1  # variances of uniform choices of three, and of the noise
    assert first[1] == pytest.approx(4 * 2 / 3 / total, abs=0.06)
    assert first[2] < first[1] < first[3]
    assert third[1] < 0.02
    assert (first[4], second[4]) == (2, 2)
