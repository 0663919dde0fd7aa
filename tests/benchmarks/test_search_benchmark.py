"""The worlds in which searchers are compared."""

from pathlib import Path

import numpy as np
import pytest
from light_search import light_spec, run_light

from benchmarks.search import MOST, SPREAD, Landscape, Table, good_of, needed, pool, trials
from scalegrid.search.tables import load_search

pytestmark = pytest.mark.slow


def test_a_landscape_has_the_spread_and_the_best_that_are_said() -> None:
    world = Landscape(0)
    accuracies = [world.worth(point, 1.8e6) for point, _ in pool()]
    assert np.std(accuracies) == pytest.approx(SPREAD, rel=0.5)
    worths = [world.worth(point, cost) for point, cost in pool()]
    good = [answer.good for point, _ in pool()[:400] if (answer := world.answer(point))]
    assert np.mean(good) == pytest.approx(0.01, abs=0.015)
    assert len(worths) == len(pool())


def test_a_network_is_trained_once() -> None:
    world = Landscape(1)
    point, _ = pool()[0]
    assert world.answer(point) is not None
    assert world.answer(point) is None


def test_tpe_needs_less_than_half_of_random_search() -> None:
    found = needed([Landscape(seed) for seed in range(6)], "tpe")
    assert found.mean < 60
    assert found.never == 0


def test_random_search_of_a_table_needs_what_is_said(tmp_path: Path) -> None:
    spec = light_spec(tmp_path, trials=19, finalists=1).model_copy(update={"space": "nano"})
    run_light(spec.model_copy(update={"target": "1.8M"}), function="light_search:landscape")
    tables = load_search("s", spec.results)
    assert good_of(19) == 1
    found = [trials(Table(tables, seed), "random", seed) for seed in range(60)]
    assert None not in found
    assert np.mean([n or MOST for n in found]) == pytest.approx(10, abs=2.5)
