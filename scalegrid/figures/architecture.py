"""The baseline and its scaled networks, drawn to scale from their layer tables (paper, figure 2).

Each layer is a bar as wide as its channels, each input a square as large as its pixels, on the same
scales in all panels. Colour shows what scaling added: channels, layers, pixels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeAlias

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from scalegrid.figures import style
from scalegrid.figures.labels import separate
from scalegrid.figures.means import Tables, choose_compound, mean_accuracies
from scalegrid.figures.text import flops_text, ratio_text, text_width, wrap
from scalegrid.util.errors import UserError

NAME = "architecture"

Stage: TypeAlias = Mapping[str, Any]
"""A row of a layer table: ``operator``, ``kernel``, ``stride``, ``channels``, ``layers``."""

_GREY = "#d2d2d2"

# All lengths below are in points.
_WIDTH = style.PAGE * 72
_LAYER = 6.6  # height of a layer, less where a network is deep
_TOWER = 240.0  # largest height of a network
_STAGE_GAP = 1.6
_INPUT = 38.0  # side of the largest input
_INPUT_BOTTOM = 44.0
_STEM = 99.0  # bottom of the first layer; the arrow from the input ends below
_TITLE = 30.0
_LEGEND = 22.0  # bottom of the legend; the note is below
_PAD = 3.0  # between bars and labels


@dataclass(frozen=True)
class Network:
    """A panel: a title (its first line in full size), a layer table, the input's side in px."""

    title: str
    stages: Sequence[Stage]
    resolution: int


