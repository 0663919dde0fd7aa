"""The built-in baselines: timm's networks when unscaled, one rule each when scaled."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import timm
import torch
from breadth import some
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from scalegrid import baselines, cost
from scalegrid.baselines import BUILT_IN

OTHER_NAMES = {
    "mobilenetv1": "mobilenetv1_100",
    "mobilenetv2": "mobilenetv2_100",
    "mobilenetv3_small": "mobilenetv3_small_100",
    "mobilenetv3_large": "mobilenetv3_large_100",
    "mnasnet_a1": "semnasnet_100",
    "mnasnet_b1": "mnasnet_100",
    **{f"b{i}": f"efficientnet_b{i}" for i in range(8)},
    **{f"lite{i}": f"efficientnet_lite{i}" for i in range(5)},
}
SMALLEST = [members[0] for members in baselines.families().values()]
"""One member of each family."""

multipliers = st.floats(1, 2)
few = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def shapes(model: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, tuple(p.shape)) for name, p in model.named_parameters()]


def built(name: str, depth: float = 1, width: float = 1) -> nn.Module:
    return baselines.skeleton(baselines.get(name), depth, width, 1000)


@pytest.mark.parametrize("name", some([name for name in BUILT_IN if name != "nano"], 3))
def test_unscaled_it_is_timms_network(name: str) -> None:
    with torch.device("meta"):
        reference = timm.create_model(OTHER_NAMES.get(name, name))
    assert shapes(built(name)) == shapes(reference)


@pytest.mark.parametrize("name", some(BUILT_IN, 3))
def test_the_list_shows_its_cost(name: str) -> None:
    rows = {row.name: row for row in baselines.listing()}
    measured = cost.measure(built(name), baselines.get(name).resolution)
    assert (rows[name].flops, rows[name].params) == measured[:2]


@pytest.mark.parametrize(
    ("name", "model", "depth", "width"),
    [
        ("b0", "efficientnet_b4", 1.8, 1.4),
        ("lite0", "efficientnet_lite4", 1.8, 1.4),
        ("mobilenetv1", "mobilenetv1_125", 1, 1.25),
        ("mobilenetv2", "mobilenetv2_140", 1, 1.4),
        ("mnasnet_a1", "semnasnet_140", 1, 1.4),
        ("mnasnet_b1", "mnasnet_140", 1, 1.4),
    ],
)
def test_scaled_it_is_timms_larger_network(
    name: str, model: str, depth: float, width: float
) -> None:
    with torch.device("meta"):
        reference = timm.create_model(model)
    assert shapes(built(name, depth, width)) == shapes(reference)


def test_a_scaled_b0_is_the_same_variant_as_the_released_network() -> None:
    b0, b4 = baselines.get("b0"), baselines.get("b4")
    assert b0.depths(1.8) == b4.depths(1)
    assert b0.channels(1.4) == b4.channels(1)
    ids = [
        baselines.network_id(b0, b0.layout(1.8, 1.4), 380),
        baselines.network_id(b4, b4.layout(1, 1), 380),
    ]
    assert ids[0] == ids[1]


@pytest.mark.parametrize("name", SMALLEST)
@given(multipliers, multipliers)
@few
def test_depths_differ_if_and_only_if_the_networks_do(name: str, a: float, b: float) -> None:
    baseline = baselines.get(name)
    same = shapes(built(name, a)) == shapes(built(name, b))
    assert (baseline.depths(a) == baseline.depths(b)) == same
    assert (baseline.layout(a, 1) == baseline.layout(b, 1)) == same


@pytest.mark.parametrize("name", SMALLEST)
@given(multipliers, st.floats(1, 1.2))
@few
def test_channels_differ_if_and_only_if_the_networks_do(name: str, a: float, ratio: float) -> None:
    baseline, b = baselines.get(name), a * ratio
    same = shapes(built(name, 1, a)) == shapes(built(name, 1, b))
    assert (baseline.channels(a) == baseline.channels(b)) == same
    assert (baseline.layout(1, a) == baseline.layout(1, b)) == same


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("placement", [-1.0, 0.0, 1.0])
def test_multipliers_never_shrink_a_network(name: str, placement: float) -> None:
    baseline = baselines.get(name).placed(placement)
    grid = [1 + i / 40 for i in range(81)]
    layouts: list[list[Any]] = [
        [[r.layers for r in baseline.layout(m, 1)] for m in grid],
        [[r.channels for r in baseline.layout(1, m)] for m in grid],
    ]
    for column in layouts:
        for smaller, larger in pairwise(column):
            assert all(x <= y for x, y in zip(smaller, larger, strict=True))


@pytest.mark.parametrize("name", SMALLEST)
def test_modules_keep_their_names_whatever_the_width(name: str) -> None:
    names = [[n for n, _ in built(name, 1.5, width).named_modules()] for width in (1, 1.7)]
    assert names[0] == names[1]


@pytest.mark.parametrize("name", SMALLEST)
@pytest.mark.parametrize("px", [256, 205])
def test_the_layout_counts_strides_as_the_network_does(name: str, px: int) -> None:
    baseline = baselines.get(name)
    layout = baseline.layout(1.5, 1.5)
    model: Any = built(name, 1.5, 1.5).eval()
    features = model.forward_features(torch.empty(1, 3, px, px, device="meta"))
    assert list(baselines.input_sides(layout, px))[-1] == features.shape[-1]
    assert math.prod(row.stride for row in layout) == baseline.total_stride


@pytest.mark.parametrize("placement", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize("name", SMALLEST)
def test_the_layout_counts_blocks_as_the_network_does(name: str, placement: float) -> None:
    baseline = baselines.get(name).placed(placement)
    layout = baseline.layout(1.5, 1)
    model: Any = baselines.skeleton(baseline, 1.5, 1, 1000)
    if hasattr(model, "blocks"):
        blocks = [len(stage) for stage in model.blocks]
    elif hasattr(model, "stages"):
        blocks = [len(stage.blocks) for stage in model.stages]
    else:
        prefix = "layer" if hasattr(model, "layer1") else "s"
        blocks = [len(list(getattr(model, f"{prefix}{i}").children())) for i in range(1, 5)]
    rows = [row.layers for row in layout if "FC" not in row.operator and row is not layout[0]]
    between = sum(row.operator == "Conv" and row.kernel == 2 for row in layout)
    assert sum(rows) - between == sum(blocks)


def test_b0_has_the_layer_table_of_the_paper() -> None:
    assert [tuple(row) for row in baselines.layer_table(baselines.get("b0"))] == [
        (1, "Conv3x3", 224, 32, 1),
        (2, "MBConv1, k3x3", 112, 16, 1),
        (3, "MBConv6, k3x3", 112, 24, 2),
        (4, "MBConv6, k5x5", 56, 40, 2),
        (5, "MBConv6, k3x3", 28, 80, 3),
        (6, "MBConv6, k5x5", 14, 112, 3),
        (7, "MBConv6, k5x5", 14, 192, 4),
        (8, "MBConv6, k3x3", 7, 320, 1),
        (9, "Conv1x1 & Pooling & FC", 7, 1280, 1),
    ]


def test_nano_is_small_and_has_squeeze_and_excitation() -> None:
    nano = baselines.get("nano")
    model = baselines.skeleton(nano, 1, 1, 10)
    assert nano.resolution == 32
    assert nano.total_stride <= 16
    assert 20_000 < sum(p.numel() for p in model.parameters()) < 100_000
    assert any("conv_reduce" in name for name, _ in model.named_parameters())


@pytest.mark.parametrize("name", SMALLEST)
def test_initial_weights_follow_the_seed_and_are_finite(name: str) -> None:
    def values(seed: int) -> torch.Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = baselines.get(name).build(1, 1.25, 10)
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    first = values(0)
    assert torch.isfinite(first).all()
    assert torch.equal(first, values(0))
    assert not torch.equal(first, values(1))
