from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
from analysis_tables import noisy_trials, spread_shares, trials_table, variants_table

from scalegrid.analysis import estimates_as_planned
from scalegrid.analysis.hindsight import LOOKS, hindsight
from scalegrid.util.errors import UserError

SEEDS, SIZE = 6, 5  # too few for a surface, so that what is recommended is by one model throughout
START = pd.Timestamp("2026-01-01", tz="UTC")


@dataclass(frozen=True)
class Sweep:
    planned: pd.DataFrame
    trials: pd.DataFrame
    spec: dict[str, Any] = field(default_factory=dict)
    answered: dict[str, Any] = field(default_factory=dict)

    @property
    def variants(self) -> pd.DataFrame:
        return self.planned

    @property
    def history(self) -> pd.DataFrame:
        none: pd.DataFrame = pd.DataFrame()
        return none

    def after(self, size: int) -> tuple[str, float, float]:
        """The leader by the first trials, and its probabilities, counted draw by draw."""
        first = self.trials.sort_values("finished_at").head(size)
        told = estimates_as_planned(self.planned, first, self.spec)
        leader = int(told.fitted.posterior.expected.argmax())
        behind = told.values.max(1) - told.values[:, leader]
        return told.variants[leader], (behind == 0).mean(), (behind <= told.indifference).mean()


def sweep() -> Sweep:
    """Trials that ended seed by seed, in rows of another order; the first of them failed."""
    truth = 0.5 + 0.01 * np.linspace(-1, 1, SIZE)
    trials = trials_table(noisy_trials(truth, SEEDS, 0.01))
    failed = trials.index == 0
    trials = trials.assign(
        status=np.where(failed, "failed", "finished"), top1=trials["top1"].mask(failed)
    )
    trials["trial"] = trials["variant"] + "-" + trials["seed"].astype(str)
    minutes = trials["seed"] * SIZE + trials["variant"].str[1:].astype(int)
    trials["finished_at"] = START + pd.to_timedelta(minutes, unit="min")
    return Sweep(variants_table(spread_shares(SIZE)), trials)


SWEEP = sweep()
PAST = hindsight(SWEEP)


def test_looks_say_what_recommend_said_once_all_candidates_had_a_trial() -> None:
    looks = [look for look in PAST.looks if look.trials > SIZE]
    assert len(looks) >= 5
    assert looks[-1].trials == SIZE * SEEDS
    for look in looks:
        leader, best, within = SWEEP.after(look.trials)
        assert look.variant == leader
        assert (look.best, look.within) == pytest.approx((best, within))


def test_a_candidate_without_a_trial_keeps_its_prior() -> None:
    first = PAST.looks[0]
    assert first.trials == 3  # of which one failed
    assert first.best < SWEEP.after(3)[1]
    assert not first.seen
    assert PAST.looks[-1].seen


def test_the_leader_leads_since_the_trial_that_is_said() -> None:
    leader = SWEEP.after(len(SWEEP.trials))[0]
    assert SWEEP.after(PAST.since)[0] == leader
    assert SWEEP.after(PAST.since - 1)[0] != leader
    assert not {PAST.since, PAST.since - 1} & set(np.geomspace(3, 30, LOOKS).round())
    looked = [look.variant for look in PAST.looks if look.trials >= PAST.since]
    assert set(looked) == {leader}
    assert len(PAST.looks) <= LOOKS + 2


def test_the_order_of_rows_has_no_influence() -> None:
    assert hindsight(Sweep(SWEEP.planned, SWEEP.trials.iloc[::-1])) == PAST


def test_times_must_be_known() -> None:
    with pytest.raises(UserError, match="do not say when each trial ended"):
        hindsight(Sweep(SWEEP.planned, SWEEP.trials.drop(columns="finished_at")))
