"""The baseline and its scaled networks, drawn to scale from their layer tables (paper, figure 2).

Each layer is a bar as wide as its channels, each input a square as large as its pixels, on the same
scales in all panels. Colour shows what scaling added: channels, layers, pixels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from scalegrid.figures import style
from scalegrid.figures.labels import spread, text_width, wrap
from scalegrid.figures.means import Tables, choose_compound, summarise
from scalegrid.figures.ticks import flops_text, ratio_text
from scalegrid.util.errors import UserError

NAME = "architecture"

LayerRow = Mapping[str, Any]
"""One row of a layer table: ``operator``, ``kernel``, ``stride``, ``channels``, ``layers``."""

_GREY = "#d2d2d2"

# All lengths below are in points.
_LAYER = 6.6  # tallest bar
_TOWER = 240.0  # tallest stack of layers
_STAGE_GAP = 1.6
_INPUT = 38.0  # side of the largest input
_INPUT_GAP = 17.0  # between the inputs' tops and the stems; holds the arrows
_TITLE = 30.0
_NOTE = 34.0
_PAD = 3.0  # between bars and labels


@dataclass(frozen=True)
class Network:
    """One panel: a title (its first line in full size), a layer table, the input's side in px."""

    title: str
    rows: Sequence[LayerRow]
    resolution: int


def draw(tables: Tables) -> Figure:
    """The baseline, the three single-axis variants nearest φ = 1, and a compound one.

    The compound variant is that of the accuracy figure once trials have finished, the paper's
    before.

    Raises:
        UserError: the sweep has no variant but the baseline.
    """
    variants = tables.variants.sort_values("order", kind="stable")
    chosen = {role: variants[variants["role"] == role] for role in ("width", "depth", "resolution")}
    chosen["compound"] = _compound(tables)
    networks = [
        _network(role, rows.iloc[(rows["phi"] - 1).abs().argsort().iloc[0]])
        for role, rows in chosen.items()
        if not rows.empty
    ]
    baseline = variants[variants["role"] == "baseline"]
    if baseline.empty or not networks:
        raise UserError(
            f"cannot draw {NAME}: the sweep has no variant to compare with its baseline; plan one "
            "with a grid."
        )
    return draw_networks([_network("baseline", baseline.iloc[0]), *networks])


def draw_networks(networks: Sequence[Network]) -> Figure:
    """One panel a network, side by side; the first is the one that the others are compared with."""
    scale = _Scale.of(networks)
    figure = Figure(figsize=(style.PAGE, scale.height / 72))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, style.PAGE * 72)
    axes.set_ylim(0, scale.height)
    _draw_names(axes, networks[0], scale)
    for index, network in enumerate(networks):
        centre = scale.centre(index)
        _draw_title(axes, f"({'abcdefghijklmnopqrstuvwxyz'[index]}) {network.title}", centre, scale)
        _draw_input(axes, network.resolution, networks[0].resolution, centre, scale)
        _draw_layers(axes, network.rows, networks[0].rows, centre, scale)
    _draw_note(axes, scale)
    return figure


def _compound(tables: Tables) -> pd.DataFrame:
    try:
        rows = choose_compound(summarise(tables, NAME)).rows
    except UserError:
        rows = tables.variants.iloc[:0]
    return rows if not rows.empty else tables.variants[tables.variants["role"] == "paper"]


def _network(kind: str, row: Any) -> Network:
    said = {
        "baseline": f"{flops_text(row['flops'])} FLOPs",
        "depth": f"$d$ = {row['depth']:.3g}",
        "width": f"$w$ = {row['width']:.3g}",
        "resolution": f"{row['resolution']} px",
        "compound": f"$d$ = {row['depth']:.3g}, $w$ = {row['width']:.3g}",
    }[kind]
    ratio = "" if kind == "baseline" else f"\n{ratio_text(row['flops_ratio'])} FLOPs"
    return Network(f"{kind}\n{said}{ratio}", json.loads(row["layout"]), int(row["resolution"]))


