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
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scalegrid.baselines.blocks import MOST_STRIDE, BlockBaseline
from scalegrid.errors import UserError
from scalegrid.spec import given_twice

PositiveInt = Annotated[int, Field(gt=0, lt=100_000)]

_PARTS = {
    "ir": "r k s e c se a p n gs noskip",
    "ds": "r k s e c se p n gs noskip",
    "dsa": "r k s e c se p n gs",
    "er": "r k s e c se p n gs fc noskip",
    "cn": "r k s e c n gs skip",
    "uir": "r k s e c se a p n gs noskip",
}
"""What each kind of block may say; ``e`` of a depthwise separable block is written and unused."""

_NEEDED = {"ir": "rksec", "er": "rksec", "uir": "rksec", "ds": "rksc", "dsa": "rksc", "cn": "rksc"}
_NUMBER = {
    "r": r"[1-9]\d{0,2}",
    "e": r"(?=.*[1-9])\d{1,3}(\.\d+)?",
    "se": r"0\.\d+|1(\.0+)?",
    "k": r"[1-9]\d?(\.[1-9]\d?)*",
}
"""Numbers with as many digits as a network that can be built may have; others have up to five."""

_ACTIVATIONS = ("re", "r6", "hs", "sw", "mi")


class Definition(BaseModel):
    """The keys of the YAML file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    resolution: PositiveInt
    stem: PositiveInt = 32
    stages: Annotated[list[str | list[str]], Field(min_length=1)]
    head: Annotated[int, Field(ge=0, lt=100_000)] = 1280
    activation: str = "swish"
    channel_divisor: PositiveInt = 8
    depth_rounding: Literal["ceil", "round"] = "ceil"
    brief_resolution: PositiveInt | None = None


def definition_baseline(name: str) -> BlockBaseline:
    """The baseline defined in the YAML file ``name``.

    Raises:
        UserError: the file cannot be read, or is wrong; the message names the key or the stage.
    """
    definition = _validated(name, _read(name))
    stages = [[s] if isinstance(s, str) else s for s in definition.stages]
    for number, strings in enumerate(stages, start=1):
        if not strings:
            raise UserError(f"{name}: stage {number} has no block string.")
        for string in strings:
            _check_block(f"{name}: stage {number}", string)
    _check_activation(name, definition.activation)
    baseline = BlockBaseline(
        name=name,
        stages=tuple(tuple(strings) for strings in stages),
        resolution=definition.resolution,
        brief_resolution=definition.brief_resolution or definition.resolution,
        stem=definition.stem,
        head=definition.head,
        activation=definition.activation,
        channel_divisor=definition.channel_divisor,
        depth_rounding=definition.depth_rounding,
    )
    _check_strides(baseline)
    return baseline


def _read(name: str) -> Any:
    try:
        text = Path(name).read_text(encoding="utf-8")
        values, twice = yaml.safe_load(text), given_twice(text)
    except OSError as error:
        raise UserError(f"cannot read the network definition {name}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UserError(f"the network definition {name} is not UTF-8 text.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" on line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise UserError(f"{name} is not plain YAML: {problem}{where}.") from None
    except Exception:  # PyYAML raises anything for a date or a number that is none
        raise UserError(
            f"{name} holds a value that is not what it claims to be, or is nested too deeply."
        ) from None
    if twice:
        raise UserError(f"{name}: line {twice[1]}: {twice[0]} is given twice.")
    return values


def _validated(name: str, values: Any) -> Definition:
    if not isinstance(values, dict):
        raise UserError(
            f"{name} must hold keys and values such as `stem: 32`, not a {type(values).__name__}."
        )
    try:
        return Definition.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{name}: {'; '.join(_complaints(error))}.") from None


def _complaints(error: ValidationError) -> list[str]:
    said = []
    for detail in error.errors():
        key, *rest = detail["loc"]
        place = f"stage {int(rest[0]) + 1}" if key == "stages" and rest else str(key)
        if detail["type"] == "extra_forbidden":
            said.append(f"unknown key {key!r} (known: {', '.join(Definition.model_fields)})")
        elif detail["type"] == "missing":
            said.append(f"the key {key!r} is missing")
        elif key == "stages" and rest:
            said.append(f"{place} must be a block string or a list of them")
        else:
            message = str(detail["msg"]).removeprefix("Input ")
            said.append(f"{place} {message[0].lower()}{message[1:]} (given {detail['input']!r})")
    return list(dict.fromkeys(said))


def _check_block(place: str, string: str) -> None:
    """Refuse what timm cannot parse, and what it would silently ignore.

    Raises:
        UserError: naming the stage, the string and the part that is wrong.
    """
    kind, *parts = string.split("_")
    if kind not in _PARTS:
        raise UserError(
            f"{place}: the block string {string!r} starts with {kind!r}; known kinds of block are "
            f"{', '.join(_PARTS)}."
        )
    seen = set()
    for part in parts:
        key = _key(part, _PARTS[kind].split())
        if key is None or key in seen:
            why = "is given twice" if key in seen else f"means nothing in a block of kind {kind}"
            raise UserError(f"{place}: {part!r} in the block string {string!r} {why}.")
        seen.add(key)
    missing = [key for key in _NEEDED[kind] if key not in seen]
    if missing:
        raise UserError(f"{place}: the block string {string!r} lacks {', '.join(missing)}.")


def _key(part: str, allowed: list[str]) -> str | None:
    """The option that ``part`` sets, if it is one of ``allowed`` with a value that fits."""
    if part in ("skip", "noskip"):
        return part if part in allowed else None
    if part.startswith("n"):
        return "n" if part[1:] in _ACTIVATIONS and "n" in allowed else None
    match = re.fullmatch(r"([a-z]+)(.+)", part)
    if match is None or match[1] not in allowed:
        return None
    key, value = match[1], match[2]
    fits = "[12]" if key == "s" else _NUMBER.get(key, r"[1-9]\d{0,4}")
    return key if re.fullmatch(fits, value) else None


def _check_activation(name: str, activation: str) -> None:
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
    if stride > MOST_STRIDE:
        raise UserError(
            f"{baseline.name}: the strides of stem and stages multiply to {stride}; timm's builder "
            f"allows at most {MOST_STRIDE}."
        )
    if stride > smallest:
        raise UserError(
            f"{baseline.name}: the strides of stem and stages multiply to {stride}, more than the "
            f"resolution of {smallest} px; use fewer stages with s2, or a larger resolution."
        )
