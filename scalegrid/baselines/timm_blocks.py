"""How block configurations scale: timm's decoded block strings, and those of a ByobNet."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import Any

from scalegrid.baselines.rounding import round_channels, scale_channels, scale_layers, tidy
from scalegrid.baselines.timm_entry import Settings
from scalegrid.baselines.timm_rules import Rule, norm_groups, repeated
from scalegrid.coefficients import DepthRounding, stage_depths

Sizes = tuple[Any, ...]

_HEAD = 64
"""Channels of a head of the attention that pools a ByobNet's maps."""


def block_rule(given: Settings, sets_head: bool, layers: DepthRounding, placement: float) -> Rule:
    """Equal blocks are repeated, and timm rounds the channels."""
    stages, rounding = given["block_args"], given["round_chs_fn"]
    grouped = _grouped(stages)
    stem = () if given["fix_stem"] else (given["stem_size"],)
    head = given["num_features"] if sets_head and stem else 0
    keywords = rounding.keywords if isinstance(rounding, partial) else {}
    is_grouped = "GroupNorm" in str(given["norm_layer"])
    divisor = math.lcm(8, keywords.get("divisor", 8)) if is_grouped else 8

    fixed = [all(map(_is_pointwise, stage)) for stage in stages]

    def deeper(depth: float) -> list[list[Settings]]:
        each = iter(stage_depths(depth, placement, fixed.count(False)))
        return [
            repeated(stage, lambda _: True, 1.0 if keeps else next(each), layers)
            for stage, keeps in zip(stages, fixed, strict=True)
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
        whole = rounded(width)
        blocks = [[_wider(block, whole) for block in stage] for stage in deeper(depth)]
        changed: Settings = {"block_args": blocks, "round_chs_fn": int}
        changed |= {"stem_size": whole(stem[0])} if stem else {}
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


def _wider(block: Settings, whole: Callable[[int], int]) -> Settings:
    """A copy of a block with the channels that timm would round."""
    keys = (key for key in ("out_chs", "force_in_chs") if block.get(key))
    return {**block, **{key: whole(block[key]) for key in keys}}


def _is_pointwise(block: Settings) -> bool:
    return bool(block["block_type"] == "cn" and block["kernel_size"] == 1)


def byob_rule(config: Any, layers: DepthRounding, placement: float) -> Rule:
    """Each stage is one block configuration or a tuple of them."""
    stages = [s if isinstance(s, tuple | list) else (s,) for s in config.blocks]
    pools_by_heads = config.head_type.startswith("attn") and not config.head_hidden_size
    bottle_in = (config.block_kwargs or {}).get("bottle_in", False)
    norm = math.lcm(8, norm_groups(config.norm_layer))
    entry = math.lcm(norm, _byob_unit(stages[0][0])) if bottle_in else norm

    def wider(block: Any, width: float) -> int:
        own = round(block.c)
        channels = scale_channels(block.c, width, math.gcd(own, math.lcm(_byob_unit(block), norm)))
        if pools_by_heads and block in stages[-1]:
            factor = Fraction(config.width_factor).limit_denominator(64)
            if round_channels(float(channels * factor)) % _HEAD:
                return scale_channels(own, width, math.gcd(own, (_HEAD / factor).numerator))
        return channels

    def deeper(depth: float) -> list[list[int]]:
        each = zip(stages, stage_depths(depth, placement, len(stages)), strict=True)
        return [[scale_layers(block.d, d, layers) for block in stage] for stage, d in each]

    def depths(depth: float) -> Sizes:
        return tuple(n for stage in deeper(depth) for n in stage)

    def channels(width: float) -> Sizes:
        blocks = (wider(block, width) for stage in stages for block in stage)
        return (*blocks, stem(width), head(width))

    def stem(width: float) -> Any:
        own = config.stem_chs
        if isinstance(own, int):
            return scale_channels(own, width, math.gcd(own, entry))
        return tuple(scale_channels(c, width, math.gcd(c, norm)) for c in own)

    def head(width: float) -> int:
        return scale_channels(config.num_features, width, norm) if config.num_features else 0

    def scaled(depth: float, width: float) -> Settings:
        blocks = tuple(
            tuple(replace(b, d=n, c=wider(b, width)) for b, n in zip(stage, numbers, strict=True))
            for stage, numbers in zip(stages, deeper(depth), strict=True)
        )
        changed = replace(config, blocks=blocks, stem_chs=stem(width), num_features=head(width))
        return {"model_cfg": changed}

    return Rule(depths, channels, scaled)


def _byob_unit(block: Any) -> int:
    """The channels of which a block needs multiples, to have whole groups in its bottleneck."""
    if not isinstance(block.gs, int) or not block.gs:
        return 1
    return (block.gs / Fraction(block.br).limit_denominator(64)).numerator
