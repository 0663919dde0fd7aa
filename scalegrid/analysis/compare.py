"""From the tables of two sweeps to a comparison of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scalegrid.analysis.agreement import agreement
from scalegrid.analysis.candidates import at_phi_one
from scalegrid.analysis.comparison import Comparison, Gap, SharedCandidate, Side
from scalegrid.analysis.contrast import Contrast, contrast, contrast_of_means, numbers
from scalegrid.analysis.differing import Compared, differing, same_trials
from scalegrid.analysis.estimates import Estimates
from scalegrid.analysis.observations import Floats
from scalegrid.analysis.recommend import estimates_as_planned
from scalegrid.analysis.selection import chances, interval, is_clear
from scalegrid.analysis.tables import brief_trials
from scalegrid.spec import Metric
from scalegrid.util.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


def compare(a: Compared, b: Compared, *, metric: Metric | None = None) -> Comparison:
    """Compare two sweeps: what they share, and how accuracies, order and recommendation differ.

    Both are judged as `recommend` judges them, each by the settings of its own specification. A
    variant is the same in both if the network and its resolution are. The same tables give the
    same comparison to the last digit. docs/statistics.md has the formulas.

    Args:
        a: a sweep, as `scalegrid.load_sweep` reads it.
        b: the other one.
        metric: what to compare by; A's own by default.

    Raises:
        UserError: a sweep has nothing to recommend yet, or the metric is unknown.
    """
    ours = _estimates("A", a, metric)
    theirs = _estimates("B", b, ours.metric)
    order = np.argsort(-ours.fitted.posterior.expected, kind="stable")
    known = set(theirs.rows["variant"])
    shared = [variant for variant in ours.rows["variant"].iloc[order] if variant in known]
    same_data, same_name = a.data == b.data, a.folder.name == b.folder.name
    apart = contrast(ours, theirs, shared, same_data)
    of_a, of_b = numbers(ours, shared), numbers(theirs, shared)
    means = ours.fitted.posterior.expected[of_a], theirs.fitted.posterior.expected[of_b]
    draws = ours.fitted.samples.values[:, of_a], theirs.fitted.samples.values[:, of_b]
    return Comparison(
        metric=ours.metric,
        a=_side(str(a.folder) if same_name else a.folder.name, ours, theirs),
        b=_side(str(b.folder) if same_name else b.folder.name, theirs, ours),
        differing=differing(a, b),
        same_data=same_data,
        same_trials=same_trials(a, b, ours.metric),
        shared=_shared(ours, shared, means, apart),
        baseline=_baseline((a.planned, b.planned), ours, theirs, apart),
        only_a=_others(ours, shared),
        only_b=_others(theirs, shared),
        pairs=apart.pairs,
        noise_in_common=apart.in_common,
        mean_difference=_gap(apart.mean.mean(), apart.draws.mean(1), ours.sign) if shared else None,
        agreement=agreement(means, draws),
        notes=tuple(_notes({"A": (a, ours), "B": (b, theirs)}, shared)),
    )


def _estimates(letter: str, sweep: Compared, metric: Metric | None) -> Estimates:
    try:
        return estimates_as_planned(
            *(sweep.planned, brief_trials(sweep.trials), sweep.spec),
            metric=metric,
            answers=sweep.answered,
        )
    except UserError as error:
        raise UserError(f"{letter} ({sweep.folder}): {error}") from None


def _side(name: str, own: Estimates, other: Estimates) -> Side:
    leader = int(own.fitted.posterior.expected.argmax())
    row = own.rows.iloc[leader]
    within = _within(own)[str(row["variant"])]
    there = _within(other).get(str(row["variant"]))
    return Side(
        name=name,
        role=str(row["role"]),
        **_network(row),
        good=within,
        good_there=there,
        ruled_out=there is not None and is_clear(other.repeats, 1 - there, other.confidence),
        indifference=own.indifference,
        candidates=len(own.rows),
        repeats=own.repeats,
    )


def _within(estimates: Estimates) -> dict[str, float]:
    """Of each candidate the probability of being within the zone of the best."""
    found = chances(estimates.fitted.samples.values, estimates.indifference).within
    return dict(zip(estimates.rows["variant"], found.tolist(), strict=True))


def _network(row: Any) -> dict[str, Any]:
    real = {name: float(row[name]) for name in ("alpha", "beta", "gamma", "flops_ratio")}
    return {"variant": str(row["variant"]), "resolution": int(row["resolution"]), **real}


def _shared(
    ours: Estimates, variants: list[str], means: tuple[Floats, Floats], apart: Contrast
) -> tuple[SharedCandidate, ...]:
    ranks = [1 + np.argsort(np.argsort(-mean, kind="stable")) for mean in means]
    rows = ours.rows.set_index("variant", drop=False)
    found = []
    for i, variant in enumerate(variants):
        difference, low, high = _gap(apart.mean[i], apart.draws[:, i], ours.sign)
        found.append(
            SharedCandidate(
                **_network(rows.loc[variant]),
                a=ours.sign * float(means[0][i]),
                b=ours.sign * float(means[1][i]),
                difference=difference,
                low=low,
                high=high,
                rank_a=int(ranks[0][i]),
                rank_b=int(ranks[1][i]),
            )
        )
    return tuple(found)


def _baseline(
    planned: tuple[pd.DataFrame, pd.DataFrame], ours: Estimates, theirs: Estimates, apart: Contrast
) -> SharedCandidate | None:
    """The baseline of both, if it is the same and has finished trials in both."""
    row, other = (table[table["role"] == "baseline"].iloc[0] for table in planned)
    found = contrast_of_means(ours, theirs, row["variant"], apart)
    if row["variant"] != other["variant"] or found is None:
        return None
    means = (one.trials.groupby("variant")["value"].mean() for one in (ours, theirs))
    a, b = (ours.sign * float(mean[row["variant"]]) for mean in means)
    difference, low, high = _gap(*found, ours.sign)
    return SharedCandidate(
        **_network(row),
        a=a,
        b=b,
        difference=difference,
        low=low,
        high=high,
        rank_a=None,
        rank_b=None,
    )


def _gap(mean: Any, draws: Floats, sign: float) -> Gap:
    return Gap(sign * float(mean), *interval(sign * draws))


def _others(estimates: Estimates, shared: list[str]) -> tuple[str, ...]:
    return tuple(v for v in estimates.rows["variant"].tolist() if v not in set(shared))


def _notes(sweeps: dict[str, tuple[Compared, Estimates]], shared: list[str]) -> list[str]:
    notes = []
    for letter, (sweep, estimates) in sweeps.items():
        if estimates.repeats == 0:
            notes.append(
                f"Every candidate of {letter} has one seed only, so that noise cannot be separated "
                "from difference: what is said of it rests on a prior guess of the noise."
            )
        if earlier := len(sweep.variants) - len(sweep.planned):
            notes.append(f"Variants of earlier plans of {letter} that are left out: {earlier}.")
        if longer := len(sweep.trials) - len(brief_trials(sweep.trials)):
            notes.append(f"Trials of {letter} above rung 1× that are left out: {longer}.")
        notes += [f"{letter}: {note}" for note in estimates.notes]
    scaled = [
        set(sweep.planned["variant"][at_phi_one(sweep.planned["role"], sweep.planned["phi"])])
        for sweep, _ in sweeps.values()
    ]
    if left_out := len((scaled[0] & scaled[1]) - set(shared)):
        notes.append(
            "Shared variants that are no candidates of both, since their cost is off or no trial "
            f"has finished: {left_out}."
        )
    first, second = (
        set(sweep.planned["variant"][sweep.planned["role"] == "baseline"])
        for sweep, _ in sweeps.values()
    )
    if shared and first != second:
        notes.append("The sweeps have other baselines; FLOPs ratios are over that of A.")
    return notes
