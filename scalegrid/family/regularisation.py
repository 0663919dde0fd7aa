"""Dropout, stochastic depth and weight decay of each size: settings, by the release's defaults.

Tan & Le, "EfficientNet" (ICML 2019, arXiv 1905.11946), section 5.2: dropout grows linearly from 0.2
for B0 to 0.5 for B7, since bigger models need more regularisation; stochastic depth has survival
probability 0.8, weight decay is 1e-5. The release rounds dropout to 0.2, 0.2, 0.3, …, 0.5.
"""

from __future__ import annotations

from typing import NamedTuple

from scalegrid.util.errors import UserError

DOUBLINGS = 7
"""B7 is φ = 7 of the paper, nominally 2^7 times the FLOPs of B0."""


class Ramp(NamedTuple):
    """A setting that grows linearly from the baseline to seven doublings of nominal FLOPs.

    Smaller and larger networks keep the nearer end: nothing published tells more.
    """

    first: float
    last: float

    def at(self, doublings: float) -> float:
        """The setting at log₂ of the nominal FLOPs ratio: φ·log₂F, which is φ for F = 2."""
        part = min(1.0, max(0.0, doublings / DOUBLINGS))
        return self.first + part * (self.last - self.first)


class Regularisation(NamedTuple):
    """What keeps each size from overfitting; ``drop_path`` is the rate of the deepest block."""

    dropout: Ramp = Ramp(0.2, 0.5)
    drop_path: Ramp = Ramp(0.2, 0.2)
    weight_decay: Ramp = Ramp(1e-5, 1e-5)

    def checked(self) -> Regularisation:
        """Itself.

        Raises:
            UserError: a rate is not in [0, 1), or a weight decay is negative.
        """
        for name, ramp in self._asdict().items():
            below = float("inf") if name == "weight_decay" else 1.0
            for value in ramp:
                if not 0 <= value < below:
                    raise UserError(
                        f"--{name.replace('_', '-')} {value:g} must be 0 or above"
                        f"{' and below 1' if below == 1 else ' and finite'}."
                    )
        return self


RELEASE = Regularisation()
"""What EfficientNet's authors trained B0 to B7 with."""
