"""Racing over rungs: what it asks for, in worlds whose truth is known."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import allocator_contract
import numpy as np
import pandas as pd
import pytest

from scalegrid.allocation.base import Ask, Result
from scalegrid.allocation.racing import Racing
from scalegrid.analysis import recommend, to_text
from scalegrid.analysis.next_step import next_step
from scalegrid.training.held import rung_work

IDS = ["a", "b", "c", "d", "e", "f"]
SHARES = dict(zip(IDS, np.random.default_rng(0).dirichlet([1.0] * 3, 6).tolist(), strict=True))
RUNGS = (1, 3, 9)
BRIEF = dict(zip(IDS, (0.50, 0.52, 0.54, 0.50, 0.49, 0.40), strict=True))


class TestRungRacing(allocator_contract.AllocatorContract):
    rungs = (1, 3)

    def make(self) -> Racing:
        ids, shares = allocator_contract.IDS, allocator_contract.SHARES
        return Racing(ids, shares, max_trials=10, rungs=self.rungs)


def outcome(ask: Ask, *, agree: bool = True) -> float:
    """The accuracy of a trial: the same whenever and wherever it runs."""
    generator = np.random.default_rng([ord(ask.variant[0]), len(ask.variant), ask.seed, ask.rung])
    truth = BRIEF[ask.variant]
    if not agree and ask.rung > 1:
        truth = 1.0 - truth  # what is best briefly is worst later
    return float(truth + 0.05 * RUNGS.index(ask.rung) + 0.006 * generator.standard_normal())


def race(
    racing: Racing,
    *,
    agree: bool = True,
    workers: int = 1,
    told: int | None = None,
    fail: frozenset[Ask] = frozenset(),
) -> list[Ask]:
    """Run it to its end, or until so many are told; returns what was told, in this order."""
    asks: list[Ask] = []
    running: list[Ask] = []
    while told is None or len(asks) < told:
        while len(running) < workers and (ask := racing.ask()) is not None:
            running.append(ask)
        if not running:
            assert racing.done
            break
        assert len(asks) < 300
        ended = running.pop(0)
        asks.append(ended)
        racing.tell(ended, None if ended in fail else Result(outcome(ended, agree=agree)))
    return asks


def made(**settings: object) -> Racing:
    return Racing(["base", *IDS], SHARES, rungs=RUNGS, **settings)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BRIEF, "base", 0.3)


def test_everyone_starts_at_the_first_rung_then_the_good_go_on() -> None:
    racing = made()
    asks = race(racing)
    assert asks[:7] == [Ask(variant, 0) for variant in ["base", *IDS]]
    assert racing.leading() is not None
    leader, certainty = racing.leading() or ("", 0.0)
    assert leader == "c"
    assert certainty >= 0.95
    work = Counter[str]()
    for ask in asks:
        work[ask.variant] += ask.rung
    assert work["c"] > work["f"]
    assert any(ask.rung == 9 and ask.variant == "c" for ask in asks)
    assert all(ask.rung == 1 for ask in asks if ask.variant == "base")


def test_it_finds_what_is_best_late_where_the_rungs_disagree() -> None:
    racing = made(max_trials=70)
    race(racing, agree=False)
    assert (racing.leading() or ("",))[0] == "f"


def test_where_the_lower_rungs_are_known_the_next_trials_are_at_the_highest() -> None:
    """One there tells nothing of differences, since the level there is not known, but two do."""
    racing = made(confidence=None)
    for seed in range(8):
        for number, variant in enumerate(["base", *IDS]):
            for rung in (1, 3):
                noise = np.random.default_rng([number, seed, rung]).normal(0, 0.01)
                racing.tell(Ask(variant, seed, rung), Result(0.5 + 0.003 * number + noise))
    asks = []
    for _ in range(2):
        ask = racing.ask()
        assert ask is not None
        asks.append(ask)
        racing.tell(ask, Result(0.6))
    assert [ask.rung for ask in asks] == [9, 9]
    assert asks[0].variant != asks[1].variant


def test_a_sure_answer_is_checked_at_the_highest_rung_by_the_shortest_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(BRIEF, "c", 0.80)
    racing = made(replicates=2, confidence=0.9)
    asks: list[Ask] = []
    after: list[Ask] = []
    while (ask := racing.ask()) is not None:
        if (racing.certainty or 0.0) >= 0.9:
            after.append(ask)
        asks.append(ask)
        racing.tell(ask, Result(outcome(ask)))
    assert racing.done
    assert len({ask[:2] for ask in after}) == 1, "one line, to compare the leader with"
    assert after[-1].rung == 9
    assert {ask.variant for ask in asks if ask.rung == 9} == {"c", after[0].variant}
    begun = [ask for ask in asks if ask[:2] == after[0][:2] and ask not in after]
    assert max(ask.rung for ask in begun) == 3, "and no new one"


def work_left(racing: Racing) -> float:
    """In brief trainings, of what a race expects yet."""
    return sum(
        count * rung_work(RUNGS, rung, goes_on=True)
        for (_, rung), count in racing.remaining().items()
    )


def test_what_remains_are_trials_and_no_more_than_there_may_be() -> None:
    """Whose work is in the mean that of the trials so far."""
    free, bounded = made(confidence=0.9999), made(confidence=0.9999, max_trials=30)
    work = []
    for _ in range(25):
        ask = free.ask()
        assert ask is not None
        assert ask == bounded.ask()
        for racing in (free, bounded):
            racing.tell(ask, Result(outcome(ask)))
        work.append(rung_work(RUNGS, ask.rung, goes_on=True))
    assert max(work) > 1
    for racing in (free, bounded):
        left = sum(racing.remaining().values())
        assert work_left(racing) == pytest.approx(left * sum(work) / len(work))
    assert sum(free.remaining().values()) > 5
    assert sum(bounded.remaining().values()) == pytest.approx(5)


def test_what_remains_is_about_the_work_that_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the mean of a race among near ones; a single forecast is often wrong by twice."""
    ratios = []
    for order in (IDS, IDS[::-1]):
        for variant, other in zip(IDS, order, strict=True):
            monkeypatch.setitem(BRIEF, variant, 0.5 + 0.01 * (ord(other) % 4) / 3)
        racing = made()
        work: list[float] = []
        expected: list[float] = []
        while (ask := racing.ask()) is not None:
            racing.tell(ask, Result(outcome(ask)))
            work.append(rung_work(RUNGS, ask.rung, goes_on=True))
            expected.append(work_left(racing))
        assert expected[-1] == 0
        left = [sum(work[done:]) for done in range(8, len(work))]
        ratios.append(sum(expected[7:-1]) / sum(left))
    assert all(1 / 3 < ratio < 3 for ratio in ratios)


