import numpy as np
import pytest

from benchmarks.hopeless import OVER_RUNGS, hopeless, of_rungs
from benchmarks.selection_worlds import PUBLISHED
from scalegrid.results import load_sweep
from scalegrid.training.held import rung_work

TRUTH = np.linspace(50, 60, 21)


def test_a_curve_that_tells_all_stops_whatever_is_beyond_the_zone() -> None:
    assert hopeless([TRUTH - 20], TRUTH).sum() == 20
    assert hopeless([-TRUTH / 10], TRUTH).sum() == 20  # a loss


def test_noise_stops_fewer_and_no_relation_none() -> None:
    assert 0 < hopeless([TRUTH], TRUTH, noise=1.0).sum() < 20
    unrelated = np.random.default_rng(0).standard_normal(len(TRUTH))
    assert not hopeless([unrelated], TRUTH).any()
    assert hopeless([unrelated, TRUTH], TRUTH).sum() == 20  # the better one counts


def test_over_rungs_it_saves_less_than_a_tenth() -> None:
    """What docs/fidelity.md says, and why there is no such option."""
    rungs = (1, 2, 4, 7)
    best: dict[str, float] = {}
    for row in of_rungs(load_sweep(OVER_RUNGS, PUBLISHED)):
        rung, saved = str(row["table"]).split(", ")[1], float(str(row["saved"]))
        best[rung] = max(best.get(rung, 0.0), saved)
    work = {f"{rung}×": rung_work(rungs, rung, goes_on=True) for rung in rungs}
    saved = sum(work[rung] * best[rung] for rung in best) / sum(work.values())
    assert saved == pytest.approx(0.09, abs=0.01)
