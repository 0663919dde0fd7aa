"""The check of networks, for tests."""

from __future__ import annotations

from scalegrid.baselines import Baseline
from scalegrid.cost import Costs
from scalegrid.plan import soundness


def check(baseline: Baseline, num_classes: int, resolution: int, in_chans: int = 3) -> list[str]:
    """The notes on a network for images and classes of these numbers; raises UserError."""
    step = baseline.resolution_step
    return soundness.check(Costs(baseline, num_classes, in_chans), resolution, step)
