"""docs/study.md says what the published studies say."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.study import STUDIES, draw, load, markdown, side_by_side
from scalegrid.figures.subject import Subject
from scalegrid.report.ways import ways
from scalegrid.results import SweepTables

PAGE = (Path(__file__).parents[2] / "docs" / "study.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def studies() -> dict[str, SweepTables]:
    return load()


def test_the_page_has_the_tables_of_the_published_studies(
    studies: dict[str, SweepTables],
) -> None:
    assert studies
    assert markdown(side_by_side(studies)) in PAGE
    for tables in studies.values():
        assert markdown(ways(Subject(tables))) in PAGE


def test_each_study_has_a_specification_of_its_name_that_the_page_runs(
    studies: dict[str, SweepTables],
) -> None:
    for name in STUDIES.values():
        file = f"sweeps/{name.replace('-', '_')}.yaml"
        assert (Path(__file__).parents[2] / file).exists()
        assert f"scalegrid sweep {file}" in PAGE


def test_no_path_of_a_machine_is_published(studies: dict[str, SweepTables]) -> None:
    for tables in studies.values():
        data = str(tables.spec["data"])
        assert not Path(data).is_absolute()


def test_the_picture_has_a_mark_for_every_network_that_can_be_the_best(
    studies: dict[str, SweepTables],
) -> None:
    figure = draw(studies)
    marks = sum(len(panel.collections) for panel in figure.axes)
    ties = sum(len(tables.recommend().tie_set) for tables in studies.values())
    assert marks == ties + 1, "and the paper's coefficients"
