"""From looks at races to trials needed and calibration.

A look is a row: ``setting``, ``rule``, ``world``, ``trials`` made so far, whether the choice is
``good``, and the ``probability`` of that by the rule itself (NaN if it has none). The first look of
a race is after one trial of each candidate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression

from benchmarks.selection_worlds import Race
from scalegrid.analysis.observations import Floats
from scalegrid.analysis.selection import MIN_REPEATS

LEVELS = (0.80, 0.90, 0.95)
_RESAMPLES = 200


def looks_of(setting: str, rule: str, races: Sequence[Race]) -> pd.DataFrame:
    """The looks at all races of a rule; ``choice`` is the candidate that would be taken."""
    world = np.repeat(np.arange(len(races)), [len(race.trials) for race in races])
    columns = {
        name: np.concatenate([vars(race)[name] for race in races]) for name in vars(races[0])
    }
    looks: pd.DataFrame = pd.DataFrame(
        {"setting": setting, "rule": rule, "world": world, **columns}
    )
    return looks


def curve(looks: pd.DataFrame) -> pd.DataFrame:
    """The part of the choices that is good after so many trials, by setting and rule."""
    grouped = looks.groupby(["setting", "rule", "trials"], sort=False)["good"]
    table: pd.DataFrame = grouped.agg(good="mean", worlds="size").reset_index()
    return table


def trials_needed(looks: pd.DataFrame) -> pd.DataFrame:
    """One row a setting and rule: how many trials until that part of the choices is good.

    ``trials_80`` … are read off the isotonic regression of the part that is good on the trials,
    linear between looks, NaN if never reached. ``low_95`` to ``high_95`` is the 95 % bootstrap
    interval of the last over worlds, ``of_uniform`` its ratio to uniform's.
    """
    rows = []
    for (setting, rule), group in looks.groupby(["setting", "rule"], sort=False):
        wide = group.pivot(index="world", columns="trials", values="good").astype(float)
        good, trials = wide.to_numpy(), wide.columns.to_numpy(dtype=np.float64)
        needed = {f"trials_{100 * q:.0f}": _reached(good.mean(0), trials, q) for q in LEVELS}
        low, high = _bootstrap(good, trials)
        ends = {"low_95": low, "high_95": high}
        rows.append({"setting": setting, "rule": rule, "worlds": len(good), **needed, **ends})
    table: pd.DataFrame = pd.DataFrame(rows)
    uniform = table[table["rule"] == "uniform"].set_index("setting")["trials_95"]
    table["of_uniform"] = table["trials_95"] / table["setting"].map(uniform)
    return table


def stopping(looks: pd.DataFrame) -> pd.DataFrame:
    """One row a setting and rule: what happens when each race stops at its own time.

    With ``--confidence`` 0.8, a race takes ``stop_80`` trials in the mean and is good with
    probability ``good_80``; likewise 0.9 and 0.95. Races that are not clear at their last look stop
    there; ``unclear_95`` is their part. ``calibration_error`` is the mean distance between the
    reported probability and the part that is good, over ten bins weighted by their looks.
    """
    rows = []
    told = looks.loc[looks["probability"].notna()]
    for (setting, rule), group in told.groupby(["setting", "rule"], sort=False):
        row: dict[str, object] = {"setting": setting, "rule": rule}
        for level in LEVELS:
            ended, clear = stops(group, level)
            row[f"stop_{100 * level:.0f}"] = float(ended["trials"].mean())
            row[f"good_{100 * level:.0f}"] = float(ended["good"].mean())
        rows.append(row | {"unclear_95": 1 - clear, "calibration_error": _apart(group)})
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def stops(looks: pd.DataFrame, level: float) -> tuple[pd.DataFrame, float]:
    """The look at which each race stops, and the part that stops because it is clear."""
    seen = looks["trials"] >= looks["trials"].min() + MIN_REPEATS
    clear = looks[seen & (looks["probability"] >= level)].drop_duplicates("world")
    last = looks.drop_duplicates("world", keep="last")
    unclear = last[~last["world"].isin(clear["world"])]
    return pd.concat([clear, unclear]), len(clear) / len(last)


def calibration(looks: pd.DataFrame) -> pd.DataFrame:
    """The curve: of each bin of reported probabilities their mean, the part good, and the looks."""
    told: pd.DataFrame = looks[looks["probability"].notna()]
    return _binned(told, ["setting", "rule"])


def sideways(calibrated: pd.DataFrame) -> pd.DataFrame:
    """A calibration table on its side: the part that is good for each tenth of reported ones."""
    name = calibrated["bin"].map(lambda bin: f"{bin:.1f}+")
    wide = calibrated.assign(name=name).pivot(
        index=["setting", "rule"], columns="name", values="good"
    )
    table: pd.DataFrame = wide.reset_index()
    return table


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


def _apart(looks: pd.DataFrame) -> float:
    curve = _binned(looks, [])
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
