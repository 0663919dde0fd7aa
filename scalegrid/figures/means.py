"""The mean accuracy of each variant over its seeds, with an interval.

Seed noise is pooled over the variants, since each has few seeds. With V variants of n_v trials
each, mean m_v,

    s² = Σ_v Σ_i (y_vi − m_v)² / Σ_v (n_v − 1),

and the 95 % interval of variant v is m_v ± t · s / √n_v, where t is the 97.5 % point of Student's
distribution with Σ_v (n_v − 1) degrees of freedom. With one degree there is no interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scalegrid.analysis.student import FEWEST_DEGREES, t_point
from scalegrid.analysis.tables import brief_trials
from scalegrid.figures.metric import Unit, unit_of
from scalegrid.metric import measure
from scalegrid.spec import Metric
from scalegrid.util.errors import UserError
from scalegrid.util.text import plural

ONE_PAIR = "There are no intervals: two seeds of one network say too little of the noise."
"""For a caption, where the noise has fewer degrees of freedom than an interval needs."""


@dataclass(frozen=True)
class MeanAccuracies:
    """The variants that have a finished trial, in plan order, with their accuracies.

    ``table`` has the columns of the variants and: ``accuracy`` (mean top-1 in %), ``seeds``
    (finished trials), ``error`` (its standard error in points, NaN if no variant has two trials),
    and ``low`` to ``high``, the 95 % interval in %, which ends at 0 and 100 (NaN as `pooled_means`
    says). ``degrees`` are the degrees of freedom of the pooled noise. ``failed`` and
    ``longer`` are the numbers of failed trials and of those at higher rungs, which are left out.
    ``unit`` is how a trainer's figure is drawn, where that is compared in the place of top-1.
    """

    table: pd.DataFrame
    degrees: int
    failed: int
    longer: int
    unit: Unit

    @property
    def word(self) -> str:
        """What begins a caption: ``Accuracy``, or the name of a trainer's figure."""
        return "Accuracy" if self.unit.factor == 100 else self.unit.label

    @property
    def intervals(self) -> bool:
        """Whether any variant has an interval."""
        return self.degrees >= FEWEST_DEGREES

    def of(self, role: str) -> pd.DataFrame:
        """The variants of a role, in plan order."""
        rows: pd.DataFrame = self.table[self.table["role"] == role]
        return rows

    def line(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The baseline, if it has trials, and ``rows`` in order of FLOPs; empty if ``rows`` are."""
        if rows.empty:
            return rows
        line = pd.concat([self.of("baseline"), rows]).drop_duplicates("variant")
        ordered: pd.DataFrame = line.sort_values("flops", kind="stable")
        return ordered


def mean_accuracies(
    variants: pd.DataFrame, trials: pd.DataFrame, metric: Metric = "top1"
) -> MeanAccuracies:
    """Average the finished trials of each variant at the first rung.

    Raises:
        UserError: no trial has finished, or none has a value of the metric.
    """
    column, unit = measure(metric).column, unit_of(metric)
    trials = trials[trials["variant"].isin(variants["variant"])]
    longer, trials = len(trials), brief_trials(trials)
    longer -= len(trials)
    finished = trials[trials["status"] == "finished"]
    if len(finished) and (column not in trials or finished[column].isna().all()):
        raise UserError(f"no trial has a figure {column!r}.")
    if finished.empty:
        raise UserError(
            "no trial has finished; run `scalegrid sweep` again to train what is missing."
        )
    finished = finished[finished[column].notna()]
    per_variant, degrees = pooled_means(unit.factor * finished[column], finished["variant"])
    table = variants.sort_values("order", kind="stable").merge(
        per_variant.rename(columns={"mean": "accuracy"}), left_on="variant", right_index=True
    )
    table["low"] = (table["accuracy"] - table["half"]).clip(lower=unit.bounds[0])
    table["high"] = (table["accuracy"] + table.pop("half")).clip(upper=unit.bounds[1])
    failed = len(trials) - len(finished)
    return MeanAccuracies(table.reset_index(drop=True), degrees, failed, longer, unit)


def pooled_means(values: pd.Series[float], variants: pd.Series[str]) -> tuple[pd.DataFrame, int]:
    """The ``mean`` and number of ``seeds`` of the values of each variant, by its id.

    ``error`` is the standard error by the pooled noise, NaN where no variant has two values, and
    ``half`` half the width of the 95 % interval, NaN for a variant with one value and for all if
    two values of one variant are all that tells of the noise; the number returned beside is that
    noise's degrees of freedom.
    """
    groups = values.groupby(variants)
    found = pd.DataFrame({"mean": groups.mean(), "seeds": groups.size()})
    degrees = int((found["seeds"] - 1).sum())
    squares = float((groups.var(ddof=0) * groups.size()).sum())
    noise = squares / degrees if degrees else math.nan
    found["error"] = np.sqrt(noise / found["seeds"])
    found["half"] = np.where(found["seeds"] > 1, t_point(degrees) * found["error"], math.nan)
    return found, degrees


def accuracy_limits(rows: pd.DataFrame, bounds: tuple[float, float]) -> tuple[float, float]:
    """Limits of an axis that holds means and intervals with a margin, within ``bounds``."""
    ends = rows[["accuracy", "low", "high"]].to_numpy()
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    margin = 0.06 * (high - low) or 0.5
    return max(low - margin, bounds[0]), min(high + margin, bounds[1])


def coefficients_text(row: pd.Series[Any] | Mapping[str, float]) -> str:
    """The coefficients of a variant to three digits; without those it cannot be scaled by."""
    letters = {"α": "alpha", "β": "beta", "γ": "gamma"}
    known = {letter: row[name] for letter, name in letters.items() if row[name] == row[name]}
    return ", ".join(f"{letter} = {value:.3g}" for letter, value in known.items())


def describe_trials(means: MeanAccuracies) -> list[str]:
    """Sentences for a caption: what points and bars are, and how many trials are left out."""
    least, most = int(means.table["seeds"].min()), int(means.table["seeds"].max())
    if most == 1:
        sentences = ["Points are single trials, one seed each: differences may be noise."]
    else:
        count = f"{most}" if least == most else f"{least} to {most}"
        bars = (
            "Bars are 95 % t intervals, with the seed noise pooled over variants "
            f"({means.degrees} degrees of freedom)."
        )
        said = bars if means.intervals else ONE_PAIR
        sentences = [f"Points are plain means of {count} seeds. {said}"]
        if least == 1 and means.intervals:
            sentences.append("A point without a bar has one seed.")
    if means.longer:
        sentences.append(
            f"Trainings of the brief budget; {plural(means.longer, 'longer one')} left out."
        )
    if means.failed:
        sentences.append(f"{plural(means.failed, 'failed trial')} left out.")
    return sentences
