"""A RegNet of given stages, by torch and timm alone: exports have a copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from timm.models.regnet import RegNet, RegNetCfg


@dataclass
class StagedRegNetCfg(RegNetCfg):
    """Settings of a RegNet; ``stages`` are layers, channels and group width of each."""

    stages: tuple[tuple[int, int, int], ...] = ()


class StagedRegNet(RegNet):
    """A RegNet that is given its four stages; timm's derives them from parameters."""

    def _get_stage_args(self, cfg: Any, *args: Any, **kwargs: Any) -> Any:
        rate = kwargs.pop("drop_path_rate", 0.0)
        stages, common = super()._get_stage_args(cfg, *args, **kwargs)
        blocks = sum(depth for depth, _, _ in cfg.stages)
        rates = iter(torch.linspace(0, rate, blocks, device="cpu").tolist())
        own = [
            {
                "depth": depth,
                "out_chs": channels,
                "group_size": group,
                "drop_path_rates": [next(rates) for _ in range(depth)],
            }
            for depth, channels, group in cfg.stages
        ]
        return [a | b for a, b in zip(stages, own, strict=True)], common
