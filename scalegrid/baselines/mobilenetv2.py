"""MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381, Table 2): inverted residuals.

Rule: channels of stem, stages and, for multipliers above one, the head are multiplied (section 4 of
the paper), rounded to multiples of 8. The authors do not scale depth; as in the EfficientNet paper
(Table 3), layers of each stage are multiplied and rounded up.
"""

from __future__ import annotations

from scalegrid.baselines.blocks import BlockBaseline

FAMILY = (
    BlockBaseline(
        "mobilenetv2",
        (
            ("ds_r1_k3_s1_c16",),
            ("ir_r2_k3_s2_e6_c24",),
            ("ir_r3_k3_s2_e6_c32",),
            ("ir_r4_k3_s2_e6_c64",),
            ("ir_r3_k3_s1_e6_c96",),
            ("ir_r3_k3_s2_e6_c160",),
            ("ir_r1_k3_s1_e6_c320",),
        ),
        resolution=224,
        activation="relu6",
    ),
)
