"""The studies side by side, of sweeps that are published."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.collections import PathCollection

from benchmarks.study import BEFORE, STUDIES, draw, load, side_by_side
from scalegrid.figures.subject import Subject
from scalegrid.report.ways import ways
from scalegrid.results import SweepTables
from scalegrid.util.text import markdown

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def studies() -> dict[str, SweepTables]:
    return load(STUDIES)


@pytest.fixture(scope="module")
def before() -> dict[str, SweepTables]:
    return load(BEFORE)


@pytest.fixture(scope="module")
def answers(studies: dict[str, SweepTables]) -> list[dict[str, str]]:
    return side_by_side(studies)


def test_each_study_answers_the_same_questions(
    studies: dict[str, SweepTables],
    before: dict[str, SweepTables],
    answers: list[dict[str, str]],
) -> None:
    assert list(studies) == list(STUDIES)
    assert all(list(row) == ["", *studies] for row in answers)
    rows = {row[""]: row for row in side_by_side(before)}
    assert [row[""] for row in answers] == list(rows)
    name = "nano on CIFAR-10, 30,000 images"
    found = before[name].recommend()
    assert rows["candidates of equal cost"][name] == "8"
    assert rows["recommended α, β, γ"][name] == "1.17, 1.08, 1.25"
    assert rows["gain over the best single axis"][name] == "+0.5 (-0.2 to +1.2)"
    assert rows["order kept, τ"][name] == "–"
    assert found.probability_compound is not None
    assert rows["the best scales several axes"][name] == f"{100 * found.probability_compound:.0f} %"
    longer = "nano on CIFAR-10, 210,000 images"
    assert rows["order kept, τ"][longer] == "0.71 (0.29 to 1.00), 1× to 7×"


def test_a_study_that_was_extended_says_what_compound_scaling_gains_there(
    studies: dict[str, SweepTables], answers: list[dict[str, str]]
) -> None:
    found = studies["nano on CIFAR-10"].recommend().advantage
    assert found is not None
    (row,) = (row for row in answers if "more FLOPs" in row[""])
    assert row["nano on CIFAR-10"].startswith(f"{100 * found.at[-1].advantage:+.1f} (")
    assert row["nano on CIFAR-10"].endswith("at 4×")
    assert row["B0 on leaves"] == "–"


def test_markdown_has_a_line_for_each_row() -> None:
    assert markdown([{"a": "1", "b": "2"}]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert markdown([]) == ""


def test_the_picture_has_a_mark_for_every_network_that_can_be_the_best(
    studies: dict[str, SweepTables], before: dict[str, SweepTables]
) -> None:
    groups = [dict([*group.items()][-2:]) for group in (studies, before)]
    for panel, group in zip(draw(*groups).axes, groups, strict=True):
        named = sum(len(tables.recommend().tie_set) for tables in group.values())
        assert len(panel.collections) == named + 1, "and the paper's coefficients"


def test_marks_in_one_place_grow_smaller_upwards(before: dict[str, SweepTables]) -> None:
    tables = before["nano on CIFAR-10, 30,000 images"]
    panels = draw({"one": tables, "the same": tables}).axes
    marks = [mark for panel in panels for mark in panel.collections][:-1]
    below, above = marks[: len(marks) // 2], marks[len(marks) // 2 :]
    for one, other in zip(below, above, strict=True):
        assert isinstance(one, PathCollection)
        assert isinstance(other, PathCollection)
        assert one.get_sizes()[0] > other.get_sizes()[0]
        assert one.get_zorder() < other.get_zorder()


def test_the_page_has_the_tables_of_the_published_sweeps(
    studies: dict[str, SweepTables],
    before: dict[str, SweepTables],
    answers: list[dict[str, str]],
) -> None:
    assert markdown(answers) in PAGE
    assert markdown(side_by_side(before)) in PAGE
    briefly = [tables for tables in before.values() if len(tables.spec.get("rungs", [1])) == 1]
    assert len(briefly) == 4
    for tables in [*studies.values(), *briefly]:
        assert markdown(ways(Subject(tables))) in PAGE


def test_the_page_says_how_to_run_each_study(tmp_path: Path) -> None:
    files = sorted((ROOT / "sweeps").glob("study_*.yaml"))
    assert len(files) == 4
    for path in files:
        name = path.stem.replace("_", "-")
        assert f"name: {name}\n" in path.read_text(encoding="utf-8")
        assert f"`scalegrid sweep sweeps/{path.name}" in PAGE
    assert load(STUDIES, tmp_path) == {}
