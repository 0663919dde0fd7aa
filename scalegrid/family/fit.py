"""Which coefficients the authors of a family in effect used, from the networks that they published.

Numbers of layers and channels do not say how much deeper or wider a network is: a layer of a late
stage costs another amount than one of an early stage. So a size is compared with the smallest of
its family by FLOPs. Depth, width and resolution may each be the one's or the other's, which makes
eight networks. An axis contributes what moving it alone does to log₂ FLOPs, averaged over the
orders in which the three can be moved (Shapley 1953). The contributions add up to log₂ of the FLOPs
ratio.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import log2, nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scalegrid.coefficients import (
    PAPER,
    Coefficients,
    Scaling,
    Shares,
    from_shares,
    normalise_shares,
)
from scalegrid.family.networks import flops_between
from scalegrid.family.published import PUBLISHED, PublishedSize
from scalegrid.util.errors import UserError
from scalegrid.util.text import did_you_mean

FAMILIES = tuple(PUBLISHED)
"""Every family that can be fitted."""


class Member(NamedTuple):
    """A size of a family, against the smallest.

    Attributes:
        name: as published.
        resolution: side of the input in px.
        flops: multiply-adds of one image, as counted.
        phi: log₂ of the FLOPs ratio, which is the number of doublings.
        scaling: the multipliers that by the nominal rule would add to the FLOPs what the size's
            depth, width and resolution add.
        shares: of depth, width and resolution in ``phi``; NaN for the smallest.
        phi_paper: the φ at which (1.2, 1.1, 1.15) is nearest to the authors' multipliers, by
            `nearest_phi`; NaN where they give none.
    """

    name: str
    resolution: int
    flops: int
    phi: float
    scaling: Scaling
    shares: Shares
    phi_paper: float


@dataclass(frozen=True)
class Fit:
    """The direction of a family on the triangle of budget shares.

    Attributes:
        family: its name.
        source: where its sizes are published.
        shares: the direction, by least squares through the smallest size.
        coefficients: (α, β, γ) of these shares for twice the FLOPs.
        residual: how far the sizes are from the direction: root mean square, as a fraction of their
            log₂ FLOPs ratios. 0: one triple of coefficients is behind all sizes.
        members: the sizes, smallest first.
    """

    family: str
    source: str
    shares: Shares
    coefficients: Coefficients
    residual: float
    members: tuple[Member, ...]


def fit(name: str) -> Fit:
    """Fit the coefficients of a published family; builds and counts networks where it must.

    Args:
        name: one of `FAMILIES`; upper and lower case do not matter.

    Raises:
        UserError: there is no such family.
    """
    name = _known(name)
    family = PUBLISHED[name]
    parts = np.array([_contributions(name, family.sizes[0], size) for size in family.sizes])
    phis = parts.sum(1)
    direction = phis @ parts / (phis @ phis)
    gaps = parts - np.outer(phis, direction)
    shares = Shares(*map(float, direction))
    return Fit(
        family=name,
        source=family.source,
        shares=shares,
        coefficients=from_shares(shares),
        residual=float(np.sqrt((gaps**2).sum() / (phis @ phis))),
        members=tuple(
            _member(name, size, part) for size, part in zip(family.sizes, parts, strict=True)
        ),
    )


def nearest_phi(scaling: Scaling, coefficients: Coefficients = PAPER) -> float:
    """The φ at which coefficients come nearest to multipliers.

    Distances are those of (log₂ d, 2·log₂ w, 2·log₂ r), which the triangle of budget shares shows.
    """
    wanted, step = (
        np.array([log2(d), 2 * log2(w), 2 * log2(r)]) for d, w, r in (scaling, coefficients)
    )
    return float(wanted @ step / (step @ step))


def _known(name: str) -> str:
    """The family's name as it is written here."""
    spelling = {family.lower(): family for family in FAMILIES}
    if name.lower() not in spelling:
        hint = did_you_mean(name, FAMILIES, f"there are {', '.join(FAMILIES)}.")
        raise UserError(f"unknown published family {name!r}; {hint}")
    return spelling[name.lower()]


def _contributions(
    family: str, smallest: PublishedSize, size: PublishedSize
) -> NDArray[np.float64]:
    """(3,): what depth, width and resolution add to log₂ FLOPs between two sizes."""
    flops = [
        flops_between(family, depth, width, px.resolution)
        for depth, width, px in product((smallest, size), repeat=3)
    ]
    logs = np.log2(np.array(flops, dtype=float)).reshape(2, 2, 2)
    moved = (np.moveaxis(logs, axis, 0) for axis in range(3))
    return np.array([np.sum(_ORDERS * (after - before)) for before, after in moved])


_ORDERS = np.array([[1 / 3, 1 / 6], [1 / 6, 1 / 3]])
"""Of six orders, how many move an axis when neither, one or both of the others have moved."""


def _member(family: str, size: PublishedSize, parts: NDArray[np.float64]) -> Member:
    depth, width, resolution = map(float, parts)
    phi = depth + width + resolution
    return Member(
        name=size.name,
        resolution=size.resolution,
        flops=flops_between(family, size, size, size.resolution),
        phi=phi,
        scaling=Scaling(2**depth, 2 ** (width / 2), 2 ** (resolution / 2)),
        shares=normalise_shares(depth, width, resolution),
        phi_paper=_phi_paper(PUBLISHED[family].sizes[0], size),
    )


def _phi_paper(smallest: PublishedSize, size: PublishedSize) -> float:
    if not smallest.depth == smallest.width == 1:
        return nan
    return nearest_phi(Scaling(size.depth, size.width, size.resolution / smallest.resolution))
