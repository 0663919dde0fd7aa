"""The direction that a sweep recommends, as coefficients, for networks at other φ."""

from __future__ import annotations

import math
from typing import NamedTuple

from scalegrid.analysis.naming import network_name
from scalegrid.analysis.recommendation import Candidate, Recommendation
from scalegrid.coefficients import Coefficients
from scalegrid.util.errors import UserError
from scalegrid.util.text import exact_percent, percent


class Direction(NamedTuple):
    """Coefficients of more than one axis, and sentences that a user should read."""

    coefficients: Coefficients
    notes: list[str]


def direction(found: Recommendation) -> Direction:
    """The coefficients of the recommended network.

    If that is a single axis, they are those of the best candidate that is not, so that compound
    scaling can be compared with it.

    Raises:
        UserError: all candidates are single axes.
    """
    several = found.compound
    if not several:
        raise UserError(
            "no candidate with a finished trial scales more than one axis, so there is no compound "
            "scaling to compare with the axes; train more --candidates."
        )
    best, chosen = found.best, several[0]
    notes = []
    if chosen.variant != best.variant:
        notes.append(
            f"{_name(best)} is recommended, which is trained at other φ anyway; compound scaling, "
            f"and the placement of layers, are those of the best candidate of several axes, "
            f"{_name(chosen)}"
        )
    return Direction(coefficients_of(chosen), notes)


def coefficients_of(candidate: Candidate) -> Coefficients:
    """The coefficients of a candidate; 1 for an axis along which the network cannot be scaled."""
    triple = (candidate.alpha, candidate.beta, candidate.gamma)
    return Coefficients(*(1.0 if math.isnan(c) else c for c in triple))


def undecided(found: Recommendation, sweep: str) -> list[str]:
    """A sentence that the sweep of this name has not decided, if so."""
    if found.trials_needed == 0:
        return []
    good = percent(found.best.probability_within_indifference)
    return [
        f"{sweep} has not decided: {_name(found.best)} leads, and is good enough with probability "
        f"{good} only ({exact_percent(found.confidence)} asked); `scalegrid recommend` says what "
        "would decide it"
    ]


def _name(candidate: Candidate) -> str:
    return network_name(candidate.role, candidate.alpha, candidate.beta, candidate.gamma)
