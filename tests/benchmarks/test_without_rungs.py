import pytest

from benchmarks.selection_worlds import PUBLISHED
from benchmarks.without_rungs import STUDY, without_rungs
from scalegrid.results import load_sweep


def test_what_a_race_without_rungs_would_have_said_of_study_1() -> None:
    """The table of docs/fidelity.md."""
    tables = load_sweep(STUDY, PUBLISHED)
    found = without_rungs(tables)
    assert found.trials == 68
    assert found.hours == pytest.approx(0.63, abs=0.01)
    assert found.certainty == pytest.approx(0.96, abs=0.005)
    best = tables.recommend().best
    assert found.leader == best.variant
    assert best.probability_within_indifference == pytest.approx(0.96, abs=0.005)
