"""FLOPs of scaled networks against those that the EfficientNet paper prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from published import AGREEING, CLOSEST, DISAGREEING, Printed, table_rows

from scalegrid import baselines

PAGE = Path(__file__).parents[2] / "docs" / "agreement.md"

# Table 2: millions of parameters.
PARAMETERS = {"b0": 5.3, "b1": 7.8, "b2": 9.2, "b3": 12, "b4": 19, "b5": 30, "b6": 43, "b7": 66}


def label(row: Printed) -> str:
    return f"{row.table}-{row.row}"


@pytest.mark.parametrize("row", [*AGREEING, *CLOSEST], ids=label)
def test_a_row_of_the_paper_agrees(row: Printed) -> None:
    assert row.agrees


@pytest.mark.parametrize("row", DISAGREEING, ids=label)
def test_a_row_that_is_documented_as_not_agreeing_is_within_a_fifth(row: Printed) -> None:
    assert not row.agrees
    assert row.ours == pytest.approx(float(row.flops), rel=0.2)


def test_every_row_is_accounted_for() -> None:
    rows = {(row.table, row.row) for row in [*AGREEING, *DISAGREEING]}
    tables = [table for table, _ in rows]
    assert [tables.count(table) for table in (2, 3, 7)] == [8, 14, 5]


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_of_table_2(name: str) -> None:
    model = baselines.skeleton(baselines.get(name), 1, 1, 1000)
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    assert millions == pytest.approx(PARAMETERS[name], rel=0.02)


def test_the_page_shows_these_figures() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for row in table_rows([*AGREEING, *DISAGREEING, *CLOSEST]):
        assert row in lines
