"""Trials on several kinds of device, whose numbers differ: told apart where trials show by what."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scalegrid.analysis.naming import with_unit
from scalegrid.spec import Metric

if TYPE_CHECKING:
    import pandas as pd

UNNAMED = "cpu, unnamed"
"""The kind of rows of earlier versions, which did not name the processor."""


_ALIKE = ["variant", "rung"]
"""Trials of which differ in their seed and their device alone."""


class Difference(NamedTuple):
    """How much better trials are on one kind than on another: mean and 95 % interval.

    By the ``variants`` that have trials on both.
    """

    mean: float
    low: float
    high: float
    variants: int

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def without_kinds(values: pd.DataFrame, metric: Metric) -> tuple[pd.DataFrame, list[str]]:
    """Take out what all trials on one kind of device have in common, where that is clear.

    The kind with most trials stays as it is; each other one is compared with it.

    Args:
        values: finished trials with the columns ``variant``, ``seed``, ``rung`` and ``value``, more
            being better, and ``device``; without the latter they are of one kind, which adds the
            same at all rungs.
        metric: for the unit.

    Returns:
        The trials with other values, and the notes: none if there is one kind.
    """
    if "device" not in values:
        return values, []
    values, counts, found = levelled(values)
    if not found:
        return values, []
    listed = ", ".join(f"{count} on {kind!r}" for kind, count in counts.items())
    notes = [f"Trials ran on {len(counts)} kinds of device, whose numbers differ: {listed}."]
    notes += [_note(kind, counts.index[0], one, metric) for kind, one in found.items()]
    return values, notes


def levelled(
    values: pd.DataFrame,
) -> tuple[pd.DataFrame, pd.Series[int], dict[str, Difference | None]]:
    """Trials as if all had run on the commonest kind of device; as for `without_kinds`.

    Returns:
        The trials, the number of them on each kind, the commonest first, and how each other kind
        differs from that; clear differences are taken out.
    """
    kinds = values["device"].replace("cpu", UNNAMED)
    counts = kinds.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    if len(counts) < 2:
        return values, counts, {}
    # Sorted, so that sums are the same to the last digit for rows in any order.
    values = values.sort_values(["variant", "seed", "rung"], kind="stable")
    kinds = kinds[values.index]
    most, *others = counts.index
    found = {kind: difference(values, kinds == kind, kinds == most) for kind in others}
    level = values["value"].copy()
    for kind, one in found.items():
        if one is not None and one.clear:
            level[kinds == kind] -= one.mean
    return values.assign(value=level), counts, found


def difference(
    values: pd.DataFrame, these: pd.Series[bool], those: pd.Series[bool]
) -> Difference | None:
    """How much better ``these`` trials are than ``those``; None if the trials cannot say.

    By least squares, value = variant at a rung + kind + noise, on those with trials of both; there
    are to be two such variants, and a line (a variant and seed) more than unknowns at one rung. The
    trials of a line may share all of their noise, so that they tell no more than one of them.
    """
    from scipy.special import stdtrit

    either = values[these | those].assign(kind=these.astype(float))
    grouped = either.groupby(_ALIKE)
    common = either[grouped["kind"].transform("nunique") == 2]
    line, variants = common.groupby(["variant", "seed"]).ngroup(), common["variant"].nunique()
    degrees = line.nunique() - variants - 1
    if variants < 2 or degrees < 1:
        return None
    of_variant = common.groupby(_ALIKE)[["kind", "value"]]
    kind, value = (common[["kind", "value"]] - of_variant.transform("mean")).to_numpy().T
    mean = float(kind @ value / (kind @ kind))
    variance = ((value - mean * kind) ** 2).mean() * line.nunique() / degrees
    weight = np.bincount(line, np.abs(kind))
    error = float(np.sqrt(variance * (weight @ weight)) / (kind @ kind))
    half = float(stdtrit(degrees, 0.975)) * error
    return Difference(mean, mean - half, mean + half, variants)


def _note(kind: str, most: str, found: Difference | None, metric: Metric) -> str:
    if found is None:
        return f"Too few variants have trials on both {kind!r} and {most!r} to compare them."
    word, sign = ("better", 1) if found.mean >= 0 else ("worse", -1)
    low, high = sorted((sign * found.low, sign * found.high))
    ends = f"{with_unit(low, metric).split()[0]} to {with_unit(high, metric)}"
    done = "which is taken out" if found.clear else "which is unclear and not taken out"
    return (
        f"Those on {kind!r} are {word} than those on {most!r} by "
        f"{with_unit(sign * found.mean, metric)} ({ends}; {found.variants} variants have trials "
        f"on both), {done}."
    )
