from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

from scalegrid import baselines, cost
from scalegrid.baselines.blocks import BlockBaseline
from scalegrid.baselines.factory import FactoryBaseline
from scalegrid.cost import table as costtable
from scalegrid.util.errors import UserError

SMALL = BlockBaseline(
    name="small",
    stages=(("ds_r1_k3_s1_c16",), ("ir_r2_k5_s2_e4_c24_se0.25",), ("ir_r1_k3_s2_e6_c40",)),
    resolution=64,
    head=96,
)
ARGUMENTS = ([1.0, 1.5, 2.0], [1.0, 1.2], [64, 72], 10)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about networks that have to be built; see test_closedform for others."""
    monkeypatch.setattr(costtable, "closed_table", lambda *_: None)


def measure(
    baseline: baselines.Baseline, depth: float, width: float, px: int, classes: int
) -> cost.Cost:
    return cost.measure(baselines.skeleton(baseline, depth, width, classes), px)


def table(
    baseline: baselines.Baseline,
    depths: list[float],
    widths: list[float],
    resolutions: list[int],
    classes: int,
) -> np.ndarray:
    return costtable.Costs(baseline, classes).table(depths, widths, resolutions)


def slow_table(baseline: baselines.Baseline) -> np.ndarray:
    depths, widths, sides, classes = ARGUMENTS
    return np.array(
        [[[measure(baseline, d, w, px, classes) for px in sides] for w in widths] for d in depths]
    )


@pytest.mark.parametrize("baseline", [baselines.get("b0"), SMALL], ids=["b0", "small"])
def test_the_table_equals_counting_every_network(baseline: baselines.Baseline) -> None:
    np.testing.assert_array_equal(table(baseline, *ARGUMENTS), slow_table(baseline))


@pytest.mark.parametrize("name", ["regnetx_002", "mobilenetv3_small", "timm/resnet10t", "nano"])
def test_families_are_assembled_rather_than_counted_one_by_one(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def uncalled(*_arguments: object) -> None:
        raise AssertionError("counted network by network")

    monkeypatch.setattr(costtable.Costs, "_count_each", uncalled)
    baseline = baselines.get(name)
    np.testing.assert_array_equal(table(baseline, *ARGUMENTS), slow_table(baseline))


class Flat(BlockBaseline):
    """The same blocks without stages, so that names do not tell which block is which."""

    def build(self, *multipliers: Any, **settings: Any) -> nn.Module:
        model: nn.Module = super().build(*multipliers, **settings)
        model.blocks = nn.Sequential(*(block for stage in model.blocks for block in stage))  # type: ignore[union-attr]
        return model


SAME_CHANNELS = replace(
    SMALL, stages=(("ir_r2_k3_s1_e4_c24",), ("ir_r2_k3_s2_e4_c24",), ("ir_r1_k3_s1_e4_c24",))
)
"""Stages that differ in their position alone."""


SINGLE = replace(
    SMALL, stages=(("ir_r1_k3_s2_e4_c16",), ("ir_r1_k3_s2_e4_c16",), ("ir_r1_k3_s1_e4_c16",))
)
"""Unscaled, these have no repeats; scaled, those of two stages are alike."""


@pytest.mark.parametrize(
    "staged", [SMALL, SAME_CHANNELS, SINGLE], ids=["small", "same channels", "single"]
)
def test_blocks_without_stages_are_told_apart_by_their_place(
    staged: BlockBaseline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(costtable.Costs, "_count_each")
    flat = Flat(**{field.name: getattr(staged, field.name) for field in fields(staged)})
    np.testing.assert_array_equal(table(flat, *ARGUMENTS), slow_table(staged))


class Mixed(nn.Module):
    """A block whose shortcut is a convolution where its channels change; both are called alike."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.short = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv(x) + self.short(x)
        return result


def mixed(depth: float, width: float, num_classes: int) -> nn.Module:
    channels = [4 * int(6 * width + 0.5), 4 * int(6.3 * width + 0.5)]
    blocks = [Mixed(channels[0], channels[1]), *(Mixed(c, c) for c in [channels[1]] * int(depth))]
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels[1], num_classes)]
    return nn.Sequential(nn.Conv2d(3, channels[0], 3, 2, 1), *blocks, *pool)


