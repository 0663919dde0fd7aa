"""Accuracy against FLOPs as width grows, at several depths and resolutions."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from figure_tables import FakeTables, plan, train, with_widths
from figure_texts import assert_legible, drawn_texts
from matplotlib.figure import Figure
from pictures import draw

from scalegrid.figures import style
from scalegrid.figures.subject import Drawing, Subject
from scalegrid.util.errors import UserError

NAME = "width-by-depth-and-resolution"
LINES = {"width": (1, 64), "depth": (2, 64), "resolution": (1, 80), "curve": (2, 80)}


@cache
def tables() -> FakeTables:
    return train(with_widths(plan(grid=3)), seeds=3, failed=1)


@cache
def drawing() -> Drawing:
    return draw(NAME, tables())


def lines(figure: Figure, key: str) -> dict[str, Any]:
    found = figure.axes[0].lines
    return {str(n.get_gid())[len(key) :]: n for n in found if str(n.get_gid()).startswith(key)}


def test_a_line_has_all_widths_of_a_depth_and_a_resolution() -> None:
    variants, trials = tables().variants, tables().trials
    means = trials.groupby("variant")["top1"].mean()
    found = lines(drawing().figure, "line-")
    assert set(found) == set(LINES)
    layers = {1: variants["layers"].iloc[0], 2: variants["layers"].iloc[-1]}
    for role, (depth, pixels) in LINES.items():
        same = (variants["layers"] == layers[depth]) & (variants["resolution"] == pixels)
        rows = variants[same].sort_values("flops")
        assert len(rows) >= 3
        x, y = np.transpose(found[role].get_xydata())
        np.testing.assert_allclose(x * 1e6, rows["flops"])
        np.testing.assert_allclose(y, 100 * means[rows["variant"]])


def test_lines_are_told_apart_by_colour_and_shape_and_named_in_the_legend() -> None:
    looks = [style.look(role) for role in LINES]
    assert len({look.marker for look in looks}) == len({look.colour for look in looks}) == 4
    assert {
        "d = 1, r = 1 (64 px)",
        "d = 2, r = 1 (64 px)",
        "d = 1, r = 1.25 (80 px)",
        "d = 2, r = 1.25 (80 px)",
    } <= set(drawn_texts(drawing().figure))
    assert_legible(drawing().figure)
    assert "1, 1.5, 2 at d = 2, r = 1.25" in " ".join(drawing().caption)


def test_a_line_of_fewer_than_three_widths_is_left_out_with_a_sentence() -> None:
    here = tables()
    variants = here.variants
    last = variants["variant"].iloc[-1]
    figure, caption = draw(NAME, here.where_variants(variants["variant"] != last))
    assert set(lines(figure, "line-")) == {"width", "depth", "resolution"}
    assert "Left out: 2 networks of a depth and resolution with fewer" in " ".join(caption)


def test_other_figures_and_the_recommendation_are_as_without() -> None:
    here = tables()
    without = here.where_variants(here.variants["role"] != "curve")
    assert Subject(here).found.ranking == Subject(without).found.ranking
    assert Subject(here).variants.equals(without.variants)
    axes = [draw("scaling", some).figure.axes[0] for some in (here, without)]
    assert len(axes[0].lines) == len(axes[1].lines)


def test_without_widths_there_is_no_figure_but_the_command_that_adds_them() -> None:
    with pytest.raises(UserError, match=r"scalegrid sweep --width-curves 1,1.5,2` adds some"):
        draw(NAME, train(plan(factors=(1.5, 2, 3))))
