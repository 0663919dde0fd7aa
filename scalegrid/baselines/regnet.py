"""RegNetX and RegNetY (Radosavovic et al. 2020, arXiv 2003.13678, Tables 5 and 7).

Rule (Dollár et al. 2021, arXiv 2103.06877, and the scaler of the authors' pycls): a RegNet is
scaled as the stages that its parameters unfold to. Layers of each stage are multiplied and rounded
to the nearest; channels of each stage are multiplied, rounded to multiples of 8 and then to
multiples of the group width, which stays; so does the stem.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from scalegrid.baselines.base import Layout, Row
from scalegrid.baselines.rounding import scale_layers, tidy

if TYPE_CHECKING:
    from torch import nn


class Unfolded(NamedTuple):
    """The four stages of a RegNet."""

    layers: tuple[int, ...]
    widths: tuple[int, ...]
    groups: tuple[int, ...]


@dataclass(frozen=True)
class RegNetBaseline:
    """A RegNet of timm's table ``timm.models.regnet.model_cfgs``, by its key there."""

    name: str
    key: str
    resolution: int = 224
    origin: ClassVar[str] = "built-in"
    brief_resolution: int = 64

    @property
    def total_stride(self) -> int:
        """Stem and four stages halve the map."""
        return 32

    @cached_property
    def definition(self) -> Any:
        """What the constructor is given beside layers and channels."""
        config = vars(self._config)
        unfolding = ("depth", "w0", "wa", "wm", "group_size", "group_min_ratio")
        rest = {key: str(value) for key, value in config.items() if key not in unfolding}
        return {"class": type(self).__name__, "groups": self._unfolded.groups, **rest}

    def known_layers(self, *_: Any) -> None:
        """x"""
        return

    def depths(self, depth: float) -> tuple[int, ...]:
        """Layers of each stage."""
        return tuple(scale_layers(n, depth, "round") for n in self._unfolded.layers)

    def channels(self, width: float) -> tuple[int, ...]:
        """Channels of each stage."""
        bottle = self._config.bottle_ratio
        return tuple(
            _scale_width(channels, tidy(width), group, bottle)
            for channels, group in zip(self._unfolded.widths, self._unfolded.groups, strict=True)
        )

    def layout(self, depth: float, width: float) -> Layout:
        """Stem, four stages, and the head that this RegNet has."""
        config = self._config
        operator = "SE-Bottleneck" if config.se_ratio else "Bottleneck"
        rows = [Row("Conv", 3, 2, config.stem_width, 1)]
        for n, channels in zip(self.depths(depth), self.channels(width), strict=True):
            rows.append(Row(operator, 3, 2, channels, n))
        if config.num_features:
            return (*rows, Row("Conv & Pooling & FC", 1, 1, config.num_features, 1))
        return (*rows, Row("Pooling & FC", 1, 1, rows[-1].channels, 1))

    def build(self, depth: float, width: float, num_classes: int) -> nn.Module:
        """A `timm.models.regnet.RegNet` with these stages."""
        from scalegrid.baselines._staged_regnet import StagedRegNet, StagedRegNetCfg

        staged = StagedRegNetCfg(
            **vars(self._config),
            layers=self.depths(depth),
            widths=self.channels(width),
            groups=self._unfolded.groups,
        )
        return StagedRegNet(staged, num_classes=num_classes)

    @cached_property
    def _config(self) -> Any:
        from timm.models.regnet import model_cfgs

        return model_cfgs[self.key]

    @property
    def _unfolded(self) -> Unfolded:
        return _unfold(self.key)


@lru_cache(maxsize=64)
def _unfold(key: str) -> Unfolded:
    """The stages that timm derives from the parameters of the RegNet ``key``."""
    from timm.models.regnet import adjust_widths_groups_comp, generate_regnet, model_cfgs

    config = model_cfgs[key]
    per_block, stages, groups = generate_regnet(
        config.wa, config.w0, config.wm, config.depth, config.group_size
    )
    widths = sorted(set(per_block))
    layers = tuple(per_block.count(width) for width in widths)
    ratios = [config.bottle_ratio] * stages
    widths, groups = adjust_widths_groups_comp(
        widths, ratios, groups, min_ratio=config.group_min_ratio
    )
    return Unfolded(layers, tuple(widths), tuple(groups))


def _scale_width(channels: int, width: float, group: int, bottle: float) -> int:
    """Multiples of 8, then as near as the group width of the bottleneck allows."""
    if width == 1:
        return channels
    inner = 8 * max(1, round(channels * width / 8)) * bottle
    return max(channels, int(group * max(1, round(inner / group)) / bottle))


FAMILY = tuple(
    RegNetBaseline(f"regnet{kind}_{size}", f"regnet{kind}_{size}")
    for kind in "xy"
    for size in ("002", "004", "008", "016", "032", "064")
)
