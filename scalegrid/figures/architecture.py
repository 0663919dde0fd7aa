"""The baseline and its scaled networks, drawn to scale from their layer tables (paper, figure 2).

Each layer is a bar as wide as its channels, each input a square as large as its pixels, on the same
scales in all panels. Colour shows what scaling added: channels at the sides of a bar, layers on top
of a stage, pixels around an input. Outlines in the same colours show what it removed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from scalegrid.analysis import Tables
from scalegrid.analysis.naming import NAMED, role_name
from scalegrid.analysis.placements import even_of
from scalegrid.figures import style
from scalegrid.figures.labels import separate
from scalegrid.figures.subject import Drawing, Subject
from scalegrid.figures.text import flops_text, ratio_text, text_width
from scalegrid.util.errors import UserError

Stage: TypeAlias = Mapping[str, Any]
"""A row of a layer table: ``operator``, ``kernel``, ``stride``, ``channels``, ``layers``."""

_ADDED = {"channels": "width", "layers": "depth", "pixels": "resolution"}
"""The role whose colour shows what was added."""

# All lengths below are in points.
_WIDTH = style.COLUMN * 72
_PANEL = _WIDTH / 3
_LAYER = 4.6  # height of a layer, less where a network is deep
_TOWER = 150.0  # largest height of a network, unless its labels need more
_LINE = 7.2  # from one line of small text to the next
_STAGE_GAP = 1.6
_INPUT = 30.0  # side of the largest input
_INPUT_BOTTOM = 10.0
_STEM = _INPUT_BOTTOM + _INPUT + 12.0  # bottom of the first layer; the arrow ends below
_TITLE = 12.0
_ROW_GAP = 10.0
_LEGEND = 14.0
_PAD = 2.5  # between bars and labels


@dataclass(frozen=True)
class Network:
    """A panel: a title (its first line in full size), a layer table, the input's side in px."""

    title: str
    stages: Sequence[Stage]
    resolution: int


def draw(tables: Tables) -> Drawing:
    """Draw the baseline, the recommended network, and the single-axis variants nearest φ = 1.

    Where a plan has networks whose layers are placed, they and the even one take the place of the
    single axes; where nothing is recommended yet, that of the paper's coefficients takes its place.

    Raises:
        UserError: the sweep has no variant but the baseline, or its layers are not known.
    """
    subject = Subject.of(tables)
    variants = subject.variants.sort_values("order", kind="stable")
    baseline = variants[variants["role"] == "baseline"]
    chosen = [row for row in [_recommended(subject)] if row is not None]
    placed = _placed(subject)
    roles = [] if chosen else ["paper"]
    roles += [] if placed else ["width", "depth", "resolution"]
    names = ["recommended"] * len(chosen)
    for role in roles:
        rows = variants[variants["role"] == role]
        rows = rows[~rows["variant"].isin([row["variant"] for row in chosen])]
        if not rows.empty:
            row = rows.iloc[(rows["phi"] - 1).abs().argsort().iloc[0]]
            chosen.append(row)
            names.append(role_name(role, row["alpha"], row["beta"], row["gamma"]))
    for name, row in placed:
        here = [one["variant"] for one in chosen]
        if row["variant"] in here:
            names[here.index(row["variant"])] += f"\n{name}"
        else:
            chosen.append(row)
            names.append(name)
    if baseline.empty or not chosen:
        raise UserError(
            "the sweep has no variant to compare with its baseline; plan one with a grid."
        )
    base = baseline.iloc[0]
    if base["layout"] == "[]":
        raise UserError(
            "the layers of the networks are not known; import their trainings with --baseline."
        )
    networks = [_network("baseline", base, base)]
    networks += [_network(name, row, base) for name, row in zip(names, chosen, strict=True)]
    figure, caption = draw_networks(networks)
    if placed:
        caption.append("Single axes are left out.")
    return Drawing(figure, caption)


