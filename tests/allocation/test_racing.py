from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import allocator_contract
import numpy as np
import pandas as pd
import pytest

from scalegrid.allocation.base import Ask, Result
from scalegrid.allocation.racing import Racing
from scalegrid.analysis import recommend

IDS = ["a", "b", "c", "d", "e", "f"]
SHARES = dict(zip(IDS, np.random.default_rng(0).dirichlet([1.0] * 3, 6).tolist(), strict=True))
TRUTH = dict(zip(IDS, (0.50, 0.52, 0.53, 0.50, 0.49, 0.40), strict=True))


class TestRacing(allocator_contract.AllocatorContract):
    def make(self) -> Racing:
        return Racing(allocator_contract.IDS, allocator_contract.SHARES, indifference=0.02)


def outcome(ask: Ask, noise: float = 0.01) -> float:
    """The accuracy of a trial: the same whenever and wherever it runs."""
    generator = np.random.default_rng([ord(ask.variant), ask.seed])
    return float(TRUTH[ask.variant] + noise * generator.standard_normal())


def result(value: float | None, device: str | None = None) -> Result | None:
    return None if value is None else Result(value, device=device)


def race(
    racing: Racing,
    workers: int = 1,
    limit: int = 500,
    run: Callable[[Ask], float | None] = outcome,
    device: Callable[[Ask], str] = lambda ask: "cpu",
) -> list[Ask]:
    """Run it to its end; results come in the order of their starts. Returns all asks."""
    asks: list[Ask] = []
    running: list[Ask] = []
    while True:
        while len(running) < workers and (ask := racing.ask()) is not None:
            running.append(ask)
            asks.append(ask)
        if not running:
            assert racing.done
            return asks
        assert len(asks) < limit
        first = running.pop(0)
        racing.tell(first, result(run(first), device(first)))


def test_everyone_starts_in_order_then_the_good_are_repeated() -> None:
    asks = race(Racing(["base", *IDS], SHARES), run=lambda a: outcome(a) if a[0] != "base" else 0.3)
    assert [ask.variant for ask in asks[:7]] == ["base", *IDS]
    counts = Counter(ask.variant for ask in asks)
    assert counts["base"] == 1
    assert counts["b"] + counts["c"] > sum(counts[v] for v in "adef") - 4
    assert counts["f"] <= 2
    for variant, count in counts.items():
        assert [a.seed for a in asks if a.variant == variant] == list(range(count))


def test_replicates_come_round_by_round() -> None:
    racing = Racing(IDS, SHARES, replicates=2)
    first = [racing.ask() for _ in range(12)]
    assert first == [Ask(v, seed) for seed in (0, 1) for v in IDS]


def test_it_stops_when_clear_and_chooses_well() -> None:
    good = []
    for offset in range(5):
        racing = Racing(IDS, SHARES, indifference=0.003)

        def run(ask: Ask, offset: int = offset) -> float:
            return outcome(Ask(ask.variant, ask.seed + 1000 * offset))

        asks = race(racing, run=run)
        means = {v: np.mean([run(a) for a in asks if a.variant == v]) for v in IDS}
        good.append(max(means, key=means.__getitem__) == "c")
        assert racing.remaining() == {}
    assert np.mean(good) >= 0.8


@pytest.mark.parametrize(("noise", "shortest", "longest"), [(0.001, 10, 10), (0.01, 10, 500)])
def test_clearer_differences_need_fewer_trials(noise: float, shortest: int, longest: int) -> None:
    """At the least one each."""
    asks = race(Racing(IDS, SHARES), run=lambda ask: outcome(ask, noise))
    assert shortest <= len(asks) <= longest


def test_many_workers_are_kept_busy() -> None:
    def make() -> Racing:
        return Racing(IDS, SHARES, confidence=None, max_trials=60)

    asks = race(make(), workers=20)
    assert len(set(asks)) == len(asks) == 60
    assert asks == race(make(), workers=20)


def test_running_trials_spread_the_next_ones_out() -> None:
    racing = Racing(IDS, SHARES, confidence=None)
    for seed in range(2):
        for variant in IDS:
            racing.tell(Ask(variant, seed), result(outcome(Ask(variant, seed))))
    asked = Counter(ask.variant for ask in (racing.ask() for _ in range(12)) if ask)
    assert len(asked) > 1
    assert max(asked.values()) < 12


