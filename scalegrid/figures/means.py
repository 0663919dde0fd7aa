"""What trials say about variants: mean accuracy, and how far to trust it.

Seed noise is pooled over the variants: few seeds of one variant say little about its own spread,
all variants together say enough. With V variants of n_v trials each, mean m_v,

    s² = Σ_v Σ_i (y_vi − m_v)² / Σ_v (n_v − 1),

and the 95 % interval of variant v is m_v ± t · s / √n_v, where t is the 97.5 % point of Student's
distribution with Σ_v (n_v − 1) degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from scalegrid.util.errors import UserError

Row: TypeAlias = "pd.Series[Any]"
"""One variant: a row of the table of variants."""


class Tables(Protocol):
    """The tables of a sweep, with the columns that the README documents."""

    @property
    def spec(self) -> Mapping[str, Any]:
        """The keys of ``sweep.yaml``."""

    @property
    def variants(self) -> pd.DataFrame:
        """One row a variant."""

    @property
    def planned(self) -> pd.DataFrame:
        """Those of the plan last run."""

    @property
    def trials(self) -> pd.DataFrame:
        """One row a finished or failed trial."""


@dataclass(frozen=True)
class Means:
    """The variants that have a finished trial, in plan order, with their accuracies.

    ``table`` has the columns of `Tables.variants` and: ``accuracy`` (mean top-1 in %), ``seeds``
    (finished trials) and ``half_width`` (of the 95 % interval in percentage points; NaN for a
    variant with one trial). ``degrees`` are those of freedom of the pooled noise, ``failed``
    counts the trials left out.
    """

    table: pd.DataFrame
    degrees: int
    failed: int

    @property
    def baseline(self) -> Row:
        """The row of the baseline."""
        return self.of("baseline").iloc[0]

    def of(self, role: str) -> pd.DataFrame:
        """The variants of one role, in plan order."""
        rows: pd.DataFrame = self.table[self.table["role"] == role]
        return rows

    def line(self, role: str) -> pd.DataFrame:
        """The baseline and the variants of one role, in order of FLOPs; empty if there are none."""
        return self.from_baseline(self.of(role))

    def from_baseline(self, rows: pd.DataFrame) -> pd.DataFrame:
        """``rows`` in order of FLOPs after the baseline's; empty if there are none."""
        if rows.empty:
            return rows
        line = pd.concat([self.of("baseline"), rows]).drop_duplicates("variant")
        ordered: pd.DataFrame = line.sort_values("flops", kind="stable")
        return ordered


def summarise(tables: Tables, figure: str) -> Means:
    """Average the finished trials of each variant; failed trials count as not run.

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
    return Means(table.reset_index(drop=True), degrees, failed=len(trials) - len(finished))


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
    """The compound variants to show, without the baseline, and how they were chosen."""

    rows: pd.DataFrame
    note: str


def choose_compound(means: Means) -> Compound:
    """The recommended coefficients at every φ if they were trained, else the best grid variant.

    Only networks that differ from the baseline in two axes or more are compound. Rows are empty
    when none has finished.
    """
    table = means.table
    recommended = means.of("compound")
    if not recommended.empty:
        # At φ = 1 the same coefficients may be in the plan for another reason.
        triples = {coefficients(row) for _, row in recommended.iterrows()}
        rows = table.loc[[coefficients(row) in triples for _, row in table.iterrows()]]
        return Compound(rows, f"Compound:\u00a0{coefficients(recommended.iloc[0])}, recommended.")
    grid = means.of("grid")
    grid = grid.loc[[scaled_axes(row, means.baseline) >= 2 for _, row in grid.iterrows()]]
    if grid.empty:
        return Compound(grid, "")
    best = grid.loc[[grid["accuracy"].idxmax()]]
    origin = f"the best of {len(grid)} in the grid" if len(grid) > 1 else "the only one in the grid"
    return Compound(best, f"Compound:\u00a0{coefficients(best.iloc[0])}, {origin}.")


def scaled_axes(row: Row, baseline: Row) -> int:
    """In how many of depth, width and resolution a realised network differs from the baseline."""
    return sum(row[key] != baseline[key] for key in ("layers", "channels", "resolution"))


def coefficients(row: Row | Mapping[str, float]) -> str:
    """The triple of a variant, to three digits, in one unbroken piece."""
    triple = f"α = {row['alpha']:.3g}, β = {row['beta']:.3g}, γ = {row['gamma']:.3g}"
    return triple.replace(" ", "\u00a0")


def describe_trials(means: Means, *, bars: bool = True) -> list[str]:
    """Sentences for a figure's note: what points and bars are, and what was left out.

    Without ``bars`` in the figure, the widest interval is given as a number.
    """
    least, most = int(means.table["seeds"].min()), int(means.table["seeds"].max())
    if most == 1:
        said = ["One seed each: differences may be noise."]
    else:
        count = f"{most}" if least == most else f"{least} to {most}"
        shown = "bars:" if bars else f"± {means.table['half_width'].max():.2g} or less,"
        said = [
            f"Means of {count} seeds; {shown} 95 % t interval, seed noise pooled over variants "
            f"({means.degrees} degrees of freedom)."
        ]
        if least == 1:
            said.append("No bar: one seed." if bars else "One seed: no interval.")
    if means.failed:
        said.append(f"{means.failed} failed trial{'s' if means.failed > 1 else ''} left out.")
    return said
