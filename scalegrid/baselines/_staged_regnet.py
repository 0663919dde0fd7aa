"""timm's RegNet, given its stages instead of the parameters that generate them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from timm.models.regnet import RegNet, RegNetCfg


@dataclass
class StagedRegNetCfg(RegNetCfg):
    """Layers, channels and group widths of each stage; they win over depth, w0, wa and wm."""

    layers: tuple[int, ...] = ()
    widths: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()


class StagedRegNet(RegNet):
    """A RegNet with the stages of a `StagedRegNetCfg`."""

    def _get_stage_args(
        self, cfg: RegNetCfg, *args: Any, **kwargs: Any
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        assert isinstance(cfg, StagedRegNetCfg)
        stages, common = super()._get_stage_args(cfg, *args, **kwargs)
        for i, stage in enumerate(stages):
            stage["depth"] = cfg.layers[i]
            stage["out_chs"] = cfg.widths[i]
            stage["group_size"] = cfg.groups[i]
            stage["drop_path_rates"] = [0.0] * cfg.layers[i]
        return stages, common
