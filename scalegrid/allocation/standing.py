"""What the finished trials of a race say, and which one would say most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from functools import cached_property
from typing import Protocol

import numpy as np

from scalegrid.allocation.base import Ask, Result
from scalegrid.analysis import joint
from scalegrid.analysis.foresight import HORIZON, trials_needed
from scalegrid.analysis.kinds import levelled
from scalegrid.analysis.luck import Luck, luck
from scalegrid.analysis.model import Model, Posterior
from scalegrid.analysis.observations import Observations
from scalegrid.analysis.repeat import most_worth_repeating
from scalegrid.analysis.selection import Chances, chances, is_clear
from scalegrid.analysis.surface import Fit, fit


class Standing(Protocol):
    """What the finished trials say about those candidates that have any."""

    @property
    def repeats(self) -> int:
        """Degrees of freedom of the noise."""

    @property
    def leader(self) -> str:
        """The candidate whose value is expected to be highest."""

    @property
    def certainty(self) -> float:
        """Probability that the leader is within the indifference zone of the best."""

    @property
    def best(self) -> dict[str, float]:
        """Probability of each candidate to have the highest value."""

    def clear(self, confidence: float) -> bool:
        """Whether `recommend` would call the answer clear."""

    def worth_most(
        self,
        hopeful: Sequence[str],
        running: Set[Ask],
        failed: Set[Ask],
        next_seed: Callable[[str], int],
    ) -> Ask | None:
        """The trial of ``hopeful`` candidates that says most, as if those running had ended."""

    def foreseen(self, confidence: float) -> dict[str, float]:
        """Further trials of rung 1, or their worth, expected of each candidate."""


class TrialStanding:
    """The standing where all trials are of one budget."""

    @classmethod
    def of(
        cls,
        finished: Mapping[Ask, Result],
        shares: Mapping[str, Sequence[float]],
        indifference: float,
    ) -> TrialStanding | None:
        """None if there are not two candidates with trials yet."""
        tried = sorted({ask.variant for ask in finished} & shares.keys())
        return cls(tried, finished, shares, indifference) if len(tried) > 1 else None

    def __init__(
        self,
        tried: Sequence[str],
        finished: Mapping[Ask, Result],
        shares: Mapping[str, Sequence[float]],
        indifference: float,
    ) -> None:
        self._tried, self._indifference = tried, indifference
        number = {variant: i for i, variant in enumerate(tried)}
        values = levels(finished)
        own = {(number[ask.variant], ask.seed): ask for ask in finished if ask.variant in number}
        self._observations = Observations.collect(
            len(tried), ((*at, values[ask], *finished[ask].others) for at, ask in own.items())
        )
        self._model = Model(len(tried), np.array([shares[v] for v in tried], dtype=np.float64))
        self._luck = luck_with_images({at: finished[ask] for at, ask in own.items()})
        self._foresight: int | None = None

    @property
    def repeats(self) -> int:
        """Degrees of freedom of the noise."""
        return self._observations.repeats

    @cached_property
    def posterior(self) -> Posterior:
        """With the surface, which weighs little where it does not fit."""
        return joint.posterior(self._model, self._observations)

    @cached_property
    def _fit(self) -> Fit:
        return fit(self._model, self._observations, self._luck)

    @cached_property
    def _chances(self) -> Chances:
        return chances(self._fit.samples.values, self._indifference)

    @property
    def leader(self) -> str:
        """The candidate whose value is expected to be highest."""
        return self._tried[int(self._fit.posterior.expected.argmax())]

    @property
    def certainty(self) -> float:
        """Probability that the leader is within the indifference zone of the best."""
        return float(self._chances.within[self._tried.index(self.leader)])

    @property
    def best(self) -> dict[str, float]:
        """Probability of each candidate to have the highest value."""
        return dict(zip(self._tried, self._chances.best.tolist(), strict=True))

    def clear(self, confidence: float) -> bool:
        """Whether `recommend` would call the answer clear."""
        return is_clear(self.repeats, self.certainty, confidence)

    def worth_most(
        self,
        hopeful: Sequence[str],
        running: Set[Ask],
        failed: Set[Ask],
        next_seed: Callable[[str], int],
    ) -> Ask | None:
        """The trial that says most, as if the running trials had come out as expected."""
        allowed = np.isin(self._tried, hopeful)
        if not allowed.any():
            return None
        covariance, noise = self.posterior.covariance, self.posterior.noise_told
        counts = Counter(ask.variant for ask in running)
        for i, variant in enumerate(self._tried):
            count = counts[variant]
            if count:
                column = covariance[:, i]
                covariance = covariance - np.outer(column, column) / (column[i] + noise / count)
        chosen = most_worth_repeating(
            self.posterior.expected, covariance, noise, self._indifference, allowed
        )
        variant = self._tried[int(chosen)]
        return Ask(variant, next_seed(variant))

    def foreseen(self, confidence: float) -> dict[str, float]:
        """Further trials expected of each candidate, in proportion to its chance of being best."""
        if self._foresight is None:  # slow, and asked for every second
            needed = trials_needed(
                self._fit.on_images,
                self._indifference,
                confidence,
                self.repeats,
                self._luck,
            )
            self._foresight = HORIZON * len(self._tried) if needed is None else needed
        return dict(zip(self._tried, (self._foresight * self._chances.best).tolist(), strict=True))


def luck_with_images(results: Mapping[tuple[int, int], Result]) -> Luck | None:
    """The luck of candidates, by number and seed, as far as their trials' answers are known."""
    answers = {at: result.answers for at, result in results.items()}
    return luck({at: flags for at, flags in answers.items() if flags is not None})


def levels(finished: Mapping[Ask, Result]) -> dict[Ask, float]:
    """The values of trials, less what a kind of device adds to them, as `recommend` takes it."""
    if len({result.device for result in finished.values()}) < 2:
        return {ask: result.value for ask, result in finished.items()}
    import pandas as pd

    rows = [
        (ask.variant, ask.seed, ask.rung, result.value, result.device)
        for ask, result in finished.items()
    ]
    table = pd.DataFrame(rows, columns=["variant", "seed", "rung", "value", "device"])
    values = levelled(table)[0]["value"].sort_index().tolist()  # sorted by trial; now as told
    return dict(zip(finished, values, strict=True))
