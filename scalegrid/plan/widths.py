"""Width scaled at several depths and resolutions: what is asked for by `SweepSpec.width_curves`.

EfficientNet's figure 4 (arXiv 1905.11946, section 3.3) shows by it that width gains more where the
network is deeper and its images larger.
"""

from __future__ import annotations

import math
from itertools import product

from scalegrid.coefficients import Coefficients, Scaling
from scalegrid.spec import SweepSpec

DEPTHS, RESOLUTIONS = (1.0, 2.0), (1.0, 1.3)
"""Multipliers of the baseline's depth and resolution, those of the paper's figure."""


def width_curves(spec: SweepSpec) -> list[tuple[str, float, Scaling]]:
    """Role, φ and multipliers of each variant: all widths at all depths and resolutions.

    Their cost is whatever it is. φ is that at which F^φ is their nominal FLOPs ratio.
    """
    found = []
    for depth, resolution, width in product(DEPTHS, RESOLUTIONS, spec.width_curves):
        scaling = Scaling(depth, width, resolution)
        ratio = Coefficients(*scaling).flops_factor
        if ratio > 1:  # the baseline is there already
            found.append(("curve", math.log(ratio) / math.log(spec.flops_factor), scaling))
    return found
