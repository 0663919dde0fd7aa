from __future__ import annotations

import math
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from figure_tables import FakeTables, layout, plan, train, with_placed
from figure_texts import assert_legible, drawn_texts
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from pictures import draw, picture, subject

from scalegrid.figures import style
from scalegrid.figures.architecture import Network, draw_networks
from scalegrid.util.errors import UserError


def row(operator: str, channels: int, layers: int) -> dict[str, Any]:
    return {
        "operator": operator,
        "kernel": 3,
        "stride": 1,
        "channels": channels,
        "layers": layers,
    }


def resnet(depth: float, width: float) -> list[dict[str, Any]]:
    stages = ((256, 3), (512, 8), (1024, 36), (2048, 3))
    stem = row("Conv", int(64 * width), 1)
    return [stem, *(row("Bottleneck", int(c * width), math.ceil(n * depth)) for c, n in stages)]


def drawn(networks: list[Network]) -> Figure:
    with style.context():
        return draw_networks(networks).figure


def boxes(figure: Figure, key: str) -> list[Bbox]:
    """The boxes of what is filled, by kind, in points."""
    return [p.get_path().get_extents() for p in figure.axes[0].patches if p.get_gid() == key]


def colours(figure: Figure, key: str) -> list[str]:
    return [to_hex(p.get_facecolor()).upper() for p in figure.axes[0].patches if p.get_gid() == key]


B0 = Network("baseline\n", layout(1, 1), 224)
SCALED = [
    B0,
    Network("width\n", layout(1, 1.41), 224),
    Network("depth\n", layout(2, 1), 224),
    Network("resolution\n", layout(1, 1), 320),
    Network("compound\n", layout(1.2, 1.1), 256),
]


@cache
def scaled() -> Figure:
    return drawn(SCALED)


def bars_of(figure: Figure) -> list[tuple[list[Bbox], list[Bbox]]]:
    """The pieces of each layer's bar, from the first panel's stem on: the baseline's, and added."""
    pieces: dict[tuple[int, float], tuple[list[Bbox], list[Bbox]]] = {}
    panel = 0
    for patch in figure.axes[0].patches:
        if patch.get_gid() == "input":
            panel += 1
        if patch.get_gid() in ("layer", "added-channels"):
            box = patch.get_path().get_extents()
            both = pieces.setdefault((panel, round(box.y0, 6)), ([], []))
            both[patch.get_gid() == "added-channels"].append(box)
    return list(pieces.values())


def span(pieces: list[Bbox]) -> float:
    return float(max(p.x1 for p in pieces) - min(p.x0 for p in pieces))


def layers_of(networks: list[Network]) -> list[tuple[dict[str, Any], dict[str, Any], int]]:
    """The stage of each layer, that of the first network, and the layer's number in the stage."""
    return [
        (dict(stage), dict(original), number)
        for network in networks
        for stage, original in zip(network.stages, networks[0].stages, strict=True)
        for number in range(stage["layers"])
    ]


def test_one_bar_a_layer_as_wide_as_its_channels() -> None:
    bars, layers = bars_of(scaled()), layers_of(SCALED)
    assert len(bars) == len(layers)
    scale = {
        round(span(kept + added) / row["channels"], 6)
        for (kept, added), (row, _, _) in zip(bars, layers, strict=True)
        if row["channels"] < 1000
    }
    assert len(scale) == 1


def test_inputs_are_squares_as_large_as_their_pixels() -> None:
    figure = scaled()
    kept = boxes(figure, "input")
    assert [s.width for s in kept] == pytest.approx([s.height for s in kept])
    assert {round(s.width, 6) for s in kept} == {round(kept[0].width, 6)}
    grown = boxes(figure, "added-pixels")
    assert [s.width for s in grown] == pytest.approx([s.height for s in grown])
    sides = [s.width / kept[0].width for s in grown]
    assert sides == pytest.approx([320 / 224, 256 / 224])


def test_added_channels_are_at_the_sides_and_added_layers_and_pixels_in_their_colours() -> None:
    for (kept, added), (row, original, _) in zip(bars_of(scaled()), layers_of(SCALED), strict=True):
        share = span(kept) / span(kept + added)
        assert share == pytest.approx(original["channels"] / row["channels"])
    figure = scaled()
    new = [number >= original["layers"] for _, original, number in layers_of(SCALED)]
    assert colours(figure, "layer").count(style.look("depth").colour) == sum(new)
    for key, role in (("added-channels", "width"), ("added-pixels", "resolution")):
        assert set(colours(figure, key)) == {style.look(role).colour}


def test_stages_lie_above_each_other_without_touching() -> None:
    bars = boxes(drawn([B0]), "layer")
    for lower, upper in pairwise(sorted({(b.y0, b.y1) for b in bars})):
        assert lower[1] < upper[0]


def test_only_a_head_far_wider_than_the_stages_is_broken() -> None:
    def pieces(rows: list[dict[str, Any]]) -> list[int]:
        return [len(kept) for kept, _ in bars_of(drawn([Network("n\n", rows, 64)]))]

    assert pieces(layout(1, 1)) == [1] * 17 + [3]
    assert set(pieces(resnet(1, 1))) == {1}