def test_what_remains_holds_the_way_to_the_top_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """However sure it is, since an answer is given where two have been at the highest rung."""
    monkeypatch.setitem(BRIEF, "c", 0.80)
    racing = made(replicates=2, confidence=0.9)
    at_top: set[str] = set()
    sure = 0
    while (ask := racing.ask()) is not None:
        racing.tell(ask, Result(outcome(ask)))
        at_top |= {ask.variant} if ask.rung == 9 else set()
        if (racing.certainty or 0.0) >= 0.9 and len(at_top) < 2:
            sure += 1
            way = (2 - len(at_top)) * rung_work(RUNGS, 9, goes_on=True)
            assert work_left(racing) >= way - 1e-9
    assert sure
    assert not racing.remaining()


PLAN = pd.DataFrame(
    {"variant": v, "role": "grid", "phi": 1.0, "flops_ratio": 2.0, "resolution": 64}
    | dict.fromkeys(("alpha", "beta", "gamma"), 1.0)
    | dict(zip(("share_depth", "share_width", "share_resolution"), shares, strict=True))
    for v, shares in SHARES.items()
)


@pytest.mark.parametrize("ahead", [0.54, 0.80])
def test_it_stops_where_recommend_says_the_same_of_the_highest_rung(
    ahead: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where one is so far ahead that it alone would have had to be at the highest."""
    monkeypatch.setitem(BRIEF, "c", ahead)
    racing = made(replicates=2)
    rows = [{**ask._asdict(), "status": "finished", "top1": outcome(ask)} for ask in race(racing)]
    said = recommend(PLAN, pd.DataFrame(rows))
    assert (said.rung, said.trials_needed) == (9, 0)
    best = said.best
    assert (best.variant, best.probability_within_indifference) == racing.leading()


def test_workers_do_not_all_train_the_same() -> None:
    racing = made()
    race(racing, told=20)
    asked = [racing.ask() for _ in range(4)]
    assert len(set(asked)) == 4
    lines = [(ask.variant, ask.seed) for ask in asked if ask]
    assert len(set(lines)) == 4


@pytest.mark.parametrize("able", [frozenset(), frozenset("a"), frozenset("ab")])
def test_candidates_that_keep_failing_at_the_top_do_not_keep_a_race_going(
    able: frozenset[str],
) -> None:
    late = frozenset(Ask(v, seed, 9) for v in IDS if v not in able for seed in range(300))
    asks = race(made(), fail=late)
    failed = Counter(ask.variant for ask in asks if ask in late)
    assert max(failed.values()) <= 2
    assert len(asks) < 150


def rows(asks: list[Ask], fail: frozenset[Ask]) -> pd.DataFrame:
    """The table of trials that a race has made; those that fail have no accuracy."""
    made_of = {True: {"status": "failed", "error": "no memory."}, False: {"status": "finished"}}
    table: pd.DataFrame = pd.DataFrame(
        {**ask._asdict(), **made_of[ask in fail], "top1": np.nan if ask in fail else outcome(ask)}
        for ask in asks
    )
    return table


def test_a_leader_that_cannot_be_trained_so_long_is_left_out() -> None:
    """And the race goes on with the others, as `recommend` does."""
    late = frozenset(Ask("c", seed, 9) for seed in range(300))
    racing = made(confidence=0.8)
    asks = race(racing, fail=late)
    leader, certainty = racing.leading() or ("", 0.0)
    assert leader == "b"
    assert certainty >= 0.8
    assert {ask.variant for ask in asks if ask.rung == 9} > {"b", "c"}
    said = recommend(PLAN, rows(asks, late), confidence=0.8)
    assert (said.rung, said.best.variant) == (9, "b")
    assert "c" not in [one.variant for one in said.ranking]
    assert any("trainings up to 9× keep failing" in note for note in said.notes)
    assert said.best.probability_within_indifference == certainty


def test_where_two_cannot_be_trained_so_long_no_other_is_tried_and_that_is_said() -> None:
    late = frozenset(Ask(v, seed, 9) for v in IDS for seed in range(300))
    asks = race(made(), fail=late)
    assert len({ask.variant for ask in asks if ask in late}) == 2
    said = recommend(PLAN, rows(asks, late))
    assert said.rung < 9
    assert said.failing is not None
    assert (said.failing.rung, said.failing.kept) == (9, True)
    text = to_text(said)
    assert f"At 9× {said.failing.failed} of {said.failing.trials} trainings failed" in text
    assert "(the last one: no memory), so that this is said of" in text
    rungs = ",".join(str(rung) for rung in RUNGS if rung <= said.rung)
    step = next_step(said, {"rungs": list(RUNGS)}, Path("results/x"))
    assert not step or f"--rungs {rungs}" in step[1]
