"""What a search maximises: ACC · (cost / T)^w, or ACC alone under a hard limit T."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from scalegrid.util.text import count

Kind = Literal["flops", "params", "latency"]
Limit = Literal["soft", "hard"]

_UNITS: dict[str, tuple[Kind, float]] = {
    "": ("flops", 1.0),
    "flops": ("flops", 1.0),
    "params": ("params", 1.0),
    "parameters": ("params", 1.0),
    "s": ("latency", 1.0),
    "ms": ("latency", 1e-3),
}
_FACTORS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "B": 1e9}

NAMES: dict[Kind, str] = {"flops": "FLOPs", "params": "parameters", "latency": "latency"}


@dataclass(frozen=True)
class Target:
    """An amount of a cost: FLOPs or parameters, or seconds of latency."""

    kind: Kind
    amount: float

    @classmethod
    def read(cls, text: str) -> Target:
        """``400M``, ``400M FLOPs``, ``5.3M params`` or ``20 ms``.

        Raises:
            ValueError: it is none of these; the message follows the name of a setting.
        """
        found = re.fullmatch(r"\s*(\d+\.?\d*)\s*(ms|s|[kMGB]?)\s*([A-Za-z]*)\s*", text)
        if found:
            number, factor, unit = found.groups()
            if factor in ("s", "ms"):
                factor, unit = "", factor + unit
            if unit.lower() in _UNITS and float(number) > 0:
                kind, scale = _UNITS[unit.lower()]
                return cls(kind, float(number) * _FACTORS[factor] * scale)
        raise ValueError(
            "must be FLOPs, parameters or a latency, such as 400M, '5M params' or 20ms"
        )

    def shown(self, amount: float | None = None) -> str:
        """An amount of this cost, by default the target's, with its unit."""
        amount = self.amount if amount is None else amount
        if self.kind == "latency":
            return f"{1e3 * amount:.3g} ms"
        return f"{count(amount)} {NAMES[self.kind]}"

    def __str__(self) -> str:
        return self.shown()


@dataclass(frozen=True)
class Objective:
    """ACC · (cost / T)^w (Tan et al., CVPR 2019, equation 2); w is 0 under a ``hard`` limit.

    ``window`` are the least and the largest cost over T of networks that are trained at all.
    """

    target: Target
    exponent: float
    limit: Limit
    window: tuple[float, float]

    def value(self, accuracy: float, cost: float) -> float:
        """The objective of a network of this accuracy and cost; more is better."""
        power = 0.0 if self.limit == "hard" else self.exponent
        return accuracy * math.pow(cost / self.target.amount, power)

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the largest cost of a network that is trained."""
        low, high = (factor * self.target.amount for factor in self.window)
        return low, min(high, self.target.amount) if self.limit == "hard" else high

    def allows(self, cost: float) -> bool:
        """Whether a network of this cost is trained."""
        low, high = self.bounds
        return low <= cost <= high

    @property
    def formula(self) -> str:
        """``ACC·(FLOPs/T)^-0.07``."""
        if self.limit == "hard":
            return "ACC"
        return f"ACC·({NAMES[self.target.kind]}/T)^{self.exponent:g}"

    def __str__(self) -> str:
        if self.limit == "hard":
            return f"ACC of networks of {self.target} at most"
        return f"{self.formula}, T = {self.target}"
