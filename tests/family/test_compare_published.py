"""The formula's EfficientNets beside the release."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from scalegrid.baselines.families import FAMILIES
from scalegrid.coefficients import PAPER, Coefficients
from scalegrid.cost.timm_models import cost_of_timm
from scalegrid.family.compare_published import compare_published, reference_rows
from scalegrid.family.published import REFERENCES


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return compare_published()


def test_the_release_costs_what_the_built_in_models_do(table: pd.DataFrame) -> None:
    recorded = [(member.flops, member.params) for member in FAMILIES["EfficientNet"]]
    assert list(zip(table["release_flops"], table["release_params"], strict=True)) == recorded
    assert list(table["model"]) == [f"B{n}" for n in range(8)]


def test_the_formula_is_the_papers_equation(table: pd.DataFrame) -> None:
    first, last = table.iloc[0], table.iloc[-1]
    assert first["formula_flops"] == first["release_flops"]
    columns = ["formula_depth", "formula_width", "formula_resolution"]
    assert last[columns].tolist() == pytest.approx(PAPER.scaling(7))
    assert list(table["formula_px"]) == [224, 256, 296, 340, 392, 452, 520, 596]
    assert all(table["formula_px"] % 4 == 0)


def test_layers_and_channels_are_those_of_the_layer_table(table: pd.DataFrame) -> None:
    """Paper, Table 1: 16 blocks and a head of 1,280; B7 has 55 and 2,560."""
    release = table[["release_layers", "release_channels"]].to_numpy().tolist()
    assert release[0] == [16, 1280]
    assert release[-1] == [55, 2560]


def test_it_says_which_phi_the_release_is(table: pd.DataFrame) -> None:
    assert table["phi_multipliers"].iloc[-1] == pytest.approx(6.91, abs=0.01)
    ratio = table["release_flops_ratio"].iloc[-1]
    assert PAPER.flops_factor ** table["phi_flops"].iloc[-1] == pytest.approx(ratio)


def test_more_or_fewer_phi_leave_gaps() -> None:
    few = compare_published(Coefficients(1.0, 1.2, 1.2), phis=(0, 0.5))
    assert few["formula_flops"].isna().tolist() == [False, False, *[True] * 6]
    assert few["formula_depth"].dropna().tolist() == [1, 1]
    many = compare_published(phis=range(10))
    assert many["model"].isna().tolist() == [*[False] * 8, True, True]
    assert math.isclose(many["formula_depth"].iloc[-1], 1.2**9)


def test_a_reference_is_as_counted_where_timm_builds_it_and_else_as_printed() -> None:
    table = reference_rows().set_index("model")
    printed = table[table["cost"] == "published"]
    assert len(table) == 16
    assert printed.loc["GPipe", "printed_params"] == 557
    assert printed[["px", "flops", "params"]].isna().all(axis=None)
    counted = table[table["cost"] == "counted"]
    assert len(counted) == 10
    ratios = counted["flops"] / 1e9 / counted["printed_flops"]
    assert ratios.tolist() == pytest.approx([1] * 10, rel=0.1)
    assert counted.loc["ResNet-50", "params"] == 25_557_032


def test_what_is_kept_of_a_reference_is_what_it_costs() -> None:
    _recount("resnet50")


@pytest.mark.slow
def test_what_is_kept_of_all_references_is_what_they_cost() -> None:
    for one in REFERENCES:
        if one.model:
            _recount(one.model)


def _recount(model: str) -> None:
    (one,) = (one for one in REFERENCES if one.model == model)
    cost = cost_of_timm(one.model, one.resolution)
    assert (cost.flops, cost.params) == (one.counted_flops, one.counted_params)
