import numpy as np
import pytest

from benchmarks.hopeless import OVER_RUNGS, hopeless, of_rungs
from benchmarks.selection_worlds import PUBLISHED
from scalegrid.results import load_sweep

TRUTH = np.linspace(50, 60, 21)


def test_a_curve_that_tells_all_stops_whatever_is_beyond_the_zone() -> None:
    assert hopeless([TRUTH - 20], TRUTH).sum() == 20
    assert hopeless([-TRUTH / 10], TRUTH).sum() == 20  # a loss


def test_noise_stops_fewer_and_no_relation_none() -> None:
    unrelated = np.random.default_rng(0).standard_normal(len(TRUTH))
    assert 0 < hopeless([TRUTH + unrelated], TRUTH).sum() < 20
    assert not hopeless([unrelated], TRUTH).any()
    assert hopeless([unrelated, TRUTH], TRUTH).sum() == 20  # the better one counts


SAVED = {
    "fidelity-nano-cifar10": {"2×": 0.13, "4×": 0.16, "7×": 0.03},
    "study-nano": {"3×": 0.05, "9×": 0.00},
    "study-resnet": {"3×": 0.06, "9×": 0.04},
}


@pytest.mark.parametrize("name", OVER_RUNGS)
def test_over_rungs_it_saves_little(name: str) -> None:
    """What docs/fidelity.md says, and why there is no such option."""
    best: dict[str, float] = {}
    for row in of_rungs(load_sweep(name, PUBLISHED)):
        rung, saved = str(row["table"]).split(", ")[1], float(str(row["saved"]))
        best[rung] = max(best.get(rung, 0.0), saved)
    assert best == pytest.approx(SAVED[name], abs=0.006)
