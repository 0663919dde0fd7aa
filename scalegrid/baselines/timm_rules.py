"""How the settings that a timm entry point gives its constructor are scaled.

- Decoded block strings (EfficientNet, MobileNetV3 and their kin) as `blocks` scales them; the head
  is scaled where the entry point sets it and the stem is not fixed.
- The blocks of a ByobNet (RepVGG, GENet, MobileOne …): layers of each stage rounded up, channels to
  multiples of the group width.
- Lists of layers and of channels (ResNet, ConvNeXt, MetaFormer …): layers rounded up, channels to
  multiples of 8, or of what a stage's own channels have in common with 8, times its attention
  heads.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import is_dataclass, replace
from functools import partial
from itertools import groupby
from typing import Any, Protocol

from scalegrid.baselines.rounding import scale_channels, scale_layers, scale_stage, tidy

Settings = dict[str, Any]

_LAYERS = ("depths", "layers", "depth", "depth_list")
_CHANNELS = ("dims", "channels", "embed_dims", "embed_dim", "widths", "width_list", "base_dim")


class Rule(Protocol):
    """How the settings of one constructor scale."""

    def depths(self, depth: float) -> tuple[int, ...]:
        """Layers of each stage."""

    def channels(self, width: float) -> tuple[int, ...]:
        """Channels of each stage."""

    def scaled(self, settings: Settings, depth: float, width: float) -> Settings:
        """``settings`` with other layers and channels."""


def rule_for(constructor: Any, settings: Settings) -> Rule | None:
    """The rule that fits what ``constructor`` is given."""
    if constructor.__name__ == "ByobNet":
        return _ByobRule(settings)
    config = settings.get("model_cfg")
    own = vars(config) if is_dataclass(config) else {}
    defaults = {
        key: parameter.default
        for key, parameter in inspect.signature(constructor).parameters.items()
        if parameter.default is not parameter.empty
    }
    given = defaults | own | settings
    if constructor.__name__ in ("EfficientNet", "MobileNetV3"):
        return _BlockRule(given, sets_head="num_features" in settings)
    layers = next(((k, given[k]) for k in _LAYERS if _whole(given.get(k))), None)
    channels = next(((k, given[k]) for k in _CHANNELS if _fits(given.get(k), layers)), None)
    if layers is None or channels is None:
        return None
    return _ListRule(layers, channels, given.get("num_heads"))


class _BlockRule:
    """Decoded block strings: runs of equal blocks are repeated, channels rounded by timm."""

    def __init__(self, settings: Settings, sets_head: bool) -> None:
        self._stages = [_counted(stage) for stage in settings["block_args"]]
        rounding = settings["round_chs_fn"]
        self._round = rounding if isinstance(rounding, partial) else None
        self._stem = () if settings["fix_stem"] else (settings["stem_size"],)
        self._head = settings["num_features"] if sets_head and self._stem else 0

    def depths(self, depth: float) -> tuple[int, ...]:
        return tuple(n for repeats in self._repeats(depth) for n in repeats)

    def channels(self, width: float) -> tuple[int, ...]:
        rounded = self._rounding(width)
        blocks = [rounded(b["out_chs"]) for stage in self._stages for b, _ in stage]
        return (*map(rounded, self._stem), *blocks, self._scaled_head(width))

    def scaled(self, settings: Settings, depth: float, width: float) -> Settings:
        blocks = [
            [dict(block) for (block, _), n in zip(stage, repeats, strict=True) for _ in range(n)]
            for stage, repeats in zip(self._stages, self._repeats(depth), strict=True)
        ]
        changed = {"block_args": blocks, "round_chs_fn": self._rounding(width)}
        if self._head:
            changed["num_features"] = self._scaled_head(width)
        return settings | changed

    def _repeats(self, depth: float) -> list[list[int]]:
        repeats = []
        for stage in self._stages:
            single = all(b["block_type"] == "cn" and b["kernel_size"] == 1 for b, _ in stage)
            repeats.append(scale_stage([n for _, n in stage], 1.0 if single else depth))
        return repeats

    def _rounding(self, width: float) -> Callable[[int], int]:
        if self._round is None:
            return partial(scale_channels, width=width)
        own = self._round.keywords.get("multiplier", 1.0)
        return partial(self._round, multiplier=tidy(own * width))

    def _scaled_head(self, width: float) -> int:
        return scale_channels(self._head, width) if self._head else 0


class _ByobRule:
    """The stages of a ByobNet; each is one block configuration or a tuple of them."""

    def __init__(self, settings: Settings) -> None:
        self._config = settings["model_cfg"]
        blocks = self._config.blocks
        self._stages = [
            tuple(stage) if isinstance(stage, (tuple, list)) else (stage,) for stage in blocks
        ]

    def depths(self, depth: float) -> tuple[int, ...]:
        return tuple(scale_layers(b.d, depth) for stage in self._stages for b in stage)

    def channels(self, width: float) -> tuple[int, ...]:
        blocks = [_byob_channels(b, width) for stage in self._stages for b in stage]
        return (*blocks, *_as_tuple(self._scaled_stem(width)), self._scaled_head(width))

    def scaled(self, settings: Settings, depth: float, width: float) -> Settings:
        stages = tuple(
            tuple(replace(b, d=scale_layers(b.d, depth), c=_byob_channels(b, width)) for b in stage)
            for stage in self._stages
        )
        config = replace(
            self._config,
            blocks=stages,
            stem_chs=self._scaled_stem(width),
            num_features=self._scaled_head(width),
        )
        return settings | {"model_cfg": config}

    def _scaled_stem(self, width: float) -> Any:
        stem = self._config.stem_chs
        if isinstance(stem, int):
            return scale_channels(stem, width, math.gcd(stem, 8))
        return tuple(scale_channels(c, width, math.gcd(c, 8)) for c in stem)

    def _scaled_head(self, width: float) -> int:
        head = self._config.num_features
        return scale_channels(head, width) if head else 0


class _ListRule:
    """Two settings: a list of layers, and a list of channels or the channels of the first stage."""

    def __init__(self, layers: tuple[str, Any], channels: tuple[str, Any], heads: Any) -> None:
        self._layers_key, self._layers = layers
        self._channels_key, self._channels = channels
        heads = heads if isinstance(heads, (list, tuple)) else [1] * len(self._layers)
        self._divisors = [
            n * math.gcd(8, c // n) if c % n == 0 else math.gcd(8, c)
            for n, c in zip(heads, _as_tuple(self._channels), strict=False)
        ]

    def depths(self, depth: float) -> tuple[int, ...]:
        return tuple(scale_layers(n, depth) for n in self._layers)

    def channels(self, width: float) -> tuple[int, ...]:
        pairs = zip(_as_tuple(self._channels), self._divisors, strict=True)
        return tuple(scale_channels(c, width, divisor) for c, divisor in pairs)

    def scaled(self, settings: Settings, depth: float, width: float) -> Settings:
        channels: Any = self.channels(width)
        if isinstance(self._channels, int):
            channels = channels[0]
        changed = {self._layers_key: self.depths(depth), self._channels_key: channels}
        config = settings.get("model_cfg")
        if is_dataclass(config) and hasattr(config, self._layers_key):
            return settings | {"model_cfg": replace(config, **changed)}  # type: ignore[type-var]
        return settings | changed


def _whole(value: Any) -> bool:
    """Whether ``value`` lists whole numbers, two or more."""
    is_list = isinstance(value, (list, tuple)) and len(value) > 1
    return is_list and all(isinstance(n, int) for n in value)


def _fits(value: Any, layers: tuple[str, Any] | None) -> bool:
    """Whether ``value`` is channels for these stages: one number, or one a stage."""
    if layers is None:
        return False
    return isinstance(value, int) or (_whole(value) and len(value) == len(layers[1]))


def _as_tuple(value: Any) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)


def _counted(stage: list[Settings]) -> list[tuple[Settings, int]]:
    """Runs of equal blocks of one stage, with their lengths."""
    runs = [list(run) for _, run in groupby(stage, key=lambda b: sorted(b.items(), key=str))]
    return [(run[0], len(run)) for run in runs]


def _byob_channels(block: Any, width: float) -> int:
    """``block.c`` scaled, with whole groups in its bottleneck."""
    group = block.gs / block.br if isinstance(block.gs, int) and block.gs else 8
    divisor = math.lcm(round(group), 8) if group == round(group) else 8
    divisor = divisor if block.c % divisor == 0 else math.gcd(block.c, divisor)
    return scale_channels(block.c, width, divisor)