@dataclass(frozen=True)
class _Scale:
    """How many points a channel, a pixel and a layer take, and where panels stand."""

    names: float
    panel: float
    left: float
    widest: float
    per_channel: float
    per_pixel: float
    layer: float
    tower: float
    breaks: bool

    @classmethod
    def of(cls, networks: Sequence[Network]) -> _Scale:
        names = 6 + max(text_width(_name(row), style.FINE) for row in networks[0].rows)
        panel = (style.PAGE * 72 - names) / len(networks)
        rows = [row for network in networks for row in network.rows]
        left = _PAD + max(text_width(_layers(row), style.FINE) for row in rows)
        right = _PAD + max(text_width(str(row["channels"]), style.FINE) for row in rows)
        widest = min(panel - left - right - 8, 90.0)
        layers = max(sum(row["layers"] for row in network.rows) for network in networks)
        gaps = _STAGE_GAP * max(len(network.rows) - 1 for network in networks)
        most = _widest_in_scale(networks)
        layer = min(_LAYER, (_TOWER - gaps) / layers)
        return cls(
            names=names,
            panel=panel,
            left=left,
            widest=widest,
            per_channel=widest / most,
            per_pixel=_INPUT / max(network.resolution for network in networks),
            layer=layer,
            tower=layers * layer + gaps,
            breaks=any(row["channels"] > most for row in rows),
        )

    @property
    def stem(self) -> float:
        return _NOTE + 10 + _INPUT + _INPUT_GAP

    @property
    def height(self) -> float:
        return self.stem + self.tower + _TITLE

    def centre(self, index: int) -> float:
        return self.names + index * self.panel + 6 + self.left + self.widest / 2


def _widest_in_scale(networks: Sequence[Network]) -> int:
    """The channels that take the full width.

    A head may be far wider than all stages (EfficientNet: 1280 against 320) and would shrink them
    to slivers; it is then drawn broken instead.
    """
    inner = max(row["channels"] for network in networks for row in network.rows[:-1])
    last = max(network.rows[-1]["channels"] for network in networks)
    return int(last if last <= 3 * inner else inner)


def _name(row: LayerRow) -> str:
    kernel = row["kernel"]
    return f"{row['operator']} {kernel}×{kernel}" if kernel > 1 else str(row["operator"])


def _layers(row: LayerRow) -> str:
    return f"{row['layers']}×"


def _draw_title(axes: Axes, title: str, centre: float, scale: _Scale) -> None:
    head, _, rest = title.partition("\n")
    top = scale.height - 3
    size = style.TEXT * min(1.0, (scale.panel - 4) / text_width(head, style.TEXT))
    axes.text(centre, top, head, ha="center", va="top", fontsize=size)
    axes.text(centre, top - 11, rest, ha="center", va="top", fontsize=style.FINE)


def _draw_input(axes: Axes, side: int, reference: int, centre: float, scale: _Scale) -> None:
    bottom = _NOTE + 10
    length, kept = side * scale.per_pixel, min(side, reference) * scale.per_pixel
    if side > reference:
        added = style.ROLES["resolution"].colour
        _fill(axes, centre, bottom, length, length, added, "added-pixels")
    _fill(axes, centre, bottom, kept, kept, _GREY, "input")
    axes.text(centre, bottom - 2, f"{side} × {side} px", ha="center", va="top", fontsize=style.FINE)
    axes.annotate(
        "",
        (centre, scale.stem - 2),
        (centre, bottom + length + 2),
        arrowprops={
            "arrowstyle": "-|>",
            "linewidth": 0.6,
            "color": style.FAINT,
            "mutation_scale": 5,
            "shrinkA": 0,
            "shrinkB": 0,
        },
    )


