"""What the analysis of a sweep, and its figures, need of its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from scalegrid.analysis.observations import Flags

if TYPE_CHECKING:
    import pandas as pd


def brief_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """Those of the first rung, which all variants have: those of one length are compared."""
    brief: pd.DataFrame = trials[with_rungs(trials)["rung"] == 1]
    return brief


def with_rungs(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials with their ``rung``: where a table lacks that, all are of the first."""
    return trials if "rung" in trials else trials.assign(rung=1)


class Tables(Protocol):
    """The tables of a sweep, such as `scalegrid.results.load_sweep` returns."""

    @property
    def spec(self) -> Mapping[str, Any]:
        """The keys of ``sweep.yaml``."""

    @property
    def variants(self) -> pd.DataFrame:
        """All variants, those of earlier plans too."""

    @property
    def planned(self) -> pd.DataFrame:
        """The variants of the plan last run."""

    @property
    def trials(self) -> pd.DataFrame:
        """One row a finished or failed trial."""

    @property
    def history(self) -> pd.DataFrame:
        """One row a trial and epoch."""

    @property
    def answered(self) -> Mapping[str, Flags]:
        """Which validation images each trial got right, by its id."""
