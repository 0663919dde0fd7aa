"""Families whose sizes are published, as tables of facts; each family names its source.

FLOPs, parameters and top-1 are as printed; NaN where none are needed here, or none are printed.
"""

from __future__ import annotations

from math import nan
from typing import NamedTuple


class Stages(NamedTuple):
    """Layers and channels of each stage."""

    layers: tuple[int, ...]
    channels: tuple[int, ...]


class PublishedSize(NamedTuple):
    """A published size of a family.

    Attributes:
        name: as the authors call it, nearly.
        model: the name by which `scalegrid.baselines.get` builds it; empty if by none.
        resolution: side of the input in px, at which the authors count FLOPs.
        depth: the authors' multiplier of layers; NaN where they list the layers.
        width: the authors' multiplier of channels, likewise.
        dropout: before the classifier.
        flops: multiply-adds of one image in billions, as printed.
        params: parameters in millions, as printed.
        top1: per cent of ImageNet's validation images, as printed.
        stages: the authors' list, where no built-in baseline has it.
    """

    name: str
    model: str
    resolution: int
    depth: float = nan
    width: float = nan
    dropout: float = nan
    flops: float = nan
    params: float = nan
    top1: float = nan
    stages: Stages | None = None


class Reference(NamedTuple):
    """Another network of the EfficientNet paper's Table 2; units as of `PublishedSize`.

    ``model`` is the same network in timm, if it is there, and ``resolution`` its px. What it costs
    as timm builds it is kept, ``counted_flops`` multiply-adds and ``counted_params`` parameters.
    """

    name: str
    flops: float
    params: float
    top1: float
    model: str = ""
    resolution: int = 0
    counted_flops: int = 0
    counted_params: int = 0


class PublishedFamily(NamedTuple):
    """The sizes of a family, smallest first, and where they are published."""

    source: str
    sizes: tuple[PublishedSize, ...]


# Multipliers, px and dropout are those of the release (github.com/tensorflow/tpu,
# models/official/efficientnet, efficientnet_builder.py), rounded by hand. The rest is Table 2 of
# version 5 of the paper, of 2020. The first version prints top-1 of 76.3, 78.8, 79.8, 81.1, 82.6,
# 83.3, 84.0 and 84.4.
_EFFICIENTNET = PublishedFamily(
    "Tan & Le 2019, arXiv 1905.11946v5, Table 2; multipliers of the authors' release",
    (
        PublishedSize("B0", "b0", 224, 1.0, 1.0, 0.2, 0.39, 5.3, 77.1),
        PublishedSize("B1", "b1", 240, 1.1, 1.0, 0.2, 0.70, 7.8, 79.1),
        PublishedSize("B2", "b2", 260, 1.2, 1.1, 0.3, 1.0, 9.2, 80.1),
        PublishedSize("B3", "b3", 300, 1.4, 1.2, 0.3, 1.8, 12, 81.6),
        PublishedSize("B4", "b4", 380, 1.8, 1.4, 0.4, 4.2, 19, 82.9),
        PublishedSize("B5", "b5", 456, 2.2, 1.6, 0.4, 9.9, 30, 83.6),
        PublishedSize("B6", "b6", 528, 2.6, 1.8, 0.5, 19, 43, 84.0),
        PublishedSize("B7", "b7", 600, 3.1, 2.0, 0.5, 37, 66, 84.3),
    ),
)

_LITE = PublishedFamily(
    "the release of 2020, github.com/tensorflow/tpu, models/official/efficientnet/lite",
    (
        PublishedSize("Lite0", "lite0", 224, 1.0, 1.0, 0.2, 0.407, 4.7, 75.1),
        PublishedSize("Lite1", "lite1", 240, 1.1, 1.0, 0.2, 0.631, 5.4, 76.7),
        PublishedSize("Lite2", "lite2", 260, 1.2, 1.1, 0.3, 0.899, 6.1, 77.6),
        PublishedSize("Lite3", "lite3", 280, 1.4, 1.2, 0.3, 1.44, 8.2, 79.8),
        PublishedSize("Lite4", "lite4", 300, 1.8, 1.4, 0.3, 2.64, 13.0, 81.5),
    ),
)