def draw(tables: Tables) -> Figure:
    """Draw the baseline, the single-axis variants nearest φ = 1, and a compound one.

    The compound variant is that of the accuracy figure if trials have finished, else the paper's.

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
    """Draw a panel for each network, side by side; colours show differences from the first."""
    layout = _Layout.of(networks)
    figure = Figure(figsize=(style.PAGE, layout.height / 72))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, _WIDTH)
    axes.set_ylim(0, layout.height)
    baseline = networks[0]
    operators = [_operator(stage) for stage in baseline.stages]
    _label_stages(axes, layout, baseline.stages, layout.names, operators, "right")
    for index, network in enumerate(networks):
        panel = _Panel(axes, layout, layout.centre(index))
        panel.draw_title(f"({'abcdefghijklmnopqrstuvwxyz'[index]}) {network.title}")
        panel.draw_input(network.resolution, baseline.resolution)
        panel.draw_stages(network.stages, baseline.stages)
    _draw_legend(axes)
    _draw_note(axes, layout)
    return figure


def _compound(tables: Tables) -> pd.DataFrame:
    try:
        rows = choose_compound(mean_accuracies(tables, NAME)).rows
    except UserError:
        rows = tables.variants.iloc[:0]
    return rows if not rows.empty else tables.variants[tables.variants["role"] == "paper"]


def _network(kind: str, row: pd.Series[Any]) -> Network:
    size = {
        "baseline": f"{flops_text(row['flops'])} FLOPs",
        "depth": f"$d$ = {row['depth']:.3g}",
        "width": f"$w$ = {row['width']:.3g}",
        "resolution": f"{row['resolution']} px",
        "compound": f"$d$ = {row['depth']:.3g}, $w$ = {row['width']:.3g}",
    }[kind]
    ratio = "" if kind == "baseline" else f"\n{ratio_text(row['flops_ratio'])} FLOPs"
    return Network(f"{kind}\n{size}{ratio}", json.loads(row["layout"]), int(row["resolution"]))


def _operator(stage: Stage) -> str:
    kernel = stage["kernel"]
    return f"{stage['operator']} {kernel}×{kernel}" if kernel > 1 else str(stage["operator"])


def _layers(stage: Stage) -> str:
    return f"{stage['layers']}×"


@dataclass(frozen=True)
class _Layout:
    """Where panels and stages are, and how long a channel, a pixel and a layer are."""

    names: float  # width of the operators' names
    panel: float  # width of a panel
    left: float  # from a panel's left edge to the widest bar
    widest: float
    channel: float
    pixel: float
    layer: float
    tower: float
    breaks: bool  # whether a bar is wider than drawn

    @classmethod
    def of(cls, networks: Sequence[Network]) -> _Layout:
        def width(texts: Sequence[str]) -> float:
            return max(text_width(text, style.FINE) for text in texts)

        stages = [stage for network in networks for stage in network.stages]
        names = 6 + width([_operator(stage) for stage in networks[0].stages])
        panel = (_WIDTH - names) / len(networks)
        left = _PAD + width([_layers(stage) for stage in stages])
        right = _PAD + width([str(stage["channels"]) for stage in stages])
        widest = min(panel - left - right - 8, 90.0)
        layers = max(sum(stage["layers"] for stage in network.stages) for network in networks)
        gaps = _STAGE_GAP * max(len(network.stages) - 1 for network in networks)
        layer = min(_LAYER, (_TOWER - gaps) / layers)
        channels = _full_width_channels(networks)
        return cls(
            names=names,
            panel=panel,
            left=left,
            widest=widest,
            channel=widest / channels,
            pixel=_INPUT / max(network.resolution for network in networks),
            layer=layer,
            tower=layers * layer + gaps,
            breaks=any(stage["channels"] > channels for stage in stages),
        )

    @property
    def height(self) -> float:
        return _STEM + self.tower + _TITLE

    def centre(self, index: int) -> float:
        return self.names + index * self.panel + 6 + self.left + self.widest / 2

    def bottoms(self, stages: Sequence[Stage]) -> list[float]:
        heights = [stage["layers"] * self.layer + _STAGE_GAP for stage in stages]
        return list(accumulate(heights[:-1], initial=_STEM))

    def label_heights(self, stages: Sequence[Stage]) -> list[float]:
        middles = [
            bottom + stage["layers"] * self.layer / 2
            for stage, bottom in zip(stages, self.bottoms(stages), strict=True)
        ]
        return separate(middles, style.FINE * 1.1, _STEM, _STEM + self.tower)


def _full_width_channels(networks: Sequence[Network]) -> int:
    """The number of channels of a bar of full width.

    A head that is far wider than all stages (EfficientNet: 1280 against 320) does not count: its
    bar is drawn broken, so that the stages stay wide enough to see.
    """
    inner = max(stage["channels"] for network in networks for stage in network.stages[:-1])
    last = max(network.stages[-1]["channels"] for network in networks)
    return int(last if last <= 3 * inner else inner)


@dataclass(frozen=True)
class _Panel:
    """One network, drawn around the vertical line x = ``centre``."""

    axes: Axes
    layout: _Layout
    centre: float

    def draw_title(self, title: str) -> None:
        head, _, rest = title.partition("\n")
        top = self.layout.height - 3
        size = style.TEXT * min(1.0, (self.layout.panel - 4) / text_width(head, style.TEXT))
        self.axes.text(self.centre, top, head, ha="center", va="top", fontsize=size)
        self.axes.text(self.centre, top - 11, rest, ha="center", va="top", fontsize=style.FINE)

    def draw_input(self, side: int, baseline: int) -> None:
        length, kept = (px * self.layout.pixel for px in (side, min(side, baseline)))
        if side > baseline:
            added = style.ROLES["resolution"].colour
            self._fill(_INPUT_BOTTOM, length, length, added, "added-pixels")
        self._fill(_INPUT_BOTTOM, kept, kept, _GREY, "input")
        text, bottom = f"{side} × {side} px", _INPUT_BOTTOM - 2
        self.axes.text(self.centre, bottom, text, ha="center", va="top", fontsize=style.FINE)
        arrow = {"arrowstyle": "-|>", "mutation_scale": 5, "linewidth": 0.6, "color": style.FAINT}
        self.axes.annotate(
            "",
            (self.centre, _STEM - 2),
            (self.centre, _INPUT_BOTTOM + length + 2),
            arrowprops={**arrow, "shrinkA": 0, "shrinkB": 0},
        )

    def draw_stages(self, stages: Sequence[Stage], baseline: Sequence[Stage]) -> None:
        # Networks with other stages than the baseline's are not compared with it.
        originals = baseline if len(baseline) == len(stages) else stages
        for stage, original, bottom in zip(
            stages, originals, self.layout.bottoms(stages), strict=True
        ):
            for layer in range(stage["layers"]):
                colour = style.ROLES["depth"].colour if layer >= original["layers"] else _GREY
                height = bottom + layer * self.layout.layer
                self._draw_layer(stage["channels"], original["channels"], colour, height)
        edge = self.layout.widest / 2 + _PAD
        for x, texts, side in (
            (self.centre - edge, [_layers(stage) for stage in stages], "right"),
            (self.centre + edge, [str(stage["channels"]) for stage in stages], "left"),
        ):
            _label_stages(self.axes, self.layout, stages, x, texts, side)

    def _draw_layer(self, channels: int, original: int, colour: str, bottom: float) -> None:
        layout = self.layout
        height = layout.layer - min(0.6, 0.15 * layout.layer)
        length = min(channels * layout.channel, layout.widest)
        if channels > original:
            added = style.ROLES["width"].colour
            self._fill(bottom, length, height, added, "added-channels")
        self._fill(bottom, min(length, length * original / channels), height, colour, "layer")
        if channels * layout.channel > layout.widest + 0.01:
            for x in (self.centre - 0.27 * length, self.centre + 0.27 * length):
                corners = [(-1.5, 0.0), (0.3, 0.0), (3.3, height), (1.5, height)]
                slash = [(x + right, bottom + up) for right, up in corners]
                self.axes.add_patch(Polygon(slash, facecolor="white", linewidth=0, gid="break"))

    def _fill(self, bottom: float, width: float, height: float, colour: str, key: str) -> None:
        corner = (self.centre - width / 2, bottom)
        # Snapping to pixels would move thin bars off the centre.
        self.axes.add_patch(
            Rectangle(corner, width, height, facecolor=colour, linewidth=0, snap=False, gid=key)
        )


def _label_stages(
    axes: Axes, layout: _Layout, stages: Sequence[Stage], x: float, texts: Sequence[str], side: str
) -> None:
    for text, height in zip(texts, layout.label_heights(stages), strict=True):
        axes.text(x, height, text, ha=side, va="center_baseline", fontsize=style.FINE)


def _draw_legend(axes: Axes) -> None:
    x = 3.0
    for role, text in (
        ("", "baseline"),
        ("width", "added channels"),
        ("depth", "added layers"),
        ("resolution", "added pixels"),
    ):
        colour = style.ROLES[role].colour if role else _GREY
        axes.add_patch(Rectangle((x, _LEGEND), 6, 6, facecolor=colour, linewidth=0))
        axes.text(x + 9, _LEGEND + 3, text, va="center_baseline", fontsize=style.FINE)
        x += 9 + text_width(text, style.FINE) + 12


def _draw_note(axes: Axes, layout: _Layout) -> None:
    sentences = [
        "One bar a layer, as wide as its channels (on the right); on the left, layers of a stage.",
        "Inputs are to one scale of pixels.",
    ]
    if layout.breaks:
        sentences.append("Broken bars are wider than drawn.")
    text = wrap(sentences, _WIDTH - 6, style.FINE)
    axes.text(3, _LEGEND - 4, text, va="top", fontsize=style.FINE, linespacing=1.25)
