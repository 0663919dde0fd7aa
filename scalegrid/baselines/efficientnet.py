"""EfficientNet B0 … B7 and the Lite variants (Tan & Le, ICML 2019, Tables 1 and 2).

Rule (paper, section 3.3, and the authors' release): layers of each stage are multiplied and rounded
up; channels of stem, stages and head are multiplied and rounded to multiples of 8. B1 … B7 carry
the multipliers and resolutions of the release, which are rounded by hand and do not follow
φ = 1 … 7 of the paper's coefficients; timm ships the same.

Lite (github.com/tensorflow/tpu, models/official/efficientnet/lite) has no squeeze-and-excitation,
ReLU6, and keeps stem and head channels and the layers of the first and last stage as they are.
"""

from __future__ import annotations

from scalegrid.baselines.blocks import BlockBaseline, Stages

B0_STAGES: Stages = (
    ("ds_r1_k3_s1_e1_c16_se0.25",),
    ("ir_r2_k3_s2_e6_c24_se0.25",),
    ("ir_r2_k5_s2_e6_c40_se0.25",),
    ("ir_r3_k3_s2_e6_c80_se0.25",),
    ("ir_r3_k5_s1_e6_c112_se0.25",),
    ("ir_r4_k5_s2_e6_c192_se0.25",),
    ("ir_r1_k3_s1_e6_c320_se0.25",),
)
LITE_STAGES: Stages = tuple((stage[0].removesuffix("_se0.25"),) for stage in B0_STAGES)

# name: width multiplier, depth multiplier, resolution in px
_RELEASED = {
    "b0": (1.0, 1.0, 224),
    "b1": (1.0, 1.1, 240),
    "b2": (1.1, 1.2, 260),
    "b3": (1.2, 1.4, 300),
    "b4": (1.4, 1.8, 380),
    "b5": (1.6, 2.2, 456),
    "b6": (1.8, 2.6, 528),
    "b7": (2.0, 3.1, 600),
}
_RELEASED_LITE = {
    "lite0": (1.0, 1.0, 224),
    "lite1": (1.0, 1.1, 240),
    "lite2": (1.1, 1.2, 260),
    "lite3": (1.2, 1.4, 280),
    "lite4": (1.4, 1.8, 300),
}

FAMILY = tuple(
    BlockBaseline(name, B0_STAGES, resolution, depth=depth, width=width)
    for name, (width, depth, resolution) in _RELEASED.items()
)
LITE = tuple(
    BlockBaseline(
        name,
        LITE_STAGES,
        resolution,
        activation="relu6",
        depth=depth,
        width=width,
        fixed_stem=True,
        fixed_head=True,
        fixed_stages=(0, len(LITE_STAGES) - 1),
    )
    for name, (width, depth, resolution) in _RELEASED_LITE.items()
)
