"""Whether a trial tells candidates apart: their spread against the noise between seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, StrMethodFormatter

from scalegrid.analysis import Tables, amount, sensor_sentences
from scalegrid.analysis.naming import metric_name
from scalegrid.analysis.sensor import JOINT, POOR, Reading, Span, readings
from scalegrid.figures import style
from scalegrid.figures.captions import describe_left_out, describe_paper, describe_rung
from scalegrid.figures.metric import unit_of
from scalegrid.figures.rows import fit_values
from scalegrid.figures.subject import Drawing, Subject
from scalegrid.figures.text import text_width
from scalegrid.metric import METRICS
from scalegrid.util.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

# Lengths are in points.
_SIDE, _TITLE = 9.0, 13.0
_FEET = 6.0, 30.0, 16.0  # below each of the axes
_LEAST, _MOST, _PITCH = 30.0, 90.0, 5.0  # of all rows together, and of one
_LINE = 8.0  # below the rows: of an estimate, of what seeds share
_METRIC = 9.0  # a row of the reliability

_NAMES: dict[str, str] = {
    **{metric: metric_name(metric) for metric in METRICS},
    "train_loss": "training loss",
    JOINT: "with the losses",
}


def draw(tables: Tables) -> Drawing:
    """Draw how much candidates differ and how much seeds do, on one scale; and the reliability.

    At the top are the candidates' means around the mean of all; then, in the same order, the trials
    around their candidate's mean, less what all trials of a seed share; at the foot the reliability
    of one trial, by each metric.

    Raises:
        UserError: no candidate has a finished trial, only one has, or there is one seed each.
    """
    subject = Subject.of(tables)
    if len(subject.trained) < 2:
        raise UserError("only one candidate has a finished trial, so there is no spread.")
    read = readings(subject.estimates)
    if not read:
        more = "run `scalegrid sweep` again with more --seeds"
        raise UserError(
            "every candidate has one seed, so that noise cannot be separated from difference; "
            f"{'import trainings with more seeds' if subject.imported else more}."
        )
    own = read[subject.found.metric]
    rows = min(max(_PITCH * len(subject.trained), _LEAST), _MOST)
    entries = _entries(subject)
    figure, (means, seeds, metrics) = _panels(rows, len(read), style.legend_height(entries))
    style.legend_below(figure, entries)
    drawn = [
        *_draw_candidates(means, subject, own.spread, rows),
        *_draw_seeds(seeds, subject, own, rows),
    ]
    for axes in (means, seeds):
        fit_values(axes, drawn)
    means.tick_params(labelbottom=False)
    seeds.set_xlabel(f"From the mean ({unit_of(subject.found.metric).points})")
    _draw_reliability(metrics, read)
    _title(means, "Between candidates", "spread", own.spread, subject)
    _title(seeds, "Between seeds", "noise", own.noise, subject)
    middle, low, high = own.reliability
    _write_title(metrics, f"Reliability of one trial: {middle:.2f} ({low:.2f} to {high:.2f})")
    return Drawing(figure, _caption(subject, own))


def _panels(rows: float, metrics: int, legend: float) -> tuple[Figure, list[Axes]]:
    """Three axes, one below the other, y in points from the top; the last has room for names."""
    heights = [rows + _LINE, rows + 2 * _LINE, _METRIC * (metrics + 1)]
    width, height = 72 * style.COLUMN, sum(heights) + sum(_FEET) + 3 * _TITLE + legend
    figure = Figure(figsize=(width / 72, height / 72))
    beside = max(text_width(name, style.FINE) for name in _NAMES.values()) + _SIDE
    panels, top = [], height
    for high, foot, left in zip(heights, _FEET, (_SIDE, _SIDE, beside), strict=True):
        bottom = top - _TITLE - high
        box = (left / width, bottom / height, 1 - (left + _SIDE) / width, high / height)
        axes = figure.add_axes(box)
        axes.set_ylim(high, 0)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        panels.append(axes)
        top = bottom - foot
    return figure, panels


def _roles(subject: Subject) -> list[str]:
    """How the candidates are drawn, best first; the recommended one as in other figures."""
    return [subject.role(one.variant) for one in subject.trained]


def _entries(subject: Subject) -> list[Line2D]:
    roles = dict.fromkeys(_roles(subject))
    return [style.legend_entry(role, label=subject.label(role)) for role in roles]


def _title(axes: Axes, of: str, word: str, span: Span, subject: Subject) -> None:
    middle, low, high = (amount(subject.found, value) for value in span)
    _write_title(axes, f"{of}: {word} {middle} ({_number(low)} to {_number(high)})")


def _number(said: str) -> str:
    """An amount without its unit."""
    return said.rpartition(" ")[0]


def _write_title(axes: Axes, text: str) -> None:
    """Write above the axes, from the left side of the figure."""
    axes.annotate(
        text,
        (0, 1),
        (_SIDE, 4),
        xycoords=("figure points", "axes fraction"),
        textcoords=("figure points", "offset points"),
        fontsize=style.SMALL,
        annotation_clip=False,
    )


def _trials(subject: Subject) -> pd.DataFrame:
    """The candidates' trials with their ``row``, best first, and ``value`` in the unit drawn."""
    unit = unit_of(subject.found.metric)
    number = {one.variant: i for i, one in enumerate(subject.trained)}
    trials = subject.estimates.trials
    own = trials.loc[trials["variant"].isin(number), ["variant", "seed", "value"]]
    value = unit.sign * unit.factor * own["value"]
    drawn: pd.DataFrame = own.assign(row=own["variant"].map(number), value=value)
    return drawn


