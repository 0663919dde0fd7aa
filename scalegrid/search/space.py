"""The networks that may be found: choices for each stage of a backbone, and what a point builds.

A space is a YAML file (`spaces/mnasnet.yaml` is one); a *point* has a value for each choice that is
open, and builds block strings, as a baseline of one's own has them.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator

from scalegrid.baselines.blocks import MOST_STRIDE, BlockBaseline
from scalegrid.baselines.blockstring import Block, read_block
from scalegrid.baselines.definition import Definition, defined
from scalegrid.baselines.rounding import round_channels
from scalegrid.cost import Cost, Costs
from scalegrid.search.spec import SPACES
from scalegrid.spec import Side
from scalegrid.util import yaml
from scalegrid.util.errors import UserError
from scalegrid.util.text import did_you_mean

KINDS = {"conv": "cn", "sepconv": "ds", "mbconv": "ir", "fused": "er"}
"""The kind of timm's block that an operator is."""

Value = str | int | float
Point = Mapping[str, Value]
"""A value for each open choice, by names such as ``3.kernel``, of the third stage."""

Counted = Literal["flops", "params"]

_MOST = 99_999  # channels that a block string has
PositiveInt = Annotated[int, Field(gt=0, le=_MOST)]
Odd = Literal[1, 3, 5, 7, 9, 11, 13, 15]


class Stage(BaseModel):
    """The keys of a stage: its place in the backbone, and its choices."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    channels: PositiveInt
    layers: Annotated[int, Field(gt=0, lt=1000)]
    stride: Literal[1, 2]
    operator: tuple[Literal["conv", "sepconv", "mbconv", "fused"], ...] = ("mbconv",)
    kernel: tuple[Odd, ...] = (3,)
    se: tuple[Annotated[float, Field(ge=0, le=1)], ...] = (0.0,)
    skip: tuple[Literal["none", "identity"], ...] = ("identity",)
    expansion: tuple[Annotated[float, Field(gt=0, lt=100)], ...] = (6.0,)
    filters: tuple[Annotated[float, Field(gt=0, lt=100)], ...] = (1.0,)
    more_layers: tuple[Annotated[int, Field(gt=-1000, lt=1000)], ...] = (0,)

    @field_validator("*", mode="before")
    @classmethod
    def _one(cls, value: Any, info: Any) -> Any:
        """A lone value is a choice of one."""
        return (value,) if info.field_name in CHOICES and not isinstance(value, tuple) else value


CHOICES = ("operator", "kernel", "se", "skip", "expansion", "filters", "more_layers")
"""The choices of a stage, in the order of the paper."""


class _File(BaseModel):
    """The keys of the YAML file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    resolution: Side
    brief_resolution: Side | None = None
    stem: PositiveInt = 32
    head: Annotated[int, Field(ge=0, le=_MOST)] = 1280
    activation: str = "swish"
    channel_divisor: PositiveInt = 8
    depth_rounding: Literal["ceil", "round"] = "ceil"
    choices: dict[str, Any] = Field(default_factory=dict)
    stages: tuple[dict[str, Any], ...]


class Reach(NamedTuple):
    """The points of the least and of the largest cost."""

    least: Point
    most: Point


