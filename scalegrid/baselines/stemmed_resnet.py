"""A ResNet with a stem of any width, by torch and timm alone: exports have a copy."""

from __future__ import annotations

from typing import Any

from timm.models.resnet import ResNet
from torch import nn


class StemmedResNet(ResNet):
    """A ResNet whose stem has ``stem`` channels; timm's has 64.

    They are 64, or those of the first stage.
    """

    def __init__(
        self,
        block: Any,
        layers: Any,
        *,
        channels: Any,
        stem: int,
        in_chans: int = 3,
        **settings: Any,
    ) -> None:
        settings |= {"channels": channels, "in_chans": in_chans}
        super().__init__(block, layers, **settings)
        network: Any = self
        first = network.layer1[0]
        if stem == network.conv1.out_channels:
            return
        network.conv1 = nn.Conv2d(in_chans, stem, 7, stride=2, padding=3, bias=False)
        network.bn1 = nn.BatchNorm2d(stem)
        network.feature_info[0]["num_chs"] = stem
        if block.expansion == 1:
            first.conv1 = nn.Conv2d(stem, stem, 3, padding=1, bias=False)
            first.downsample = None
        else:
            outputs = stem * block.expansion
            first.conv1 = nn.Conv2d(stem, stem, 1, bias=False)
            first.downsample[0] = nn.Conv2d(stem, outputs, 1, bias=False)
        network.init_weights()
