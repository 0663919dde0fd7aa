"""Joint draws of what the trials leave open: the candidates' true values, and the surface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scalegrid.analysis.observations import Flags, Floats
from scalegrid.analysis.recommend import fitted_as_planned
from scalegrid.analysis.surface import Fit, surface_samples
from scalegrid.spec import Metric

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Draws:
    """Draws from the posterior behind a `Recommendation`: its numbers are counts and means of them.

    Larger is better: accuracies are shares in [0, 1], losses are negative.
    """

    variants: tuple[str, ...]
    """The ids of the candidates."""

    trials: pd.DataFrame
    """The finished trials of all variants, a row each, with a column ``value``."""

    fitted: Fit

    @property
    def values(self) -> Floats:
        """The candidates' true values, (draws, candidates); those of a row go together."""
        return self.fitted.samples.values

    def of(self, variant: str) -> Floats:
        """The draws of one candidate, (draws,)."""
        return self.values[:, self.variants.index(variant)]

    def surface(self, shares: Floats) -> Floats | None:
        """The posterior mean of the response surface at budget shares (k, 3), (k,).

        None where the surface does not fit and is not used.
        """
        if not self.fitted.validation.fits:
            return None
        mean: Floats = surface_samples(self.fitted, shares).mean(0)
        return mean


def draws_as_planned(
    variants: pd.DataFrame,
    trials: pd.DataFrame,
    spec: Mapping[str, Any],
    *,
    metric: Metric | None = None,
    answers: Mapping[str, Flags] | None = None,
) -> Draws:
    """The draws behind `recommend_as_planned`; equal tables give equal draws.

    Args:
        variants: as for `recommend`.
        trials: as for `recommend`.
        spec: the keys of ``sweep.yaml``; those that are missing have their defaults.
        metric: another metric than the specification's.
        answers: as for `recommend`.

    Raises:
        UserError: see `recommend`.
    """
    found, values, fitted = fitted_as_planned(
        variants, trials, spec, metric=metric, answers=answers
    )
    return Draws(tuple(found), values, fitted)