@dataclass(frozen=True)
class Space:
    """Choices for the stages of a backbone; ``settings`` are those of the rest of the network.

    ``name`` is what the user calls it.
    """

    name: str
    stages: tuple[Stage, ...]
    settings: Mapping[str, Any]

    @cached_property
    def choices(self) -> dict[str, tuple[Value, ...]]:
        """The open choices by name, in the order of the stages: those of two values or more."""
        every = {
            f"{number}.{key}": tuple(dict.fromkeys(getattr(stage, key)))
            for number, stage in enumerate(self.stages, start=1)
            for key in CHOICES
        }
        return {name: values for name, values in every.items() if len(values) > 1}

    @property
    def points(self) -> int:
        """How many combinations of values there are."""
        return math.prod(len(values) for values in self.choices.values())

    @cached_property
    def size(self) -> int:
        """How many different networks they build; a convolution has no expansion, for example."""
        found = Counter({int(self.settings["stem"]): 1})
        for stage in self.stages:
            after: Counter[int] = Counter()
            for inputs, count in found.items():
                strings = {_string(self, stage, own, inputs) for own in _combinations(stage)}
                for string in strings:
                    after[read_block(string).channels] += count
            found = after
        return sum(found.values())

    @property
    def resolution(self) -> int:
        """Px that costs are counted for."""
        return int(self.settings["resolution"])

    @property
    def brief_resolution(self) -> int:
        """Px that networks are trained at by default."""
        return int(self.settings["brief_resolution"] or self.resolution)

    @property
    def total_stride(self) -> int:
        """Input px per px of the last map."""
        return 2 * math.prod(stage.stride for stage in self.stages)

    def strings(self, point: Point) -> tuple[str, ...]:
        """The block string of each stage; two points with the same ones are one network."""
        inputs, found = int(self.settings["stem"]), []
        for number, stage in enumerate(self.stages, start=1):
            own = {key: point.get(f"{number}.{key}", getattr(stage, key)[0]) for key in CHOICES}
            found.append(_string(self, stage, own, inputs))
            inputs = read_block(found[-1]).channels
        return tuple(found)

    def definition(self, point: Point, brief_resolution: int | None = None) -> Definition:
        """The network of a point, as a baseline's YAML file defines it."""
        settings = dict(self.settings)
        settings["brief_resolution"] = brief_resolution or self.brief_resolution
        return Definition(**settings, stages=tuple((string,) for string in self.strings(point)))

    def baseline(self, point: Point) -> BlockBaseline:
        """The network of a point."""
        return defined(self.definition(point).model_dump_json())

    def cost(self, point: Point, num_classes: int, channels: int = 3, px: int = 0) -> Cost:
        """What a point's network costs for one image of ``px``, by default the space's own."""
        costs = Costs(self.baseline(point), num_classes, channels)
        return costs.of(1.0, 1.0, px or self.resolution)

    def reach(self, num_classes: int, channels: int, cost: Counted) -> Reach:
        """The ends of a cost over the whole space, exactly.

        A cost grows with channels and layers, whatever the other choices; once these are fixed, no
        stage's other choices change what another stage costs.
        """

        def end(sign: int) -> Point:
            best = {name: values[0] for name, values in self.choices.items()}
            for name, values in self.choices.items():
                if name.endswith(("filters", "more_layers")):
                    best[name] = max(values, key=lambda value: sign * float(value))
            for stage in range(1, len(self.stages) + 1):
                own = {
                    name: values
                    for name, values in self.choices.items()
                    if name.startswith(f"{stage}.")
                    and not name.endswith(("filters", "more_layers", "skip"))
                }
                tried = [
                    best | dict(zip(own, values, strict=True))
                    for values in itertools.product(*own.values())
                ]
                costs = [getattr(self.cost(one, num_classes, channels), cost) for one in tried]
                best = tried[max(range(len(tried)), key=lambda i: sign * costs[i])]
            return best

        return Reach(end(-1), end(1))

    def nearest(self, strings: Sequence[str]) -> tuple[Point, list[str]]:
        """The point nearest a network of one block string a stage, and what differs, in words.

        Raises:
            UserError: the network has another number of stages.
        """
        if len(strings) != len(self.stages):
            raise UserError(
                f"{self.name} has {len(self.stages)} stages, and the network {len(strings)}: no "
                "point is near it."
            )
        point: dict[str, Value] = {}
        differing: list[str] = []
        inputs = int(self.settings["stem"])
        for number, (stage, string) in enumerate(zip(self.stages, strings, strict=True), start=1):
            wanted = read_block(string)
            built = {
                tuple(own.values()): read_block(_string(self, stage, own, inputs))
                for own in _combinations(stage)
            }
            values = min(built, key=lambda own: _distance(built[own], wanted))
            chosen = dict(zip((f"{number}.{key}" for key in CHOICES), values, strict=True))
            point |= {name: value for name, value in chosen.items() if name in self.choices}
            inputs = built[values].channels
            differing += [f"stage {number} has {text}" for text in _told(built[values], wanted)]
        return point, differing


