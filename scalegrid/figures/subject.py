"""What figures draw from: the tables of a sweep, and what follows from them, computed once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from scalegrid.analysis import (
    Candidate,
    Estimates,
    Recommendation,
    Tables,
    estimates_as_planned,
    recommend_as_planned,
)
from scalegrid.analysis.advantage import compound_at_one
from scalegrid.analysis.candidates import at_phi_one
from scalegrid.analysis.matched_cost import matched_cost
from scalegrid.analysis.naming import role_name
from scalegrid.analysis.tables import brief_trials
from scalegrid.coefficients import Coefficients
from scalegrid.figures import style
from scalegrid.figures.means import MeanAccuracies, mean_accuracies
from scalegrid.metric import measure
from scalegrid.spec import IMPORTED, Match, Metric
from scalegrid.util.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Drawing(NamedTuple):
    """A figure, and what a reader must know to read it: sentences, the first of which names it."""

    figure: Figure
    caption: list[str]


class Subject:
    """A sweep as its figures see it; itself `Tables`, of the variants of the plan last run.

    ``variants`` leave out those of the role ``curve``, which have a figure of their own.
    ``trials`` are those of all rungs, which the recommendation goes by, and ``brief`` those of the
    first, which all variants have.
    """

    def __init__(self, tables: Tables) -> None:
        self.spec = tables.spec
        self.planned = tables.planned
        self.variants = self.planned[self.planned["role"] != "curve"]
        trials = tables.trials
        self.trials = trials[trials["variant"].isin(self.planned["variant"])]
        self.brief = brief_trials(self.trials)
        self.history = tables.history
        self.answered = tables.answered
        self.earlier = len(tables.variants) - len(tables.planned)

    @classmethod
    def of(cls, tables: Tables) -> Subject:
        """The subject of these tables, which may be one already."""
        return tables if isinstance(tables, cls) else cls(tables)

    @cached_property
    def means(self) -> MeanAccuracies:
        """The mean accuracy of each variant; UserError where no trial has finished."""
        return mean_accuracies(self.variants, self.trials, self.mean_metric)

    @property
    def mean_metric(self) -> Metric:
        """What ``means`` are of: top-1, or the figure of a trainer that the sweep compares by."""
        metric = str(self.spec.get("metric", "top1"))
        return metric if measure(metric).unit == "own" else "top1"

    @cached_property
    def found(self) -> Recommendation:
        """What `scalegrid recommend` says; UserError where it says nothing yet."""
        return recommend_as_planned(
            *(self.planned, self.trials, self.spec),
            answers=self.answered,
            fitted=self.estimates.fitted,
        )

    @property
    def trained(self) -> list[Candidate]:
        """The candidates with trials at the highest rung, best first."""
        return [one for one in self.found.ranking if one.trials]

    @cached_property
    def best(self) -> str:
        """The id of the recommended variant; empty where nothing is recommended yet."""
        try:
            return self.found.best.variant
        except UserError:
            return ""

    @cached_property
    def estimates(self) -> Estimates:
        """The posterior draws behind ``found``."""
        return estimates_as_planned(self.planned, self.trials, self.spec, answers=self.answered)

    @cached_property
    def match(self) -> Match:
        """The cost that the plan makes equal."""
        return matched_cost(self.spec)

    @cached_property
    def off_cost(self) -> frozenset[str]:
        """The ids of the variants whose cost is not as the plan wants it."""
        if "matched" not in self.variants:
            return frozenset()
        return frozenset(self.variants.loc[~self.variants["matched"].astype(bool), "variant"])

    @cached_property
    def compound(self) -> pd.DataFrame:
        """The rows of compound scaling at other φ, and its network at φ = 1, the least φ first."""
        chosen = self.variants["role"] == "compound"
        triple = self.spec.get("compound")
        if triple is not None and chosen.any():
            one = compound_at_one(self.variants, Coefficients(*triple))
            chosen |= self.variants["variant"] == one
        rows: pd.DataFrame = self.variants[chosen].sort_values("phi", kind="stable")
        return rows

    @property
    def compared(self) -> pd.DataFrame:
        """The rows of the baseline and of the variants at φ = 1, in the order of the plan."""
        roles = self.variants["role"]
        near = np.array(at_phi_one(roles, self.variants["phi"]), dtype=bool)
        rows: pd.DataFrame = self.variants[near | (roles == "baseline")]
        return rows

    @property
    def imported(self) -> bool:
        """Whether its trainings were made elsewhere."""
        return self.spec.get("trainer") == IMPORTED

    def adding(self, flags: str) -> str:
        """What adds the trials that a figure lacks, as the end of a sentence."""
        if self.imported:
            return "import trainings of such networks to draw it."
        return f"`scalegrid sweep {flags}` adds some."

    def label(self, role: str) -> str:
        """The label of a role: ``≈ Paper`` for what is only near the paper's, see `role_name`."""
        label = style.look(role).label
        if role == "stages":
            return label
        rows = self.variants.loc[self.variants["role"] == role, ["alpha", "beta", "gamma"]]
        names = {role_name(role, *row) for row in rows.to_numpy().tolist()}
        return max(names, default=role).replace(role, label)  # ≈ comes after all letters

    def role(self, variant: str) -> str:
        """The role that a variant is drawn in: a recommended network of the grid is compound."""
        role = str(self.row(variant)["role"])
        return "compound" if role == "grid" and variant == self.best else role

    def row(self, variant: str) -> pd.Series[Any]:
        """The row of a variant."""
        row: pd.Series[Any] = self.variants.loc[self.variants["variant"] == variant].iloc[0]
        return row

    @property
    def baseline(self) -> pd.Series[Any]:
        """The row of the baseline, whether or not a trial of it has finished."""
        row: pd.Series[Any] = self.variants.loc[self.variants["role"] == "baseline"].iloc[0]
        return row
