"""Spaces of networks: what a point builds, how many networks there are, and how far costs reach."""

import itertools
import random
from pathlib import Path

import pytest

from scalegrid import baselines
from scalegrid.baselines.families import B0_STAGES
from scalegrid.cost import measure
from scalegrid.search.space import Point, Space, read_space
from scalegrid.util import yaml
from scalegrid.util.errors import UserError

SMALL = """
resolution: 32
stem: 8
head: 16
choices: {kernel: [3, 5]}
stages:
  - {channels: 8, layers: 1, stride: 1, operator: [conv, sepconv, mbconv], expansion: [3, 6]}
  - {channels: 16, layers: 2, stride: 2, skip: [none, identity], more_layers: [-1, 0]}
"""


def small(folder: Path, text: str = SMALL) -> Space:
    path = folder / "small.yaml"
    path.write_text(text)
    return read_space(str(path))


def sampled(space: Space, seed: int) -> Point:
    draw = random.Random(seed)
    return {name: draw.choice(values) for name, values in space.choices.items()}


def test_b0_is_a_point_but_for_the_channels_of_two_stages() -> None:
    space = read_space("mnasnet")
    point, differing = space.nearest([stage[0] for stage in B0_STAGES])
    assert differing == ["stage 5 has channels 120 for 112", "stage 6 has channels 200 for 192"]
    expected = [stage[0].replace("c112", "c120").replace("c192", "c200") for stage in B0_STAGES]
    assert list(space.strings(point)) == expected


def test_a_network_of_the_space_is_its_own_nearest() -> None:
    space = read_space("mnasnet")
    for seed in range(20):
        strings = space.strings(sampled(space, seed))
        point, differing = space.nearest(strings)
        assert (space.strings(point), differing) == (strings, [])


def test_the_size_is_that_of_all_networks_listed(tmp_path: Path) -> None:
    space = small(tmp_path)
    names, values = list(space.choices), space.choices.values()
    listed = [dict(zip(names, one, strict=True)) for one in itertools.product(*values)]
    assert space.points == len(listed)
    assert space.size == len({space.strings(point) for point in listed})


def test_the_reach_of_costs_is_that_of_all_networks_listed(tmp_path: Path) -> None:
    space = small(tmp_path)
    names, values = list(space.choices), space.choices.values()
    listed = [dict(zip(names, one, strict=True)) for one in itertools.product(*values)]
    for kind in ("flops", "params"):
        costs = [getattr(space.cost(point, 10), kind) for point in listed]
        reach = space.reach(10, 3, kind)
        ends = [getattr(space.cost(point, 10), kind) for point in reach]
        assert ends == [min(costs), max(costs)]


def test_networks_are_those_that_are_counted() -> None:
    space = read_space("nano")
    for seed in range(8):
        point = sampled(space, seed)
        network = space.baseline(point).build(1.0, 1.0, 10)
        assert measure(network, 32) == space.cost(point, 10)


def test_without_a_skip_nothing_is_added(tmp_path: Path) -> None:
    text = SMALL.replace("kernel: [3, 5]", "operator: [conv, sepconv, mbconv, fused]")
    space = small(tmp_path, text.replace("operator: [conv, sepconv, mbconv], ", ""))
    for operator, skip in itertools.product(("conv", "sepconv", "mbconv", "fused"), (True, False)):
        point = {"2.operator": operator, "2.skip": "identity" if skip else "none"}
        network = space.baseline({**point, "2.more_layers": 0}).build(1.0, 1.0, 10)
        blocks = list(network.blocks[1])  # type: ignore[index]
        assert [block.has_skip for block in blocks] == [False, skip]


def test_a_point_is_a_baseline_of_ones_own(tmp_path: Path) -> None:
    space = read_space("mnasnet")
    point = sampled(space, 3)
    definition = space.definition(point, 48)
    path = tmp_path / "found.yaml"
    path.write_text(yaml.dump(definition))
    read, inline = (baselines.get(name) for name in (str(path), definition.model_dump_json()))
    assert read.brief_resolution == 48
    assert read.definition == inline.definition == space.baseline(point).definition


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[3, 5]}", "[]}", "stage 1 has no choice of kernel; give one value or more"),
        ("expansion: [3, 6]", "expansion: [three]", "stage 1: expansion should be a valid number"),
        ("stride: 2", "stride: 3", "stage 2: stride should be 1 or 2"),
        ("more_layers", "layer", "stage 2: unknown key 'layer'"),
        ("resolution: 32", "resolution: 3", "multiply to 4, more than images of 3 px"),
        ("stem: 8", "stem: 8\nactivation: zigzag", "timm has no activation 'zigzag'"),
        ("[conv, sepconv", "[pool, sepconv", "stage 1: operator should be"),
        ("kernel: [3, 5]", "se: [true]", "stage 1: se should be a valid number (given True)"),
        ("stages:", "stages: []\nother:", "unknown key 'other'"),
    ],
)
def test_a_wrong_space_is_one_sentence(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(UserError) as error:
        small(tmp_path, SMALL.replace(old, new))
    assert words in str(error.value)
    assert str(error.value).count("\n") == 0


def test_a_space_has_a_stage(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"small.yaml has no stages; give one or more\."):
        small(tmp_path, "resolution: 32\nstages: []\n")


def test_an_unknown_space_is_named_with_those_known() -> None:
    with pytest.raises(UserError, match=r"unknown space 'mnas'; did you mean 'mnasnet'\?"):
        read_space("mnas")
