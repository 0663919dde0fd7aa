"""What is compared: which variants can be recommended, and by which value of a trial."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scalegrid.analysis.tables import with_rungs
from scalegrid.metric import measure
from scalegrid.spec import INDIFFERENCE, LOSS_INDIFFERENCE, Metric
from scalegrid.util.errors import UserError
from scalegrid.util.text import sentence

if TYPE_CHECKING:
    import pandas as pd

NAS_EXPONENT = -0.07
"""w of the objective ACC·(FLOPs/T)^w (Tan & Le, 2019, section 5.1)."""


APART = ("baseline", "curve", "stages")
"""Roles that are no candidates, whatever they cost."""


def at_phi_one(roles: Iterable[str], phis: Iterable[float]) -> list[bool]:
    """Which variants of a plan are scaled by φ = 1, to be compared; none of `APART`."""
    return [
        role not in APART and abs(phi - 1) < 1e-9 for role, phi in zip(roles, phis, strict=True)
    ]


def raced(
    roles: Sequence[str], phis: Sequence[float], matched: Sequence[bool], metric: Metric = "top1"
) -> list[bool]:
    """Which variants of a plan can be recommended: those scaled by φ = 1, at equal cost.

    A variant whose cost is off is left out, since its accuracy would be compared at another cost;
    unless the metric pays for the cost (``nas``), or most of the plan is off, as in a classic grid.
    """
    scaled = at_phi_one(roles, phis)
    equal = [here and bool(cost) for here, cost in zip(scaled, matched, strict=True)]
    if metric == "nas" or 2 * sum(equal) < sum(scaled):
        return scaled
    return equal


def idle_axes(rows: pd.DataFrame) -> list[int]:
    """The axes (0 depth, 1 width) along which none of these variants can be scaled."""
    return [i for i, name in enumerate(("alpha", "beta")) if rows[name].isna().all()]


def zone(metric: Metric, given: float | None) -> float:
    """The width of the indifference zone in the unit of values.

    Args:
        metric: what is compared.
        given: the width in points of accuracy, or in the unit of another metric; None for the
            default, which for a trainer's figure, of an unknown unit, is none.

    Raises:
        UserError: the width is negative or not finite.
    """
    if given is not None and not 0 <= given < math.inf:
        raise UserError(f"the indifference {given:g} must be a finite number, 0 or above.")
    one = measure(metric)
    default = {"share": INDIFFERENCE, "nats": LOSS_INDIFFERENCE, "own": 0.0}[one.unit]
    return (default if given is None else given) / one.scale


def sign(metric: Metric) -> int:
    """1, or -1 where less of the metric is better: its own unit is so many times `value`."""
    return measure(metric).sign


def value(trial: Any, metric: Metric, relative_cost: Any) -> Any:
    """What a finished trial is worth, more being better.

    The accuracy as a share, minus the validation loss in nats, for ``nas`` top-1 times
    ``relative_cost`` to the power of w, or a trainer's figure, minus it where less is better.

    Args:
        trial: a mapping with ``top1``, ``top5``, ``balanced``, ``val_loss`` and a trainer's
            figures, or with these as ``figures``: numbers, or columns of them.
        metric: which of them counts.
        relative_cost: the variant's FLOPs over F times the baseline's; as ``trial``.

    Raises:
        UserError: a trainer gives no such figure.
    """
    one = measure(metric)
    if one.column in trial:
        found = trial[one.column]
    else:
        given = dict(trial.get("figures") or ())
        found = given.get(one.column, math.nan)
    return one.sign * found * (relative_cost**NAS_EXPONENT if metric == "nas" else 1)


def has_metric(trial: Any, metric: Metric) -> bool:
    """Whether a trial has finished, and with the metric, which one of a trainer's may lack."""
    return trial["status"] == "finished" and math.isfinite(value(trial, metric, 1.0))


def known(metric: str) -> Metric:
    """The metric itself; UserError if it is none."""
    try:
        measure(metric)
    except ValueError as error:
        raise UserError(sentence(f"the metric {metric!r} {error}")) from None
    return metric


def others(trial: Any, metric: Metric) -> list[float]:
    """The further metrics of a finished trial, more being better, which help to tell its value.

    The losses, in nats, or top-1 in the place of the loss that is the value itself. Those that an
    older table lacks are left out; beside a trainer's figure there are none.
    """
    if measure(metric).unit == "own":
        return []
    helpers = ("top1" if metric == "val_loss" else "val_loss", "train_loss")
    return [float(trial[name]) * (1 if name == "top1" else -1) for name in helpers if name in trial]


def trial_values(
    variants: pd.DataFrame, trials: pd.DataFrame, metric: Metric, flops_factor: float
) -> pd.DataFrame:
    """The finished trials of ``variants`` with columns ``value``, see `value`, and ``rung``.

    Raises:
        UserError: the metric is unknown, some trials of before or no trial have it, or it is top-5
            of so few classes that all answers count as right.
    """
    column = measure(known(metric)).column
    finished = trials[trials["status"] == "finished"]
    _check_measured(finished, metric)
    if len(finished) and (column not in trials or finished[column].isna().all()):
        raise UserError(f"no trial has a figure {column!r}; {_there_are(finished)}.")
    if metric == "top5" and len(finished) and (finished["top5"] == 1).all():
        raise UserError(
            "--metric top5 is 100 % in all trials, as it always is of five classes or fewer; use "
            "top1, balanced or val_loss."
        )
    if column not in trials:
        trials = trials.assign(**{column: math.nan})
    joined: pd.DataFrame = with_rungs(trials).merge(
        variants[["variant", "flops_ratio"]], on="variant"
    )
    joined["value"] = value(joined, metric, joined["flops_ratio"] / flops_factor).astype(float)
    usable: pd.DataFrame = joined[(joined["status"] == "finished") & np.isfinite(joined["value"])]
    return usable


def not_measured(metric: Metric) -> str:
    """The sentence where trials of before lack what scalegrid's own training now measures."""
    return (
        f"some trials were made by a scalegrid that did not measure {measure(metric).title}; use "
        "another --metric, or train them again under another --name."
    )


def _check_measured(finished: pd.DataFrame, metric: Metric) -> None:
    """Raise UserError where a trial lacks the metric that is not by a trainer, which may."""
    one = measure(metric)
    if one.unit == "own":
        return
    lacking = finished[finished[one.column].isna()] if one.column in finished else finished
    if "figures" in lacking:
        lacking = lacking[lacking["figures"].isna()]
    if len(lacking):
        raise UserError(not_measured(metric))


def _there_are(trials: pd.DataFrame) -> str:
    """What a trainer gives instead, as a clause."""
    pairs = trials["figures"].dropna() if "figures" in trials else ()
    names = ("top1", "top5", "balanced", "train_loss", "val_loss")
    known = [n for n in names if n in trials and trials[n].notna().any()]
    given = [*known, *sorted({name for one in pairs for name in dict(one)})] if len(pairs) else []
    return f"there are {', '.join(given)}" if given else "it needs a sweep with a --trainer"
