"""From the tables of a sweep to a recommendation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from scalegrid.analysis.advantage import advantage
from scalegrid.analysis.candidate_table import CandidateTable
from scalegrid.analysis.candidates import idle_axes, known, zone
from scalegrid.analysis.estimates import Estimates
from scalegrid.analysis.foresight import Foresight, foresee
from scalegrid.analysis.luck import images_needed
from scalegrid.analysis.matched_cost import COUNTED, cost_ratio_text, is_cost, matched_cost
from scalegrid.analysis.naming import network_name
from scalegrid.analysis.observations import Flags, Floats
from scalegrid.analysis.pace import Pace
from scalegrid.analysis.placements import placements
from scalegrid.analysis.recommendation import Candidate, Gain, Recommendation, SurfaceOptimum
from scalegrid.analysis.selection import SAMPLES, chances, interval, is_clear, tie_set
from scalegrid.analysis.sensor import Sensor
from scalegrid.analysis.surface import Fit, optimum
from scalegrid.analysis.tables import brief_trials
from scalegrid.analysis.verdict import Verdict, verdict
from scalegrid.coefficients import Coefficients, Shares, from_shares
from scalegrid.metric import measure
from scalegrid.spec import CONFIDENCE, INDIFFERENCE, Match, Metric, SweepSpec
from scalegrid.util import yaml
from scalegrid.util.errors import UserError
from scalegrid.util.text import few, plural

if TYPE_CHECKING:
    import pandas as pd

RIVALS = ("depth", "width", "resolution", "paper")
"""The roles at φ = 1 that are compared with the recommended network at whatever cost."""

_SETTINGS = (
    *("metric", "indifference", "confidence", "flops_factor", "rates"),
    *("grid", "curves", "compound", "scale", "alpha_range", "beta_range", "gamma_range"),
)
_ENDS = ("alpha_low", "alpha_high", "beta_low", "beta_high")


def recommend(
    variants: pd.DataFrame,
    trials: pd.DataFrame,
    *,
    metric: Metric = "top1",
    indifference: float = INDIFFERENCE / 100,
    confidence: float = CONFIDENCE,
    flops_factor: float = 2.0,
    match: Match = "flops",
    answers: Mapping[str, Flags] | None = None,
    rates_checked: bool = False,
    compound: Coefficients | None = None,
    fitted: Fit | None = None,
) -> Recommendation:
    """Say which coefficients are best, and how sure that is.

    The same tables give the same answer to the last digit, whatever the order of their rows. Where
    there are trials at several rungs the answer is that for the highest, by all of them; variants
    that are at the first alone are compared there.

    Args:
        variants: one row a variant, columns as in ``variants.parquet``.
        trials: one row a trial, columns as in ``trials.parquet``; failed ones count as not run,
            and those on another kind of device are shifted, see `without_kinds`.
        metric: ``top1``, ``top5``, ``balanced``, ``val_loss``, or the paper's ``nas`` objective for
            plans whose costs are not matched.
        indifference: a loss of this much does not matter, in the unit of the metric: 0.003 is
            0.3 points of accuracy.
        confidence: probability of being within the indifference zone that counts as clear.
        flops_factor: F, the ratio that the plan aims at.
        match: the cost that the plan makes equal.
        answers: which validation images each trial got right, by its id, (images,); with them the
            candidates' luck with these images counts, if top-1 is the metric.
        rates_checked: whether other learning rates were tried for each axis, which is said.
        compound: the coefficients of the networks of the role ``compound``, whose advantage over
            the single axes at each φ is then reported.
        fitted: that of `estimates_as_planned` for the same arguments, which is then not made again.

    Raises:
        UserError: no candidate has a finished trial, or a setting is out of range.
    """
    if not (math.isfinite(indifference) and indifference >= 0):
        raise UserError(f"the indifference {indifference:g} must be a finite number, 0 or above.")
    if not 0 < confidence < 1:
        raise UserError(f"the confidence {confidence:g} must lie between 0 and 1.")
    table = CandidateTable.read(variants, trials, metric, flops_factor, match)
    fitted = fitted or table.fit(answers)
    brief, briefly = table, fitted
    if table.over:
        able = trials[~trials["variant"].isin(table.unable)]
        brief = CandidateTable.read(variants, brief_trials(able), metric, flops_factor, match)
        briefly = brief.fit(answers)
    with_images = fitted.luck
    values = fitted.samples.values
    chance = chances(values, indifference)
    expected = fitted.posterior.expected
    leader = int(expected.argmax())
    best = str(table.rows["variant"][leader])
    repeats = table.repeats
    further: Foresight | None = Foresight(0, 0)
    tried = table.observations.counts[leader] > 0  # at the highest rung
    if not (tried and is_clear(repeats, float(chance.within[leader]), confidence)):
        further = foresee(fitted.on_images, indifference, confidence, repeats, with_images)
    images = None
    if with_images is not None and further != (0, 0):
        images = images_needed(fitted.on_images, with_images, indifference, confidence)
    order = np.argsort(-expected, kind="stable")
    candidates = [
        _candidate(table, i, expected[i], values[:, i], chance.best[i], chance.within[i])
        for i in range(table.observations.size)
    ]
    return Recommendation(
        metric=metric,
        match=match,
        equal_cost=table.equal,
        indifference=indifference,
        confidence=confidence,
        ranking=tuple(candidates[i] for i in order),
        tie_set=tuple(candidates[i] for i in tie_set(chance.best)),
        gains={
            role: _gain(table, fitted, leader, role)
            or _gain_measured(table, fitted, best, role)
            or _gain_measured(brief, briefly, best, role)
            for role in (*RIVALS, "baseline")
        },
        surface_optimum=_optimum(fitted, table, flops_factor),
        trials_needed=further and further.half,
        trials_most=further and further.most,
        pace=Pace.of(trials[trials["variant"].isin(variants["variant"])], table.number),
        validation=fitted.validation,
        sigma=math.sqrt(fitted.posterior.noise),
        repeats=repeats,
        sensor=table.sensor(fitted),
        luck=with_images,
        images_needed=images,
        placements=placements(brief, briefly),
        advantage=None if compound is None else advantage(brief, briefly, compound),
        rung=table.rung,
        verdict=_verdict(table, fitted, brief, briefly, indifference),
        notes=tuple(_notes(table, metric, best, rates_checked)),
        failing=table.failing,
    )


def recommend_as_planned(
    variants: pd.DataFrame,
    trials: pd.DataFrame,
    spec: Mapping[str, Any],
    *,
    metric: Metric | None = None,
    indifference: float | None = None,
    confidence: float | None = None,
    answers: Mapping[str, Flags] | None = None,
    fitted: Fit | None = None,
) -> Recommendation:
    """`recommend` by the settings of a sweep's specification, as far as no others are given.

    Args:
        variants: as for `recommend`.
        trials: as for `recommend`.
        spec: the keys of ``sweep.yaml``; those that are missing have their defaults.
        metric: another metric; the specification's zone is then not used.
        indifference: in points of accuracy, or in nats for ``val_loss``.
        confidence: as for `recommend`.
        answers: as for `recommend`.
        fitted: as for `recommend`.

    Raises:
        UserError: see `recommend`.
    """
    planned = _planned(spec)
    chosen = planned.metric if metric is None else known(metric)
    if indifference is None and chosen == planned.metric:
        indifference = planned.indifference
    if confidence is None:
        confidence = CONFIDENCE if planned.confidence is None else planned.confidence
    return recommend(
        variants,
        trials,
        metric=chosen,
        indifference=zone(chosen, indifference),
        confidence=confidence,
        flops_factor=planned.flops_factor,
        match=matched_cost(spec),
        answers=answers,
        rates_checked=planned.rates == "check",
        compound=planned.compound and Coefficients(*planned.compound),
        fitted=fitted,
    )


def sensor_as_planned(
    variants: pd.DataFrame, trials: pd.DataFrame, spec: Mapping[str, Any]
) -> Sensor | None:
    """How well a trial of a sweep tells its candidates apart, by the sweep's own metric.

    Args:
        variants: as for `recommend`.
        trials: as for `recommend`.
        spec: the keys of ``sweep.yaml``; those that are missing have their defaults.

    Returns:
        None where there is one seed each.

    Raises:
        UserError: no candidate has a finished trial.
    """
    planned = _planned(spec)
    table = CandidateTable.read(variants, trials, planned.metric, planned.flops_factor)
    return table.sensor(table.fit(None))


def estimates_as_planned(
    variants: pd.DataFrame,
    trials: pd.DataFrame,
    spec: Mapping[str, Any],
    *,
    metric: Metric | None = None,
    answers: Mapping[str, Flags] | None = None,
) -> Estimates:
    """What `recommend_as_planned` makes its recommendation from; equal tables give equal draws.

    Arguments and errors are as there.
    """
    planned = _planned(spec)
    chosen = planned.metric if metric is None else known(metric)
    table = CandidateTable.read(variants, trials, chosen, planned.flops_factor)
    return Estimates(
        metric=chosen,
        indifference=zone(chosen, planned.indifference if chosen == planned.metric else None),
        confidence=CONFIDENCE if planned.confidence is None else planned.confidence,
        rows=table.rows,
        trials=table.values,
        over=table.over,
        every=table.every,
        fitted=table.fit(answers),
        repeats=table.repeats,
        sign=table.sign,
        notes=tuple(table.notes),
    )


def _planned(spec: Mapping[str, Any]) -> SweepSpec:
    return yaml.build(SweepSpec, {key: spec[key] for key in _SETTINGS if key in spec})


def _candidate(
    table: CandidateTable, i: int, expected: float, draws: Floats, best: float, within: float
) -> Candidate:
    row, sign, count = table.rows.iloc[i], table.sign, int(table.observations.counts[i])
    low, high = interval(np.clip(sign * draws, *table.bounds))
    return Candidate(
        variant=str(row["variant"]),
        role=str(row["role"]),
        alpha=float(row["alpha"]),
        beta=float(row["beta"]),
        gamma=float(row["gamma"]),
        **{name: float(row.get(name, row[name.split("_")[0]])) for name in _ENDS},
        depth_rounding=str(row.get("depth_rounding", "authors")),
        resolution=int(row["resolution"]),
        resolution_ratio=_resolution_ratio(table, row),
        flops_ratio=float(row["flops_ratio"]),
        cost_ratio=float(row["cost_ratio"]),
        trials=count,
        mean=sign * float(table.observations.means[i]) if count else None,
        accuracy=sign * float(expected),
        low=low,
        high=high,
        probability_best=float(best),
        probability_within_indifference=float(within),
    )


def _resolution_ratio(table: CandidateTable, row: pd.Series[Any]) -> float:
    """That to the baseline's px; γ where the tables have no baseline."""
    baseline = table.variants.loc[table.variants["role"] == "baseline", "resolution"]
    return float(row["resolution"] / baseline.iloc[0] if len(baseline) else row["gamma"])