def test_layers_of_one_name_and_several_kinds_are_told_apart() -> None:
    baseline = FactoryBaseline("mixed", mixed)
    arguments = ([1.0, 2.0], [1.0, 1.2448, 1.27], [32, 40], 10)
    kinds = {type(baseline.build(1.0, w, 10)[1].short).__name__ for w in arguments[1]}  # type: ignore[index]
    assert kinds == {"Identity", "Conv2d"}
    slow = [
        [[measure(baseline, d, w, p, 10) for p in (32, 40)] for w in arguments[1]]
        for d in (1.0, 2.0)
    ]
    np.testing.assert_array_equal(table(baseline, *arguments), slow)


def test_what_cannot_be_built_is_told_as_that() -> None:
    grouped = replace(SMALL, stages=(("cn_r1_k3_s2_c48",), ("ir_r2_k3_s1_e1_c48_gs16",)))
    with pytest.raises(UserError, match=r"small cannot be built at depth 1, width 1\.15 "):
        table(grouped, [1.0], [1.15], [64], 10)


def test_a_change_that_the_definition_does_not_tell_is_noticed() -> None:
    cropped = 0

    class Cropped(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x[:, :, cropped:])

    def network(depth: float, width: float, num_classes: int) -> nn.Module:
        pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, num_classes)]
        return nn.Sequential(Cropped(3, 8, 3, 2, 1), *pool)

    first = table(FactoryBaseline("net", network), [1.0], [1.0], [32], 10)
    cropped = 4
    second = table(FactoryBaseline("net", network), [1.0], [1.0], [32], 10)
    assert second[0, 0, 0, 0] < first[0, 0, 0, 0]


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    made: list[float] = []
    original = baselines.skeleton

    def counting(baseline: baselines.Baseline, depth: float, *settings: Any) -> nn.Module:
        made.append(depth)
        return original(baseline, depth, *settings)

    monkeypatch.setattr(costtable, "skeleton", counting)
    return made


def test_a_stored_table_builds_nothing(builds: list[float]) -> None:
    first = table(SMALL, *ARGUMENTS)
    builds.clear()
    np.testing.assert_array_equal(table(SMALL, *ARGUMENTS), first)
    assert builds == []


@pytest.mark.parametrize("damage", [b"", b"not a zip", b"PK\x03\x04 cut short"])
def test_a_corrupt_table_is_rebuilt(cache: Path, builds: list[float], damage: bytes) -> None:
    first = table(SMALL, *ARGUMENTS)
    (stored,) = cache.rglob("*.npz")
    stored.write_bytes(damage or stored.read_bytes()[:-40])
    builds.clear()
    np.testing.assert_array_equal(table(SMALL, *ARGUMENTS), first)
    assert builds
    builds.clear()
    table(SMALL, *ARGUMENTS)
    assert builds == []


def test_a_bit_flip_is_noticed(cache: Path, builds: list[float]) -> None:
    first = table(SMALL, *ARGUMENTS)
    (stored,) = cache.rglob("*.npz")
    content = bytearray(stored.read_bytes())
    content[len(content) // 2] ^= 1
    stored.write_bytes(content)
    np.testing.assert_array_equal(table(SMALL, *ARGUMENTS), first)


def test_tables_are_kept_by_layout_not_by_name(cache: Path, builds: list[float]) -> None:
    table(SMALL, *ARGUMENTS)
    builds.clear()
    renamed = replace(SMALL, name="mine")
    table(renamed, *ARGUMENTS)
    assert builds == []
    other = replace(SMALL, activation="relu", stem=40)
    table(other, *ARGUMENTS)
    assert builds


def test_an_unwritable_cache_only_costs_time(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    (cache / "file").write_text("in the way")
    monkeypatch.setenv("SCALEGRID_CACHE", str(cache / "file"))
    assert table(SMALL, [1.0], [1.0], [64], 10).shape == (1, 1, 1, 3)
