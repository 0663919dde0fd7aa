"""The candidates of a sweep over rungs: what all its trials say of the highest one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from scalegrid.analysis.luck import Luck
from scalegrid.analysis.model import Model
from scalegrid.analysis.observations import Observations
from scalegrid.analysis.rungs import Lines, RungModel, RungPosterior
from scalegrid.analysis.surface import CrossValidation, Fit, validate

if TYPE_CHECKING:
    import pandas as pd


class OverRungs:
    """The candidates at several rungs, by their lines.

    Args:
        variants: the candidates' ids, by number.
        rungs: multiples of the brief budget, rising.
        lines: the trials, of two candidates or more.
        model: the prior over the candidates.
    """

    def __init__(
        self, variants: Sequence[str], rungs: Sequence[int], lines: Lines, model: Model
    ) -> None:
        self.variants, self.rungs = tuple(variants), tuple(rungs)
        self.lines, self._model = lines, model

    @classmethod
    def read(
        cls, trials: pd.DataFrame, variants: Sequence[str], rungs: Sequence[int], model: Model
    ) -> OverRungs:
        """Of finished trials with the columns ``variant``, ``seed``, ``rung`` and ``value``."""
        number, column = ({one: i for i, one in enumerate(names)} for names in (variants, rungs))
        rows = (
            (number[row["variant"]], int(row["seed"]), column[row["rung"]], row["value"])
            for row in trials.to_dict("records")
        )
        return cls(variants, rungs, Lines.collect(len(number), len(column), rows), model)

    def after(self, trials: pd.DataFrame) -> OverRungs:
        """What was known when only these of the trials had ended; columns as for `read`."""
        return OverRungs.read(trials, self.variants, self.rungs, self._model)

    @cached_property
    def posterior(self) -> RungPosterior:
        """Of all candidates at all rungs."""
        return RungModel(self._model, len(self.rungs)).posterior(self.lines)

    def fit(self, luck: Luck | None = None) -> Fit:
        """Of the candidates at the highest rung; ``luck`` is that with the images there.

        The posterior weighs the surface; whether it fits is said by the trials of that rung.
        """
        validation = CrossValidation(None, math.nan)
        if self.lines.counts[:, -1].sum() > 1:
            validation = validate(self._model, self._at_top)
        return Fit(self._model, self.posterior.at_top, luck, validation)

    @property
    def _at_top(self) -> Observations:
        lines = self.lines
        value = lines.values[:, -1]
        ended = np.isfinite(value)
        rows = zip(
            *(one[ended].tolist() for one in (lines.candidate, lines.seed, value)), strict=True
        )
        return Observations.collect(lines.size, rows)
