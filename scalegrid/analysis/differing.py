"""In what two sweeps differ: settings, data, devices, versions, seeds; and the trials of both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from scalegrid.analysis.candidates import sign, trial_values
from scalegrid.analysis.kinds import UNNAMED
from scalegrid.analysis.observations import Floats
from scalegrid.analysis.tables import Tables, brief_trials
from scalegrid.spec import RUNTIME_KEYS, Metric

if TYPE_CHECKING:
    import pandas as pd

_SILENT = RUNTIME_KEYS | {"check_learning"}  # settings that decide no number of a trial


class Compared(Tables, Protocol):
    """A sweep as `scalegrid.load_sweep` reads it."""

    @property
    def folder(self) -> Path:
        """Where it is; its name is the sweep's."""

    @property
    def data(self) -> str:
        """The fingerprint of the data."""


@dataclass(frozen=True)
class SameTrials:
    """Trials of equal ids in both sweeps, which have equal descriptions.

    ``finished`` of the ``trials`` have finished in both, and ``equal`` of these have the same
    value. ``mean`` is that of B - A in the metric's own unit, with its 95 % interval ``low`` to
    ``high`` (None for fewer than two), and ``deviation`` the standard deviation of B - A.
    """

    trials: int
    finished: int
    equal: int
    mean: float | None
    low: float | None
    high: float | None
    deviation: float | None


def differing(a: Compared, b: Compared) -> dict[str, tuple[Any, Any]]:
    """The settings and the facts that differ, each with A's value and B's.

    Settings that decide where trials run are left out; where they did run is among the facts.
    """
    settings = [key for key in {**a.spec, **b.spec} if key not in _SILENT]
    facts = _facts(a), _facts(b)
    versions = [set(", ".join(_known(one.trials["versions"])).split(", ")) for one in (a, b)]
    found = {
        **{key: (a.spec.get(key), b.spec.get(key)) for key in settings},
        **{key: (facts[0][key], facts[1][key]) for key in facts[0]},
        "versions": (sorted(versions[0] - versions[1]), sorted(versions[1] - versions[0])),
    }
    return {key: pair for key, pair in found.items() if pair[0] != pair[1]}


def _facts(sweep: Compared) -> dict[str, Any]:
    trials = brief_trials(sweep.trials)
    trials = trials[trials["variant"].isin(sweep.planned["variant"])]
    finished = trials[trials["status"] == "finished"]
    return {
        "data_fingerprint": sweep.data,
        "images_a_trial": _known(finished["images"]),
        "devices": _known(finished["device"].replace("cpu", UNNAMED)),
        "threads_a_trial": _known(finished["threads"]),
        "seeds_trained": _known(finished["seed"]),
        "trials_finished": len(finished),
        "trials_failed": len(trials) - len(finished),
    }


def _known(column: pd.Series[Any]) -> list[Any]:
    return sorted(column.dropna().unique().tolist())


def same_trials(a: Compared, b: Compared, metric: Metric) -> SameTrials | None:
    """How trials with equal ids differ, by their values as they are; None where there are none."""
    number = len(set.intersection(*(set(brief_trials(one.trials)["trial"]) for one in (a, b))))
    if not number:
        return None
    values_a, values_b = (
        trial_values(
            one.variants,
            brief_trials(one.trials),
            metric,
            float(one.spec.get("flops_factor", 2.0)),
        )
        for one in (a, b)
    )
    both = values_a.merge(values_b, on="trial", suffixes=("_a", "_b")).sort_values("trial")
    apart = sign(metric) * (both["value_b"] - both["value_a"]).to_numpy(dtype=np.float64)
    return SameTrials(number, len(apart), int((apart == 0).sum()), *_mean(apart))


def _mean(apart: Floats) -> tuple[float | None, float | None, float | None, float | None]:
    """Mean, its 95 % t-interval, and standard deviation."""
    from scipy.special import stdtrit

    if not len(apart):
        return None, None, None, None
    mean, count = float(apart.mean()), len(apart)
    if count < 2:
        return mean, None, None, None
    deviation = float(apart.std(ddof=1))
    half = float(stdtrit(count - 1, 0.975)) * deviation / float(np.sqrt(count))
    return mean, mean - half, mean + half, deviation
