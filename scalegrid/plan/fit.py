"""Whether the trials of a plan fit in the memory of their devices."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scalegrid.cost.memory import BYTES
from scalegrid.executors import placement_for
from scalegrid.plan.variants import Variant
from scalegrid.spec import SweepSpec
from scalegrid.training.devices import device_memory

_COPIES = 4
"""Of the parameters: weights, gradients, and two moments of an optimiser."""


def memory_notes(variants: Sequence[Variant], spec: SweepSpec) -> list[str]:
    """A sentence if the largest trials, as many as run at once, may need more than a device has."""
    placement = placement_for(spec)
    device = placement.devices[0]
    at_once = math.ceil(placement.workers / len(placement.devices))
    known = [v for v in variants if v.memory is not None]
    largest = max(known, key=_needed, default=None)
    if largest is None:
        return []
    needed, there = at_once * _needed(largest), device_memory(device)
    if needed <= there:
        return []
    trials = f"{at_once} trials at once" if at_once > 1 else "a trial"
    fewer = "a smaller --batch-size" + (" or fewer --workers" if at_once > 1 else "")
    return [
        f"{trials} of the largest variant ({largest.resolution} px) need about "
        f"{needed / 2**30:.1f} GiB, and {device} has {there / 2**30:.1f} GiB; give {fewer}"
    ]


def _needed(variant: Variant) -> int:
    """Bytes of a trial: activations, weights and what belongs to them."""
    return (variant.memory or 0) + _COPIES * BYTES * variant.params