@pytest.mark.parametrize("kinds", [("cpu", "cpu"), ("cpu", "cuda"), ("cuda", "cpu")])
def test_it_stops_exactly_when_recommend_calls_the_answer_clear(kinds: tuple[str, str]) -> None:
    """Also where some trials ran on another kind of device, on which they are all better."""
    racing = Racing(IDS, SHARES, indifference=0.004, confidence=0.9)

    def device(ask: Ask) -> str:
        return kinds[ask.seed > 0 and ask.variant in "bcd"]

    def run(ask: Ask) -> float:
        return outcome(ask) + 0.1 * (device(ask) == "cuda")

    asks = race(racing, workers=3, run=run, device=device)

    def needed(made: list[Ask]) -> int | None:
        rows = [
            {
                **{"variant": ask.variant, "seed": ask.seed, "status": "finished"},
                **{"top1": run(ask), "device": device(ask)},
            }
            for ask in made
        ]
        names = ["share_depth", "share_width", "share_resolution"]
        variants = pd.DataFrame(
            [
                {"variant": v, "role": "grid", "phi": 1.0, "flops_ratio": 2.0, "resolution": 64}
                | dict.fromkeys(("alpha", "beta", "gamma"), 1.0)
                | dict(zip(names, shares, strict=True))
                for v, shares in SHARES.items()
            ]
        )
        said = recommend(variants, pd.DataFrame(rows), indifference=0.004, confidence=0.9)
        return said.trials_needed

    assert needed(asks) == 0
    assert needed(asks[:-3]) != 0


def test_late_results_may_unsettle_a_clear_answer() -> None:
    """While something runs it is not done; the running trial can still change the answer."""
    racing = Racing(IDS, SHARES)
    running = None
    while running is None:
        ask = racing.ask()
        assert ask is not None
        if ask.variant == "b" and ask.seed == 1:
            running = ask
        else:
            racing.tell(ask, result(outcome(ask, 0.003)))
    while (ask := racing.ask()) is not None:
        racing.tell(ask, result(outcome(ask, 0.003)))
    assert not racing.done
    racing.tell(running, Result(0.7))
    assert not racing.done
    assert racing.ask() is not None


def test_a_failed_trial_is_made_up_for_with_the_next_seed() -> None:
    racing = Racing(IDS, SHARES)
    assert racing.ask() == Ask("a", 0)
    racing.tell(Ask("a", 0), None)
    rest = [racing.ask() for _ in range(6)]
    assert Ask("a", 1) in rest


def test_a_variant_that_always_fails_is_given_up() -> None:
    def run(ask: Ask) -> float | None:
        return None if ask.variant == "c" else outcome(ask)

    asks = race(Racing(IDS, SHARES), run=run)
    assert Counter(ask.variant for ask in asks)["c"] == 2


@pytest.mark.parametrize("maximum", [1, 6, 17])
def test_it_stops_at_max_trials_failed_ones_included(maximum: int) -> None:
    racing = Racing(IDS, SHARES, confidence=None, max_trials=maximum)
    asks = race(racing, 3, run=lambda ask: None if ask.seed == 1 else outcome(ask))
    assert len(asks) == maximum
    assert racing.done
    assert racing.remaining() == {}


def test_it_starts_nothing_after_max_hours() -> None:
    now = 0.0
    racing = Racing(IDS, SHARES, confidence=None, max_hours=1.0, clock=lambda: now)
    for _ in range(9):
        ask = racing.ask()
        assert ask is not None
        racing.tell(ask, result(outcome(ask)))
    assert not racing.done
    now = 3600.0
    assert racing.ask() is None
    assert racing.done


def test_one_candidate_gets_its_first_trial_and_no_more() -> None:
    assert race(Racing(["base", "a"], {"a": [1.0, 0.0, 0.0]}), run=lambda _: 0.5) == [
        Ask("base", 0),
        Ask("a", 0),
    ]


def test_what_remains_is_bounded_and_about_right() -> None:
    racing = Racing(IDS, SHARES, max_trials=40)
    assert sum(racing.remaining().values()) > 6
    for variant in IDS:
        for seed in range(2):
            racing.tell(Ask(variant, seed), result(outcome(Ask(variant, seed), 0.02)))
    remaining = racing.remaining()
    assert 0 < sum(remaining.values()) <= 28 + 1e-9
    assert set(remaining) <= {(variant, 1) for variant in IDS}
    made = len(race(racing, run=lambda ask: outcome(ask, 0.02)))
    assert sum(remaining.values()) / 4 < made < 4 * sum(remaining.values())


def test_what_remains_is_what_there_is_time_for() -> None:
    """At the pace so far: two trials of each in an hour, and five minutes left."""
    now = [0.0]
    racing = Racing(IDS, SHARES, max_hours=1 + 1 / 12, clock=lambda: now[0])
    racing.start()
    for variant in IDS:
        for seed in range(2):
            racing.tell(Ask(variant, seed), result(outcome(Ask(variant, seed), 0.02)))
    in_time = 2 * len(IDS) / 12
    assert sum(racing.remaining().values()) > in_time
    now[0] = 3600.0
    assert sum(racing.remaining().values()) == pytest.approx(in_time)


def test_without_shares_it_still_races() -> None:
    unknown = {variant: [float("nan")] * 3 for variant in IDS}
    counts = Counter(ask.variant for ask in race(Racing(IDS, unknown)))
    assert counts["f"] < counts["c"]
