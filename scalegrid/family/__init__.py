"""From coefficients to the sizes of a family, at any φ or budget; and the families of others."""

from scalegrid.family.family import Family, at_budgets, at_phis, make_family, with_sweep
from scalegrid.family.regularisation import RELEASE, Ramp, Regularisation
from scalegrid.family.sizes import Size, Terms

__all__ = [
    "RELEASE",
    "Family",
    "Ramp",
    "Regularisation",
    "Size",
    "Terms",
    "at_budgets",
    "at_phis",
    "make_family",
    "with_sweep",
]
