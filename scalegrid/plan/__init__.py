"""From coefficients to distinct variants of equal measured cost, before any training."""

from __future__ import annotations

from scalegrid.plan.picks import ROLES
from scalegrid.plan.variants import Plan, Variant, make_plan, resolve_resolution, resolve_step

__all__ = ["ROLES", "Plan", "Variant", "make_plan", "resolve_resolution", "resolve_step"]
