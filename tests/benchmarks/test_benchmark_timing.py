from pathlib import Path

import pandas as pd
import pytest

from benchmarks.timing import MedianRange, flat, in_turn, median_range, pairwise, publish


def test_ratios_are_formed_within_a_round() -> None:
    # In the second round the machine is half as fast; the ratio stays.
    assert pairwise([300.0, 150.0, 330.0], [100.0, 50.0, 100.0]) == MedianRange(3.0, 3.0, 3.3)


def test_ratios_need_the_same_rounds() -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        pairwise([1.0, 2.0], [1.0])


def test_a_median_needs_a_value() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        median_range([])


def test_contenders_take_turns_at_being_first() -> None:
    order: list[str] = []

    def contender(name: str, figure: float) -> float:
        order.append(name)
        return figure

    figures = in_turn(3, {"a": lambda: contender("a", 1.0), "b": lambda: contender("b", 2.0)})
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert figures == {"a": [1.0] * 3, "b": [2.0] * 3}


def test_a_median_becomes_three_columns() -> None:
    row = {"px": 32, "ratio": MedianRange(2.0, 1.0, 3.0)}
    assert flat(row) == {"px": 32, "ratio": 2.0, "ratio_low": 1.0, "ratio_high": 3.0}


def test_a_table_is_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:

    folder = tmp_path / "new"
    publish("table", [{"px": 32, "ratio": MedianRange(2.0, 1.0, 3.0), "met": True}], folder)
    assert "2 (1–3)" in capsys.readouterr().out
    assert pd.read_parquet(folder / "table.parquet")["ratio_high"].tolist() == [3.0]