def _gain(table: CandidateTable, fitted: Fit, leader: int, role: str) -> Gain | None:
    """The gain over the candidate of a role, by the posterior; None where it is no candidate."""
    row = _tried(table, role)
    if row is None or (number := table.number.get(row["variant"])) is None:
        return None
    expected, draws = fitted.posterior.expected, fitted.samples.values
    own = float(expected[number])
    ends = interval(draws[:, leader] - draws[:, number])
    gain = float(expected[leader]) - own
    every = table.every
    rung = int(every.loc[every["variant"] == row["variant"], "rung"].max())
    return _gain_of(row, table, rung, own, gain, ends, measured=False)


def _gain_measured(table: CandidateTable, fitted: Fit, leader: str, role: str) -> Gain | None:
    """As `_gain`, over a variant that is no candidate, by the mean of its own trials.

    The leader's posterior allows for the luck of what is best of several, its mean would not.
    """
    row, number = _tried(table, role), table.number.get(leader)
    if row is None or number is None:
        return None
    values, samples = table.seeds(row["variant"]), fitted.samples
    own = float(values.mean())
    error = np.sqrt(samples.of_a_trial / len(values))
    theirs = own + error * np.random.default_rng(3).standard_normal(SAMPLES)
    ends = interval(samples.values[:, number] - theirs)
    gain = float(fitted.posterior.expected[number]) - own
    return _gain_of(row, table, table.rung, own, gain, ends, measured=True)


