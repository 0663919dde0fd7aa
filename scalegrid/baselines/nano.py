"""`nano`: a small MBConv network for 32 px images, scalegrid's own.

B0's ingredients (inverted residuals, squeeze-and-excitation at a quarter, swish) at a total stride
of 16, so that a 32 px image still has a 2 × 2 map before pooling. Rule: as EfficientNet's, layers of
each stage multiplied and rounded up, channels to multiples of 8.
"""

from __future__ import annotations

from scalegrid.baselines.blocks import BlockBaseline

FAMILY = (
    BlockBaseline(
        "nano",
        (
            ("ds_r1_k3_s1_e1_c16_se0.25",),
            ("ir_r2_k3_s2_e3_c24_se0.25",),
            ("ir_r2_k3_s2_e3_c40_se0.25",),
            ("ir_r1_k3_s2_e3_c64_se0.25",),
        ),
        resolution=32,
        brief_resolution=32,
        stem=16,
        head=128,
    ),
)
