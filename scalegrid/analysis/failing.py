"""Candidates whose trainings keep failing, at rungs where others may not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from scalegrid.analysis.naming import network_name
from scalegrid.util.text import few

if TYPE_CHECKING:
    import pandas as pd

_SPARE = 2


def keeps_failing(failed: int, finished: int) -> bool:
    """Whether a network is not tried at a rung again: it failed there twice more than it ended."""
    return failed >= finished + _SPARE


class Failing(NamedTuple):
    """The ``rung`` above the one that candidates are compared at where trainings fail.

    So many of all ``trials`` of candidates there have ``failed``; ``error`` is the last one's.
    ``kept`` is whether one keeps failing there.
    """

    rung: int
    failed: int
    trials: int
    error: str
    kept: bool

    def sentence(self, compared: int) -> str:
        """What that means, for what is said of the rung that is compared at."""
        return (
            f"At {self.rung}× {self.failed} of {self.trials} trainings failed (the last one: "
            f"{self.error}), so that this is said of {compared}×."
        )


class Failures(NamedTuple):
    """The candidates that are ``unable`` to be trained so long, where more fail, and sentences."""

    unable: frozenset[str]
    above: Failing | None
    notes: list[str]


def failures(rows: pd.DataFrame, trials: pd.DataFrame, rung: int) -> Failures:
    """What fails of the candidates that have ``rows``, which are compared at ``rung``."""
    own = trials[trials["variant"].isin(rows["variant"])]
    out = rows[rows["variant"].isin(_unable(own, rung))]
    above = _failing_above(own, rung)
    notes = [] if above is None else [above.sentence(rung)]
    if len(out):
        columns = (out[name] for name in ("role", "alpha", "beta", "gamma"))
        names = [network_name(*row) for row in zip(*columns, strict=True)]
        notes = [
            f"Left out, since their trainings up to {rung}× keep failing: {few(names)}.",
            *notes,
        ]
    return Failures(frozenset(out["variant"]), above, notes)


def _failing_above(trials: pd.DataFrame, rung: int) -> Failing | None:
    """The lowest rung above ``rung`` where trainings failed; None if there is none."""
    above = trials[trials["rung"] > rung]
    failed = above[above["status"] == "failed"]
    if failed.empty:
        return None
    lowest = int(failed["rung"].min())
    there, error = above[above["rung"] == lowest], failed[failed["rung"] == lowest]["error"]
    last = str(error.iloc[-1]).rstrip(".")
    return Failing(lowest, len(error), len(there), last, bool(_kept(there)))


def _unable(trials: pd.DataFrame, rung: int) -> set[str]:
    """The variants that keep failing at a rung up to this one, and have not ended there."""
    upto = trials[(trials["rung"] > 1) & (trials["rung"] <= rung)]
    ended = upto[(upto["rung"] == rung) & (upto["status"] == "finished")]
    kept = {variant for _, at in upto.groupby("rung") for variant in _kept(at)}
    return kept - set(ended["variant"])


def _kept(trials: pd.DataFrame) -> set[str]:
    """Those of the variants of trials at one rung that keep failing there."""
    return {
        str(variant)
        for variant, status in trials.groupby("variant")["status"]
        if keeps_failing(int((status == "failed").sum()), int((status == "finished").sum()))
    }
