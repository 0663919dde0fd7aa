"""Costs of layers known without building, against counting the network that timm builds."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from breadth import some
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalegrid import baselines, cost
from scalegrid.baselines import BUILT_IN
from scalegrid.baselines.blocks import BlockBaseline
from scalegrid.cost.closedform import check_closed_form, closed_table
from scalegrid.cost.table import Costs
from scalegrid.util.errors import UserError

BLOCKS = {name: b for name, b in BUILT_IN.items() if isinstance(b, BlockBaseline)}
EVERYTHING = BlockBaseline(
    name="everything",
    stages=(
        ("er_r1_k3_s2_e3_c24_se0.25_noskip",),
        ("ds_r1_k5_s1_e1_c32_nre", "dsa_r1_k3_s1_c40_se0.5"),
        ("ir_r2_k7_s2_e1.8333333333333333_c48_se0.1", "cn_r1_k3_s2_c56_skip"),
        ("cn_r1_k1_s1_c64",),
    ),
    resolution=64,
    head=72,
)


def built(baseline: baselines.Baseline, depth: float, width: float, px: int) -> tuple[int, ...]:
    return cost.measure(baselines.skeleton(baseline, depth, width, 10), px)


def known(baseline: baselines.Baseline, depth: float, width: float, px: int) -> tuple[int, ...]:
    table = closed_table(baseline, [depth], [width], [px], 10)
    assert table is not None
    return tuple(table[0, 0, 0])


@pytest.mark.parametrize("name", some(BLOCKS, 3))
@pytest.mark.parametrize(("depth", "width", "px"), [(1, 1, 224), (1.4, 1.23, 81)])
def test_every_family_costs_what_its_network_does(
    name: str, depth: float, width: float, px: int
) -> None:
    assert known(BLOCKS[name], depth, width, px) == built(BLOCKS[name], depth, width, px)


@given(
    st.sampled_from([EVERYTHING, replace(EVERYTHING, head=0, fixed_stem=True), BLOCKS["nano"]]),
    st.floats(1, 2),
    st.floats(1, 2),
    st.integers(33, 150),
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
def test_so_do_all_known_kinds_of_block(
    baseline: BlockBaseline, depth: float, width: float, px: int
) -> None:
    assert known(baseline, depth, width, px) == built(baseline, depth, width, px)


@pytest.mark.parametrize(
    "string",
    [
        "uir_r1_k3_s1_e4_c32",
        "ir_r1_k4_s1_e4_c32",
        "ir_r1_k3.5_s1_e4_c32",
        "ir_r1_k3_s1_e4_c32_gs8",
        "ir_r1_k3_s1_e4_c32_p3",
    ],
)
def test_what_is_not_described_is_not_guessed(string: str) -> None:
    baseline = replace(EVERYTHING, stages=((string,),))
    assert closed_table(baseline, [1.0], [1.0], [64], 10) is None


@pytest.mark.parametrize(
    "baseline",
    [
        replace(EVERYTHING, activation="prelu"),
        replace(EVERYTHING, stages=(("cn_r1_k3_s2_c8",),) * 6),
    ],
    ids=["activation with parameters", "stride of 128"],
)
def test_neither_are_networks_built_by_other_rules(baseline: BlockBaseline) -> None:
    assert closed_table(baseline, [1.0], [1.0], [64], 10) is None


def test_other_baselines_do_not_know_their_layers() -> None:
    assert closed_table(baselines.get("resnet18"), [1.0], [1.0], [64], 10) is None


def test_costs_in_closed_form_are_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path))
    assert Costs(BLOCKS["nano"], 10).of(1.0, 1.0, 32) == built(BLOCKS["nano"], 1, 1, 32)
    assert not list(tmp_path.rglob("*"))


class Wider(BlockBaseline):
    def _squeeze(self, channels: int, ratio: float, expansion: float) -> int:
        return super()._squeeze(channels, ratio, expansion) + 1


def test_a_timm_of_other_rules_is_noticed() -> None:
    check_closed_form(BLOCKS["b0"], 10, 48)
    b0 = BLOCKS["b0"]
    wider = Wider(**{field.name: getattr(b0, field.name) for field in fields(b0)})
    with pytest.raises(UserError, match=r"b0 is planned with .* but timm .* builds it"):
        check_closed_form(wider, 10, 48)
