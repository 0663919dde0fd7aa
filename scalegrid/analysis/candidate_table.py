"""The candidates of a sweep that have finished trials, and the model that is fitted to these."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scalegrid.analysis.candidates import (
    at_phi_one,
    others,
    raced,
    sign,
    trial_values,
    value,
)
from scalegrid.analysis.failing import Failing, failures
from scalegrid.analysis.kinds import without_kinds
from scalegrid.analysis.luck import Luck, luck
from scalegrid.analysis.matched_cost import cost_ratios
from scalegrid.analysis.model import Model
from scalegrid.analysis.observations import Flags, Floats, Observations
from scalegrid.analysis.over_rungs import OverRungs
from scalegrid.analysis.pace import Pace
from scalegrid.analysis.region import widened
from scalegrid.analysis.sensor import Sensor, sense, tells_more
from scalegrid.analysis.surface import Fit, fit
from scalegrid.analysis.tables import with_rungs
from scalegrid.metric import METRICS, measure
from scalegrid.spec import Match, Metric
from scalegrid.util.errors import UserError
from scalegrid.util.text import plural

if TYPE_CHECKING:
    import pandas as pd

_EQUAL = 1.1  # largest ratio of the costs of candidates that are called equal
_LEAST_SPENT = 0.5  # of log F, by candidates whose shares lie beyond the triangle
_NO_SHARES = (
    "Some candidates shrink along one axis what they grow along others and cost nearly what the "
    "baseline does, so that budget shares say little of them and no response surface is fitted."
)
_SHARES = ["share_depth", "share_width", "share_resolution"]


@dataclass(frozen=True)
class CandidateTable:
    """The candidates that have finished trials, in the order of their ids, and their trials.

    ``number`` is the index of each candidate, ``variants`` are those of the plan, ``scaled`` the
    ones at φ = 1, ``values`` all finished trials of any variant at ``rung``, the highest that two
    candidates have reached; ``every`` are the candidates' trials at all rungs, and ``over`` the
    candidates there, None where there is one rung.
    ``off`` are those of another cost than the candidates', ``placed`` those whose layers are placed
    otherwise, which are no candidates, and ``untried`` counts the candidates that have no trial.
    ``unable`` are those that keep failing up to ``rung``, which are none either; ``failing`` is
    where trainings fail above it.
    Rows of variants have a ``cost_ratio``, of the cost that is to be equal (``match``). ``sign`` is
    -1 where less is better, and values of the metric lie within ``bounds``. ``notes`` are on the
    devices.
    """

    metric: Metric
    rows: pd.DataFrame
    number: dict[str, int]
    variants: pd.DataFrame
    scaled: pd.DataFrame
    values: pd.DataFrame
    rung: int
    every: pd.DataFrame
    over: OverRungs | None
    off: pd.DataFrame
    placed: pd.DataFrame
    untried: int
    unable: frozenset[str]
    failing: Failing | None
    match: Match
    observations: Observations
    shares: Floats
    sign: float
    bounds: tuple[float, float]
    notes: list[str]

    @classmethod
    def read(
        cls,
        variants: pd.DataFrame,
        trials: pd.DataFrame,
        metric: Metric,
        flops_factor: float,
        match: Match = "flops",
    ) -> CandidateTable:
        """The candidates of these tables; UserError where fewer than two trials have finished.

        Trials at several rungs are compared at the highest, and those of the others help.
        """
        matched = variants.get("matched", variants["phi"].notna())
        variants = variants.assign(cost_ratio=cost_ratios(variants, match), matched=matched)
        values = trial_values(variants, trials, metric, flops_factor)
        values, notes = without_kinds(values, metric)
        eligible = raced(list(variants["role"]), list(variants["phi"]), list(matched), metric)
        scaled = variants[at_phi_one(variants["role"], variants["phi"])]
        rows = variants[eligible].sort_values("variant", kind="stable")
        tried = rows[rows["variant"].isin(values["variant"])].reset_index(drop=True)
        if tried.empty:
            own = trials[trials["variant"].isin(rows["variant"])]
            raise UserError(_none_finished(own, metric))
        own = values[values["variant"].isin(tried["variant"])]
        reached = own.groupby("rung")["variant"].nunique()
        rungs = reached.index[(reached > 1) | (reached.index == own["rung"].min())].tolist()
        rung = int(rungs[-1])
        unable, failing, told = failures(tried, with_rungs(trials), rung)
        tried = tried[~tried["variant"].isin(unable)].reset_index(drop=True)
        notes = [*notes, *told]
        number = {variant: i for i, variant in enumerate(tried["variant"])}
        own = own[own["variant"].isin(tried["variant"])]
        every = own[own["rung"].isin(rungs)]
        own = every[every["rung"] == rung]
        if len(own) < 2:
            raise UserError(
                "nothing can be recommended yet: one finished trial of a candidate says nothing of "
                "the noise; wait if the sweep is running, or run `scalegrid sweep` again to finish "
                "it, or with more --seeds."
            )
        observations = observed(own, number, metric)
        shares = tried[_SHARES].to_numpy(dtype=np.float64)
        spent = np.log(tried["flops_ratio"].to_numpy(dtype=np.float64)) / math.log(flops_factor)
        if widened(shares).beyond and spent.min() < _LEAST_SPENT:
            shares = np.full_like(shares, math.nan)
            notes = [*notes, _NO_SHARES]
        over = None
        if len(rungs) > 1:
            over = OverRungs.read(every, tried["variant"], rungs, Model(len(tried), shares))
        least = -math.inf if measure(metric).unit == "own" else 0.0
        bounds = (least, 1.0 if metric in ("top1", "top5", "balanced") else math.inf)
        untried = len(rows) - len(tried) - len(unable)
        off = scaled[~scaled["variant"].isin(rows["variant"])]
        placed = variants[variants["role"] == "stages"]
        values = values[values["rung"] == rung]
        return cls(
            *(metric, tried, number, variants, scaled, values, rung, every, over, off),
            *(placed, untried, unable, failing, match, observations, shares, sign(metric)),
            *(bounds, notes),
        )

    def seeds(self, variant: str) -> pd.Series[float]:
        """The values of a variant's trials by their seeds."""
        own = self.values[self.values["variant"] == variant]
        values: pd.Series[float] = own.set_index("seed")["value"]
        return values

    @property
    def repeats(self) -> int:
        """Degrees of freedom of the noise."""
        if self.over is not None:
            return self.over.lines.repeats
        return self.observations.repeats

    @property
    def equal(self) -> bool:
        """Whether the candidates' costs are; latencies, if the plan has found them so."""
        if self.match == "latency":
            return bool(self.rows["matched"].all())
        ratios = self.rows["cost_ratio"]
        return bool(ratios.max() <= _EQUAL * ratios.min())

    def fit(self, answers: Mapping[str, Flags] | None) -> Fit:
        """The model of these trials; of top-1 with the luck with the images, if it is known."""
        if self.over is not None:
            return self.over.fit(self.luck(answers))
        model = Model(self.observations.size, self.shares)
        return fit(model, self.observations, self.luck(answers))

    def luck(self, answers: Mapping[str, Flags] | None) -> Luck | None:
        """The candidates' luck with the images, by those trials whose answers are known."""
        return luck_of(self.values, self.number, self.metric, answers)

    def sensor(self, fitted: Fit) -> Sensor | None:
        """How well one trial tells the candidates apart, and whether another metric does better."""
        own = self.values[self.values["variant"].isin(self.number)]
        rivals = {
            metric: observed(own.assign(value=value(own, metric, 1.0)), self.number, metric)
            for metric in METRICS
            if tells_more(own, metric, self.metric)
        }
        pace = Pace.of(self.values, self.number)
        return sense(fitted.on_images, self.observations, self.metric, rivals, pace.each)


