"""The figures with a row a candidate: which rows, how labelled, and what is in them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from figure_tables import FakeTables, over_rungs, plan, train, with_placed
from figure_texts import assert_legible, drawn_texts
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from pictures import draw, picture, subject
from stress_tables import STRESS, sweep

from scalegrid.figures.rows import LABELLED, candidate_rows
from scalegrid.figures.subject import Subject
from scalegrid.util.errors import UserError

OFF = "16 candidates, 3 seeds, one off cost"


def lines(axes: Axes, key: str) -> list[Any]:
    return [line for line in axes.lines if str(line.get_gid()).startswith(key)]


def markers(figure: Figure) -> dict[str, tuple[float, float]]:
    """Where the marker of each variant is."""
    found = lines(figure.axes[0], "variant-")
    return {line.get_gid()[8:]: (line.get_xdata()[0], line.get_ydata()[0]) for line in found}


def with_loss(tables: FakeTables) -> FakeTables:
    """The sweep judged by a loss that follows from its top-1."""
    trials = tables.trials.assign(val_loss=2 - tables.trials["top1"])
    return replace(tables, trials=trials, spec={"metric": "val_loss", "indifference": 0.002})


LOSS = Subject(with_loss(sweep(12, 3)))


def test_rows_are_in_the_order_of_the_ranking_and_those_of_another_cost_below() -> None:
    found = subject(OFF).found
    rows = candidate_rows(subject(OFF))
    assert [row.variant for row in rows[:-1]] == [one.variant for one in found.ranking]
    assert [row.variant for row in rows if row.leader] == [found.best.variant]
    assert {row.variant for row in rows if row.open} == {one.variant for one in found.tie_set}
    assert [row.hollow for row in rows] == [False] * (len(rows) - 1) + [True]
    assert rows[-1].role == "resolution"
    assert all(
        low.y + low.pitch / 2 <= high.y - high.pitch / 2 + 1e-9 for low, high in pairwise(rows)
    )


def test_of_many_candidates_the_best_the_corners_and_the_papers_have_labels() -> None:
    big = subject("60 candidates, 1 seed")
    rows = candidate_rows(big)
    assert len(rows) == 60
    labelled = [row for row in rows if row.cells]
    assert labelled[:LABELLED] == rows[:LABELLED]
    assert {row.role for row in labelled[LABELLED:]} <= {"depth", "width", "resolution", "paper"}
    assert {row.role for row in labelled} >= {"depth", "width", "resolution", "paper"}
    assert all(row.cells for row in candidate_rows(subject(OFF)))


def test_labels_have_the_digits_that_tell_rows_apart_or_the_layers() -> None:
    tables = sweep(12, 2)
    grid = tables.variants.index[tables.variants["role"] == "grid"]
    near = {"alpha": 1.25, "gamma": 1.167, "resolution": 56}

    def cells(second: float) -> list[tuple[str, ...]]:
        variants = tables.variants.copy()
        for row, beta in zip(grid[:2], (1.0208, second), strict=True):
            variants.loc[row, ["beta", *near]] = [beta, *near.values()]
        variants.loc[grid[0], "layers"] = "1-2"
        variants.loc[grid[1], "layers"] = "1-3"
        rows = candidate_rows(Subject(replace(tables, variants=variants)))
        ids = list(variants.loc[grid[:2], "variant"])
        return [row.cells for v in ids for row in rows if row.variant == v]

    assert [c[1:] for c in cells(1.0219)] == [
        ("1.250", "1.021", "1.167", "56"),
        ("1.250", "1.022", "1.167", "56"),
    ]
    assert [c[-1] for c in cells(1.0208)] == ["3", "4"]


def test_equal_cost_shows_estimates_intervals_trials_and_means() -> None:
    here = subject(OFF)
    axes = picture("equal-cost", OFF).figure.axes[0]
    places = markers(picture("equal-cost", OFF).figure)
    for one in here.found.ranking:
        assert places[one.variant][0] == pytest.approx(100 * one.accuracy)
    ends = {tuple(np.round(line.get_xdata(), 6)) for line in lines(axes, "interval")}
    assert {(round(100 * o.low, 6), round(100 * o.high, 6)) for o in here.found.ranking} <= ends
    shown = np.sort(np.concatenate([line.get_xdata() for line in lines(axes, "trials")]))
    of_rows = here.trials[here.trials["variant"].isin(places)]
    np.testing.assert_allclose(shown, np.sort(100 * of_rows["top1"]))
    means = sorted(line.get_xdata()[0] for line in lines(axes, "mean"))
    np.testing.assert_allclose(means, np.sort(100 * of_rows.groupby("variant")["top1"].mean()))


def test_a_network_of_another_cost_is_hollow_and_has_a_dashed_interval() -> None:
    axes = picture("equal-cost", OFF).figure.axes[0]
    (off,) = subject(OFF).off_cost
    for line in lines(axes, "variant-"):
        hollow = line.get_gid() == f"variant-{off}"
        assert (line.get_markerfacecolor() == "none") == hollow
    assert [line.get_linestyle() for line in lines(axes, "interval")].count("--") == 1


def test_one_seed_has_no_intervals_and_the_caption_says_so() -> None:
    figure, caption = picture("equal-cost", "5 candidates, 1 seed")
    assert not lines(figure.axes[0], "interval")
    assert "one seed each says nothing of intervals" in " ".join(caption)


def test_nothing_is_drawn_beyond_0_and_100_per_cent() -> None:
    tables = sweep(12, 3, noise=0.05)
    tables.trials["top1"] = np.clip(tables.trials["top1"] + 0.34, 0, 1)
    axes = draw("equal-cost", tables).figure.axes[0]
    assert max(axes.get_xlim()) <= 100
    assert max(line.get_xdata()[1] for line in lines(axes, "interval")) == 100
    assert max(draw("scaling", tables).figure.axes[0].get_ylim()) <= 100


def test_differences_are_those_of_joint_draws() -> None:
    here = subject(OFF)
    places = markers(picture("difference", OFF).figure)
    best = here.found.best.variant
    assert places[best][0] == 0
    for one in here.found.ranking[1:]:
        apart = here.estimates.of(one.variant) - here.estimates.of(best)
        assert places[one.variant][0] == pytest.approx(100 * apart.mean())
    (off,) = here.off_cost
    gain = here.found.gains["resolution"]
    assert gain is not None
    assert places[off][0] == pytest.approx(-100 * gain.gain)


def test_better_is_to_the_right_of_the_zero_line_for_a_loss_too() -> None:
    figure = draw("difference", LOSS).figure
    assert all(x <= 0 for x, _ in markers(figure).values())
    assert figure.axes[0].get_xlabel() == "Difference (nats)"
    (zero,) = lines(figure.axes[0], "zero")
    assert list(zero.get_xdata()) == [0, 0]


def test_a_loss_has_its_own_sign_and_unit() -> None:
    figure = draw("equal-cost", LOSS).figure
    assert figure.axes[0].get_xlabel() == "Validation loss (nats)"
    best = LOSS.found.best
    assert markers(figure)[best.variant][0] == pytest.approx(best.accuracy)


def test_bars_of_the_ranking_are_the_probabilities_of_recommend() -> None:
    here = subject(OFF)
    axes = picture("ranking", OFF).figure.axes[0]
    bars = {p.get_gid(): p.get_width() for p in axes.patches if isinstance(p, Rectangle)}
    for one in here.found.ranking:
        assert bars[f"best-{one.variant}"] == pytest.approx(100 * one.probability_best)
        enough = 100 * one.probability_within_indifference
        assert bars[f"enough-{one.variant}"] == pytest.approx(enough)
    assert axes.get_xlim() == (0, 100)
    (line,) = lines(axes, "confidence")
    assert line.get_xdata()[0] == 95


def test_the_ranking_has_a_row_for_all_that_is_not_ruled_out() -> None:
    here = subject("60 candidates, 1 seed")
    figure, caption = picture("ranking", "60 candidates, 1 seed")
    bars = {str(patch.get_gid())[5:] for patch in figure.axes[0].patches}
    assert {one.variant for one in here.found.tie_set} <= bars
    rest = len(here.found.ranking) - len(candidate_rows(here, ruled_out=False, others=False))
    assert f"Not drawn: {rest} candidates that are ruled out" in " ".join(caption)


def test_one_candidate_has_no_difference() -> None:
    tables = sweep(12, 3)
    alone = tables.variants["role"].isin(["baseline", "width"])
    with pytest.raises(UserError, match="only one candidate"):
        draw("difference", tables.where_variants(alone))


def test_captions_name_what_is_left_out() -> None:
    tables = STRESS["baseline and a corner failed"]()
    caption = " ".join(draw("equal-cost", tables).caption)
    assert "Left out: 6 failed trials, 2 untried variants." in caption


def test_of_networks_off_their_cost_only_axes_and_the_papers_have_a_row() -> None:
    tables = sweep(12, 3)
    off = tables.variants["variant"].isin(["v002", "v010", "v011"])  # width, and two of the grid
    tables = replace(tables, variants=tables.variants.assign(matched=~off))
    rows = candidate_rows(Subject(tables))
    assert [row.variant for row in rows if row.hollow] == ["v002"]
    assert not {row.variant for row in rows} & {"v010", "v011"}
    caption = draw("equal-cost", tables).caption
    assert "Left out: 2 networks of another cost." in caption


def test_what_the_plan_matches_is_beside_the_rows() -> None:
    tables = sweep(5, 3)
    variants = tables.variants.assign(params=100 + 110 * (tables.variants["phi"] > 0))
    figure, caption = draw(
        "equal-cost", replace(tables, variants=variants, spec={"match": "params"})
    )
    assert caption[0] == "The candidates at 2 times the baseline's parameters, best first."
    texts = drawn_texts(figure)
    assert "parameters" in texts
    assert "FLOPs" not in texts
    assert len(texts["2.10×"]) == len(candidate_rows(Subject(tables)))


def test_names_and_costs_are_beside_the_rows() -> None:
    texts = drawn_texts(picture("equal-cost", OFF).figure)
    assert {"Width", "Depth", "Res.", "Paper", "α", "β", "γ", "px", "FLOPs"} <= set(texts)
    rows = candidate_rows(subject(OFF))
    assert sum(len(boxes) for text, boxes in texts.items() if text.endswith("×")) == len(rows)


def test_placed_networks_have_rows_below_that_are_no_candidates() -> None:
    tables = train(with_placed(plan(grid=3)), seeds=3)
    here = Subject(tables)
    rows = candidate_rows(here, placed=True)
    assert [row.variant for row in rows[-2:]] == ["early", "late"]
    assert [row.apart for row in rows[-2:]] == [True, True]
    assert not {"early", "late"} & {one.variant for one in here.found.ranking}
    assert not {"early", "late"} & {row.variant for row in candidate_rows(here)}
    figure, caption = draw("equal-cost", tables)
    assert {"Early", "Late", "Even"} <= set(drawn_texts(figure))
    assert any(sentence.startswith("Stars: layers added") for sentence in caption)
    assert_legible(figure)
    own = tables.trials.loc[tables.trials["variant"] == "late", "top1"]
    assert markers(figure)["late"][0] == pytest.approx(100 * own.mean())
    assert_legible(draw("price", tables).figure)


def test_placed_networks_of_brief_trainings_have_no_rows_among_longer_ones() -> None:
    trained = over_rungs(train(with_placed(plan(grid=3)), seeds=3), (1, 3))
    placed = trained.trials["variant"].isin(["early", "late"])
    tables = replace(trained, trials=trained.trials[~placed | (trained.trials["rung"] == 1)])
    assert len(Subject(tables).found.placements) == 2
    figure, caption = draw("equal-cost", tables)
    assert not {"early", "late"} & markers(figure).keys()
    assert caption[-1] == "Left out: 3 briefly trained variants."
    assert_legible(figure)