def draw_networks(networks: Sequence[Network]) -> Drawing:
    """Draw a panel for each network, three a row; colours show differences from the first."""
    layout = _Layout.of(networks)
    figure = Figure(figsize=(style.COLUMN, layout.height / 72))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, _WIDTH)
    axes.set_ylim(0, layout.height)
    baseline = networks[0]
    for index, network in enumerate(networks):
        panel = _Panel(axes, layout, *layout.place(index))
        if index == 0:
            operators = [_operator(stage) for stage in baseline.stages]
            panel.label_stages(baseline.stages, operators, layout.names - panel.centre, "right")
        panel.draw_title(f"({'abcdefghijklmnopqrstuvwxyz'[index]}) {network.title}")
        panel.draw_input(network.resolution, baseline.resolution)
        panel.draw_stages(network.stages, baseline.stages)
    _draw_legend(axes, layout.legend)
    return Drawing(figure, _caption(layout))


def _recommended(subject: Subject) -> pd.Series[Any] | None:
    try:
        return subject.row(subject.found.best.variant)
    except UserError:
        return None


def _placed(subject: Subject) -> list[tuple[str, pd.Series[Any]]]:
    """The networks whose layers are placed, and what they are called; none without any."""
    rows = subject.variants[subject.variants["role"] == "stages"]
    if rows.empty:
        return []
    even = even_of(rows, subject.compared[subject.compared["role"] != "baseline"])
    found = [] if even is None else [("layers even", even)]
    return found + [
        (role_name(*row[list(NAMED)]), row) for _, row in rows.sort_values("placement").iterrows()
    ]


def _network(name: str, row: pd.Series[Any], base: pd.Series[Any]) -> Network:
    lines = [name]
    if name.startswith("recommended") and row["role"] in _ADDED.values():
        lines.append(f"{row['role']} alone")
    if name == "baseline":
        lines.append(f"{flops_text(row['flops'])} FLOPs")
    else:
        r = row["resolution"] / base["resolution"]
        lines.append(f"d {row['depth']:.2f}, w {row['width']:.2f}, r {r:.2f}")
        lines.append(f"{ratio_text(row['flops_ratio'])} FLOPs")
    return Network("\n".join(lines), json.loads(row["layout"]), int(row["resolution"]))


def _changes(networks: Sequence[Network]) -> list[list[tuple[str, bool]]]:
    """What was added, and what was removed (True), a line of the legend each."""
    base = networks[0]
    seen: set[tuple[str, bool]] = set()
    for one in networks[1:]:
        pairs = {"pixels": [(one.resolution, base.resolution)]}
        if len(one.stages) == len(base.stages):
            for kind in ("channels", "layers"):
                both = zip(one.stages, base.stages, strict=True)
                pairs[kind] = [(own[kind], original[kind]) for own, original in both]
        for kind, values in pairs.items():
            seen |= {(kind, own < original) for own, original in values if own != original}
    lines = [[(kind, gone) for kind in _ADDED if (kind, gone) in seen] for gone in (False, True)]
    return [line for line in lines if line] if lines[1] else [[(kind, False) for kind in _ADDED]]


def _heights(stages: Sequence[Stage], baseline: Sequence[Stage]) -> list[int]:
    """The layers of each stage that need room: its own, and those that were removed from it."""
    originals = baseline if len(baseline) == len(stages) else stages
    both = zip(stages, originals, strict=True)
    return [max(stage["layers"], original["layers"]) for stage, original in both]


def _operator(stage: Stage) -> str:
    kernel = stage["kernel"]
    return f"{stage['operator']} {kernel}×{kernel}" if kernel > 1 else str(stage["operator"])


def _layers(stage: Stage) -> str:
    return f"{stage['layers']}×"


