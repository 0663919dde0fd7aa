"""Directions in which published families grow, as faint marks on the triangle of budget shares."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.text import Text
from matplotlib.transforms import offset_copy

from scalegrid.coefficients import PAPER, Shares, from_shares
from scalegrid.family.directions import DIRECTIONS
from scalegrid.figures import style
from scalegrid.figures.labels import fix_layout
from scalegrid.figures.text import text_width

MARK = "Published family"

_ID = "published-{}"
_SHORT = {"EfficientNet-Lite": "Lite", "EfficientNetV2": "V2"}
_CORNER = 0.9
_AT_PAPER = 0.03
_SIZE = 4.0


class Published(NamedTuple):
    """The names of families that are marked, and of those without room for a mark."""

    marked: list[str]
    crowded: list[str]

    def sentences(self) -> list[str]:
        """What the marks are, for a caption."""
        said = []
        if self.marked:
            said.append(
                "Plus signs: directions in which published families grow, fitted to their sizes "
                "(docs/families.md). V2 and Lite are EfficientNets; the first EfficientNets lie on "
                "the cross. ResNets grow by depth alone, MobileNets and nearly RegNets by width "
                "alone."
            )
        if self.crowded:
            said.append(f"Published families without room for a mark: {', '.join(self.crowded)}.")
        return said


def add_published(panel: Any) -> Published:
    """Mark families on a triangle, each with its name beside it, where there is room for both."""
    fix_layout(panel.figure)
    scene, found = _Scene(panel), Published([], [])
    for name, shares in _worth_showing().items():
        (found.marked if _add(panel, scene, name, shares) else found.crowded).append(name)
    return found


def hover_texts() -> dict[str, str]:
    """What each mark is, by its id in an SVG."""
    texts = {}
    for name, shares in DIRECTIONS.items():
        coefficients = from_shares(shares)
        texts[_ID.format(name)] = (
            "{}, as published\ndepth {:.2f}, width {:.2f}, resolution {:.2f} of log₂ FLOPs\n"
            "twice the FLOPs: α {:.2f}, β {:.2f}, γ {:.2f}"
        ).format(name, *shares, *coefficients)
    return texts


def _worth_showing() -> dict[str, Shares]:
    """Those away from the corners, which have names already, and from the paper's cross."""
    paper = np.array(PAPER.shares())
    return {
        name: shares
        for name, shares in DIRECTIONS.items()
        if max(shares) < _CORNER and np.linalg.norm(np.array(shares) - paper) > _AT_PAPER
    }


class _Scene:
    """Where there is ink already: boxes in px, as left, bottom, right and top."""

    def __init__(self, panel: Any) -> None:
        figure = panel.figure
        self.point = figure.dpi / 72
        self.page = figure.bbox
        self.taken = np.empty((0, 4))
        self.networks: list[Any] = []
        for text in filter(_seen, figure.findobj(Text)):
            self.take_box(text.get_window_extent().get_points())
        for axes in figure.axes:
            if axes is not panel:
                self.take_box(axes.get_tightbbox().get_points())
        for marks in panel.collections:
            if isinstance(marks, PathCollection):
                self.take(*_in_px(panel, marks))
                if str(marks.get_gid()).startswith("variant-"):
                    self.networks.append(_in_px(panel, marks)[0])
        ends = panel.transAxes.transform([(0, 0), (0.5, 1), (1, 0), (0, 0)])
        for start, end in pairwise(ends):
            self.take(start + np.linspace(0, 1, 100)[:, None] * (end - start), 0.3)

    def take(self, places: Any, radius: float) -> None:
        """Add a box around each of (n, 2) places, so many points from its middle to its sides."""
        places, px = np.asarray(places), self.point * radius
        self.taken = np.concatenate([self.taken, np.hstack([places - px, places + px])])

    def take_box(self, corners: Any) -> None:
        """Add the box of two corners, (2, 2)."""
        self.taken = np.concatenate([self.taken, np.reshape(corners, (1, 4))])

    def hidden(self, place: Any) -> bool:
        """Whether a network lies on a mark, or nearly."""
        gaps = [np.linalg.norm(network - place) for network in self.networks]
        return bool(min(gaps, default=np.inf) < _SIZE * self.point)

    def free(self, low: Any, high: Any) -> bool:
        """Whether a box is on the page, and half a point around it nothing else."""
        low, high = low - 0.5 * self.point, high + 0.5 * self.point
        under = (self.taken[:, :2] < high).all(1) & (self.taken[:, 2:] > low).all(1)
        return bool(low[0] > self.page.x0 and high[0] < self.page.x1 and not under.any())


def _seen(text: Text) -> bool:
    return bool(text.get_visible() and text.get_text().strip())


def _add(panel: Any, scene: _Scene, name: str, shares: Shares) -> bool:
    """Draw the mark of a family and its name; nothing where there is no room."""
    mark = panel.scatter(
        *([share] for share in shares),
        s=_SIZE**2,
        marker="+",
        color=[style.neutral(0.75)],
        linewidth=0.7,
        clip_on=False,
        zorder=2,
        gid=_ID.format(name),
    )
    (at,), radius = _in_px(panel, mark)
    text = _SHORT.get(name, name)
    half = np.array([text_width(text, style.FINE), style.FINE]) / 2
    for shift in () if scene.hidden(at) else _shifts(*half):
        corners = at + scene.point * np.array([shift - half, shift + half])
        if scene.free(*corners):
            _write(panel, mark.get_offsets()[0], shift, text)
            scene.take_box(corners)
            scene.take([at], radius)
            return True
    mark.remove()
    return False


def _in_px(panel: Any, marks: PathCollection) -> tuple[Any, float]:
    """The (n, 2) places of marks in px, and their radius in points."""
    places = panel.transData.transform(marks.get_offsets())
    return places, float(np.sqrt(np.max(marks.get_sizes()))) / 2


def _write(panel: Any, place: Any, shift: Any, text: str) -> None:
    right, up = shift
    moved = offset_copy(panel.transData, panel.figure, right, up, units="points")
    look = {"fontsize": style.FINE, "color": style.neutral(0.75), "transform": moved}
    panel.figure.text(*place, text, ha="center", va="center", **look)


def _shifts(half_width: float, half_height: float) -> Iterator[Any]:
    """Shifts of a name's centre from its mark in points, the best first."""
    for gap in (1.5, 4.0):
        side, end = _SIZE / 2 + gap + half_width, _SIZE / 2 + gap + half_height
        for right, up in ((side, 0), (-side, 0), (0, end), (0, -end)):
            yield np.array([right, up])
        for up in (end, -end):
            for right in (side / 2, -side / 2, side, -side):
                yield np.array([right, up])