def read_space(name: str) -> Space:
    """The space called ``name``: a built-in one, or the path of a YAML file.

    Raises:
        UserError: there is none, or the file is wrong; one sentence that names the stage.
    """
    path = SPACES / f"{name}.yaml"
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
    elif not path.is_file():
        known = sorted(one.stem for one in SPACES.glob("*.yaml"))
        hint = did_you_mean(name, known, f"there are {', '.join(known)}")
        raise UserError(f"unknown space {name!r}; {hint}, or give the path of a YAML file.")
    file = yaml.load(_File, path, "space")
    shown = str(path) if name.endswith((".yaml", ".yml")) else name
    if not file.stages:
        raise UserError(f"{shown} has no stages; give one or more.")
    stages = tuple(
        _stage(f"{shown}: stage {number}", {**file.choices, **own})
        for number, own in enumerate(file.stages, start=1)
    )
    settings = file.model_dump(exclude={"choices", "stages"})
    for number, stage in enumerate(stages, start=1):
        channels = round_channels(stage.channels * max(stage.filters), file.channel_divisor)
        if channels > _MOST:
            raise UserError(
                f"{shown}: stage {number}: {channels:,} channels are too many; give {_MOST:,} at "
                "most, filters included."
            )
    space = Space(shown, stages, settings)
    _check_strides(space, space.brief_resolution)
    space.baseline({})  # whose activation is known
    return space


def check_sides(space: Space, px: int) -> None:
    """Raise UserError where images of ``px`` are smaller than the strides."""
    _check_strides(space, px)


def _check_strides(space: Space, px: int) -> None:
    stride = space.total_stride
    problem = f"{space.name}: the strides of stem and stages multiply to {stride}"
    if stride > MOST_STRIDE:
        raise UserError(f"{problem}; timm's builder allows at most {MOST_STRIDE}.")
    if stride > min(px, space.resolution):
        raise UserError(
            f"{problem}, more than images of {min(px, space.resolution)} px; use fewer stages with "
            "stride 2, or a larger resolution."
        )


def _stage(where: str, values: Mapping[str, Any]) -> Stage:
    stage = yaml.build(Stage, values, where)
    for key in CHOICES:
        if not getattr(stage, key):
            raise UserError(
                f"{where} has no choice of {key.replace('_', '-')}; give one value or more, or "
                "leave the key out."
            )
    return stage


def _combinations(stage: Stage) -> Iterator[dict[str, Value]]:
    for values in itertools.product(*(getattr(stage, key) for key in CHOICES)):
        yield dict(zip(CHOICES, values, strict=True))


def _string(space: Space, stage: Stage, own: Mapping[str, Value], inputs: int) -> str:
    """The block string of a stage; what makes no difference to the network is left out."""
    kind = KINDS[str(own["operator"])]
    divisor = int(space.settings["channel_divisor"])
    channels = round_channels(stage.channels * float(own["filters"]), divisor)
    layers = max(1, stage.layers + int(own["more_layers"]))
    parts = [f"{kind}_r{layers}_k{own['kernel']}_s{stage.stride}"]
    if kind != "cn":
        parts.append(f"e{1 if kind == 'ds' else own['expansion']:g}")
    parts.append(f"c{channels}")
    if kind != "cn" and own["se"]:
        parts.append(f"se{own['se']:g}")
    if layers > 1 or (stage.stride == 1 and inputs == channels):  # a skip is possible
        if kind == "cn" and own["skip"] == "identity":
            parts.append("skip")
        if kind != "cn" and own["skip"] == "none":
            parts.append("noskip")
    return "_".join(parts)


def _distance(built: Block, wanted: Block) -> tuple[int, float]:
    """How many numbers differ, and by how much the channels do."""
    return len(_told(built, wanted)), abs(math.log(built.channels / wanted.channels))


def _told(built: Block, wanted: Block) -> list[str]:
    """What differs: ``120 channels for 112``."""
    words = {
        "operator": "",
        "kernel": "kernel ",
        "squeeze": "squeeze-and-excitation ",
        "repeats": "layers ",
        "channels": "channels ",
        "stride": "stride ",
    }
    return [
        f"{word}{getattr(built, key)} for {getattr(wanted, key)}"
        for key, word in words.items()
        if getattr(built, key) != getattr(wanted, key)
    ] + (["another skip"] if _skips(built) != _skips(wanted) else [])


def _skips(block: Block) -> bool:
    return "_skip" in block.string if block.kind == "cn" else "noskip" not in block.string
