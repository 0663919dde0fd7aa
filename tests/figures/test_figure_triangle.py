"""Candidates and plans on the triangle of budget shares."""

from __future__ import annotations

import math

import numpy as np
import pytest
from figure_tables import plan
from figure_texts import assert_legible, drawn_texts
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from pictures import draw, picture, subject
from stress_tables import BEYOND, beyond

from scalegrid.coefficients import PAPER
from scalegrid.family.directions import DIRECTIONS
from scalegrid.figures import style
from scalegrid.figures.plans import draw_plans
from scalegrid.util.errors import UserError

AT_A_CORNER = {"ResNet", "RegNetX", "RegNetY", "MobileNetV2", "MobileNetV3"}
"""Families that grow along one axis, or nearly; the first EfficientNets are at the cross."""

OFF = "16 candidates, 3 seeds, one off cost"


def scattered(figure: Figure) -> dict[str, PathCollection]:
    collections = [c for axes in figure.axes for c in axes.collections]
    return {str(c.get_gid()): c for c in collections if isinstance(c, PathCollection)}


def shares_of(collection: PathCollection) -> list[list[float]]:
    """Depth, width and resolution shares of points in a triangle of unit height, base centred."""
    return [
        [y, (1 - y) / 2 - x * math.sqrt(0.75), (1 - y) / 2 + x * math.sqrt(0.75)]
        for x, y in np.asarray(collection.get_offsets())
    ]


def test_candidates_lie_at_their_shares_and_light_up_with_their_estimates() -> None:
    here = subject(OFF)
    points = scattered(picture("triangle", OFF).figure)
    light = []
    for one in here.found.ranking:
        row, point = here.row(one.variant), points[f"variant-{one.variant}"]
        shares = [row["share_depth"], row["share_width"], row["share_resolution"]]
        assert shares_of(point)[0] == pytest.approx(shares)
        light.append(np.asarray(point.get_facecolor())[0, :3] @ [0.2126, 0.7152, 0.0722])
    assert light == sorted(light, reverse=True)


def test_a_network_of_another_cost_is_hollow_and_does_not_set_the_scale() -> None:
    (off,) = subject(OFF).off_cost
    figure, caption = picture("triangle", OFF)
    assert len(np.asarray(scattered(figure)[f"variant-{off}"].get_facecolor())) == 0
    limits = [one.accuracy for one in subject(OFF).found.ranking]
    bar = figure.axes[-1]
    assert bar.get_ylim() == pytest.approx((100 * min(limits), 100 * max(limits)))
    assert "Hollow: 1 network of another cost" in " ".join(caption)


def test_rings_are_around_the_recommended_and_the_second_and_the_papers_triple_is_marked() -> None:
    here, points = subject(OFF), scattered(picture("triangle", OFF).figure)
    for name, one in zip(("Recommended", "Runner-up"), here.found.ranking[:2], strict=True):
        row = here.row(one.variant)
        shares = [row["share_depth"], row["share_width"], row["share_resolution"]]
        assert shares_of(points[name])[0] == pytest.approx(shares)
    (cross,) = shares_of(points["α 1.2, β 1.1, γ 1.15"])
    assert cross == pytest.approx(list(PAPER.shares()))


def test_published_families_are_marked_at_their_directions_with_their_names_beside() -> None:
    figure, caption = picture("triangle", "5 candidates, 1 seed")
    points, names = scattered(figure), drawn_texts(figure)
    marked = {key.removeprefix("published-") for key in points if key.startswith("published-")}
    assert marked == set(DIRECTIONS) - AT_A_CORNER - {"EfficientNet"}
    for name in marked:
        assert shares_of(points[f"published-{name}"])[0] == pytest.approx(list(DIRECTIONS[name]))
    assert {"V2", "Lite", "TinyNet", "ConvNeXt", "ResNet-RS", "NFNet"} <= set(names)
    assert "Plus signs: directions in which published families grow" in " ".join(caption)


def test_no_familys_name_is_on_a_network_and_those_without_room_are_named() -> None:
    figure, caption = picture("triangle", OFF)
    points, names = scattered(figure), drawn_texts(figure)
    panel = figure.axes[0]
    networks = [
        panel.transData.transform(np.asarray(collection.get_offsets()))[0]
        for gid, collection in points.items()
        if gid.startswith("variant-")
    ]
    said = " ".join(caption)
    for name in set(DIRECTIONS) - AT_A_CORNER - {"EfficientNet"}:
        short = {"EfficientNetV2": "V2", "EfficientNet-Lite": "Lite"}.get(name, name)
        drawn = f"published-{name}" in points
        assert drawn == (short in names)
        assert drawn != (name in said.partition("without room for a mark: ")[2])
        for box in names.get(short, []):
            assert not any(box.contains(*network) for network in networks)


