"""MobileNetV1 (Howard et al. 2017, arXiv 1704.04861, Table 1): depthwise separable convolutions.

Rule: all channels are multiplied (the authors' width multiplier, section 3.3), rounded to multiples
of 8; there is no head convolution. The authors do not scale depth; as in the EfficientNet paper
(Table 3), layers of each stage are multiplied and rounded up.
"""

from __future__ import annotations

from scalegrid.baselines.blocks import BlockBaseline

FAMILY = (
    BlockBaseline(
        "mobilenetv1",
        (
            ("dsa_r1_k3_s1_c64",),
            ("dsa_r2_k3_s2_c128",),
            ("dsa_r2_k3_s2_c256",),
            ("dsa_r6_k3_s2_c512",),
            ("dsa_r2_k3_s2_c1024",),
        ),
        resolution=224,
        head=0,
        activation="relu6",
    ),
)