@dataclass(frozen=True)
class _Layout:
    """Where panels and stages are, and how long a channel, a pixel and a layer are."""

    names: float  # right end of the operators' names
    first: int  # panels in the first row, beside the names
    left: float  # from a panel's left edge to the widest bar
    widest: float
    channel: float
    pixel: float
    layer: float
    breaks: bool  # whether a bar is wider than drawn
    rows: tuple[tuple[float, float, float], ...]  # bottom, height of networks, top of each row
    height: float
    legend: list[list[tuple[str, bool]]]  # lines of it

    @classmethod
    def of(cls, networks: Sequence[Network]) -> _Layout:
        def width(texts: Sequence[str]) -> float:
            return max(text_width(text, style.FINE) for text in texts)

        stages = [stage for network in networks for stage in network.stages]
        names = 2 + width([_operator(stage) for stage in networks[0].stages])
        first = int(np.clip((_WIDTH - names) // _PANEL, 1, len(networks)))
        left = _PAD + width([_layers(stage) for stage in stages])
        widest = _PANEL - left - _PAD - width([str(stage["channels"]) for stage in stages]) - 5
        layer = _layer_height(networks)
        channels = _full_width_channels(networks)
        counts = [networks[:first]]
        counts += [networks[i : i + 3] for i in range(first, len(networks), 3)]
        legend, base = _changes(networks), networks[0].stages
        rows, bottom = [], _LEGEND + _LINE * (len(legend) - 1)
        for row in reversed(counts):
            tower = max(_tower(_heights(network.stages, base), layer) for network in row)
            lines = max(network.title.count("\n") for network in row)
            top = bottom + _STEM + tower + 6 + lines * _LINE + _TITLE
            rows.append((bottom, tower, top))
            bottom = top + _ROW_GAP
        return cls(
            names=names,
            first=first,
            left=left,
            widest=widest,
            channel=widest / channels,
            pixel=_INPUT / max(network.resolution for network in networks),
            layer=layer,
            breaks=any(stage["channels"] > channels for stage in stages),
            rows=tuple(reversed(rows)),
            height=bottom - _ROW_GAP + 2,
            legend=legend,
        )

    def place(self, index: int) -> tuple[float, float, float, float]:
        """Centre of a panel, and bottom, height of networks, and top of its row."""
        row, column = (0, index) if index < self.first else divmod(index - self.first + 3, 3)
        start = self.names if row == 0 else 0.0
        return start + column * _PANEL + 3 + self.left + self.widest / 2, *self.rows[row]

    def heights(self, layers: Sequence[int], bottom: float) -> list[float]:
        """The bottom of each stage, of so many layers drawn."""
        heights = [count * self.layer + _STAGE_GAP for count in layers]
        return list(accumulate(heights[:-1], initial=bottom + _STEM))


def _layer_height(networks: Sequence[Network]) -> float:
    """As high as a network has room for, and as its labels need: one a stage."""
    most = max(len(network.stages) for network in networks)
    layers = [sum(_heights(network.stages, networks[0].stages)) for network in networks]
    room = max(_TOWER, (most - 1) * _LINE)
    gaps = _STAGE_GAP * (most - 1)
    needed = ((most - 1) * _LINE - gaps) / min(layers)
    return float(min(max(_LAYER, needed), (room - gaps) / max(layers)))


def _tower(layers: Sequence[int], layer: float) -> float:
    return float(layer * sum(layers) + _STAGE_GAP * (len(layers) - 1))


def _full_width_channels(networks: Sequence[Network]) -> int:
    """The number of channels of a bar of full width.

    A head that is far wider than all stages (EfficientNet: 1280 against 320) does not count: its
    bar is drawn broken, so that the stages stay wide enough to see.
    """
    inner = [stage["channels"] for network in networks for stage in network.stages[:-1]]
    last = max(network.stages[-1]["channels"] for network in networks)
    return int(max(inner) if inner and last > 3 * max(inner) else last)


@dataclass(frozen=True)
class _Panel:
    """One network, drawn around the vertical line x = ``centre``; the rest is its row's."""

    axes: Axes
    layout: _Layout
    centre: float
    bottom: float
    tower: float
    top: float

    def draw_title(self, title: str) -> None:
        """Write the title above the network's row, its first line larger."""
        head, *rest = title.split("\n")
        self.axes.text(self.centre, self.top, head, ha="center", va="top", fontsize=style.TEXT)
        for number, line in enumerate(rest):
            self._write(0, self.top - _TITLE + 1.5 - number * _LINE, line, "center", "top")

    def draw_input(self, side: int, baseline: int) -> None:
        """Draw the input with the pixels added around the baseline's, or removed, and an arrow."""
        length, kept = (px * self.layout.pixel for px in (side, min(side, baseline)))
        bottom = self.bottom + _INPUT_BOTTOM
        self._fill(-kept / 2, kept / 2, bottom, kept, "", "input")
        if side != baseline:
            length = max(side, baseline) * self.layout.pixel
            big, small = length / 2, kept / 2
            around = [(-small, 0), (-big, 0), (-big, length), (big, length), (big, 0), (small, 0)]
            around += [(small, kept), (-small, kept)]
            gone = side < baseline
            key = "removed-pixels" if gone else "added-pixels"
            self._polygon([(x, bottom + y) for x, y in around], "pixels", key, gone)
        self._write(0, bottom - 2, f"{side} × {side} px", "center", "top")
        self.axes.annotate(
            "",
            (self.centre, self.bottom + _STEM - 2),
            (self.centre, bottom + length + 2),
            arrowprops={
                "arrowstyle": "-|>",
                "mutation_scale": 4,
                "linewidth": 0.5,
                "color": style.neutral(0.7),
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )

    def draw_stages(self, stages: Sequence[Stage], baseline: Sequence[Stage]) -> None:
        """Draw the layers and their numbers; a network with other stages is not compared."""
        originals = baseline if len(baseline) == len(stages) else stages
        rows = _heights(stages, baseline)
        bottoms = self.layout.heights(rows, self.bottom)
        for stage, original, count, bottom in zip(stages, originals, rows, bottoms, strict=True):
            for layer in range(count):
                height, before = bottom + layer * self.layout.layer, original["channels"]
                if layer >= stage["layers"]:
                    self._draw_layer(before, before, "layers", height, gone=True)
                else:
                    added = "layers" if layer >= original["layers"] else ""
                    self._draw_layer(stage["channels"], before, added, height)
        edge = self.layout.widest / 2 + _PAD
        texts = [_layers(stage) for stage in stages], [str(stage["channels"]) for stage in stages]
        self.label_stages(stages, texts[0], -edge, "right", rows)
        self.label_stages(stages, texts[1], edge, "left", rows)

    def label_stages(
        self,
        stages: Sequence[Stage],
        texts: Sequence[str],
        x: float,
        align: str,
        rows: Sequence[int] | None = None,
    ) -> None:
        """Write a text beside each stage, ``x`` points from the centre; ``rows`` of them drawn."""
        rows = rows or [stage["layers"] for stage in stages]
        bottoms = self.layout.heights(rows, self.bottom)
        middles = [
            bottom + stage["layers"] * self.layout.layer / 2
            for stage, bottom in zip(stages, bottoms, strict=True)
        ]
        low = self.bottom + _STEM
        top = max(low + self.tower, low + (len(stages) - 1) * _LINE)
        for text, y in zip(texts, separate(middles, _LINE, low, top), strict=True):
            self._write(x, y, text, align, "center_baseline")

    def _draw_layer(
        self, channels: int, original: int, added: str, bottom: float, *, gone: bool = False
    ) -> None:
        """Draw a bar: what both networks have in the middle, added or removed channels beside it.

        A layer that is ``gone`` is an outline.
        """
        layout, most = self.layout, max(channels, original)
        height = layout.layer - min(0.6, 0.15 * layout.layer)
        half = min(most * layout.channel, layout.widest) / 2
        kept = half * (min(channels, original) / most)
        broken = most * layout.channel > layout.widest + 0.01
        cuts = {-0.54 * half, 0.54 * half} if broken else set()
        for left, right in pairwise(sorted({-half, -kept, kept, half, *cuts})):
            inside = abs(left + right) / 2 < kept
            narrower = not inside and channels < original
            kind, what = (added, "layer") if inside else ("channels", "added-channels")
            key = "removed-layer" if gone else "removed-channels" if narrower else what
            cut = left in cuts, right in cuts
            self._fill(left, right, bottom, height, kind, key, cut, gone=gone or narrower)

    def _fill(
        self,
        left: float,
        right: float,
        bottom: float,
        height: float,
        kind: str,
        key: str,
        cut: tuple[bool, bool] = (False, False),
        *,
        gone: bool = False,
    ) -> None:
        """Fill a rectangle from ``left`` to ``right`` of the centre, slanted where it is cut."""
        slants = [1.0 if c else 0.0 for c in cut]
        gaps = [0.8 if c else 0.0 for c in cut]
        corners = [
            (left + gaps[0] - slants[0], bottom),
            (right - gaps[1] - slants[1], bottom),
            (right - gaps[1] + slants[1], bottom + height),
            (left + gaps[0] + slants[0], bottom + height),
        ]
        self._polygon(corners, kind, key, gone)

    def _polygon(
        self, corners: Sequence[tuple[float, float]], kind: str, key: str, gone: bool = False
    ) -> None:
        moved, look = [(self.centre + x, y) for x, y in corners], _filling(kind, gone)
        # Snapping to pixels would move thin bars off the centre.
        self.axes.add_patch(Polygon(moved, closed=True, snap=False, gid=key, **look))

    def _write(self, x: float, y: float, text: str, ha: Any, va: Any) -> None:
        self.axes.text(self.centre + x, y, text, ha=ha, va=va, fontsize=style.FINE)


def _filling(kind: str, gone: bool = False) -> dict[str, Any]:
    """How what was added is filled, or where ``kind`` is empty what the baseline has.

    What is ``gone`` is an outline.
    """
    if gone:
        return {"facecolor": "none", "edgecolor": style.look(_ADDED[kind]).colour, "linewidth": 0.4}
    if kind:
        return {"facecolor": style.look(_ADDED[kind]).colour, "linewidth": 0}
    return {
        "facecolor": style.neutral(0.22),
        "edgecolor": style.neutral(0.6),
        "linewidth": 0.25,
    }


def _draw_legend(axes: Axes, lines: Sequence[Sequence[tuple[str, bool]]]) -> None:
    start = 7 + text_width("baseline", style.FINE) + 12
    for number, line in enumerate(reversed(lines)):
        x, y = start, 3 + _LINE * number
        for kind, gone in line:
            text = f"{'removed' if gone else 'added'} {kind}"
            _entry(axes, x, y, text, _filling(kind, gone))
            x += 7 + text_width(text, style.FINE) + 9
    _entry(axes, 3, 3 + _LINE * (len(lines) - 1), "baseline", _filling(""))


def _entry(axes: Axes, x: float, y: float, text: str, look: dict[str, Any]) -> None:
    axes.add_patch(Rectangle((x, y), 5, 5, **look))
    axes.text(x + 7, y + 2.5, text, va="center_baseline", fontsize=style.FINE)


def _caption(layout: _Layout) -> list[str]:
    sentences = [
        "The baseline and networks scaled from it, to one scale.",
        "One bar is one layer, as wide as its channels, whose number is on the right; on the left "
        "are the layers of a stage. Squares are the inputs, to one scale of pixels.",
        "d, w and r multiply the baseline's depth, width and resolution.",
    ]
    if any(gone for line in layout.legend for _, gone in line):
        sentences.append(
            "Outlines are what the baseline has and scaling removed: layers on top of a stage, "
            "channels at the sides of a bar, pixels around an input."
        )
    if layout.breaks:
        sentences.append("Broken bars are wider than drawn.")
    return sentences
