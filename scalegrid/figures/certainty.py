"""How sure the answer became with the trials spent, and after how many more it may be clear."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, PercentFormatter

from scalegrid.analysis import Recommendation, Tables, amount, network_name
from scalegrid.analysis.hindsight import Hindsight, Look, hindsight
from scalegrid.analysis.selection import MIN_REPEATS
from scalegrid.analysis.wording import outlook
from scalegrid.figures import style
from scalegrid.figures.captions import describe_left_out
from scalegrid.figures.labels import label_log_axis
from scalegrid.figures.subject import Drawing, Subject
from scalegrid.figures.text import text_width
from scalegrid.util.text import few, percent

# Lengths are in points.
_LEFT, _RIGHT, _TOP, _FOOT, _HEIGHT = 43.0, 9.0, 25.0, 30.0, 120.0
_WIDTH = 72 * style.COLUMN - _LEFT - _RIGHT
_MARGIN = 0.03  # of the axis, on both sides

_LINES = {"within": ("Good enough", 1.6), "best": ("The best", 0.8)}


def draw(tables: Tables) -> Drawing:
    """Draw the leader's probabilities against trials, as `recommend` would have said them then.

    Trials are in the order in which they ended, failed ones and the baseline's included. To the
    right of those spent is what `recommend` says of further ones.

    Raises:
        UserError: no candidate has a finished trial, or the tables do not say when trials ended.
    """
    subject = Subject.of(tables)
    found, past = subject.found, hindsight(subject)
    figure, axes = _figure(_entries(subject, past))
    _scale(axes, past.looks[0].trials, _end(found, past))
    for name in _LINES:
        _draw_line(axes, past.looks, name)
    for look in past.looks:
        _mark(axes, subject, look, last=look is past.looks[-1])
    axes.axhline(100 * found.confidence, color=style.neutral(0.7), gid="confidence", **_ASKED)
    _draw_leaders(axes, past)
    _draw_forecast(axes, found, past)
    return Drawing(figure, _caption(subject, past))


def _figure(entries: list[Line2D]) -> tuple[Figure, Axes]:
    """A figure with axes, two lines of text above them and a legend below."""
    legend = style.legend_height(entries)
    width, height = 72 * style.COLUMN, _TOP + _HEIGHT + _FOOT + legend
    figure = Figure(figsize=(style.COLUMN, height / 72))
    style.legend_below(figure, entries)
    box = (_LEFT / width, (_FOOT + legend) / height, _WIDTH / width, _HEIGHT / height)
    return figure, figure.add_axes(box)


_ASKED: dict[str, Any] = {"linestyle": "--", "linewidth": 0.8}


def _end(found: Recommendation, past: Hindsight) -> int:
    """The last number of trials on the axis: spent, or wanted."""
    further = found.trials_most or 2 * (found.trials_needed or 0)
    return past.looks[-1].trials + further


def _scale(axes: Axes, first: int, last: int) -> None:
    """Trials from ``first`` to ``last`` on a logarithmic axis; probabilities."""
    margin = (last / first) ** _MARGIN if last > first else 1.1
    low, high = first / margin, last * margin
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    label_log_axis(axes.xaxis, low, high, _WIDTH, whole=True)
    axes.set_xlabel("Trials")
    axes.grid(visible=False, axis="x")
    axes.set_ylim(0, 100)
    axes.yaxis.set_major_locator(FixedLocator([0, 25, 50, 75, 100]))
    axes.yaxis.set_major_formatter(PercentFormatter(symbol=" %"))
    axes.set_ylabel("Probability of the leader")


def _draw_line(axes: Axes, looks: list[Look], name: str) -> None:
    """Draw one of the probabilities, dotted while the noise is a guess."""
    x = [look.trials for look in looks]
    y = [100 * getattr(look, name) for look in looks]
    start = next((i for i, look in enumerate(looks) if look.seen), len(looks) - 1)
    for part, line in ((slice(0, start + 1), ":"), (slice(start, None), "-")):
        axes.plot(
            x[part], y[part], line, color=style.ink(), linewidth=_LINES[name][1], zorder=3, gid=name
        )


def _mark(axes: Axes, subject: Subject, look: Look, *, last: bool) -> None:
    x, y = look.trials, 100 * look.within
    role = subject.role(look.variant)
    style.mark(axes, x, y, role, variant=look.variant if last else "")
    if last:
        style.ring(axes, x, y)


def _draw_leaders(axes: Axes, past: Hindsight) -> None:
    """Draw a line where the leader changes, and shade since when the present one leads."""
    for one, then in pairwise(past.looks):
        if one.variant != then.variant:
            axes.axvline(then.trials, color=style.neutral(0.6), linewidth=0.5, gid="change")
    ends = past.since, past.looks[-1].trials
    axes.axvspan(*ends, color=style.neutral(0.1), linewidth=0, zorder=0.5, gid="leads")
    _write(axes, f"recommended since trial {past.since}", *ends, 6)


def _draw_forecast(axes: Axes, found: Recommendation, past: Hindsight) -> None:
    """Draw a band where half to nine of ten of the simulated races are clear."""
    spent, half, most = past.looks[-1].trials, found.trials_needed, found.trials_most
    if half == 0:
        return
    if half is None:
        _write(axes, "more trials like these do not decide it", spent, spent, 15)
        return
    ends = spent + half, spent + most if most else axes.get_xlim()[1]
    axes.axvspan(*ends, color=style.neutral(0.2), linewidth=0, zorder=0.5, gid="forecast")
    for x in ends[: 2 if most else 1]:
        axes.axvline(x, color=style.neutral(0.6), linewidth=0.8, linestyle="-.", gid="forecast-end")
    more = f"{half} to {most} more trials" if most else f"{half} more trials, or many"
    _write(axes, f"forecast: clear after {more}", *ends, 15)


def _write(axes: Axes, text: str, low: float, high: float, above: float) -> None:
    """Write above the axes, over the middle between two numbers of trials as far as there is room.

    ``above`` is in points.
    """
    first, last = np.log(axes.get_xlim())
    middle = _WIDTH * (np.log([low, high]).mean() - first) / (last - first)
    half = text_width(text, style.SMALL) / 2
    axes.annotate(
        text,
        (0, 1),
        (float(np.clip(middle, half, _WIDTH - half)), above),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="center",
        va="baseline",
        fontsize=style.SMALL,
        annotation_clip=False,
    )


def _entries(subject: Subject, past: Hindsight) -> list[Line2D]:
    """The legend: lines, and the roles of those that led."""
    entries: list[Line2D] = [
        Line2D([], [], color=style.ink(), linewidth=width, label=label)
        for label, width in _LINES.values()
    ]
    asked = f"Asked: {100 * subject.found.confidence:g} %"
    entries.append(Line2D([], [], **_ASKED, color=style.neutral(0.7), label=asked))
    roles = dict.fromkeys(subject.role(look.variant) for look in reversed(past.looks))
    entries += [style.legend_entry(role, label=subject.label(role)) for role in roles]
    if "compound" not in roles:
        entries.append(Line2D([], [], **style.ring_look(), label="Recommended"))
    return entries


def _caption(subject: Subject, past: Hindsight) -> list[str]:
    found, last = subject.found, past.looks[-1]
    further = outlook(found)
    order = "seed by seed" if subject.imported else "in the order in which they ended"
    sentences = [
        f"How sure the answer was after so many trials, {order}: the leader's probabilities of "
        "being the best and good enough, within "
        f"{amount(found, found.indifference)} of the best.",
        f"After all {last.trials} (ring) they are {percent(last.best)} and {percent(last.within)}; "
        f"{100 * found.confidence:g} % is asked (dashed).",
        *_leaders(subject, past),
        "A candidate without a trial by then counts as the model expects it.",
    ]
    if not past.looks[0].seen:
        sentences.append(
            "Dotted: the noise is a guess, with fewer than "
            f"{MIN_REPEATS} trials beyond the first of each candidate."
        )
    if further:
        band = ", the darker band" if found.trials_needed else ""
        sentences.append(f"The forecast{band}: {further[0].lower()}{further[1:]}")
    return [*sentences, *describe_left_out(subject)]


def _leaders(subject: Subject, past: Hindsight) -> list[str]:
    """Who led when."""
    pairs = list(pairwise(past.looks))
    changes = [then for one, then in pairs if one.variant != then.variant]
    if not changes:
        return ["The recommended network led at each of the looks, which have markers."]
    led = [
        f"{network_name(*row[['role', 'alpha', 'beta', 'gamma']])} from trial {look.trials}"
        for look in reversed([past.looks[0], *changes[:-1]])
        for row in [subject.row(look.variant)]
    ]
    return [
        f"The recommended network leads since trial {past.since} (shaded). Before it (vertical "
        f"lines; it was looked where markers are): {few(led)}."
    ]