def _tried(table: CandidateTable, role: str) -> pd.Series[Any] | None:
    """The row of the baseline, or of the variant of a role at φ = 1; None where it has no trial."""
    scaled = table.variants if role == "baseline" else table.scaled
    scaled = scaled[scaled["role"] == role]
    rivals = scaled[scaled["variant"].isin({*table.number, *table.values["variant"]})]
    return None if rivals.empty else rivals.iloc[0]


def _gain_of(
    row: pd.Series[Any],
    table: CandidateTable,
    rung: int,
    accuracy: float,
    gain: float,
    ends: tuple[float, float],
    *,
    measured: bool,
) -> Gain:
    return Gain(
        variant=str(row["variant"]),
        role=str(row["role"]),
        **{name: float(row[name]) for name in Coefficients._fields},
        flops_ratio=float(row["flops_ratio"]),
        cost_ratio=float(row["cost_ratio"]),
        accuracy=table.sign * accuracy,
        gain=gain,
        low=ends[0],
        high=ends[1],
        measured=measured,
        rung=rung,
    )


def _verdict(
    table: CandidateTable, fitted: Fit, brief: CandidateTable, briefly: Fit, indifference: float
) -> Verdict | None:
    """Whether the brief answer holds at the highest rung; None where there is one rung."""
    if table.over is None:
        return None
    leader = str(brief.rows["variant"][int(briefly.posterior.expected.argmax())])
    return verdict(table.over, fitted, table.number[leader], indifference)