def _draw_layers(
    axes: Axes,
    rows: Sequence[LayerRow],
    reference: Sequence[LayerRow],
    centre: float,
    scale: _Scale,
) -> None:
    # Where the tables differ in kind, row by row comparison would mean nothing.
    comparable = len(rows) == len(reference)
    bottom = scale.stem
    middles = []
    for row, original in zip(rows, reference if comparable else rows, strict=True):
        for layer in range(row["layers"]):
            added = layer >= original["layers"]
            _draw_bar(axes, row["channels"], original["channels"], added, centre, bottom, scale)
            bottom += scale.layer
        middles.append(bottom - row["layers"] * scale.layer / 2)
        bottom += _STAGE_GAP
    heights = _label_heights(middles, scale)
    edge = scale.widest / 2 + _PAD
    for row, height in zip(rows, heights, strict=True):
        for x, text, side in (
            (centre - edge, _layers(row), "right"),
            (centre + edge, str(row["channels"]), "left"),
        ):
            axes.text(x, height, text, ha=side, va="center_baseline", fontsize=style.FINE)


def _draw_bar(
    axes: Axes,
    channels: int,
    original: int,
    added: bool,
    centre: float,
    bottom: float,
    scale: _Scale,
) -> None:
    height = scale.layer - min(0.6, 0.15 * scale.layer)
    length = min(channels * scale.per_channel, scale.widest)
    kept = min(length, length * original / channels)
    if channels > original:
        wider = style.ROLES["width"].colour
        _fill(axes, centre, bottom, length, height, wider, "added-channels")
    colour = style.ROLES["depth"].colour if added else _GREY
    _fill(axes, centre, bottom, kept, height, colour, "layer")
    if channels * scale.per_channel > scale.widest + 0.01:
        for side in (-1, 1):
            x, slant, gap = centre + side * 0.27 * length, 1.5, 1.8
            corners = [
                (x - slant, bottom),
                (x - slant + gap, bottom),
                (x + slant + gap, bottom + height),
                (x + slant, bottom + height),
            ]
            axes.add_patch(Polygon(corners, facecolor="white", linewidth=0, gid="break"))


def _fill(
    axes: Axes, centre: float, bottom: float, width: float, height: float, colour: str, key: str
) -> None:
    corner = (centre - width / 2, bottom)
    # Off the pixel grid, or snapping would move thin bars off their axis.
    axes.add_patch(
        Rectangle(corner, width, height, facecolor=colour, linewidth=0, snap=False, gid=key)
    )


def _draw_names(axes: Axes, baseline: Network, scale: _Scale) -> None:
    bottom = scale.stem
    middles = []
    for row in baseline.rows:
        middles.append(bottom + row["layers"] * scale.layer / 2)
        bottom += row["layers"] * scale.layer + _STAGE_GAP
    for row, height in zip(baseline.rows, _label_heights(middles, scale), strict=True):
        axes.text(
            scale.names, height, _name(row), ha="right", va="center_baseline", fontsize=style.FINE
        )


def _label_heights(middles: Sequence[float], scale: _Scale) -> list[float]:
    return spread(middles, style.FINE * 1.1, scale.stem, scale.stem + scale.tower)


def _draw_note(axes: Axes, scale: _Scale) -> None:
    x = 3.0
    for role, text in (
        ("", "baseline"),
        ("width", "added channels"),
        ("depth", "added layers"),
        ("resolution", "added pixels"),
    ):
        colour = style.ROLES[role].colour if role else _GREY
        axes.add_patch(Rectangle((x, _NOTE - 12), 6, 6, facecolor=colour, linewidth=0))
        axes.text(x + 9, _NOTE - 9, text, va="center_baseline", fontsize=style.FINE)
        x += 9 + text_width(text, style.FINE) + 12
    said = [
        "One bar a layer, as wide as its channels (on the right); on the left, layers of a stage.",
        "Inputs are to one scale of pixels.",
    ]
    if scale.breaks:
        said.append("Broken bars are wider than drawn.")
    text = wrap(said, style.PAGE * 72 - 6, style.FINE)
    axes.text(3, _NOTE - 16, text, va="top", fontsize=style.FINE, linespacing=1.25)
