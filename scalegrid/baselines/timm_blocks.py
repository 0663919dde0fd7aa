"""How block configurations scale: timm's decoded block strings, and those of a ByobNet."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

from scalegrid.baselines.rounding import scale_channels, scale_layers, tidy
from scalegrid.baselines.timm_entry import Settings
from scalegrid.baselines.timm_rules import Rule, repeated
from scalegrid.coefficients import DepthRounding

Sizes = tuple[Any, ...]


def block_rule(given: Settings, sets_head: bool, layers: DepthRounding) -> Rule:
    """Equal blocks are repeated, and timm rounds the channels."""
    stages, rounding = given["block_args"], given["round_chs_fn"]
    grouped = _grouped(stages)
    stem = () if given["fix_stem"] else (given["stem_size"],)
    head = given["num_features"] if sets_head and stem else 0
    keywords = rounding.keywords if isinstance(rounding, partial) else {}
    is_grouped = "GroupNorm" in str(given["norm_layer"])
    divisor = math.lcm(8, keywords.get("divisor", 8)) if is_grouped else 8

    def deeper(depth: float) -> list[list[Settings]]:
        return [
            repeated(
                stage, lambda _: True, 1.0 if all(map(_is_pointwise, stage)) else depth, layers
            )
            for stage in stages
        ]

    def rounded(width: float) -> Callable[[int], int]:
        if not keywords:
            return partial(scale_channels, width=width)
        own = keywords.get("multiplier", 1.0)
        usual = partial(rounding, multiplier=tidy(own * width))
        return lambda c: scale_channels(c, own * width, grouped[c]) if c in grouped else usual(c)

    def channels(width: float) -> Sizes:
        blocks = (block["out_chs"] for stage in stages for block in stage)
        features = head and scale_channels(head, width, divisor)
        return (*map(rounded(width), (*stem, *blocks)), features)

    def scaled(depth: float, width: float) -> Settings:
        blocks = [[dict(block) for block in stage] for stage in deeper(depth)]
        changed = {"block_args": blocks, "round_chs_fn": rounded(width)}
        return changed | ({"num_features": channels(width)[-1]} if head else {})

    return Rule(lambda depth: tuple(map(len, deeper(depth))), channels, scaled)


def _grouped(stages: list[list[Settings]]) -> dict[int, int]:
    """The channels that enter convolutions in groups, and those of a group, before expansion."""
    blocks = [block for stage in stages for block in stage]
    return {
        before["out_chs"]: round(block["group_size"] / block["exp_ratio"])
        for before, block in pairwise(blocks)
        if block["block_type"] == "er" and (block.get("group_size") or 1) > 1
    }


def _is_pointwise(block: Settings) -> bool:
    return bool(block["block_type"] == "cn" and block["kernel_size"] == 1)


def byob_rule(config: Any, layers: DepthRounding) -> Rule:
    """Each stage is one block configuration or a tuple of them."""
    stages = [s if isinstance(s, (tuple, list)) else (s,) for s in config.blocks]

    def depths(depth: float) -> Sizes:
        return tuple(scale_layers(block.d, depth, layers) for stage in stages for block in stage)

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
            tuple(
                replace(b, d=scale_layers(b.d, depth, layers), c=_byob_channels(b, width))
                for b in stage
            )
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


def _as_tuple(value: Any) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)
