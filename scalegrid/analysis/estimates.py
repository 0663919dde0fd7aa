"""What a recommendation is made from: the candidates, their trials, and a posterior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scalegrid.analysis.candidates import idle_axes
from scalegrid.analysis.observations import Floats
from scalegrid.analysis.over_rungs import OverRungs
from scalegrid.analysis.surface import Fit, chance_of_top, surface_mean
from scalegrid.spec import Metric

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Estimates:
    """The candidates with finished trials, and the posterior of their true values.

    ``rows`` are the candidates' rows of ``variants``, numbered as in ``fitted``; ``trials`` the
    finished trials of any variant, at the highest rung that is compared, with their ``value``, more
    being better: losses are negative. ``every`` are those of candidates at all rungs, which
    ``over`` holds as lines; None where there is one rung.
    ``sign`` is -1 where less of the metric is better; ``repeats`` are the degrees of freedom of the
    noise; ``notes`` are on the devices.
    """

    metric: Metric
    indifference: float
    confidence: float
    rows: pd.DataFrame
    trials: pd.DataFrame
    every: pd.DataFrame
    over: OverRungs | None
    fitted: Fit
    repeats: int
    sign: float
    notes: tuple[str, ...]

    @property
    def variants(self) -> list[str]:
        """The ids of the candidates."""
        return [str(variant) for variant in self.rows["variant"]]

    @property
    def values(self) -> Floats:
        """Draws of the candidates' true values, (draws, candidates); those of a row go together.

        The numbers of a `Recommendation` are counts and means of them.
        """
        return self.fitted.samples.values

    def of(self, variant: str) -> Floats:
        """The draws of one candidate, (draws,)."""
        return self.values[:, self.variants.index(variant)]

    def surface(self, shares: Floats) -> Floats | None:
        """The posterior mean of the response surface at budget shares (k, 3), (k,).

        None where the surface does not fit and is not used.
        """
        return surface_mean(self.fitted, shares) if self.fitted.validation.fits else None

    def top(self) -> tuple[Floats, Floats] | None:
        """A mesh of budget shares (k, 3), and how probably the surface is highest at each, (k,).

        None where the surface does not fit and is not used.
        """
        return chance_of_top(self.fitted, idle_axes(self.rows))
