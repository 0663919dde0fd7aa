"""The built-in families as tables, with the source and the scaling rule of each.

FLOPs and parameters are recorded, so that a list needs no torch: at the authors' resolution with
1,000 classes, as `scalegrid.cost` counts them. Likewise, of block-string families, what training
keeps for each activation (`scalegrid.plan.memory`). The tests count them again.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from scalegrid.baselines.base import Baseline
from scalegrid.baselines.blocks import BlockBaseline, Stages
from scalegrid.baselines.stages import ConvNeXtBaseline, RegNetBaseline, ResNetBaseline

FAMILIES: dict[str, tuple[Member, ...]] = {}
"""The built-in baselines, smallest first within a family."""


class Member(NamedTuple):
    """A baseline of a family and its recorded cost."""

    baseline: Baseline
    flops: int
    params: int


_blocks = partial(BlockBaseline, origin="built-in", resolution=224)

# A small network for 32 px images, scalegrid's own: B0's ingredients at a total stride of 8. A
# 32 px image still has a 4 × 4 map before pooling, and every 8 px more make the maps larger.
# Rule: layers of each stage are rounded to the nearest, channels to multiples of 4. With
# EfficientNet's coarser rounding so short and narrow a network has hardly any variants of equal
# cost.
_NANO: Stages = (
    ("ds_r1_k3_s1_e1_c16_se0.25",),
    ("ir_r2_k3_s2_e3_c24_se0.25",),
    ("ir_r3_k5_s2_e3_c32_se0.25",),
    ("ir_r2_k3_s1_e3_c48_se0.25",),
)
_nano = partial(
    _blocks,
    brief_resolution=32,
    channel_divisor=4,
    depth_rounding="round",
    kept_per_activation=3.18,
)
FAMILIES["nano"] = (
    Member(_nano("nano", _NANO, resolution=32, stem=16, head=128), 1_838_528, 203_344),
)

# EfficientNet B0 … B7 (Tan & Le, ICML 2019, arXiv 1905.11946, Tables 1 and 2).
# Rule (section 3.3, and the authors' release): layers of each stage are multiplied and rounded up;
# channels of stem, stages and head are multiplied and rounded to multiples of 8. B1 … B7 have the
# multipliers and resolutions of the release, which are rounded by hand and do not follow
# φ = 1 … 7 of the paper's coefficients; timm ships the same.
B0_STAGES: Stages = (
    ("ds_r1_k3_s1_e1_c16_se0.25",),
    ("ir_r2_k3_s2_e6_c24_se0.25",),
    ("ir_r2_k5_s2_e6_c40_se0.25",),
    ("ir_r3_k3_s2_e6_c80_se0.25",),
    ("ir_r3_k5_s1_e6_c112_se0.25",),
    ("ir_r4_k5_s2_e6_c192_se0.25",),
    ("ir_r1_k3_s1_e6_c320_se0.25",),
)
_b0 = partial(_blocks, stages=B0_STAGES, kept_per_activation=3.32)
FAMILIES["EfficientNet"] = (
    Member(_b0("b0"), 385_814_752, 5_288_548),
    Member(_b0("b1", width=1.0, depth=1.1, resolution=240), 686_802_832, 7_794_184),
    Member(_b0("b2", width=1.1, depth=1.2, resolution=260), 993_561_872, 9_109_994),
    Member(_b0("b3", width=1.2, depth=1.4, resolution=300), 1_827_141_392, 12_233_232),
    Member(_b0("b4", width=1.4, depth=1.8, resolution=380), 4_393_771_024, 19_341_616),
    Member(_b0("b5", width=1.6, depth=2.2, resolution=456), 10_266_384_752, 30_389_784),
    Member(_b0("b6", width=1.8, depth=2.6, resolution=528), 19_067_593_536, 43_040_704),
    Member(_b0("b7", width=2.0, depth=3.1, resolution=600), 37_745_884_192, 66_347_960),
)

# EfficientNet-Lite (github.com/tensorflow/tpu, models/official/efficientnet/lite): without
# squeeze-and-excitation, with ReLU6.
# Rule: as EfficientNet, but channels of stem and head, and layers of the first and the last stage,
# stay as they are.
_lite0 = partial(
    _blocks,
    stages=tuple((stage[0].removesuffix("_se0.25"),) for stage in B0_STAGES),
    activation="relu6",
    fixed_stem=True,
    fixed_head=True,
    fixed_stages=(0, len(B0_STAGES) - 1),
    kept_per_activation=2.99,
)
FAMILIES["EfficientNet-Lite"] = (
    Member(_lite0("lite0"), 385_187_552, 4_652_008),
    Member(_lite0("lite1", width=1.0, depth=1.1, resolution=240), 600_185_232, 5_416_680),
    Member(_lite0("lite2", width=1.1, depth=1.2, resolution=260), 859_736_272, 6_092_072),
    Member(_lite0("lite3", width=1.2, depth=1.4, resolution=280), 1_383_321_872, 8_197_096),
    Member(_lite0("lite4", width=1.4, depth=1.8, resolution=300), 2_553_034_336, 13_006_568),
)

# MobileNetV1 (Howard et al. 2017, arXiv 1704.04861, Table 1).
# Rule: all channels are multiplied (the authors' width multiplier, section 3.3) and rounded to
# multiples of 8. The authors do not scale depth; as in the EfficientNet paper (Table 3), layers of
# each stage are multiplied and rounded up.
_V1: Stages = (
    ("dsa_r1_k3_s1_c64",),
    ("dsa_r2_k3_s2_c128",),
    ("dsa_r2_k3_s2_c256",),
    ("dsa_r6_k3_s2_c512",),
    ("dsa_r2_k3_s2_c1024",),
)
FAMILIES["MobileNetV1"] = (
    Member(
        _blocks("mobilenetv1", _V1, head=0, activation="relu6", kept_per_activation=3.06),
        568_740_352,
        4_231_976,
    ),
)

# MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381, Table 2).
# Rule: as MobileNetV1; for multipliers above 1 the head is multiplied too (section 4).
_V2: Stages = (
    ("ds_r1_k3_s1_c16",),
    ("ir_r2_k3_s2_e6_c24",),
    ("ir_r3_k3_s2_e6_c32",),
    ("ir_r4_k3_s2_e6_c64",),
    ("ir_r3_k3_s1_e6_c96",),
    ("ir_r3_k3_s2_e6_c160",),
    ("ir_r1_k3_s1_e6_c320",),
)
FAMILIES["MobileNetV2"] = (
    Member(
        _blocks("mobilenetv2", _V2, activation="relu6", kept_per_activation=2.98),
        300_774_272,
        3_504_872,
    ),
)

# MobileNetV3 Small and Large (Howard et al. 2019, arXiv 1905.02244, Tables 1 and 2).
# Rule: channels of stem and stages are multiplied and rounded to multiples of 8; the convolution
# after the pooling keeps its 1280 or 1024 channels, as in timm and in the fine-grained
# classification mode of the authors' release (github.com/tensorflow/models, research/slim). The
# authors do not scale depth; layers of each stage are multiplied and rounded up, except for the
# single 1×1 convolution before the pooling.
_V3_SMALL: Stages = (
    ("ds_r1_k3_s2_e1_c16_se0.25_nre",),
    ("ir_r1_k3_s2_e4.5_c24_nre", "ir_r1_k3_s1_e3.67_c24_nre"),
    ("ir_r1_k5_s2_e4_c40_se0.25", "ir_r2_k5_s1_e6_c40_se0.25"),
    ("ir_r2_k5_s1_e3_c48_se0.25",),
    ("ir_r3_k5_s2_e6_c96_se0.25",),
    ("cn_r1_k1_s1_c576",),
)
_V3_LARGE: Stages = (
    ("ds_r1_k3_s1_e1_c16_nre",),
    ("ir_r1_k3_s2_e4_c24_nre", "ir_r1_k3_s1_e3_c24_nre"),
    ("ir_r3_k5_s2_e3_c40_se0.25_nre",),
    ("ir_r1_k3_s2_e6_c80", "ir_r1_k3_s1_e2.5_c80", "ir_r2_k3_s1_e2.3_c80"),
    ("ir_r2_k3_s1_e6_c112_se0.25",),
    ("ir_r3_k5_s2_e6_c160_se0.25",),
    ("cn_r1_k1_s1_c960",),
)
_v3 = partial(_blocks, stem=16, activation="hard_swish", fixed_head=True, head_after_pooling=True)
_v3_small = _v3(
    "mobilenetv3_small",
    _V3_SMALL,
    head=1024,
    fixed_stages=(len(_V3_SMALL) - 1,),
    kept_per_activation=2.95,
)
_v3_large = _v3(
    "mobilenetv3_large",
    _V3_LARGE,
    head=1280,
    fixed_stages=(len(_V3_LARGE) - 1,),
    kept_per_activation=2.6,
)
FAMILIES["MobileNetV3"] = (
    Member(_v3_small, 56_510_400, 2_542_856),
    Member(_v3_large, 216_589_760, 5_483_032),
)

# MnasNet A1, B1 and Small (Tan et al. 2019, arXiv 1807.11626, Figure 7).
# Rule: channels of stem and stages are multiplied and rounded to multiples of 8, the head keeps its
# 1280, and layers of each stage are multiplied and rounded up, as in the authors' release
# (github.com/tensorflow/tpu, models/official/mnasnet) and in timm.
_A1: Stages = (
    ("ds_r1_k3_s1_e1_c16_noskip",),
    ("ir_r2_k3_s2_e6_c24",),
    ("ir_r3_k5_s2_e3_c40_se0.25",),
    ("ir_r4_k3_s2_e6_c80",),
    ("ir_r2_k3_s1_e6_c112_se0.25",),
    ("ir_r3_k5_s2_e6_c160_se0.25",),
    ("ir_r1_k3_s1_e6_c320",),
)
_B1: Stages = (
    ("ds_r1_k3_s1_c16_noskip",),
    ("ir_r3_k3_s2_e3_c24",),
    ("ir_r3_k5_s2_e3_c40",),
    ("ir_r3_k5_s2_e6_c80",),
    ("ir_r2_k3_s1_e6_c96",),
    ("ir_r4_k5_s2_e6_c192",),
    ("ir_r1_k3_s1_e6_c320_noskip",),
)
_SMALL: Stages = (
    ("ds_r1_k3_s1_c8",),
    ("ir_r1_k3_s2_e3_c16",),
    ("ir_r2_k3_s2_e6_c16",),
    ("ir_r4_k5_s2_e6_c32_se0.25",),
    ("ir_r3_k3_s1_e6_c32_se0.25",),
    ("ir_r3_k5_s2_e6_c88_se0.25",),
    ("ir_r1_k3_s1_e6_c144",),
)
_mnasnet = partial(_blocks, activation="relu", fixed_head=True)
FAMILIES["MnasNet"] = (
    Member(_mnasnet("mnasnet_a1", _A1, kept_per_activation=2.19), 311_579_072, 3_887_038),
    Member(_mnasnet("mnasnet_b1", _B1, kept_per_activation=2.1), 314_415_872, 4_383_312),
    Member(
        _mnasnet("mnasnet_small", _SMALL, stem=8, kept_per_activation=2.3), 68_339_184, 2_030_264
    ),
)

# ResNet-18 … 152 (He et al. 2016, arXiv 1512.03385, Table 1), with timm's stride in the 3×3.
# Rule: layers of each stage are multiplied and rounded up, channels of stem and stages are
# multiplied and rounded to multiples of 8. He et al. scale depth by hand and width not at all; this
# is the rule of the EfficientNet paper, whose Table 3 it reproduces (see docs/agreement.md).
_resnet = partial(ResNetBaseline, widths=(64, 128, 256, 512), origin="built-in")
FAMILIES["ResNet"] = (
    Member(_resnet("resnet18", (2, 2, 2, 2)), 1_814_073_344, 11_689_512),
    Member(_resnet("resnet34", (3, 4, 6, 3)), 3_663_761_408, 21_797_672),
    Member(_resnet("resnet50", (3, 4, 6, 3), bottleneck=True), 4_089_184_256, 25_557_032),
    Member(_resnet("resnet101", (3, 4, 23, 3), bottleneck=True), 7_801_405_440, 44_549_160),
    Member(_resnet("resnet152", (3, 8, 36, 3), bottleneck=True), 11_513_626_624, 60_192_808),
)

# RegNetX and RegNetY (Radosavovic et al. 2020, arXiv 2003.13678, Tables 5 and 7).
# Rule (Dollár et al. 2021, arXiv 2103.06877, and the scaler of the authors' pycls): a RegNet is
# scaled as the stages that its parameters unfold to. Layers of each stage are multiplied and
# rounded to the nearest; channels of each stage are multiplied, rounded to multiples of 8 and then
# to multiples of the group width. Group width and stem stay.
FAMILIES["RegNet"] = tuple(
    Member(
        RegNetBaseline(name, layers, widths, origin="built-in", groups=(group,) * 4), flops, params
    )
    for name, layers, widths, group, flops, params in (
        ("regnetx_002", (1, 1, 4, 7), (24, 56, 152, 368), 8, 199_039_872, 2_684_792),
        ("regnetx_004", (1, 2, 7, 12), (32, 64, 160, 384), 16, 397_677_568, 5_157_512),
        ("regnetx_008", (1, 3, 7, 5), (64, 128, 288, 672), 16, 799_699_712, 7_259_656),
        ("regnetx_016", (2, 4, 10, 2), (72, 168, 408, 912), 24, 1_602_849_792, 9_190_136),
        ("regnetx_032", (2, 6, 15, 2), (96, 192, 432, 1008), 48, 3_176_621_952, 15_296_552),
        ("regnetx_064", (2, 4, 10, 1), (168, 392, 784, 1624), 56, 6_460_291_264, 26_209_256),
        ("regnety_002", (1, 1, 4, 7), (24, 56, 152, 368), 8, 199_514_080, 3_162_996),
        ("regnety_004", (1, 3, 6, 6), (48, 104, 208, 440), 8, 401_842_848, 4_344_144),
        ("regnety_008", (1, 3, 8, 2), (64, 128, 320, 768), 16, 797_176_832, 6_263_168),
        ("regnety_016", (2, 6, 17, 2), (48, 120, 336, 888), 24, 1_612_076_160, 11_202_430),
        ("regnety_032", (2, 5, 13, 1), (72, 216, 576, 1512), 24, 3_176_482_752, 19_436_338),
        ("regnety_064", (2, 7, 14, 2), (144, 288, 576, 1296), 72, 6_355_204_992, 30_583_252),
    )
)

# ConvNeXt (Liu et al. 2022, arXiv 2201.03545, section 3), and timm's smaller atto … nano.
# Rule: the authors scale by hand; as in the EfficientNet paper, layers of each stage are multiplied
# and rounded up, channels of patch stem and stages are multiplied and rounded to multiples of 8.
# The 2×2 downsampling layers between stages are not repeated.
FAMILIES["ConvNeXt"] = tuple(
    Member(ConvNeXtBaseline(name, layers, widths, origin="built-in", conv_mlp=mlp), flops, params)
    for name, layers, widths, mlp, flops, params in (
        ("convnext_atto", (2, 2, 6, 2), (40, 80, 160, 320), True, 547_332_480, 3_695_520),
        ("convnext_femto", (2, 2, 6, 2), (48, 96, 192, 384), True, 779_629_824, 5_217_784),
        ("convnext_pico", (2, 2, 6, 2), (64, 128, 256, 512), True, 1_367_055_360, 9_045_672),
        ("convnext_nano", (2, 2, 8, 2), (80, 160, 320, 640), True, 2_445_528_320, 15_593_560),
        ("convnext_tiny", (3, 3, 9, 3), (96, 192, 384, 768), False, 4_455_531_264, 28_589_128),
        ("convnext_small", (3, 3, 27, 3), (96, 192, 384, 768), False, 8_683_712_256, 50_223_688),
        ("convnext_base", (3, 3, 27, 3), (128, 256, 512, 1024), False, 15_354_729_472, 88_591_464),
    )
)

BUILT_IN: dict[str, Baseline] = {
    member.baseline.name: member.baseline for members in FAMILIES.values() for member in members
}

BRIEF_RATES = {
    "EfficientNet": 0.12,
    "EfficientNet-Lite": 0.17,
    "MobileNetV2": 0.17,
    "MobileNetV3": 0.15,
    "MnasNet": 0.19,
    "ConvNeXt": 0.04,
}
"""The peak learning rate of a family's brief trainings by SGD, where it is not the usual one.

Found on leaves by `--rates tune`, with the smallest member of each (docs/sensor.md).
"""


def brief_rate(name: str) -> float | None:
    """The peak learning rate that suits the family of a built-in baseline; None: the usual one."""
    for family, members in FAMILIES.items():
        if name in (member.baseline.name for member in members):
            return BRIEF_RATES.get(family)
    return None
