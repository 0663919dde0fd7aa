"""Whether the baseline learns enough in its brief training for candidates to be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scalegrid.util.text import percent

LEAST_GAIN = 0.1
"""Least part of what there is to gain over guessing, (top-1 - guessing) / (1 - guessing)."""

LARGEST_DIFFERENCE = 0.15
"""Largest difference in top-1 between two seeds: a noise of ten points. Candidates of equal cost
are seldom more than a few points apart, so such trainings cannot tell them apart."""


@dataclass(frozen=True)
class Learning:
    """The baseline's first trials: their ``top1`` (shares), and that of ``guessing``."""

    top1: Sequence[float]
    guessing: float

    @property
    def gain(self) -> float:
        """The mean gain over guessing as a part of what there is to gain."""
        mean = sum(self.top1) / len(self.top1)
        return (mean - self.guessing) / (1 - self.guessing)

    @property
    def problem(self) -> str | None:
        """What stands against comparing candidates, as a clause; None if nothing does."""
        if not self.top1:
            return None
        values = " and ".join(percent(value) for value in self.top1)
        if self.guessing < 1 and self.gain < LEAST_GAIN:
            return (
                f"the baseline has not learnt: its top-1 is {values}, and guessing gives "
                f"{percent(self.guessing)}"
            )
        if max(self.top1) - min(self.top1) > LARGEST_DIFFERENCE:
            return (
                f"the baseline's accuracy depends on the seed: its top-1 is {values}, which is "
                "further apart than candidates of equal cost are"
            )
        return None
