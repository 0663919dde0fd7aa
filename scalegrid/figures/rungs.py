"""Whether brief trainings foretell long ones: candidates over the rungs, and their curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from scalegrid.analysis import Tables
from scalegrid.analysis.naming import network_name, points
from scalegrid.analysis.observations import Floats
from scalegrid.analysis.verdict import Verdict
from scalegrid.analysis.wording import brief_and_long
from scalegrid.figures import style
from scalegrid.figures.captions import describe_left_out
from scalegrid.figures.labels import fix_layout, label_ends
from scalegrid.figures.metric import unit_of
from scalegrid.figures.subject import Drawing, Subject
from scalegrid.figures.text import text_width
from scalegrid.metric import measure
from scalegrid.util.errors import UserError

_GAP = 6.0  # points between the axes and a label
_SPREAD = 0.24  # of the distance of two rungs, over which the candidates' bars are spread


class _Line(NamedTuple):
    """A candidate: its number in the verdict, its role, and its label where it has one."""

    number: int
    variant: str
    role: str
    label: str


def draw(tables: Tables) -> Drawing:
    """Draw the candidates' estimates over the rungs, and the learning curves with their branches.

    Above, estimates are around their mean at each rung, with 95 % intervals; below, a curve is the
    mean over a candidate's trials of one rung.

    Raises:
        UserError: fewer than two candidates have finished trials at a second rung.
    """
    subject = Subject.of(tables)
    verdict = subject.found.verdict
    if verdict is None:
        raise UserError(
            "fewer than two candidates have finished a trial longer than the brief ones; "
            + subject.adding("--rungs 1,3")
        )
    lines = _lines(subject, verdict)
    labels = [line.label for line in lines if line.label]
    room = _GAP + max(text_width(label, style.SMALL) for label in labels)
    layout = ConstrainedLayoutEngine(rect=(0, 0, 1 - room / (72 * style.COLUMN), 1))
    draw_panels = [_draw_slopes] if subject.imported else [_draw_slopes, _draw_curves]
    figure = Figure(figsize=(style.COLUMN, 2.2 * len(draw_panels)), layout=layout)
    panels = figure.subplots(len(draw_panels), 1, squeeze=False)[:, 0]
    ends = [draw(axes, subject, lines) for draw, axes in zip(draw_panels, panels, strict=True)]
    figure.align_ylabels(panels)
    fix_layout(figure)
    for axes, heights in zip(panels, ends, strict=True):
        named = [one for one in lines if one.label and one.variant in heights]
        label_ends(
            axes,
            [heights[one.variant] for one in named],
            [one.label for one in named],
            [style.look(one.role).colour for one in named],
            _GAP,
        )
    return Drawing(figure, _caption(subject, verdict))


def _lines(subject: Subject, verdict: Verdict) -> list[_Line]:
    """The candidates, those with a label last, so that they are drawn above the others."""
    brief, late, top = verdict.brief, verdict.late, f"{verdict.rungs[-1]}×"
    labels = {verdict.variants[brief]: f"chosen at 1×{f' and {top}' if brief == late else ''}"}
    labels.setdefault(verdict.variants[late], f"chosen at {top}")
    rows = []
    for number, variant in enumerate(verdict.variants):
        role = subject.role(variant)
        single = "" if role in ("grid", "compound") else subject.label(role)
        label = ", ".join(filter(None, [single, labels.get(variant)]))
        rows.append(_Line(number, variant, role, label[:1].upper() + label[1:]))
    return sorted(rows, key=lambda one: (bool(one.label), one.variant in labels))


def _around_mean(values: Floats, verdict: Verdict) -> Floats:
    around: Floats = values - verdict.expected.mean(0)
    return around


def _draw_slopes(axes: Axes, subject: Subject, lines: Sequence[_Line]) -> dict[str, float]:
    """Draw a line for each candidate; returns where they end."""
    verdict = subject.found.verdict
    assert verdict is not None
    unit = unit_of(subject.found.metric)
    scale = unit.sign * unit.factor
    middle, low, high = (
        scale * _around_mean(one, verdict) for one in (verdict.expected, verdict.low, verdict.high)
    )
    places = np.arange(len(verdict.rungs), dtype=np.float64)
    for order, line in enumerate(lines):
        colour, named = style.look(line.role).colour, bool(line.label)
        at = places + _SPREAD * ((order + 0.5) / len(lines) - 0.5)
        look: dict[str, Any] = {"color": colour, "alpha": 1.0 if named else 0.5}
        axes.plot(
            at,
            middle[line.number],
            linewidth=1.3 if named else 0.8,
            gid=f"slope-{line.variant}",
            **look,
        )
        axes.vlines(at, low[line.number], high[line.number], linewidth=0.7, **look)
        for x, y in zip(at, middle[line.number], strict=True):
            style.mark(axes, x, y, line.role, scale=0.8)
    axes.set_xlim(-0.3, places[-1] + 0.3)
    axes.xaxis.set_major_locator(FixedLocator(places.tolist()))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{verdict.rungs[round(x)]}×"))
    axes.set_xlabel("Length of training, over the brief one")
    axes.set_ylabel(f"From the mean ({points(subject.found.metric)})")
    ends = middle[:, -1].tolist()
    return dict(zip(verdict.variants, ends, strict=True))


def _draw_curves(axes: Axes, subject: Subject, lines: Sequence[_Line]) -> dict[str, float]:
    """Draw the metric by epoch, a branch for each rung; returns where those of the highest end."""
    metric = "top1" if subject.found.metric == "nas" else subject.found.metric
    unit = unit_of(metric)
    trials = subject.trials[subject.trials["status"] == "finished"]
    history = subject.history.merge(trials[["trial", "variant", "rung"]], on="trial")
    means = (
        unit.factor * history.groupby(["variant", "rung", "epoch"])[measure(metric).column].mean()
    )
    ends = {}
    for line in lines:
        own: pd.Series[float] = means.xs(line.variant)
        for rung, branch in own.groupby(level="rung"):
            curve = branch.droplevel("rung")
            named = bool(line.label)
            axes.plot(
                curve.index,
                curve,
                color=style.look(line.role).colour,
                alpha=1.0 if named else 0.4,
                linewidth=1.0 if named else 0.5,
                marker="o",
                markersize=2.0 if named else 1.0,
                markevery=[len(curve) - 1],
                gid=f"branch-{line.variant}",
            )
            if rung == subject.found.rung:
                ends[line.variant] = float(curve.iloc[-1])
    axes.set_xlabel("Epoch")
    axes.set_ylabel(unit.label)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.margins(x=0.02)
    return ends


def _caption(subject: Subject, verdict: Verdict) -> list[str]:
    found = subject.found
    best = found.best
    name = network_name(best.role, best.alpha, best.beta, best.gamma)
    size, reached = len(verdict.variants), int((verdict.lines.counts[:, -1] > 0).sum())
    others = ", the others are judged by what these show" if reached < size else ""
    images = " on these validation images" if found.luck and found.luck.variance else ""
    sentences = [
        "Whether brief trainings foretell long ones.",
        f"{'Here' if subject.imported else 'Above'}: the candidates' estimates{images} at each "
        "rung around their mean there, with 95 % intervals; "
        f"{reached} of {size} candidates have trials at {verdict.rungs[-1]}×{others}. "
        "Lines that do not cross keep their order. Chosen at 1× is what trials of 1× alone say.",
        *_below(subject),
        f"Recommended: {name}.",
        *brief_and_long(found),
    ]
    if found.metric == "nas" and not subject.imported:
        sentences.append("Curves are of top-1, which ACC·(FLOPs/T)^w weighs by each one's FLOPs.")
    return [*sentences, *describe_left_out(subject)]


def _below(subject: Subject) -> list[str]:
    """What the learning curves are; trainings that were made elsewhere have none."""
    if subject.imported:
        return []
    if subject.spec.get("rungs_from", "continue") == "continue":
        how = (
            "A longer training goes on where the rate of the brief one was about to fall, so that "
            "curves branch off."
        )
    else:
        how = "Every rung is trained from scratch."
    return [f"Below: learning curves, means over seeds; dots are their ends. {how}"]
