"""The mean accuracy of each variant over its seeds, with an interval.

Seed noise is pooled over the variants, since each has few seeds. With V variants of n_v trials
each, mean m_v,

    s² = Σ_v Σ_i (y_vi − m_v)² / Σ_v (n_v − 1),

and the 95 % interval of variant v is m_v ± t · s / √n_v, where t is the 97.5 % point of Student's
distribution with Σ_v (n_v − 1) degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from scalegrid.util.errors import UserError


class Tables(Protocol):
    """The tables that figures read, such as `scalegrid.results.load_sweep` returns."""

    @property
    def spec(self) -> Mapping[str, Any]:
        """The keys of ``sweep.yaml``."""

    @property
    def variants(self) -> pd.DataFrame:
        """One row a variant."""

    @property
    def planned(self) -> pd.DataFrame:
        """The variants of the plan last run."""

    @property
    def trials(self) -> pd.DataFrame:
        """One row a finished or failed trial."""

    @property
    def answered(self) -> Mapping[str, npt.NDArray[np.bool_]]:
        """Which validation images each trial got right, by its id."""


@dataclass(frozen=True)
class MeanAccuracies:
    """The variants that have a finished trial, in plan order, with their accuracies.

    ``table`` has the columns of `Tables.variants` and: ``accuracy`` (mean top-1 in %), ``seeds``
    (finished trials) and ``half_width`` (of the 95 % interval in percentage points; NaN for a
    variant with one trial). ``degrees`` are the degrees of freedom of the pooled noise; ``failed``
    is the number of failed trials, which are left out.
    """

    table: pd.DataFrame
    degrees: int
    failed: int

    @property
    def baseline(self) -> pd.Series[Any]:
        """The row of the baseline."""
        return self.of("baseline").iloc[0]

    def of(self, role: str) -> pd.DataFrame:
        """The variants of a role, in plan order."""
        rows: pd.DataFrame = self.table[self.table["role"] == role]
        return rows

    def line(self, role: str) -> pd.DataFrame:
        """The baseline and the variants of a role in order of FLOPs; empty if the role has none."""
        return self.from_baseline(self.of(role))

    def from_baseline(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The baseline and ``rows`` in order of FLOPs; empty if ``rows`` are."""
        if rows.empty:
            return rows
        line = pd.concat([self.of("baseline"), rows]).drop_duplicates("variant")
        ordered: pd.DataFrame = line.sort_values("flops", kind="stable")
        return ordered


def mean_accuracies(tables: Tables, figure: str) -> MeanAccuracies:
    """Average the finished trials of each variant.

    Raises:
        UserError: nothing but the baseline, or not even that, has a finished trial; the message
            names ``figure``.
    """
    trials = tables.trials[tables.trials["variant"].isin(tables.variants["variant"])]
    finished = trials[(trials["status"] == "finished") & trials["top1"].notna()]
    accuracies = (100 * finished["top1"]).groupby(finished["variant"])
    per_variant = pd.DataFrame({"accuracy": accuracies.mean(), "seeds": accuracies.size()})
    table = tables.variants.sort_values("order", kind="stable").merge(
        per_variant, left_on="variant", right_index=True
    )
    _require(table, figure)

    degrees = int((table["seeds"] - 1).sum())
    squares = float((accuracies.var(ddof=0) * accuracies.size()).sum())
    table["half_width"] = _half_widths(table["seeds"].to_numpy(), squares, degrees)
    return MeanAccuracies(table.reset_index(drop=True), degrees, failed=len(trials) - len(finished))


def _half_widths(
    seeds: npt.NDArray[np.int64], squares: float, degrees: int
) -> npt.NDArray[np.float64]:
    if degrees == 0:
        return np.full(len(seeds), math.nan)
    from scipy.special import stdtrit

    half = float(stdtrit(degrees, 0.975)) * np.sqrt(squares / degrees / seeds)
    return np.where(seeds > 1, half, math.nan)


def _require(table: pd.DataFrame, figure: str) -> None:
    advice = "run `scalegrid sweep` again to train what is missing"
    if table.empty:
        raise UserError(f"cannot draw {figure}: no trial has finished; {advice}.")
    if "baseline" not in set(table["role"]):
        raise UserError(f"cannot draw {figure}: the baseline has no finished trial; {advice}.")
    if len(table) == 1:
        raise UserError(f"cannot draw {figure}: only the baseline has a finished trial; {advice}.")


@dataclass(frozen=True)
class Compound:
    """The compound variants to draw, without the baseline, and a sentence on their choice."""

    rows: pd.DataFrame
    note: str


def choose_compound(means: MeanAccuracies) -> Compound:
    """The recommended coefficients at every φ if they were trained, else the best grid variant.

    Only networks that differ from the baseline in two axes or more are compound. Variants are empty
    when none has finished.
    """
    table = means.table
    recommended = means.of("compound")
    if not recommended.empty:
        # A variant of another role may have the same coefficients at φ = 1.
        triples = {coefficients_text(row) for _, row in recommended.iterrows()}
        rows = table.loc[[coefficients_text(row) in triples for _, row in table.iterrows()]]
        triple = coefficients_text(recommended.iloc[0])
        return Compound(rows, f"Compound:\u00a0{triple}, recommended.")
    grid = means.of("grid")
    grid = grid.loc[[_scaled_axes(row, means.baseline) >= 2 for _, row in grid.iterrows()]]
    if grid.empty:
        return Compound(grid, "")
    best = grid.loc[[grid["accuracy"].idxmax()]]
    origin = f"the best of {len(grid)} in the grid" if len(grid) > 1 else "the only one in the grid"
    return Compound(best, f"Compound:\u00a0{coefficients_text(best.iloc[0])}, {origin}.")


def _scaled_axes(row: pd.Series[Any], baseline: pd.Series[Any]) -> int:
    """The number of axes (depth, width, resolution) in which a network and the baseline differ."""
    return sum(row[key] != baseline[key] for key in ("layers", "channels", "resolution"))


def coefficients_text(row: pd.Series[Any] | Mapping[str, float]) -> str:
    """The coefficients of a variant to three digits, without a space where a line could break."""
    letters = {"α": "alpha", "β": "beta", "γ": "gamma"}
    known = {letter: row[name] for letter, name in letters.items() if row[name] == row[name]}
    triple = ", ".join(f"{letter} = {value:.3g}" for letter, value in known.items())
    return triple.replace(" ", "\u00a0")


def describe_trials(means: MeanAccuracies, *, bars: bool = True) -> list[str]:
    """Sentences for a figure's note: what points and bars are, and how many trials are left out.

    Where the figure has no ``bars``, a sentence gives the half-width of the widest interval.
    """
    least, most = int(means.table["seeds"].min()), int(means.table["seeds"].max())
    if most == 1:
        sentences = ["One seed each: differences may be noise."]
    else:
        count = f"{most}" if least == most else f"{least} to {most}"
        shown = "bars:" if bars else f"± {means.table['half_width'].max():.2g} or less,"
        sentences = [
            f"Means of {count} seeds; {shown} 95 % t interval, seed noise pooled over variants "
            f"({means.degrees} degrees of freedom)."
        ]
        if least == 1:
            sentences.append("No bar: one seed." if bars else "One seed: no interval.")
    if means.failed:
        sentences.append(f"{means.failed} failed trial{'s' if means.failed > 1 else ''} left out.")
    return sentences