def _draw_candidates(axes: Axes, subject: Subject, spread: Span, high: float) -> list[float]:
    """Draw the means; returns the values that must be inside the axes, as `_draw_seeds` does."""
    means = _trials(subject).groupby("row")["value"].mean()
    means = means - means.mean()
    pitch = high / len(means)
    scale = float(np.clip(pitch / _PITCH, 0.45, 1))
    for i, (mean, role) in enumerate(zip(means, _roles(subject), strict=True)):
        variant = subject.trained[i].variant
        style.mark(axes, mean, pitch * (i + 0.5), role, variant=variant, scale=scale)
    if subject.found.best.trials:
        style.ring(axes, means[0], pitch / 2, 8.5 * scale)
    return [*means, *_draw_deviation(axes, subject, spread, high + 0.5 * _LINE)]


def _draw_seeds(axes: Axes, subject: Subject, own: Reading, high: float) -> list[float]:
    trials = _trials(subject)
    apart = trials["value"] - trials.groupby("row")["value"].transform("mean")
    shared = _shared(apart, trials["seed"], (own.shared / own.noise.middle) ** 2)
    left = apart - trials["seed"].map(shared)
    pitch = high / len(subject.trained)
    axes.plot(
        left,
        pitch * (trials["row"] + 0.5),
        "o",
        markersize=float(np.clip(1.9 * pitch / _PITCH, 1.0, 1.9)),
        markeredgewidth=0,
        color=style.neutral(0.6),
        gid="trials",
    )
    axes.plot(
        shared, np.full(len(shared), high + 0.5 * _LINE), "|", color=style.ink(), gid="shared"
    )
    return [*left, *shared, *_draw_deviation(axes, subject, own.noise, high + 1.5 * _LINE)]


def _shared(apart: pd.Series[float], seeds: pd.Series[int], ratio: float) -> pd.Series[float]:
    """What trials of each seed have in common, given how they differ from their candidates' means.

    ``ratio`` is its variance over the noise's: the less that is, and the fewer trials a seed has,
    the more of their mean is taken for noise.
    """
    by_seed = apart.groupby(seeds)
    part = ratio * by_seed.size() / (ratio * by_seed.size() + 1)
    means: pd.Series[float] = part * by_seed.mean()
    return means


def _draw_deviation(axes: Axes, subject: Subject, span: Span, y: float) -> list[float]:
    """Shade a standard deviation to both sides, and draw its 95 % interval at the foot."""
    middle, low, high = unit_of(subject.found.metric).factor * np.array(span)
    axes.axvspan(-middle, middle, color=style.neutral(0.12), linewidth=0, zorder=0.5, gid="band")
    for sign in (-1, 1):
        _draw_span(axes, Span(*(sign * end for end in (middle, low, high))), y, "deviation")
    return [-high, high]


def _draw_span(axes: Axes, span: Span, y: float, gid: str) -> None:
    axes.plot(span[1:], [y, y], color=style.ink(), linewidth=1.2, gid="interval")
    axes.plot(span.middle, y, "|", color=style.ink(), markersize=5, markeredgewidth=1.6, gid=gid)


def _draw_reliability(axes: Axes, read: Mapping[str, Reading]) -> None:
    """Draw a row for each metric, with the metric's name; 0.5 divides poor ones from others."""
    places = [_METRIC * (i + 1.5) for i in range(len(read))]
    for y, one in zip(places, read.values(), strict=True):
        _draw_span(axes, one.reliability, y, "reliability")
    axes.axvline(POOR, color=style.neutral(0.7), linestyle="--", linewidth=0.8, gid="poor")
    for x, text in ((0.25, "poor: more of its seed"), (0.75, "more of its candidate")):
        axes.text(x, 0.5 * _METRIC, text, fontsize=style.FINE, ha="center", va="center")
    axes.grid(visible=False)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.set_yticks(places, [_NAMES.get(name) or metric_name(name) for name in read])
    axes.tick_params(axis="y", length=0, pad=2, labelsize=style.FINE)


def _caption(subject: Subject, own: Reading) -> list[str]:
    found = subject.found
    sentences = [
        "Whether a trial tells candidates apart: how much they differ, and how much seeds do, on "
        "one scale.",
        "Above: each candidate's mean around the mean of all, best first (ring: recommended); of "
        "few trials, means scatter by their noise too.",
        "Below: single trials around their candidate's mean, in the same rows, less what all "
        f"trials of a seed share (ticks, a standard deviation of {amount(found, own.shared)}), "
        "since that cancels between candidates.",
        "Shaded: one standard deviation to both sides; its 95 % interval is below.",
        "At the foot: the reliability of one trial, spread² / (spread² + noise²), by the metric "
        "compared and by others, with 95 % intervals.",
        *sensor_sentences(found.sensor),
        *describe_rung(subject),
    ]
    if "paper" in _roles(subject):
        sentences.append(describe_paper(subject))
    return [*sentences, *describe_left_out(subject)]
