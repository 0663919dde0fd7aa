"""Which trial next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scalegrid.allocation.base import Allocator, Ask
from scalegrid.allocation.uniform import Uniform
from scalegrid.spec import SweepSpec


def make_allocator(spec: SweepSpec, variants: Sequence[Mapping[str, Any]]) -> Allocator:
    """The allocator that a specification asks for.

    Args:
        spec: the sweep's specification.
        variants: rows of the variants table, in the order in which to start them.
    """
    return Uniform([row["variant"] for row in variants], spec.seeds)


__all__ = ["Allocator", "Ask", "Uniform", "make_allocator"]
