"""How many more trials would probably make the answer clear."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from scalegrid.analysis.luck import Luck, judged
from scalegrid.analysis.model import Posterior
from scalegrid.analysis.observations import Floats
from scalegrid.analysis.repeat import most_worth_repeating
from scalegrid.analysis.selection import MIN_REPEATS, chances

_HALF, _MOST = 0.5, 0.9
_RACES = 48
_RACERS = 64  # of more candidates the least likely are never given a trial
_DRAWS = 300
HORIZON = 20
"""Trials a candidate beyond which the future is not imagined."""


def trials_needed(
    posterior: Posterior,
    indifference: float,
    confidence: float,
    repeats: int = MIN_REPEATS,
    luck: Luck | None = None,
) -> int | None:
    """The further trials after which half of the simulated races have ended, see `foresee`.

    None if even twenty more trials a candidate would not do.
    """
    parts = _ended_parts(posterior, indifference, confidence, repeats, luck)
    return next((made for made, part in parts if part >= _HALF), None)


class Foresight(NamedTuple):
    """After how many further trials the answer is probably clear.

    After ``half`` in one of two simulated races; after ``most`` in nine of ten, None if that takes
    more than twenty trials a candidate.
    """

    half: int
    most: int | None


def foresee(
    posterior: Posterior,
    indifference: float,
    confidence: float,
    repeats: int = MIN_REPEATS,
    luck: Luck | None = None,
) -> Foresight | None:
    """How many more trials make the answer clear; None if half of the races need too many.

    At least as many as it takes to see the noise, of which there are ``repeats`` degrees of freedom
    so far; with one seed each, one more of every candidate.

    In each race the truth is a draw from the posterior, a trial tells what it does now, and the
    trials are allocated as racing does. A race ends as soon as its leader is within the zone with
    probability ``confidence``; they are evaluated whenever their trials have grown by a quarter.

    The posterior is that on the images there are; the ``luck`` with them, which no trial takes
    away, counts when a race is evaluated.
    """
    half = None
    for made, part in _ended_parts(posterior, indifference, confidence, repeats, luck):
        half = made if half is None and part >= _HALF else half
        if half is not None and part >= _MOST:
            return Foresight(half, made)
    return None if half is None else Foresight(half, None)


def _ended_parts(
    posterior: Posterior,
    indifference: float,
    confidence: float,
    repeats: int,
    luck: Luck | None,
) -> Iterator[tuple[int, float]]:
    """Numbers of further trials that grow by a quarter, and the part of races that have ended."""
    generator = np.random.default_rng(2)
    size = posterior.mean.shape[1]
    least = size if repeats == 0 else MIN_REPEATS - repeats
    high = posterior.expected + 2 * np.sqrt(np.diagonal(posterior.covariance))
    kept = np.sort(np.argsort(-high, kind="stable")[:_RACERS])
    covariance, noise = posterior.covariance[np.ix_(kept, kept)], posterior.noise_told
    racers, expected = len(kept), posterior.expected[kept]
    covariance = covariance + 1e-9 * np.trace(covariance) / racers * np.eye(racers)
    root = np.linalg.cholesky(covariance + 1e-300 * np.eye(racers))
    truth = expected + generator.standard_normal((_RACES, racers)) @ root.T
    races = _Races(expected, covariance, noise, truth, luck or Luck(0.0, 1), generator)
    made = 0
    while made < HORIZON * racers:
        step = max(1, made // 4) if made >= least else least - made
        for _ in range(step):
            races.advance(indifference)
        made += step
        yield made, races.ended(indifference, confidence)


class _Races:
    """Many races at once, each a normal posterior that is updated trial by trial."""

    def __init__(
        self,
        mean: Floats,
        covariance: Floats,
        noise: float,
        truth: Floats,
        luck: Luck,
        generator: np.random.Generator,
    ) -> None:
        self._rows = np.arange(len(truth))
        self._mean = np.tile(mean, (len(truth), 1))
        self._covariance = np.tile(covariance, (len(truth), 1, 1))
        self._noise, self._truth, self._generator = noise, truth, generator
        self._luck = luck
        self._ended = np.zeros(len(truth), dtype=np.bool_)

    def advance(self, indifference: float) -> None:
        """One more trial in each."""
        rows, everyone = self._rows, np.ones(self._truth.shape[1], dtype=np.bool_)
        chosen = most_worth_repeating(
            self._mean, self._covariance, self._noise, indifference, everyone
        )
        value = self._truth[rows, chosen]
        value = value + np.sqrt(self._noise) * self._generator.standard_normal(len(rows))
        column = self._covariance[rows, :, chosen]
        gain = column / (column[rows, chosen] + self._noise)[:, None]
        self._mean += gain * (value - self._mean[rows, chosen])[:, None]
        self._covariance -= gain[:, :, None] * column[:, None, :]

    def ended(self, indifference: float, confidence: float) -> float:
        """The part of the races that have ended; those end whose leader is good enough now."""
        size = self._truth.shape[1]
        ridge = 1e-9 * np.trace(self._covariance, axis1=1, axis2=2).max() + 1e-300
        roots = np.linalg.cholesky(self._covariance + ridge * np.eye(size))
        draws = self._generator.standard_normal((_DRAWS, size))
        within = [
            chances(self._judged(mean + draws @ root.T), indifference).within[mean.argmax()]
            for mean, root in zip(self._mean, roots, strict=True)
        ]
        self._ended |= np.array(within) >= confidence
        return float(np.mean(self._ended))

    def _judged(self, values: Floats) -> Floats:
        if self._luck.variance == 0:
            return values
        spread = float(self._truth.var(1, ddof=1).mean())
        return judged(values, spread, self._luck, self._generator)