@pytest.mark.parametrize(
    "networks",
    [
        SCALED,
        [
            Network(f"{n}\n", resnet(d, w), 224)
            for n, d, w in (("a", 1, 1), ("b", 2, 1), ("c", 1, 2))
        ],
        [Network("one\n4 px", [row("Conv", 8, 1), row("Conv & Pooling & FC", 8, 1)], 4)],
        [Network(f"B{i}\n", layout(1.2**i, 1.1**i), int(224 * 1.15**i)) for i in range(8)],
        [B0, Network("other\n", layout(1, 1)[:4], 2048)],
    ],
    ids=["scaled", "deep", "tiny", "family", "other stages"],
)
def test_text_is_legible(networks: list[Network]) -> None:
    assert_legible(drawn(networks))


def test_networks_with_different_stages_are_not_compared() -> None:
    figure = drawn([Network("a\n", layout(1, 1), 64), Network("b\n", resnet(1, 1), 64)])
    assert not boxes(figure, "added-channels")
    assert len(set(colours(figure, "layer"))) == 1


def titles(tables: FakeTables) -> str:
    return " ".join(drawn_texts(draw("architecture", tables).figure))


def test_panels_are_the_baseline_the_recommended_network_and_the_axes() -> None:
    here = subject("16 candidates, 3 seeds, one off cost")
    texts = " ".join(
        drawn_texts(picture("architecture", "16 candidates, 3 seeds, one off cost")[0])
    )
    for letter, role in zip(
        "abcde", ("baseline", "recommended", "width", "depth", "resolution"), strict=True
    ):
        assert f"({letter}) {role}" in texts
    best = here.row(here.found.best.variant)
    r = best["resolution"] / here.baseline["resolution"]
    assert f"d {best['depth']:.2f}, w {best['width']:.2f}, r {r:.2f}" in texts
    assert f"{best['flops_ratio']:.2f}× FLOPs" in texts


def test_a_recommended_axis_is_named_and_has_one_panel() -> None:
    tables = train(plan(grid=0))
    width = tables.trials["variant"].str.startswith("width")
    tables.trials.loc[width, "top1"] += 0.1
    texts = titles(tables)
    assert "(b) recommended" in texts
    assert "width alone" in texts
    assert ") width" not in texts


def test_without_a_trained_network_the_papers_takes_the_place() -> None:
    tables = train(plan(grid=9))
    texts = titles(FakeTables(tables.variants, tables.trials.iloc[:0]))
    assert "(b) paper" in texts
    assert "d 1.20, w 1.10, r 1.12" in texts


def test_a_sweep_of_the_baseline_alone_is_an_error() -> None:
    tables = train(plan())
    with pytest.raises(UserError, match="no variant to compare with its baseline"):
        titles(tables.where_variants(tables.variants["role"] == "baseline"))


SMALLER = [
    B0,
    Network("width\n", layout(1, 0.7), 224),
    Network("depth\n", [{**r, "layers": -(-r["layers"] // 2)} for r in layout(1, 1)], 224),
    Network("resolution\n", layout(1, 1), 160),
]


def test_what_is_removed_is_outlined_in_its_colour_where_the_baseline_has_it() -> None:
    figure = drawn(SMALLER)
    gone = sum(row["layers"] for row in B0.stages) - sum(r["layers"] for r in SMALLER[2].stages)
    patches = [p for p in figure.axes[0].patches if str(p.get_gid()).startswith("removed-")]
    assert all(to_rgba(p.get_facecolor())[3] == 0 for p in patches)
    roles = {"layer": "depth", "channels": "width", "pixels": "resolution"}
    for kind, role in roles.items():
        edges = [p.get_edgecolor() for p in patches if p.get_gid() == f"removed-{kind}"]
        assert {to_hex(e).upper() for e in edges} == {style.look(role).colour}
    layers = len({(b.x0, b.y0) for b in boxes(figure, "removed-layer")})
    assert layers == gone
    (pixels,) = boxes(figure, "removed-pixels")
    assert pixels.width == pytest.approx(boxes(figure, "input")[0].width)
    assert "removed layers" in drawn_texts(figure)
    assert "added layers" not in drawn_texts(figure)
    assert_legible(figure)
    with style.context():
        assert any("scaling removed" in s for s in draw_networks(SMALLER).caption)
        assert not any("scaling removed" in s for s in draw_networks(SCALED).caption)


def test_what_is_added_and_what_is_removed_have_a_line_of_the_legend_each() -> None:
    figure = drawn([B0, Network("TinyNet\n", layout(2, 0.9), 192)])
    assert {"removed channels", "removed pixels", "added layers"} <= set(drawn_texts(figure))
    assert_legible(figure)


def test_placed_networks_take_the_place_of_the_single_axes() -> None:
    drawing = draw("architecture", train(with_placed(plan(grid=3)), seeds=2))
    texts = " ".join(drawn_texts(drawing.figure))
    assert "layers early" in texts
    assert "layers late" in texts
    assert "layers even" in texts
    assert ") width" not in texts
    assert "Single axes are left out." in drawing.caption
    assert_legible(drawing.figure)