def observed(trials: pd.DataFrame, number: Mapping[str, int], metric: Metric) -> Observations:
    """Finished trials, with their ``value``, as observations of the candidates by ``number``."""
    rows = trials.to_dict("records")
    return Observations.collect(
        len(number),
        (
            (number[row["variant"]], int(row["seed"]), row["value"], *others(row, metric))
            for row in rows
        ),
    )


def _none_finished(trials: pd.DataFrame, metric: Metric) -> str:
    """That nothing can be recommended yet, as none of these trials of candidates counts."""
    failed = trials[trials["status"] == "failed"]
    why, then = "no candidate has a finished trial", "train what is missing"
    if len(failed) < len(trials):
        why = f"no finished trial of a candidate has {measure(metric).column}"
        then = "train more, or give another --metric"
    elif len(failed) and "error" in failed:
        why += f"; {plural(len(failed), 'trial')} failed, one of them by "
        why += str(failed["error"].iloc[-1]).rstrip(".")
        then = "go on, under another --name where nothing is left to train"
    return (
        f"nothing can be recommended yet: {why}; wait if the sweep is running, or run `scalegrid "
        f"sweep` again to {then}."
    )


def luck_of(
    trials: pd.DataFrame,
    number: Mapping[str, int],
    metric: Metric,
    answers: Mapping[str, Flags] | None,
) -> Luck | None:
    """The luck with the images of the candidates by ``number``, by the answers of their trials.

    None where the metric is not top-1, or too few answers are known.
    """
    if not answers or metric != "top1":
        return None
    own = trials[trials["variant"].isin(number)]
    return luck(
        {
            (number[row["variant"]], row["seed"]): answers[row["trial"]]
            for row in own.sort_values(["variant", "seed"]).to_dict("records")
            if row["trial"] in answers
        }
    )
