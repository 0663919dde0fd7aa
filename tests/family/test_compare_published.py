"""The formula's EfficientNets beside the release."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from scalegrid.baselines.families import FAMILIES
from scalegrid.coefficients import PAPER, Coefficients
from scalegrid.family import compare_published as module
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


def test_a_reference_that_timm_does_not_build_is_as_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = [one for one in REFERENCES if one.name in ("GPipe", "SENet")]
    monkeypatch.setattr(module, "REFERENCES", chosen)
    table = reference_rows()
    assert table["printed_params"].tolist() == [146, 557]
    assert table[["px", "flops", "params"]].isna().all(axis=None)


@pytest.mark.slow
def test_references_that_timm_builds_agree_with_what_is_printed() -> None:
    rows = reference_rows().dropna(subset=["flops"])
    assert len(rows) == 10
    assert (rows["flops"] / 1e9).tolist() == pytest.approx(rows["printed_flops"].tolist(), rel=0.1)
    assert rows["params"].iloc[0] == 25_557_032
