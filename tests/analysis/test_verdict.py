"""Whether the brief answer holds: against scipy, and in worlds whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from scalegrid.analysis.model import Model
from scalegrid.analysis.observations import Floats
from scalegrid.analysis.over_rungs import OverRungs
from scalegrid.analysis.rungs import Lines
from scalegrid.analysis.verdict import Verdict, kendall
from scalegrid.analysis.verdict import verdict as judge

RUNGS = (1, 3, 9)
SIZE = 10


def verdict(number: int, correlation: float, reached: list[int], noise: float = 0.3) -> Verdict:
    """Of candidates whose lines, one for each number in ``reached``, end at that rung."""
    generator = np.random.default_rng(number)
    rung = np.arange(3)
    between = correlation ** np.abs(np.subtract.outer(rung, rung))
    truth = generator.multivariate_normal(np.zeros(3), between, SIZE)
    trials = [
        (i, s, k, float(truth[i, k] + noise * generator.standard_normal()))
        for i in range(SIZE)
        for s, highest in enumerate(reached)
        for k in range(highest)
    ]
    lines = Lines.collect(SIZE, 3, trials)
    brief = np.array(
        [np.mean([t[3] for t in trials if t[0] == i and not t[2]]) for i in range(SIZE)]
    )
    return of(lines, brief)


def of(lines: Lines, brief: Floats) -> Verdict:
    model = Model(SIZE, np.full((SIZE, 3), 1 / 3))
    over = OverRungs([str(i) for i in range(SIZE)], RUNGS, lines, model)
    return judge(over, over.fit(), int(brief.argmax()), 0.3)


def test_kendall_is_scipys() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.standard_normal((2, 20, 9))
    expected = [kendalltau(a, b).statistic for a, b in zip(first, second, strict=True)]
    assert kendall(first, second) == pytest.approx(expected)


def test_an_order_that_holds() -> None:
    found = verdict(0, 0.999, [3, 3, 3, 1])
    assert found.held is True
    assert [tau.rung for tau in found.taus] == [1, 3]
    assert found.taus[0].low < found.taus[0].mean < found.taus[0].high
    assert found.good > 0.6


def test_an_order_that_does_not_hold() -> None:
    found = verdict(1, 0.0, [3, 3, 3, 3])
    assert found.held is False
    assert found.taus[0].high < 0.5
    assert found.good < 0.5


def test_few_long_trainings_do_not_settle_it() -> None:
    generator = np.random.default_rng(4)
    trials = [(i, s, 0, float(generator.standard_normal())) for i in range(SIZE) for s in range(2)]
    trials += [(i, 0, 2, float(generator.standard_normal())) for i in range(2)]
    lines = Lines.collect(SIZE, 3, trials)
    found = of(lines, np.arange(SIZE) / 1.0)
    assert found.held is None
    assert found.brief == SIZE - 1


def test_the_interval_holds_the_true_tau() -> None:
    inside = []
    for number in range(12):
        generator = np.random.default_rng(number)
        correlation = generator.uniform(0, 1)
        rung = np.arange(3)
        between: Floats = correlation ** np.abs(np.subtract.outer(rung, rung))
        truth = generator.multivariate_normal(np.zeros(3), between, SIZE)
        trials = [
            (i, s, k, float(truth[i, k] + 0.5 * generator.standard_normal()))
            for i in range(SIZE)
            for s in range(3)
            for k in range(3)
        ]
        lines = Lines.collect(SIZE, 3, trials)
        found = of(lines, truth[:, 0])
        true = kendalltau(truth[:, 0], truth[:, 2]).statistic
        inside.append(found.taus[0].low <= true <= found.taus[0].high)
    assert np.mean(inside) > 0.8
