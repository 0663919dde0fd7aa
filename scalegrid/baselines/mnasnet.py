"""MnasNet A1, B1 and Small (Tan et al. 2019, arXiv 1807.11626, Figure 7).

Rule: channels of stem and stages are multiplied and rounded to multiples of 8, the head keeps its
1280, and layers of each stage are multiplied and rounded up, as in the authors' release
(github.com/tensorflow/tpu, models/official/mnasnet) and in timm.
"""

from __future__ import annotations

from scalegrid.baselines.blocks import BlockBaseline, Stages

A1: Stages = (
    ("ds_r1_k3_s1_e1_c16_noskip",),
    ("ir_r2_k3_s2_e6_c24",),
    ("ir_r3_k5_s2_e3_c40_se0.25",),
    ("ir_r4_k3_s2_e6_c80",),
    ("ir_r2_k3_s1_e6_c112_se0.25",),
    ("ir_r3_k5_s2_e6_c160_se0.25",),
    ("ir_r1_k3_s1_e6_c320",),
)
B1: Stages = (
    ("ds_r1_k3_s1_c16_noskip",),
    ("ir_r3_k3_s2_e3_c24",),
    ("ir_r3_k5_s2_e3_c40",),
    ("ir_r3_k5_s2_e6_c80",),
    ("ir_r2_k3_s1_e6_c96",),
    ("ir_r4_k5_s2_e6_c192",),
    ("ir_r1_k3_s1_e6_c320_noskip",),
)
SMALL: Stages = (
    ("ds_r1_k3_s1_c8",),
    ("ir_r1_k3_s2_e3_c16",),
    ("ir_r2_k3_s2_e6_c16",),
    ("ir_r4_k5_s2_e6_c32_se0.25",),
    ("ir_r3_k3_s1_e6_c32_se0.25",),
    ("ir_r3_k5_s2_e6_c88_se0.25",),
    ("ir_r1_k3_s1_e6_c144",),
)

FAMILY = tuple(
    BlockBaseline(name, stages, 224, stem=stem, activation="relu", fixed_head=True)
    for name, stages, stem in (
        ("mnasnet_a1", A1, 32),
        ("mnasnet_b1", B1, 32),
        ("mnasnet_small", SMALL, 8),
    )
)
