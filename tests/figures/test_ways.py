"""The paper's Table 3 of a sweep."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from figure_tables import plan, train
from scipy import stats

from scalegrid.figures.subject import Subject
from scalegrid.report.ways import ways
from scalegrid.results import load_sweep

PUBLISHED = Path(__file__).parent.parent.parent / "results" / "published"


def test_a_row_for_each_way_with_its_mean_and_interval() -> None:
    tables = load_sweep("nano-cifar10-32", PUBLISHED)
    table = {row["way"]: row for row in ways(Subject(tables))}
    assert list(table) == ["baseline", "depth", "width", "resolution", "≈ paper", "compound"]
    top1 = tables.trials[tables.trials["status"] == "finished"].assign(y=lambda t: 100 * t["top1"])
    groups = top1.groupby("variant")["y"]
    degrees = int((groups.size() - 1).sum())
    noise = float(((groups.size() - 1) * groups.var()).sum() / degrees)
    wide = tables.planned.set_index("role").loc["width"]
    own = groups.get_group(wide["variant"])
    half = stats.t.ppf(0.975, degrees) * math.sqrt(noise / len(own))
    assert table["width"] == {
        "way": "width",
        "φ": "1",
        "depth": "1.00×",
        "width": "1.42×",
        "px": "32",
        "FLOPs": "3.44 M (2.01×)",
        "seeds": "8",
        "Top-1 accuracy": f"{own.mean():.2f} %",
        "95 %": f"{own.mean() - half:.1f}–{own.mean() + half:.1f}",
    }
    assert table["compound"]["depth"] == f"{tables.recommend().best.alpha:.2f}×"


def test_every_cost_has_all_ways_and_no_network_is_there_twice() -> None:
    tables = train(plan(grid=30, factors=(1.5, 2, 4), compound=(0.5, 1.5, 2)), seeds=1)
    subject = Subject(replace(tables, spec={"curves": [1.5], "compound": [1.15] * 3}))
    rows = ways(subject)
    assert [row["φ"] for row in rows] == sorted((row["φ"] for row in rows), key=float)
    at = {phi: [row["way"] for row in rows if row["φ"] == phi] for phi in ("0", "1", "2")}
    assert at["0"] == ["baseline"]
    assert {"depth", "width", "resolution", "compound"} <= set(at["1"])
    assert {"depth", "width", "resolution", "compound"} <= set(at["2"])
    assert len({tuple(list(row.values())[1:]) for row in rows}) == len(rows)
    assert {row["95 %"] for row in rows} == {"–"}, "one seed each"


def test_over_rungs_candidates_have_what_they_come_to_after_the_longest_trainings() -> None:
    tables = load_sweep("study-resnet", PUBLISHED)
    found = {one.variant: one for one in tables.recommend().ranking}
    at_one = tables.planned[tables.planned["phi"] == 1].set_index("role")
    depth = found[str(at_one.loc["depth", "variant"])]
    rows = {(row["way"], row["φ"]): row["at 9×, estimated"] for row in ways(Subject(tables))}
    assert rows["depth", "1"] == (
        f"{100 * depth.accuracy:.2f} % ({100 * depth.low:.1f}–{100 * depth.high:.1f})"
    )
    assert rows["baseline", "0"] == rows["depth", "2"] == "–", "not of equal cost"


def test_where_an_axis_leads_compound_scaling_is_its_best_rival() -> None:
    tables = load_sweep("nano-glyphs-32", PUBLISHED)
    found = tables.recommend()
    assert found.best.role == "width"
    rival = next(one for one in found.ranking if one.role == "grid")
    depths = [row["depth"] for row in ways(Subject(tables)) if row["way"] == "compound"]
    assert depths == [f"{rival.alpha:.2f}×"]


def test_an_axis_that_is_the_direction_keeps_its_name() -> None:
    tables = train(plan(grid=30, factors=(2,), compound=(2,)), seeds=1)
    wide = tables.planned.set_index("role").loc[["width"]].iloc[0]
    spec = {"curves": [2], "compound": [wide["alpha"], wide["beta"], wide["gamma"]]}
    at_one = [row for row in ways(Subject(replace(tables, spec=spec))) if row["φ"] == "1"]
    assert [row["way"] for row in at_one if row["width"] == f"{wide['width']:.2f}×"] == ["width"]


@pytest.mark.parametrize("left", [0, 1])
def test_without_a_scaled_network_there_is_no_table(left: int) -> None:
    tables = load_sweep("nano-cifar10-32", PUBLISHED)
    base = tables.planned["variant"].iloc[0]
    trials = tables.trials[tables.trials["variant"] == base].iloc[:left]
    assert ways(Subject(replace(tables, trials=trials))) == []
