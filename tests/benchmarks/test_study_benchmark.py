"""The studies side by side, of sweeps that are published."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.selection_worlds import PUBLISHED
from benchmarks.study import STUDIES, draw, load, markdown, side_by_side
from scalegrid.figures.subject import Subject
from scalegrid.report.ways import ways
from scalegrid.results import SweepTables, load_sweep

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def studies() -> dict[str, SweepTables]:
    names = {"one": "nano-cifar10-32", "over rungs": "fidelity-nano-cifar10"}
    return {study: load_sweep(sweep, PUBLISHED) for study, sweep in names.items()}


def test_each_study_answers_the_same_questions(studies: dict[str, SweepTables]) -> None:
    rows = {row.pop(""): row for row in side_by_side(studies)}
    assert all(list(row) == list(studies) for row in rows.values())
    one, over = (tables.recommend() for tables in studies.values())
    assert rows["candidates of equal cost"] == {"one": "8", "over rungs": "10"}
    assert rows["recommended α, β, γ"]["one"] == "1.17, 1.08, 1.25"
    assert rows["gain over the best single axis"]["one"] == "+0.5 (-0.2 to +1.2)"
    assert rows["order kept, τ"]["one"] == "–"
    assert over.verdict is not None
    assert rows["order kept, τ"]["over rungs"].startswith(f"{over.verdict.taus[0].mean:.2f} (")
    assert one.probability_compound is not None
    assert rows["the best scales several axes"]["one"] == f"{100 * one.probability_compound:.0f} %"


def test_markdown_has_a_line_for_each_row() -> None:
    assert markdown([{"a": "1", "b": "2"}]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert markdown([]) == ""


def test_the_picture_has_a_mark_for_every_network_that_can_be_the_best(
    studies: dict[str, SweepTables],
) -> None:
    marks = sum(len(panel.collections) for panel in draw(studies).axes)
    ties = sum(len(tables.recommend().tie_set) for tables in studies.values())
    assert marks == ties + 1, "and the paper's coefficients"


def test_the_page_has_the_tables_of_the_published_sweeps() -> None:
    published = load()
    assert set(published) == set(STUDIES)
    assert markdown(side_by_side(published)) in PAGE
    briefly = [tables for tables in published.values() if tables.recommend().rung == 1]
    assert len(briefly) == 4
    for tables in briefly:
        assert markdown(ways(Subject(tables))) in PAGE


def test_the_page_says_how_to_run_the_larger_studies(tmp_path: Path) -> None:
    files = sorted((ROOT / "sweeps").glob("study_*.yaml"))
    assert len(files) == 4
    for path in files:
        name = path.stem.replace("_", "-")
        assert f"name: {name}\n" in path.read_text(encoding="utf-8")
        assert f"`scalegrid sweep sweeps/{path.name}" in PAGE
    assert load(tmp_path) == {}
