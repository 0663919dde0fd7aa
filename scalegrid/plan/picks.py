"""A network chosen for a plan, before it is costed and described in full."""

from __future__ import annotations

from typing import NamedTuple

from scalegrid.coefficients import Scaling
from scalegrid.plan.realisable import Cell, Realisable

ROLES = ("baseline", "depth", "width", "resolution", "compound", "paper", "grid", "stages", "curve")
"""From the most telling role to the least; a network with several keeps the first."""


class Pick(NamedTuple):
    """The network at ``cell`` of ``networks``, its role, and the multipliers it goes by at φ.

    ``placement`` is that of the baseline of ``networks``.
    """

    role: str
    phi: float
    scaling: Scaling
    networks: Realisable
    cell: Cell
    placement: float = 0.0
