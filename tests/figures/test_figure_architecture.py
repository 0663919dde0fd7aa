from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from figure_tables import FakeTables, layout, plan, train
from figure_texts import assert_legible, drawn_texts
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from scalegrid.figures import style
from scalegrid.figures.architecture import Network, draw, draw_networks
from scalegrid.figures.means import choose_compound, mean_accuracies
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
        return draw_networks(networks)


def boxes(figure: Figure, key: str) -> list[Rectangle]:
    return [p for p in figure.axes[0].patches if isinstance(p, Rectangle) and p.get_gid() == key]


B0 = Network("baseline\n", layout(1, 1), 224)
SCALED = [
    B0,
    Network("width\n", layout(1, 1.41), 224),
    Network("depth\n", layout(2, 1), 224),
    Network("resolution\n", layout(1, 1), 320),
    Network("compound\n", layout(1.2, 1.1), 256),
]


def bars_of(networks: list[Network]) -> list[tuple[Rectangle, float]]:
    """The bar of each layer from the first panel's stem on, and its full width."""
    figure = drawn(networks)
    added = boxes(figure, "added-channels")

    def width(bar: Rectangle) -> float:
        behind = [a for a in added if math.dist(a.get_center(), bar.get_center()) < 1e-6]
        return (behind or [bar])[0].get_width()

    return [(bar, width(bar)) for bar in boxes(figure, "layer")]


def layers_of(networks: list[Network]) -> list[tuple[dict[str, Any], dict[str, Any], int]]:
    """The stage of each layer, that of the first network, and the layer's number in the stage."""
    return [
        (dict(stage), dict(original), number)
        for network in networks
        for stage, original in zip(network.stages, networks[0].stages, strict=True)
        for number in range(stage["layers"])
    ]


def test_one_bar_a_layer_as_wide_as_its_channels() -> None:
    bars, layers = bars_of(SCALED), layers_of(SCALED)
    assert len(bars) == len(layers)
    scale = {
        round(width / row["channels"], 9)
        for (_, width), (row, _, _) in zip(bars, layers, strict=True)
        if row["channels"] < 1000
    }
    assert len(scale) == 1


def test_inputs_are_squares_as_large_as_their_pixels() -> None:
    figure = drawn(SCALED)
    kept = boxes(figure, "input")
    assert [s.get_width() for s in kept] == [s.get_height() for s in kept]
    assert {s.get_width() for s in kept} == {kept[0].get_width()}
    grown = boxes(figure, "added-pixels")
    assert [s.get_width() for s in grown] == [s.get_height() for s in grown]
    sides = [s.get_width() / kept[0].get_width() for s in grown]
    assert sides == pytest.approx([320 / 224, 256 / 224])


def test_colour_shows_what_was_added() -> None:
    for (bar, width), (row, original, number) in zip(
        bars_of(SCALED), layers_of(SCALED), strict=True
    ):
        assert (_hex(bar) == style.ROLES["depth"].colour) == (number >= original["layers"])
        assert bar.get_width() / width == pytest.approx(original["channels"] / row["channels"])
    figure = drawn(SCALED)
    for key, role in (("added-channels", "width"), ("added-pixels", "resolution")):
        assert {_hex(box) for box in boxes(figure, key)} == {style.ROLES[role].colour}


def _hex(patch: Rectangle) -> str:
    from matplotlib.colors import to_hex

    return to_hex(patch.get_facecolor()).upper()


def test_stages_lie_above_each_other_without_touching() -> None:
    figure = drawn([B0])
    bars = boxes(figure, "layer")
    for lower, upper in pairwise(bars):
        assert lower.get_y() + lower.get_height() < upper.get_y()


def test_only_a_head_far_wider_than_the_stages_is_broken() -> None:
    def breaks(rows: list[dict[str, Any]]) -> int:
        return sum(
            isinstance(p, Polygon) for p in drawn([Network("n\n", rows, 64)]).axes[0].patches
        )

    assert breaks(layout(1, 1)) == 2
    assert breaks(resnet(1, 1)) == 0


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
    assert len({_hex(bar) for bar in boxes(figure, "layer")}) == 1


def titles(tables: FakeTables) -> str:
    with style.context():
        figure = draw(tables)
    return " ".join(drawn_texts(figure))


def test_panels_are_the_papers() -> None:
    tables = train(plan(grid=5, factors=(1.5, 2, 3)))
    texts = titles(tables)
    for letter, role in zip(
        "abcde", ("baseline", "width", "depth", "resolution", "compound"), strict=True
    ):
        assert f"({letter}) {role}" in texts
    corner = tables.variants[(tables.variants["role"] == "depth") & (tables.variants["phi"] == 1)]
    assert f"{corner['flops_ratio'].iloc[0]:.2f}× FLOPs" in texts


def test_compound_is_the_best_of_the_trained_or_else_the_papers() -> None:
    tables = train(plan(grid=9), seeds=2)
    best = choose_compound(mean_accuracies(tables, "x")).rows.iloc[0]
    assert f"$d$ = {best['depth']:.3g}, $w$ = {best['width']:.3g}" in titles(tables)
    untrained = FakeTables(tables.variants, tables.trials.iloc[:0])
    assert "$d$ = 1.2, $w$ = 1.1" in titles(untrained)


def test_a_sweep_of_the_baseline_alone_is_an_error() -> None:
    tables = train(plan())
    with pytest.raises(UserError, match="no variant to compare with its baseline"):
        titles(tables.where_variants(tables.variants["role"] == "baseline"))
