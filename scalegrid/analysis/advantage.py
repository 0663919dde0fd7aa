"""Whether compound scaling's advantage over the best single axis grows with φ.

At φ = 1 the networks are candidates, and known by the model of all candidates. At other φ they are
known by the means of their own trials, with the candidates' noise. Which axis is the best there is
not known either, so every joint draw has a best of its own; the axes of a φ are taken to be
exchangeable, by the model's prior, since the largest of several noisy means is too large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scalegrid.analysis.candidate_table import CandidateTable
from scalegrid.analysis.candidates import at_phi_one
from scalegrid.analysis.matched_cost import cost_ratio_text
from scalegrid.analysis.model import SPREAD, log_prior_of_spread
from scalegrid.analysis.observations import Floats
from scalegrid.analysis.selection import interval
from scalegrid.analysis.surface import Fit
from scalegrid.coefficients import Coefficients, Shares
from scalegrid.util.text import enumerated

if TYPE_CHECKING:
    import pandas as pd

AXES = ("depth", "width", "resolution")

_DIGITS = 6  # of φ, to which two are one


class AtPhi(NamedTuple):
    """How much better the compound network of a φ is than the best single axis there.

    ``advantage`` is the posterior mean, ``low`` to ``high`` its 95 % interval, ``probability`` that
    of being above zero; better is positive whatever the metric. ``axis`` is probably the best.
    """

    phi: float
    variant: str
    axis: str
    advantage: float
    low: float
    high: float
    probability: float


class Slope(NamedTuple):
    """By how much the advantage grows per unit of φ, and the probability that it grows.

    It is the slope of the least-squares line through the advantages at all φ, over the best of the
    ``axes``: those of equal cost at each of these φ.
    """

    mean: float
    low: float
    high: float
    probability: float
    axes: tuple[str, ...]


@dataclass(frozen=True)
class Advantage:
    """The advantage at each φ that has one, and its ``slope``.

    There is no slope for fewer than two φ, or where no axis is of equal cost at each of them.

    ``left_out`` are clauses, one for each φ, and each axis at a φ, that is not compared.
    """

    coefficients: Coefficients
    at: tuple[AtPhi, ...]
    slope: Slope | None
    left_out: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, in the metric's unit, more being better."""
        return {
            **self.coefficients._asdict(),
            "at": [one._asdict() for one in self.at],
            "slope": self.slope and self.slope._asdict(),
            "left_out": list(self.left_out),
        }


def compound_at_one(variants: pd.DataFrame, triple: Coefficients) -> str | None:
    """The id of the network at φ = 1 of these coefficients, or nearest them; None without any.

    Nearest are the measured budget shares, among networks of equal cost.
    """
    rows = variants[at_phi_one(variants["role"], variants["phi"])]
    if "matched" in rows:
        rows = rows[rows["matched"].astype(bool)]
    if rows.empty:
        return None
    own = rows[list(Coefficients._fields)].fillna(1.0).to_numpy(dtype=np.float64)
    same = np.linalg.norm(own - np.array(triple), axis=1) < 1e-9
    shares = rows[[f"share_{axis}" for axis in Shares._fields]].to_numpy(dtype=np.float64)
    away = np.where(same, -1.0, np.linalg.norm(shares - np.array(triple.shares()), axis=1))
    return str(rows["variant"].iloc[int(away.argmin())])


def advantage(table: CandidateTable, fitted: Fit, triple: Coefficients) -> Advantage | None:
    """The advantage of compound scaling at each φ, and whether it grows.

    Args:
        table: the candidates, all variants and all trials.
        fitted: of the candidates.
        triple: the coefficients of the compound networks.

    Returns:
        None where the plan has compound networks at no other φ.
    """
    variants = table.variants
    if not (variants["role"] == "compound").any():
        return None
    found, left_out = [], []
    every: list[dict[str, Floats]] = []
    generator = np.random.default_rng(12)
    for phi, rows in _groups(variants, triple):
        compared, reasons = _compared(phi, rows, table)
        left_out += reasons
        if not compared:
            continue
        values = _draws(table, fitted, list(compared.values()), generator)
        gain = values[:, 0] - values[:, 1:].max(1)
        axis = list(compared)[1 + int(np.bincount(values[:, 1:].argmax(1)).argmax())]
        above = float((gain > 0).mean())
        mean, compound = float(gain.mean()), compared["compound"]
        found.append(AtPhi(phi, compound, axis, mean, *interval(gain), above))
        every.append(dict(zip(compared, values.T, strict=True)))
    slope = _slope(np.array([one.phi for one in found]), every)
    return Advantage(triple, tuple(found), slope, tuple(left_out))