# M and L have a seventh stage, S has not. S is given none of its layers, and as many channels as
# keep the ratio to the sixth stage that it has in M (256 · 512 / 304).
_V2_S = Stages((2, 4, 4, 6, 9, 15, 0), (24, 48, 64, 128, 160, 256, 432))
_V2_M = Stages((3, 5, 5, 7, 14, 18, 5), (24, 48, 80, 160, 176, 304, 512))
_V2_L = Stages((4, 7, 7, 10, 19, 25, 7), (32, 64, 96, 192, 224, 384, 640))
_EFFICIENTNETV2 = PublishedFamily(
    "Tan & Le 2021, arXiv 2104.00298, Table 7; stages of the release, github.com/google/automl",
    (
        PublishedSize("S", "timm/tf_efficientnetv2_s", 384, nan, nan, 0.2, 8.8, 22, 83.9, _V2_S),
        PublishedSize("M", "timm/tf_efficientnetv2_m", 480, nan, nan, 0.3, 24, 54, 85.1, _V2_M),
        PublishedSize("L", "timm/tf_efficientnetv2_l", 480, nan, nan, 0.4, 53, 120, 85.7, _V2_L),
    ),
)

# Multipliers of B0, whose stem and head keep their channels, and px, as of the release.
_TINYNET = PublishedFamily(
    "Han et al. 2020, arXiv 2010.14819; release, github.com/huawei-noah, tinynet_pytorch",
    (
        PublishedSize("E", "timm/tinynet_e", 106, 0.6, 0.51, nan, 0.024, nan, 59.9),
        PublishedSize("D", "timm/tinynet_d", 152, 0.695, 0.54, nan, 0.052, nan, 67.0),
        PublishedSize("C", "timm/tinynet_c", 184, 0.85, 0.54, nan, 0.100, nan, 71.2),
        PublishedSize("B", "timm/tinynet_b", 188, 1.1, 0.75, nan, 0.202, nan, 75.0),
        PublishedSize("A", "timm/tinynet_a", 192, 1.2, 1.0, nan, 0.339, nan, 76.8),
    ),
)

# The authors' width multipliers at 224 px. They also lower the px, each on its own.
_MOBILENETV2 = PublishedFamily(
    "Sandler et al. 2018, arXiv 1801.04381, section 6.1",
    tuple(
        PublishedSize(f"{width:g}", f"timm/mobilenetv2_{100 * width:03.0f}", 224, 1.0, width)
        for width in (0.35, 0.5, 0.75, 1.0, 1.4)
    ),
)
_MOBILENETV3 = PublishedFamily(
    "Howard et al. 2019, arXiv 1905.02244, section 6.1: MobileNetV3-Large",
    tuple(
        PublishedSize(f"{width:g}", "mobilenetv3_large" if width == 1 else "", 224, 1.0, width)
        for width in (0.35, 0.5, 0.75, 1.0, 1.25)
    ),
)

# ResNet-18 and 34 have another kind of block.
_RESNET = PublishedFamily(
    "He et al. 2016, arXiv 1512.03385, Table 1",
    tuple(PublishedSize(f"{layers}", f"resnet{layers}", 224) for layers in (50, 101, 152)),
)

_RESNET_RS = PublishedFamily(
    "Bello et al. 2021, arXiv 2103.07579; release, github.com/tensorflow/tpu, resnet_rs",
    tuple(
        PublishedSize(f"{layers}-{px}", f"timm/resnetrs{layers}", px)
        for layers, *sides in (
            *((50, 160), (101, 160, 192), (152, 192, 224, 256), (200, 256), (270, 256)),
            *((350, 256, 320), (420, 320)),
        )
        for px in sides
    ),
)

_NFNET = PublishedFamily(
    "Brock et al. 2021, arXiv 2102.06171, Table 1, at the px of inference",
    tuple(
        PublishedSize(f"F{n}", f"timm/nfnet_f{n}", px)
        for n, px in enumerate((256, 320, 352, 416, 512, 544, 576))
    ),
)

