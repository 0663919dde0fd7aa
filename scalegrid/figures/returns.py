"""Diminishing returns: accuracy against FLOPs, and what each doubling of them gives."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise, takewhile
from math import isnan
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scalegrid.analysis import Tables
from scalegrid.analysis.saturating import FEWEST
from scalegrid.analysis.student import FEWEST_DEGREES
from scalegrid.family.returns import BASELINE, THRESHOLD, Measured, Returns, ReturnsSize, returns
from scalegrid.family.returns_text import CURVES, answer, points
from scalegrid.figures import style
from scalegrid.figures.captions import more_points
from scalegrid.figures.labels import fix_layout, label_log_axis, label_points
from scalegrid.figures.means import describe_trials
from scalegrid.figures.scaling import AXES, lines_of
from scalegrid.figures.subject import Drawing, Subject
from scalegrid.figures.text import flops_unit, ratio_text, text_width
from scalegrid.util.errors import UserError
from scalegrid.util.text import enumerated

_BAND = 0.2
_STEP = 0.7  # opacity of what is between neighbours
_MESH = 80
_LABELLED = 12  # sizes that can be named
_LEAST = 0.1  # points that a panel spans
_LONGEST = 40  # points, of a name


def draw(tables: Tables) -> Drawing:
    """Draw the returns of a sweep's lines: single axes, paper and recommended coefficients.

    Raises:
        UserError: no line has three sizes.
    """
    subject = Subject.of(tables)
    found, reasons = of_sweep(subject)
    figure, caption = draw_returns(found)
    return Drawing(figure, [*caption, *reasons, *describe_trials(subject.means)])


def of_sweep(subject: Subject, threshold: float = THRESHOLD) -> tuple[list[Returns], list[str]]:
    """The returns of each line of a sweep, and sentences on the lines left out.

    Raises:
        UserError: the threshold is not above 0, or there is no line.
    """
    means, found, reasons, few = subject.means, [], [], []
    if subject.mean_metric != "top1":
        raise UserError(f"diminishing returns are of top-1, and this sweep is of {means.word}.")
    lines = lines_of(subject)
    for role, rows in lines.items():
        line = means.line(rows)
        if len(line) < FEWEST:
            few.append(role)
            continue
        try:
            sizes = [_measured(row) for _, row in line.iterrows()]
            found.append(returns(role, sizes, means.degrees, _errors(means.degrees), threshold))
        except UserError as error:
            reasons.append(str(error))
    if few:
        reasons.append(_too_few(few, subject, other="grid" in lines))
    if not found:
        raise UserError(reasons[0] if reasons else f"there is no line; {more_points(subject)}")
    return found, [f"Left out: {reason}" for reason in reasons]


def _too_few(few: Sequence[str], subject: Subject, other: bool) -> str:
    """Which lines are too short and what adds sizes; other coefficients may have their own line."""
    names = ["the recommended network" if other and role == "compound" else role for role in few]
    hint = more_points(subject)
    if list(few) == ["compound"]:
        direction = " --compound ALPHA BETA GAMMA" if other else ""
        hint = subject.adding(f"--extend NAME --phi 0.5,1.5,2{direction}")
    some = f"fewer than {FEWEST} sizes, the baseline included,"
    return f"{some} are on the lines of {enumerated(names)}; {hint}"


def _measured(row: pd.Series[Any]) -> Measured:
    name = BASELINE if row["role"] == BASELINE else ratio_text(row["flops_ratio"])
    return Measured(name, row["flops"], row["accuracy"], row["error"], row["variant"])


def _errors(degrees: int) -> str:
    if not degrees:
        return (
            "With one seed each, errors are not known; the curve takes all that is off it for them."
        )
    if degrees < FEWEST_DEGREES:
        return (
            "Errors are those of two seeds of one network, too few for intervals of single sizes."
        )
    return (
        f"Errors are those of seeds, pooled over variants ({degrees} degrees of freedom), on these "
        "validation images."
    )


def draw_returns(found: Sequence[Returns]) -> Drawing:
    """Draw a family in two panels, one below the other; of several families, a pair of each.

    Args:
        found: with one threshold, and FLOPs of one unit.
    """
    several = len(found) > 1
    shape, high = ((len(found), 2), 0.7 + 1.05 * len(found)) if several else ((2, 1), 3.6)
    figure = Figure(figsize=(style.COLUMN, high), layout="constrained")
    panels = figure.subplots(*shape, sharex=True, sharey="col" if several else "none")
    pairs = np.reshape(panels, (len(found), 2))
    flops = [size.flops for one in found for size in one.sizes]
    unit, word = flops_unit(min(flops), max(flops))
    for one, (accuracy, marginal) in zip(found, pairs, strict=True):
        _draw_accuracy(accuracy, one, unit)
        _draw_marginal(marginal, one, unit)
    _label(pairs, found, np.array(flops) / unit, word)
    style.legend_outside(figure, _legend(found), ncols=2)
    fix_layout(figure)
    if not several:
        _name_sizes(pairs[0, 0], found[0], unit)
    return Drawing(figure, _caption(found))


def _look(family: str) -> style.RoleStyle:
    """That of a line of a sweep; ink for families of others."""
    if family in ("compound", "grid"):  # of the recommended direction, or of another
        return style.look(family)._replace(label="Compound")
    if family in (*AXES, BASELINE):
        return style.look(family)
    return style.RoleStyle(style.ink(), "o", family, 3.4)


def _draw_accuracy(panel: Axes, one: Returns, unit: float) -> None:
    phis = np.linspace(0, one.reach, _MESH)
    _draw_curve(panel, one, one.curve.accuracy(phis), phis, unit)
    for size in one.sizes:
        role = BASELINE if _is_baseline(size) else one.family
        look, x = _look(role), size.flops / unit
        panel.plot([x, x], size.top1[1:], color=look.colour, lw=0.8, gid="interval")
        if size.variant:
            style.mark(panel, x, size.top1.mid, role, variant=size.variant)
        else:
            panel.plot([x], [size.top1.mid], look.marker, color=look.colour, ms=look.size)


def _is_baseline(size: ReturnsSize) -> bool:
    return bool(size.variant) and size.name == BASELINE


def _draw_curve(panel: Axes, one: Returns, draws: Any, phis: Any, unit: float) -> None:
    low, mid, high = np.quantile(draws, [0.025, 0.5, 0.975], axis=0)
    x, colour = one.sizes[0].flops * np.exp2(phis) / unit, _look(one.family).colour
    panel.fill_between(x, low, high, facecolor=colour, alpha=_BAND, edgecolor="none")
    panel.plot(x, mid, color=colour, lw=1.2, gid="curve")


def _draw_marginal(panel: Axes, one: Returns, unit: float) -> None:
    phis = np.linspace(0, one.reach, _MESH)
    _draw_curve(panel, one, one.curve.marginal(phis), phis, unit)
    ink = style.neutral(_STEP)
    for size, after in pairwise(one.sizes):
        x = np.array([size.flops, after.flops]) / unit
        panel.plot(x, [size.step.mid] * 2, color=ink, lw=0.8, gid="step")
        middle = [np.sqrt(x.prod())] * 2
        panel.plot(middle, size.step[1:], color=ink, lw=0.8, gid="step-interval")
    panel.axhline(one.threshold, color=style.ink(), lw=0.7, dashes=_DASHES, gid="threshold")
    if _is_within(one):
        ends = np.clip(one.beyond, 0, one.reach)
        mid, low, high = one.sizes[0].flops * np.exp2(ends) / unit
        at, look = one.threshold, {"color": style.ink()}
        panel.plot([low, high], [at, at], zorder=1.9, gid="beyond-interval", **look | _ENDS)
        panel.plot([mid], [at], zorder=5, gid="beyond", **look | _CROSSING)


_DASHES = (4, 2)
_CROSSING: dict[str, Any] = {"marker": "D", "markersize": 4, "linestyle": "none"}
_ENDS: dict[str, Any] = {"marker": "|", "markersize": 6, "linewidth": 1.4, "markeredgewidth": 1}


def _label(pairs: Any, found: Sequence[Returns], x: Any, word: str) -> None:
    """Limits, ticks and labels of all panels."""
    margin = (x.max() / x.min()) ** 0.05
    low, high = x.min() / margin, x.max() * margin
    for panel in pairs.ravel():
        panel.set_xscale("log")
        panel.set_xlim(low, high)
        label_log_axis(panel.xaxis, low, high, 190 if len(found) == 1 else 75)
    limits = _marginal_limits(found)
    for accuracy, marginal in pairs:
        bottom, top = accuracy.get_ylim()
        accuracy.set_ylim(min(bottom, top - _LEAST), max(top, bottom + _LEAST))
        marginal.set_ylim(limits)
    names = ("Top-1 accuracy (%)", "Points per doubling")
    if len(found) == 1:
        for panel, name in zip(pairs[0], names, strict=True):
            panel.set_ylabel(name)
        pairs[0, 1].set_xlabel(f"FLOPs ({word} multiply-adds)")
        doublings = pairs[0, 0].twiny()
        doublings.set_xlim(*np.log2(np.array([low, high]) / x.min()))
        doublings.grid(False)
        doublings.set_xlabel("Doublings of the smallest, φ")
        return
    for top, bottom, name in zip(pairs[0], pairs[-1], names, strict=True):
        top.set_title(name)
        bottom.set_xlabel(f"FLOPs ({word})")
    for panel, one in zip(pairs[:, 0], found, strict=True):
        panel.set_ylabel(_look(one.family).label)


def _marginal_limits(found: Sequence[Returns]) -> tuple[float, float]:
    """Limits that hold all estimates, and bands up to twice as far; intervals may go on beyond."""
    sizes = [size for one in found for size in one.sizes]
    shown = [0.0, found[0].threshold, *(size.slope.mid for size in sizes)]
    shown += [size.step.mid for size in sizes if not isnan(size.step.mid)]
    ends = [end for size in sizes for end in size.slope[1:]]
    shown += np.clip(ends, 2 * min(shown), 2 * max(shown)).tolist()
    room = 0.1 * (max(shown) - min(shown))
    return min(shown) - room, max(shown) + room


def _legend(found: Sequence[Returns]) -> list[Line2D]:
    ink, colour = style.ink(), _look(found[0].family).colour if len(found) == 1 else style.ink()
    entries = [
        Line2D([], [], color=colour, lw=1.2, label="Curve, with its 95 % band"),
        Line2D([], [], color=style.neutral(_STEP), lw=0.8, label="Between neighbours"),
        Line2D([], [], color=ink, lw=0.7, dashes=_DASHES, label="Threshold"),
    ]
    if any(_is_within(one) for one in found):
        entries.append(Line2D([], [], color=ink, label="Less from here on", **_CROSSING))
    if any(_is_baseline(size) for one in found for size in one.sizes):
        entries.append(style.legend_entry(BASELINE))
    return entries


def _is_within(one: Returns) -> bool:
    """Whether the threshold is passed between the smallest size and the largest."""
    return 0 <= one.beyond.mid <= one.reach


def _name_sizes(panel: Axes, one: Returns, unit: float) -> None:
    names = _short([size.name for size in one.sizes])
    if len(names) > _LABELLED or max(text_width(n, style.SMALL) for n in names) > _LONGEST:
        return
    places = [(size.flops / unit, size.top1.mid) for size in one.sizes]
    label_points(panel, places, names, [size.top1[1:] for size in one.sizes])


def _short(names: Sequence[str]) -> list[str]:
    """Names without what they have in common, up to a sign, and without timm's tags."""
    bare = [name.split(".")[0] for name in names]
    first, last = min(bare), max(bare)  # what these have in common, all have
    same = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    )
    common = re.sub(r"[^_\-. ]*$", "", first[:same])
    return [name[len(common) :] for name in bare] if len(set(bare)) == len(bare) else list(names)


def _caption(found: Sequence[Returns]) -> list[str]:
    few = points(found[0].threshold)
    sentences = [
        "Diminishing returns: accuracy against FLOPs, and the points that a doubling of the FLOPs "
        f"gives; the threshold is {few}.",
        *(f"{_look(one.family).label}: {answer(one)}" for one in found),
        f"Curves are {CURVES}: medians, and 95 % bands of the curve itself. Steps are the slopes "
        "between neighbours; bars are 95 % intervals, and may go on beyond the panel.",
    ]
    return [*sentences, *dict.fromkeys(one.errors for one in found)]
