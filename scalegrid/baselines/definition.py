"""A network defined in YAML by timm's block strings.

```yaml
resolution: 32          # px of the authors, or yours
stem: 16                # channels of the first convolution (3×3, stride 2)
stages:                 # one block string a stage, or a list of them
  - ds_r1_k3_s1_e1_c16_se0.25
  - [ir_r1_k3_s2_e4_c24, ir_r1_k3_s1_e3_c24]
head: 128               # channels of the convolution before the pooling; 0 for none
activation: swish       # any timm activation
channel_divisor: 8      # scaled channels are multiples of this
depth_rounding: ceil    # or round
brief_resolution: 32    # px a sweep starts from; default: resolution
```
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from scalegrid.baselines.blocks import MOST_STRIDE, WITHOUT_PARAMETERS, BlockBaseline
from scalegrid.spec import Side
from scalegrid.util import yaml
from scalegrid.util.errors import UserError

PositiveInt = Annotated[int, Field(gt=0, lt=100_000)]

_OPTIONS = {
    "ir": "r k s e c se a p n gs noskip",
    "ds": "r k s e c se p n gs noskip",
    "dsa": "r k s e c se p n gs",
    "er": "r k s e c se p n gs fc noskip",
    "cn": "r k s e c n gs skip",
    "uir": "r k s e c se a p n gs noskip",
}
"""The options of each kind of block; timm ignores ``e`` of a depthwise separable one."""

_NEEDED = {"ir": "rksec", "er": "rksec", "uir": "rksec", "ds": "rksc", "dsa": "rksc", "cn": "rksc"}
_VALUES = {
    "r": r"[1-9]\d{0,2}",
    "s": "[12]",
    "e": r"(?=.*[1-9])\d{1,3}(\.\d+)?",
    "se": r"0\.\d+|1(\.0+)?",
    "k": r"[1-9]\d?(\.[1-9]\d?)*",
    "n": "re|r6|hs|sw|mi",
    "skip": "",
    "noskip": "",
}
"""Values as large as a network that can be built may have; others have up to five digits."""


class Definition(BaseModel):
    """The keys of the YAML file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    resolution: Side
    stem: PositiveInt = 32
    stages: Annotated[tuple[tuple[str, ...], ...], Field(min_length=1)]
    head: Annotated[int, Field(ge=0, lt=100_000)] = 1280
    activation: str = "swish"
    channel_divisor: PositiveInt = 8
    depth_rounding: Literal["ceil", "round"] = "ceil"
    brief_resolution: Side | None = None

    @field_validator("stages", mode="before")
    @classmethod
    def _lists(cls, stages: object) -> object:
        """A stage is a block string or a list of them."""
        if isinstance(stages, list):  # of JSON
            stages = tuple(tuple(one) if isinstance(one, list) else one for one in stages)
        if not isinstance(stages, tuple):
            return stages
        for number, stage in enumerate(stages, start=1):
            strings = stage if isinstance(stage, tuple) else (stage,)
            if not all(isinstance(string, str) for string in strings):
                raise ValueError(f"stage {number} must be a block string or a list of them")
        return tuple(stage if isinstance(stage, tuple) else (stage,) for stage in stages)


def definition_baseline(name: str) -> BlockBaseline:
    """The baseline defined in the YAML file ``name``.

    Raises:
        UserError: the file cannot be read, or is wrong; the message names the key or the stage.
    """
    return _baseline(name, yaml.load(Definition, Path(name), "network definition"))


def defined(text: str) -> BlockBaseline:
    """The baseline of a definition that is given itself, as JSON."""
    return _baseline("the network", Definition.model_validate_json(text))


def _baseline(name: str, definition: Definition) -> BlockBaseline:
    for number, strings in enumerate(definition.stages, start=1):
        if not strings:
            raise UserError(f"{name}: stage {number} has no block string.")
        for string in strings:
            _check_block(f"{name}: stage {number}", string)
    _check_activation(name, definition.activation)
    settings = definition.model_dump()
    settings["brief_resolution"] = definition.brief_resolution or definition.resolution
    baseline = BlockBaseline(name=name, origin="yaml", **settings)
    _check_strides(baseline)
    return baseline


def _check_block(stage: str, string: str) -> None:
    """Refuse what timm cannot parse, and what it would silently ignore.

    Raises:
        UserError: naming the stage, the string and the part that is wrong.
    """
    kind, *parts = string.split("_")
    if kind not in _OPTIONS:
        raise UserError(
            f"{stage}: the block string {string!r} starts with {kind!r}; known kinds of block are "
            f"{', '.join(_OPTIONS)}."
        )
    seen = set()
    for part in parts:
        key = next((key for key in _OPTIONS[kind].split() if _sets(part, key)), None)
        if key is None or key in seen:
            why = "is given twice" if key in seen else f"means nothing in a block of kind {kind}"
            raise UserError(f"{stage}: {part!r} in the block string {string!r} {why}.")
        seen.add(key)
    missing = [key for key in _NEEDED[kind] if key not in seen]
    if missing:
        raise UserError(f"{stage}: the block string {string!r} lacks {', '.join(missing)}.")


def _sets(part: str, key: str) -> bool:
    return re.fullmatch(f"{key}({_VALUES.get(key, '[1-9][0-9]{0,4}')})", part) is not None


def _check_activation(name: str, activation: str) -> None:
    if activation in WITHOUT_PARAMETERS:  # to ask timm takes seconds
        return
    from timm.layers.create_act import get_act_layer

    try:
        known = bool(activation) and get_act_layer(activation) is not None
    except (AssertionError, KeyError):
        known = False
    if not known:
        raise UserError(
            f"{name}: timm has no activation {activation!r}; known are relu, relu6, swish, "
            "hard_swish, gelu, mish and others."
        )


def _check_strides(baseline: BlockBaseline) -> None:
    stride = baseline.total_stride
    smallest = min(baseline.resolution, baseline.brief_resolution)
    problem = f"{baseline.name}: the strides of stem and stages multiply to {stride}"
    if stride > MOST_STRIDE:
        raise UserError(f"{problem}; timm's builder allows at most {MOST_STRIDE}.")
    if stride > smallest:
        raise UserError(
            f"{problem}, more than the resolution of {smallest} px; use fewer stages with s2, or a "
            "larger resolution."
        )
