"""Diminishing returns: what is drawn is what was found."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan
from typing import Any

import numpy as np
import pytest
from figure_tables import plan, train
from figure_texts import PAGES, assert_legible, contrast, drawn_texts, line_colours
from matplotlib.axes import Axes
from pictures import draw

from scalegrid.analysis.saturating import KNOWN
from scalegrid.family.accuracies import published_returns
from scalegrid.family.returns import Measured, returns
from scalegrid.family.returns_text import answer, title
from scalegrid.figures import style
from scalegrid.figures.returns import draw_returns, of_sweep
from scalegrid.figures.subject import Drawing, Subject
from scalegrid.util.errors import UserError

TABLE2 = published_returns()


@pytest.fixture(scope="module")
def subject() -> Subject:
    return Subject(train(plan(grid=3, factors=(1.5, 2, 3)), seeds=3))


def drawing(*found: Any) -> Drawing:
    with style.context():
        return draw_returns(found)


@pytest.fixture(scope="module")
def published() -> Drawing:
    return drawing(TABLE2)


def lines(axes: Axes, key: str) -> list[Any]:
    return [line for line in axes.lines if line.get_gid() == key]


def test_the_published_sizes_are_named_and_legible(published: Drawing) -> None:
    texts = drawn_texts(published.figure)
    assert {f"B{n}" for n in range(8)} | {"Points per doubling", "Less from here on"} <= set(texts)
    assert_legible(published.figure)
    assert any(answer(TABLE2) in sentence for sentence in published.caption)
    colours = set(line_colours(published.figure))
    assert all(contrast(colour, PAGES["light"]) >= 3 for colour in colours)


def test_steps_and_the_crossing_are_at_their_flops(published: Drawing) -> None:
    marginal = published.figure.axes[1]
    steps = lines(marginal, "step")
    assert [step.get_ydata()[0] for step in steps] == [s.step.mid for s in TABLE2.sizes[:-1]]
    assert steps[0].get_xdata() == pytest.approx([0.386, 0.687], abs=1e-3)
    (beyond,) = lines(marginal, "beyond")
    assert beyond.get_xydata()[0] == pytest.approx((TABLE2.flops_at(TABLE2.beyond.mid) / 1e9, 1))
    (curve,) = lines(marginal, "curve")
    place = np.interp(beyond.get_xdata(), *curve.get_xydata().T)
    assert place == pytest.approx(1, abs=0.02)


def test_a_crossing_beyond_what_was_measured_is_not_drawn() -> None:
    sizes = [Measured(f"S{n}", 1e9 * 2**n, y, 0.05) for n, y in enumerate((60, 66, 71, 75.2))]
    figure, caption = drawing(returns("S", sizes, KNOWN, "Known."))
    assert not lines(figure.axes[1], "beyond")
    assert "Less from here on" not in drawn_texts(figure)
    assert any("extrapolated" in sentence for sentence in caption)


@pytest.mark.parametrize("count", [3, 12, 30])
def test_long_names_and_many_sizes_leave_the_figure_legible(count: int) -> None:
    sizes = [
        Measured(f"some_network_{'x' * n}.tag_in1k", 1e9 * 1.1**n, 80 - 20 / (n + 1), nan)
        for n in range(count)
    ]
    assert_legible(drawing(returns("some_*", sizes, 0, "Not known.")).figure)


def test_each_line_of_a_sweep_has_a_pair_of_panels(subject: Subject) -> None:
    found, reasons = of_sweep(subject)
    assert [one.family for one in found] == ["depth", "width", "resolution", "paper"]
    assert not reasons
    figure = draw("returns", subject).figure
    assert len(figure.axes) == 8
    for one, axes in zip(found, figure.axes[::2], strict=True):
        rows = subject.means.line(subject.means.of(one.family))
        assert [size.variant for size in one.sizes] == rows["variant"].tolist()
        bars = [line.get_ydata() for line in lines(axes, "interval")]
        np.testing.assert_allclose(bars, rows[["low", "high"]])
        markers = {str(line.get_gid()) for line in axes.lines}
        assert {f"variant-{variant}" for variant in rows["variant"]} <= markers


def test_a_line_of_two_sizes_is_left_out_with_a_sentence() -> None:
    variants = plan(grid=3, factors=(1.5, 2, 3))
    few = variants[(variants["role"] != "width") | (variants["phi"] < 1)]
    figure, caption = draw("returns", train(few, seeds=2))
    assert len(figure.axes) == 6
    assert (
        "Left out: fewer than 3 sizes, the baseline included, are on the lines of width; "
        "`scalegrid sweep --curves 1,1.5,2,3` adds some."
    ) in caption


def test_a_line_of_compound_scaling_is_called_so_where_another_is_recommended() -> None:
    tables = train(plan(grid=30, factors=(1.5, 2, 4), compound=(0.5, 1.5, 2)), seeds=4)
    here = Subject(replace(tables, spec={"curves": [1.5], "compound": [1.15] * 3}))
    found, (reason,) = of_sweep(here)
    names = [title(one) for one in found]
    assert names == ["depth", "width", "resolution", "paper", "compound"]
    assert "on the lines of the recommended network" in reason
    assert "--extend NAME --phi 0.5,1.5,2 --compound" in reason


def test_one_seed_each_has_a_curve_and_no_bars() -> None:
    found, _ = of_sweep(Subject(train(plan(grid=3, factors=(1.5, 2, 3)), seeds=1)))
    assert isnan(found[0].sizes[0].top1.low)
    assert found[0].beyond.low <= found[0].beyond.high
    assert found[0].errors.startswith("With one seed each")


def test_without_three_sizes_on_any_line_there_is_no_figure() -> None:
    with pytest.raises(UserError, match=r"fewer than 3 sizes.*--curves 1,1.5,2,3"):
        draw("returns", train(plan()))


def test_a_wrong_threshold_is_the_error_and_not_the_lines(subject: Subject) -> None:
    with pytest.raises(UserError, match="--threshold 0 must be"):
        of_sweep(subject, 0.0)
