"""Which trial next."""

from __future__ import annotations

from collections.abc import Sequence

from scalegrid.allocation.base import Allocator, Ask
from scalegrid.allocation.uniform import Uniform
from scalegrid.spec import SweepSpec


def make_allocator(spec: SweepSpec, variants: Sequence[str]) -> Allocator:
    """The allocator that a specification asks for, over variant ids in the order to start them."""
    return Uniform(variants, spec.seeds)


__all__ = ["Allocator", "Ask", "Uniform", "make_allocator"]