def test_the_region_is_that_of_the_recommendation() -> None:
    top = subject(OFF).found.surface_optimum
    assert top is not None
    region = scattered(picture("triangle", OFF).figure)["95 % region of the top"]
    np.testing.assert_allclose(shares_of(region), top.points, atol=1e-9)


def test_without_a_surface_there_are_no_contours_and_the_caption_says_so() -> None:
    few = "5 candidates, 1 seed"
    assert subject(few).found.surface_optimum is None
    figure, caption = picture("triangle", few)
    assert "There are no contours: the response surface does not fit." in caption
    assert "95 % region of the top" not in drawn_texts(figure)


def test_beyond_the_triangle_networks_lie_at_their_shares_and_the_surface_goes_on() -> None:
    here, (figure, caption) = subject(BEYOND), picture("triangle", BEYOND)
    points, width = scattered(figure), figure.bbox.width
    outside = 0
    for one in here.found.ranking:
        row, point = here.row(one.variant), points[f"variant-{one.variant}"]
        shares = [row["share_depth"], row["share_width"], row["share_resolution"]]
        assert shares_of(point)[0] == pytest.approx(shares)
        outside += min(shares) < 0
        ((x, y),) = figure.axes[0].transData.transform(np.asarray(point.get_offsets()))
        assert 0 < x < width
        assert 0 < y < figure.bbox.height
    assert outside > 4
    assert "Outside the triangle an axis goes against the others" in " ".join(caption)
    assert "farther out" not in " ".join(caption)
    assert "Outside" not in " ".join(picture("triangle", OFF).caption)
    contours = [c for c in figure.axes[0].collections if not isinstance(c, PathCollection)]
    vertices = np.concatenate([path.vertices for c in contours for path in c.get_paths()])
    assert vertices[:, 1].min() < -0.3  # shares of depth


def test_networks_far_beyond_are_at_the_edge_in_their_direction_and_that_is_said() -> None:
    tables = beyond(far=6.0)
    figure, caption = draw("triangle", tables)
    points, moved = scattered(figure), 0
    for _, row in tables.variants.iloc[1:].iterrows():
        shares = np.array([row["share_depth"], row["share_width"], row["share_resolution"]])
        drawn = np.array(shares_of(points[f"variant-{row['variant']}"])[0])
        assert drawn.min() >= -1.5 - 1e-9
        assert drawn.max() <= 2.5 + 1e-9
        part = np.linalg.norm(drawn - 1 / 3) / np.linalg.norm(shares - 1 / 3)
        np.testing.assert_allclose(drawn - 1 / 3, part * (shares - 1 / 3), atol=1e-9)
        moved += not np.allclose(drawn, shares)
    assert moved > 4
    assert f"{moved} networks farther out: drawn where their direction ends." in caption


@pytest.mark.parametrize("titles", [("classic",), ("classic", "matched")])
def test_plans_have_a_common_colour_scale_and_state_their_ratios(
    titles: tuple[str, ...],
) -> None:
    plans = {title: plan(grid=20 + 20 * i) for i, title in enumerate(titles)}
    with style.context():
        figure, _ = draw_plans(plans)
    assert_legible(figure, turned=True)
    ratios = np.concatenate([p["flops_ratio"].iloc[1:] for p in plans.values()])
    assert figure.axes[-1].get_ylim() == pytest.approx((ratios.min(), ratios.max()))
    texts = drawn_texts(figure)
    for rows in plans.values():
        ratio = rows["flops_ratio"].iloc[1:]
        near = sum(abs(r - 2) <= 0.1 for r in ratio) / len(ratio)
        assert f"{100 * near:.0f} % within 5 % of 2×" in texts
        ratios_text = f"{ratio.min():.2f}× to {ratio.max():.2f}×, median {ratio.median():.2f}×"
        assert f"{len(ratio)} networks, {ratios_text}" in texts


def test_an_empty_plan_is_an_error() -> None:
    with style.context(), pytest.raises(UserError, match="the matched plan has no variant"):
        draw_plans({"classic": plan(), "matched": plan().iloc[:1]})


def test_equal_estimates_are_drawn() -> None:
    from figure_tables import train

    assert_legible(draw("triangle", train(plan(grid=2), gain=0, noise=0)).figure, turned=True)