def _groups(variants: pd.DataFrame, triple: Coefficients) -> list[tuple[float, pd.DataFrame]]:
    """The compound network and the single axes of each φ, the least φ first."""
    own = variants["variant"] == compound_at_one(variants, triple)
    rows = variants.assign(role=variants["role"].mask(own, "compound"))
    rows = rows[rows["role"].isin(["compound", *AXES])]
    groups = rows.groupby(rows["phi"].round(_DIGITS))
    return [(float(phi), group) for phi, group in groups]


def _compared(
    phi: float, rows: pd.DataFrame, table: CandidateTable
) -> tuple[dict[str, str], list[str]]:
    """The ids of the compound network and the axes by role, and who is left out and why.

    None are compared where that would flatter: without a trial of each network of equal cost.
    """
    met = rows["matched"].astype(bool)
    off, equal = rows[~met], rows[met]
    at = f"at φ = {phi:g}"
    names = {"compound": "compound", **{axis: f"{axis} alone" for axis in AXES}}
    reasons = [
        f"{names[row['role']]} {at} ({cost_ratio_text(row['cost_ratio'], table.match)})"
        for row in off.to_dict("records")
    ]
    found = dict(zip(equal["role"], equal["variant"], strict=True))
    if "compound" not in set(rows["role"]):
        return {}, [f"φ = {phi:g} (its compound network is another variant)"]
    if "compound" not in found or len(found) < 2:
        return {}, reasons
    if missing := set(found.values()) - set(table.values["variant"]):
        untried = [names[role] for role, variant in found.items() if variant in missing]
        return {}, [f"φ = {phi:g} (no finished trial of {enumerated(untried)})"]
    return {role: found[role] for role in ("compound", *AXES) if role in found}, reasons


def _draws(
    table: CandidateTable, fitted: Fit, variants: Sequence[str], generator: np.random.Generator
) -> Floats:
    """Joint draws of the compound network and the axes of one φ, (count, networks)."""
    samples = fitted.samples
    if all(variant in table.number for variant in variants):
        return samples.values[:, [table.number[variant] for variant in variants]]
    seeds = [table.seeds(variant) for variant in variants]
    means = np.array([own.mean() for own in seeds])
    counts = np.array([len(own) for own in seeds])
    luck = 0.0 if fitted.luck is None else fitted.luck.variance
    error = samples.noise[:, None] / counts + luck
    compound = means[0] + np.sqrt(error[:, 0]) * generator.standard_normal(len(error))
    axes = _exchangeable(means[1:], error[:, 1:], samples.noise, generator)
    return np.concatenate([compound[:, None], axes], axis=1)


def _exchangeable(
    means: Floats, error: Floats, noise: Floats, generator: np.random.Generator
) -> Floats:
    """Draws of the true values (count, k) of exchangeable networks with means (k,).

    Args:
        means: over trials.
        error: variance of each mean around the true value, by draw, (count, k).
        noise: variance of one trial, by draw, (count,).
        generator: of the draws.
    """
    spread = SPREAD**2 * noise[:, None]  # (count, points of the grid)
    weight = 1 / (spread + error.T[..., None])  # (k, count, points)
    precision = weight.sum(0)
    level = np.tensordot(means, weight, 1) / precision
    apart = (weight * (means[:, None, None] - level) ** 2).sum(0)
    evidence = 0.5 * (np.log(weight).sum(0) - np.log(precision) - apart)
    evidence += log_prior_of_spread(SPREAD)
    chance = np.exp(evidence - evidence.max(1, keepdims=True)).cumsum(1)
    drawn = generator.random((len(noise), 1)) * chance[:, -1:]
    point = (np.arange(len(noise)), (chance < drawn).sum(1))
    middle = level[point] + generator.standard_normal(len(noise)) / np.sqrt(precision[point])
    part = spread[point][:, None] / (spread[point][:, None] + error)  # of a mean that is not noise
    values: Floats = middle[:, None] + part * (means - middle[:, None])
    values += np.sqrt(part * error) * generator.standard_normal(error.shape)
    return values


def _slope(phis: Floats, draws: Sequence[Mapping[str, Floats]]) -> Slope | None:
    """Of the least-squares line through the advantages, by the draws (count,) of each role."""
    axes = tuple(axis for axis in AXES if all(axis in at for at in draws))
    if len(phis) < 2 or not axes:
        return None
    gains = [at["compound"] - np.max([at[axis] for axis in axes], axis=0) for at in draws]
    away = phis - phis.mean()
    slopes = away @ np.array(gains) / (away @ away)
    return Slope(float(slopes.mean()), *interval(slopes), float((slopes > 0).mean()), axes)
