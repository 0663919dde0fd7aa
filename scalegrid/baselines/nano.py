"""`nano`: a small MBConv network for 32 px images, scalegrid's own.

B0's ingredients (inverted residuals, kernels of 3 and 5, squeeze-and-excitation at a quarter,
swish) at a total stride of 8, so that a 32 px image still has a 4 × 4 map before pooling, and every
8 px more make the maps larger.

Rule: layers of each stage are multiplied and rounded to the nearest, channels of stem, stages and
head to multiples of 4. With EfficientNet's coarser rounding (up, and multiples of 8) so short and
narrow a network has hardly any variants of equal cost.
"""

from __future__ import annotations

from scalegrid.baselines.blocks import BlockBaseline

FAMILY = (
    BlockBaseline(
        "nano",
        (
            ("ds_r1_k3_s1_e1_c16_se0.25",),
            ("ir_r2_k3_s2_e3_c24_se0.25",),
            ("ir_r3_k5_s2_e3_c32_se0.25",),
            ("ir_r2_k3_s1_e3_c48_se0.25",),
        ),
        resolution=32,
        brief_resolution=32,
        stem=16,
        head=128,
        channel_divisor=4,
        depth_rounding="round",
    ),
)
