"""How the settings that a timm entry point passes to its constructor are scaled.

- Decoded block strings (EfficientNet, MobileNetV3 and related) as `blocks` scales them; the head is
  scaled where the entry point sets it and the stem is not fixed.
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
from typing import Any, NamedTuple

from scalegrid.baselines.rounding import scale_channels, scale_layers, scale_stage, tidy

Settings = dict[str, Any]
Sizes = tuple[Any, ...]

_LAYERS = ("depths", "layers", "depth", "depth_list")
_CHANNELS = ("dims", "channels", "embed_dims", "embed_dim", "widths", "width_list", "base_dim")


class Rule(NamedTuple):
    """How the settings of one constructor scale."""

    depths: Callable[[float], Sizes]
    """Layers of each stage at a depth multiplier."""
    channels: Callable[[float], Sizes]
    """Channels of each stage at a width multiplier."""
    scaled: Callable[[float, float], Settings]
    """The settings that change, at a depth and a width multiplier."""


def rule_for(constructor: Any, settings: Settings) -> Rule | None:
    """The rule that fits what ``constructor`` is given."""
    if constructor.__name__ == "ByobNet":
        return _byob_rule(settings["model_cfg"])
    config = settings.get("model_cfg")
    own = vars(config) if is_dataclass(config) else {}
    parameters = inspect.signature(constructor).parameters.items()
    defaults = {k: p.default for k, p in parameters if p.default is not p.empty}
    given = defaults | own | settings
    if constructor.__name__ in ("EfficientNet", "MobileNetV3"):
        return _block_rule(given, sets_head="num_features" in settings)
    layers = next((key for key in _LAYERS if _is_list(given.get(key))), None)
    if layers is None:
        return None
    stages = len(given[layers])
    channels = next((key for key in _CHANNELS if _fits(given.get(key), stages)), None)
    return _list_rule(given, layers, channels) if channels else None


def _block_rule(given: Settings, sets_head: bool) -> Rule:
    """Runs of equal blocks are repeated, and timm rounds the channels."""
    stages = [_runs(stage) for stage in given["block_args"]]
    rounding = given["round_chs_fn"]
    stem = () if given["fix_stem"] else (given["stem_size"],)
    head = given["num_features"] if sets_head and stem else 0

    def depths(depth: float) -> Sizes:
        return tuple(
            scale_stage([n for _, n in stage], 1.0 if _is_pointwise(stage) else depth)
            for stage in stages
        )

    def rounded(width: float) -> Callable[[int], int]:
        if not isinstance(rounding, partial):
            return partial(scale_channels, width=width)
        own = rounding.keywords.get("multiplier", 1.0)
        return partial(rounding, multiplier=tidy(own * width))

    def channels(width: float) -> Sizes:
        blocks = (block["out_chs"] for stage in stages for block, _ in stage)
        return (*map(rounded(width), (*stem, *blocks)), head and scale_channels(head, width))

    def scaled(depth: float, width: float) -> Settings:
        blocks = [
            [dict(block) for (block, _), n in zip(stage, repeats, strict=True) for _ in range(n)]
            for stage, repeats in zip(stages, depths(depth), strict=True)
        ]
        changed = {"block_args": blocks, "round_chs_fn": rounded(width)}
        return changed | ({"num_features": scale_channels(head, width)} if head else {})

    return Rule(depths, channels, scaled)


def _runs(stage: list[Settings]) -> list[tuple[Settings, int]]:
    """Equal neighbours among the blocks of a stage, and how many there are of each."""
    runs = [list(run) for _, run in groupby(stage, key=lambda b: sorted(b.items(), key=str))]
    return [(run[0], len(run)) for run in runs]


def _is_pointwise(stage: list[tuple[Settings, int]]) -> bool:
    return all(b["block_type"] == "cn" and b["kernel_size"] == 1 for b, _ in stage)


def _byob_rule(config: Any) -> Rule:
    """Each stage is one block configuration or a tuple of them."""
    stages = [s if isinstance(s, (tuple, list)) else (s,) for s in config.blocks]

    def depths(depth: float) -> Sizes:
        return tuple(scale_layers(block.d, depth) for stage in stages for block in stage)

    def channels(width: float) -> Sizes:
        blocks = (_byob_channels(block, width) for stage in stages for block in stage)
        return (*blocks, stem(width), head(width))

    def stem(width: float) -> Any:
        own = config.stem_chs
        sizes = [scale_channels(c, width, math.gcd(c, 8)) for c in _as_tuple(own)]
        return sizes[0] if isinstance(own, int) else tuple(sizes)

    def head(width: float) -> int:
        return scale_channels(config.num_features, width) if config.num_features else 0

    def scaled(depth: float, width: float) -> Settings:
        blocks = tuple(
            tuple(replace(b, d=scale_layers(b.d, depth), c=_byob_channels(b, width)) for b in stage)
            for stage in stages
        )
        changed = replace(config, blocks=blocks, stem_chs=stem(width), num_features=head(width))
        return {"model_cfg": changed}

    return Rule(depths, channels, scaled)


def _byob_channels(block: Any, width: float) -> int:
    """``block.c`` scaled, with whole groups in its bottleneck."""
    group = block.gs / block.br if isinstance(block.gs, int) and block.gs else 8
    divisor = math.lcm(round(group), 8) if group == round(group) else 8
    divisor = divisor if block.c % divisor == 0 else math.gcd(block.c, divisor)
    return scale_channels(block.c, width, divisor)


def _list_rule(given: Settings, layers_key: str, channels_key: str) -> Rule:
    """A list of layers, and a list of channels or the channels of the first stage."""
    layers, own = given[layers_key], given[channels_key]
    heads = given.get("num_heads")
    heads = heads if isinstance(heads, (list, tuple)) else [1] * len(layers)
    sizes = [
        (c, n * math.gcd(8, c // n) if c % n == 0 else math.gcd(8, c))
        for n, c in zip(heads, _as_tuple(own), strict=False)
    ]

    def depths(depth: float) -> Sizes:
        return tuple(scale_layers(n, depth) for n in layers)

    def channels(width: float) -> Sizes:
        return tuple(scale_channels(c, width, divisor) for c, divisor in sizes)

    def scaled(depth: float, width: float) -> Settings:
        wider = channels(width)
        changed = {
            layers_key: depths(depth),
            channels_key: wider[0] if isinstance(own, int) else wider,
        }
        config: Any = given.get("model_cfg")
        if is_dataclass(config) and hasattr(config, layers_key):
            return {"model_cfg": replace(config, **changed)}  # type: ignore[type-var]
        return changed

    return Rule(depths, channels, scaled)


def _is_list(value: Any) -> bool:
    """Whether ``value`` lists whole numbers, two or more."""
    is_list = isinstance(value, (list, tuple)) and len(value) > 1
    return is_list and all(isinstance(n, int) for n in value)


def _fits(value: Any, stages: int) -> bool:
    """Whether ``value`` is channels: of the first stage, or of each of the ``stages``."""
    return isinstance(value, int) or (_is_list(value) and len(value) == stages)


def _as_tuple(value: Any) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)
