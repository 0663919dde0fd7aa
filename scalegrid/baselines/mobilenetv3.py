"""MobileNetV3 Large and Small (Howard et al. 2019, arXiv 1905.02244, Tables 1 and 2).

Rule: channels of stem and stages are multiplied and rounded to multiples of 8; the convolution
after the pooling keeps its 1280 or 1024 channels, as in timm and in the fine-grained classification
mode of the authors' release (github.com/tensorflow/models, research/slim). The authors do not
scale depth; layers of each stage are multiplied and rounded up, except for the single 1×1
convolution before the pooling.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from scalegrid.baselines.blocks import BlockBaseline, Stages
from scalegrid.baselines.rounding import scale_channels

if TYPE_CHECKING:
    from torch import nn

LARGE: Stages = (
    ("ds_r1_k3_s1_e1_c16_nre",),
    ("ir_r1_k3_s2_e4_c24_nre", "ir_r1_k3_s1_e3_c24_nre"),
    ("ir_r3_k5_s2_e3_c40_se0.25_nre",),
    ("ir_r1_k3_s2_e6_c80", "ir_r1_k3_s1_e2.5_c80", "ir_r2_k3_s1_e2.3_c80"),
    ("ir_r2_k3_s1_e6_c112_se0.25",),
    ("ir_r3_k5_s2_e6_c160_se0.25",),
    ("cn_r1_k1_s1_c960",),
)
SMALL: Stages = (
    ("ds_r1_k3_s2_e1_c16_se0.25_nre",),
    ("ir_r1_k3_s2_e4.5_c24_nre", "ir_r1_k3_s1_e3.67_c24_nre"),
    ("ir_r1_k5_s2_e4_c40_se0.25", "ir_r2_k5_s1_e6_c40_se0.25"),
    ("ir_r2_k5_s1_e3_c48_se0.25",),
    ("ir_r3_k5_s2_e6_c96_se0.25",),
    ("cn_r1_k1_s1_c576",),
)


@dataclass(frozen=True)
class MobileNetV3Baseline(BlockBaseline):
    """A network of timm's MobileNetV3 class: the head convolution follows the pooling."""

    stem: int = 16
    activation: str = "hard_swish"
    fixed_head: bool = True

    head_operator: ClassVar[str] = "Pooling & Conv & FC"
    head_after_pooling: ClassVar[bool] = True
    builds_as_known: ClassVar[bool] = True

    def build(self, depth: float, width: float, num_classes: int) -> nn.Module:
        """A `timm.models.mobilenetv3.MobileNetV3`."""
        from timm.models._efficientnet_blocks import SqueezeExcite
        from timm.models._efficientnet_builder import round_channels
        from timm.models.mobilenetv3 import MobileNetV3
        from torch import nn

        squeeze = partial(
            SqueezeExcite,
            gate_layer="hard_sigmoid",
            force_act_layer=nn.ReLU,
            rd_round_fn=round_channels,
        )
        arguments = self._arguments(depth, width, num_classes)
        model: nn.Module = MobileNetV3(se_layer=squeeze, **arguments)
        return model

    def _squeeze(self, channels: int, ratio: float, expansion: float) -> int:
        """``ratio`` of the expanded channels, in multiples of 8."""
        return scale_channels(channels, ratio)


FAMILY = (
    MobileNetV3Baseline("mobilenetv3_small", SMALL, 224, head=1024, fixed_stages=(len(SMALL) - 1,)),
    MobileNetV3Baseline("mobilenetv3_large", LARGE, 224, head=1280, fixed_stages=(len(LARGE) - 1,)),
)