def _optimum(fitted: Fit, table: CandidateTable, flops_factor: float) -> SurfaceOptimum | None:
    idle = idle_axes(table.rows)
    top, sign = optimum(fitted, idle), table.sign
    if top is None:
        return None
    shares = Shares(*top.shares.tolist())
    best = np.array(from_shares(shares, flops_factor))
    corners = np.array([from_shares(Shares(*p.tolist()), flops_factor) for p in top.region])
    best[idle] = corners[:, idle] = np.nan
    low, high = sorted(sign * end for end in top.interval)
    return SurfaceOptimum(
        coefficients=Coefficients(*best.tolist()),
        shares=shares,
        accuracy=sign * top.value,
        interval=(low, high),
        intervals={
            name: (float(axis.min()), float(axis.max()))
            for name, axis in zip(Coefficients._fields, corners.T, strict=True)
        },
        region=top.area,
        points=top.region,
        searched=top.searched,
    )


def _notes(table: CandidateTable, metric: Metric, leader: str, checked: bool) -> list[str]:
    notes = list(table.notes)
    if table.repeats == 0:
        notes.append(
            "Every candidate has one seed only, so that noise cannot be separated from difference: "
            "the probabilities rest on a prior guess of the noise. Train more seeds."
        )
    notes += _rates(table.values, leader, checked)
    if not table.off.empty:
        named = [
            f"{network_name(row['role'], row['alpha'], row['beta'], row['gamma'])} "
            f"({cost_ratio_text(row['cost_ratio'], table.match)})"
            for row in table.off.to_dict("records")
        ]
        notes.append(f"Only compared, since their {is_cost(table.match)} off: {few(named)}.")
    if table.untried:
        notes.append(
            f"Not recommended for lack of a finished trial: {plural(table.untried, 'variant')}."
        )
    ratios, cost = table.rows["cost_ratio"], COUNTED[table.match]
    if metric != "nas" and not table.equal:
        share = measure(metric).unit == "share"
        pays = "; the nas metric pays for it" if cost == "FLOPs" and share else ""
        notes.append(
            f"The candidates' {cost} run from {ratios.min():.2f} to {ratios.max():.2f} times the "
            f"baseline's, so that the ranking is in part one of cost{pays}."
        )
    return notes


def _rates(trials: pd.DataFrame, leader: str, checked: bool) -> list[str]:
    """A sentence on the learning rates of the trials; none where earlier tables lack them."""
    if "learning_rate" not in trials or (rates := trials["learning_rate"].dropna()).empty:
        return []
    low, high = rates.min(), rates.max()
    if low == high and checked:
        return [
            f"Each axis alone was tried at other learning rates, and {low:g} suits all variants."
        ]
    if low == high:
        return [
            f"One learning rate, {low:g}, was used for all variants; another may suit some better "
            "(--rates check)."
        ]
    own = rates[trials["variant"] == leader].unique()
    said = f"; the recommended one at {own[0]:g}" if len(own) == 1 else ""
    return [f"Variants were trained at learning rates of their own, {low:g} to {high:g}{said}."]
