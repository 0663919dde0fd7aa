"""From looks at races to trials needed and calibration.

A look is a row: ``setting``, ``rule``, ``world``, ``trials`` made so far, whether the choice is
``good``, the ``probability`` that goes with it (NaN if the rule has none), whether it is ``clear``.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression

from scalegrid.analysis.observations import Floats

LEVELS = (0.80, 0.90, 0.95)
TARGET = 1 / 5  # of uniform's trials at 95 %, with the surface
_RESAMPLES = 200


def summarise(looks: pd.DataFrame) -> pd.DataFrame:
    """One row a setting and rule.

    ``trials_80`` … are the trials after which that part of the choices is good (isotonic regression
    over the looks, linear between them; NaN if never), ``low_95`` and ``high_95`` the 95 %
    bootstrap interval of the last, ``of_uniform`` its ratio to uniform's. ``stopped`` is the part
    of the races that became clear, ``stop_trials`` their mean length then and ``stop_good`` the
    part of them that chose well. ``calibration_error`` is the mean distance between the reported
    probability and the part that is good, over ten bins weighted by their looks.
    """
    rows = []
    for (setting, rule), group in looks.groupby(["setting", "rule"], sort=False):
        wide = group.pivot(index="world", columns="trials", values="good").astype(float)
        good, trials = wide.to_numpy(), wide.columns.to_numpy(dtype=np.float64)
        needed = [_reached(good.mean(0), trials, level) for level in LEVELS]
        low, high = _bootstrap(good, trials)
        rows.append(
            {
                "setting": setting,
                "rule": rule,
                "worlds": len(good),
                **{f"trials_{100 * q:.0f}": n for q, n in zip(LEVELS, needed, strict=True)},
                "low_95": low,
                "high_95": high,
                **_stopped(group),
                "calibration_error": _calibration_error(group),
            }
        )
    summary: pd.DataFrame = pd.DataFrame(rows)
    uniform = summary[summary["rule"] == "uniform"].set_index("setting")["trials_95"]
    summary.insert(8, "of_uniform", summary["trials_95"] / summary["setting"].map(uniform))
    return summary


def calibration(looks: pd.DataFrame) -> pd.DataFrame:
    """The curve: of each bin of reported probabilities their mean, the part good, and the looks."""
    told = looks[looks["probability"].notna()]
    return _binned(told, ["setting", "rule"])


def for_people(frame: pd.DataFrame) -> list[dict[str, str]]:
    """Rows of a table, numbers rounded."""
    return [
        {str(key): _shown(value) for key, value in row.items()} for row in frame.to_dict("records")
    ]


def _shown(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return "–"
    return f"{value:.0f}" if value > 1.5 else f"{value:.3f}"


def _binned(looks: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    bins = np.minimum((10 * looks["probability"]).astype(int), 9) / 10
    grouped = looks.assign(bin=bins).groupby([*keys, "bin"])
    curve = grouped.agg(
        reported=("probability", "mean"), good=("good", "mean"), looks=("good", "size")
    )
    binned: pd.DataFrame = curve.reset_index()
    return binned


def _calibration_error(looks: pd.DataFrame) -> float:
    told = looks[looks["probability"].notna()]
    if told.empty:
        return math.nan
    curve = _binned(told, [])
    apart = (curve["reported"] - curve["good"]).abs()
    return float((apart * curve["looks"]).sum() / curve["looks"].sum())


def _reached(good: Floats, trials: Floats, level: float) -> float:
    curve = isotonic_regression(good).x
    above = np.flatnonzero(curve >= level)
    if not len(above):
        return math.nan
    at = int(above[0])
    if at == 0:
        return float(trials[0])
    part = (level - curve[at - 1]) / (curve[at] - curve[at - 1])
    return float(trials[at - 1] + part * (trials[at] - trials[at - 1]))


def _bootstrap(good: Floats, trials: Floats) -> tuple[float, float]:
    generator = np.random.default_rng(0)
    draws = generator.integers(len(good), size=(_RESAMPLES, len(good)))
    needed = [_reached(good[draw].mean(0), trials, LEVELS[-1]) for draw in draws]
    # Never reached is later than any look.
    low, high = np.quantile(np.nan_to_num(needed, nan=np.inf), [0.025, 0.975], method="nearest")
    return (float(low) if low < np.inf else math.nan, float(high) if high < np.inf else math.nan)


def _stopped(looks: pd.DataFrame) -> dict[str, float]:
    if looks["probability"].isna().all():
        return {"stop_trials": math.nan, "stop_good": math.nan, "stopped": math.nan}
    first = looks[looks["clear"]].drop_duplicates("world")
    return {
        "stop_trials": float(first["trials"].mean()),
        "stop_good": float(first["good"].mean()),
        "stopped": len(first) / looks["world"].nunique(),
    }