_REGNETX, _REGNETY = (
    PublishedFamily(
        f"Radosavovic et al. 2020, arXiv 2003.13678, Table {table}",
        tuple(
            PublishedSize(f"{gigaflops:g} GF", f"timm/regnet{letter}_{10 * gigaflops:03.0f}", 224)
            for gigaflops in (0.2, 0.4, 0.6, 0.8, 1.6, 3.2, 4, 6.4, 8, 12, 16, 32)
        ),
    )
    for letter, table in (("x", 5), ("y", 7))
)

_CONVNEXT_T = Stages((3, 3, 9, 3), (96, 192, 384, 768))
_CONVNEXT_S = Stages((3, 3, 27, 3), (96, 192, 384, 768))
_CONVNEXT_B = Stages((3, 3, 27, 3), (128, 256, 512, 1024))
_CONVNEXT_L = Stages((3, 3, 27, 3), (192, 384, 768, 1536))
_CONVNEXT = PublishedFamily(
    "Liu et al. 2022, arXiv 2201.03545, section 3 and Table 1",
    (
        PublishedSize("T", "timm/convnext_tiny", 224, nan, nan, nan, 4.5, 29, 82.1, _CONVNEXT_T),
        PublishedSize("S", "timm/convnext_small", 224, nan, nan, nan, 8.7, 50, 83.1, _CONVNEXT_S),
        PublishedSize("B", "timm/convnext_base", 224, nan, nan, nan, 15.4, 89, 83.8, _CONVNEXT_B),
        PublishedSize("L", "timm/convnext_large", 224, nan, nan, nan, 34.4, 198, 84.3, _CONVNEXT_L),
    ),
)

PUBLISHED: dict[str, PublishedFamily] = {
    "EfficientNet": _EFFICIENTNET,
    "EfficientNet-Lite": _LITE,
    "EfficientNetV2": _EFFICIENTNETV2,
    "TinyNet": _TINYNET,
    "MobileNetV2": _MOBILENETV2,
    "MobileNetV3": _MOBILENETV3,
    "ResNet": _RESNET,
    "ResNet-RS": _RESNET_RS,
    "NFNet": _NFNET,
    "RegNetX": _REGNETX,
    "RegNetY": _REGNETY,
    "ConvNeXt": _CONVNEXT,
}
"""Every family, by name."""

REFERENCES = (
    Reference("ResNet-50", 4.1, 26, 76.0, "resnet50", 224, 4_089_184_256, 25_557_032),
    Reference("DenseNet-169", 3.5, 14, 76.2, "densenet169", 224, 3_359_843_328, 14_149_480),
    Reference("ResNet-152", 11, 60, 77.8, "resnet152", 224, 11_513_626_624, 60_192_808),
    Reference("DenseNet-264", 6.0, 34, 77.9),
    Reference("Inception-v3", 5.7, 24, 78.8, "inception_v3", 299, 5_713_216_096, 23_834_568),
    Reference("Xception", 8.4, 23, 79.0, "legacy_xception", 299, 8_357_403_496, 22_855_952),
    Reference("Inception-v4", 13, 48, 80.0, "inception_v4", 299, 12_253_974_624, 42_679_816),
    Reference(
        "Inception-ResNet-v2", 13, 56, 80.1, "inception_resnet_v2", 299, 13_155_794_016, 55_843_464
    ),
    Reference("ResNeXt-101", 32, 84, 80.9, "resnext101_64x4d", 320, 31_549_440_000, 83_455_272),
    Reference("PolyNet", 35, 92, 81.3),
    Reference("SENet", 42, 146, 82.7),
    Reference("NASNet-A", 24, 89, 82.7, "nasnetalarge", 331, 23_783_414_658, 88_753_150),
    Reference("AmoebaNet-A", 23, 87, 82.8),
    Reference("PNASNet", 23, 86, 82.9, "pnasnet5large", 331, 24_937_395_792, 86_057_668),
    Reference("AmoebaNet-C", 41, 155, 83.5),
    Reference("GPipe", nan, 557, 84.3),
)
"""The rows of Table 2 (arXiv 1905.11946v5) that are no EfficientNets."""
