"""Learning curves: how the recommended network, the single axes and the baseline got there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import offset_copy

from scalegrid.analysis import Tables
from scalegrid.analysis.matched_cost import is_cost
from scalegrid.analysis.naming import network_name, points
from scalegrid.analysis.student import FEWEST_DEGREES
from scalegrid.figures import style
from scalegrid.figures.captions import NO_EPOCHS, describe_left_out
from scalegrid.figures.labels import fix_layout, label_ends
from scalegrid.figures.means import ONE_PAIR, coefficients_text, pooled_means
from scalegrid.figures.metric import unit_of
from scalegrid.figures.subject import Drawing, Subject
from scalegrid.figures.text import text_width
from scalegrid.metric import measure
from scalegrid.util.errors import UserError

_SINGLE = ("depth", "width", "resolution", "baseline")
_FEW = 12  # epochs that have markers and bars of their own
_BESIDE = 2.2  # points between the bars of an epoch
_GAP = 6.0  # points between the axes and a label


Bounds = tuple[float, float]
_UNBOUNDED: Bounds = (-math.inf, math.inf)


class _Line(NamedTuple):
    """A network whose curve is drawn: by which role, and what it is called."""

    variant: str
    role: str
    label: str


def draw(tables: Tables) -> Drawing:
    """Draw the metric, its difference and the training loss by epoch: means over seeds, intervals.

    The lines are those of the recommended network, the single axes, the baseline, and the candidate
    of the lowest estimate. Differences are to the recommended network, by seeds that both have; or
    of means, where there are none. 95 % intervals are bars, or bands where there are many epochs.

    Raises:
        UserError: no candidate has a finished trial, or no trial has two epochs.
    """
    subject = Subject.of(tables)
    history = _history(subject)
    lines = [line for line in _lines(subject) if line.variant in set(history["variant"])]
    labels = [line.label for line in lines]
    room = _GAP + max(text_width(label, style.SMALL) for label in labels)
    layout = ConstrainedLayoutEngine(rect=(0, 0, 1 - room / (72 * style.COLUMN), 1))
    shown = list(_shown(subject, history))
    figure = Figure(figsize=(style.COLUMN, 1.0 + 1.2 * len(shown)), layout=layout)
    panels = figure.subplots(len(shown), 1, sharex=True)
    ends = [
        _draw_panel(panel, subject, lines, *one) for panel, one in zip(panels, shown, strict=True)
    ]
    panels[-1].set_xlabel("Epoch")
    panels[-1].xaxis.set_major_locator(MaxNLocator(6, integer=True))
    figure.align_ylabels(panels)
    fix_layout(figure)
    colours = [style.look(line.role).colour for line in lines]
    for panel, heights in zip(panels, ends, strict=True):
        label_ends(panel, heights, labels, colours, _GAP)
    return Drawing(figure, _caption(subject, lines, history))


def _shown(subject: Subject, history: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, Bounds, str]]:
    """Of each panel the means by variant and epoch, their bounds, and the label of the axis."""
    metric, best = subject.found.metric, subject.found.best.variant
    metric = "top1" if metric == "nas" else metric
    unit = unit_of(metric)
    values = unit.factor * history[measure(metric).column]
    means = _means(history, values, unit.bounds)
    yield means, unit.bounds, unit.label
    apart = _means(history, _minus(history, values, best), _UNBOUNDED)
    apart.loc[_unpaired(history, best), ["low", "high"]] = math.nan
    itself = means.loc[[best]].assign(mean=0.0, low=math.nan, high=math.nan)
    label = f"Difference ({points(metric)})"
    yield pd.concat([apart, itself]).sort_index(), _UNBOUNDED, label
    bounds = (0.0, math.inf)
    if history["train_loss"].notna().any():  # a trainer may not give it
        yield _means(history, history["train_loss"], bounds), bounds, "Training loss (nats)"


def _minus(history: pd.DataFrame, values: pd.Series[float], other: str) -> pd.Series[float]:
    """Values minus those of another variant in the same epoch, NaN for that variant itself.

    They are those of the same seed, NaN without; or their mean, for variants that share no seed.
    """
    key = ["epoch", "seed"]
    theirs = history[key].assign(value=values)[history["variant"] == other]
    of_seed = history[key].merge(theirs, on=key, how="left")["value"].to_numpy()
    mean = history["epoch"].map(theirs.groupby("epoch")["value"].mean())
    alone = pd.Series(of_seed, history.index).groupby(history["variant"]).transform("count") == 0
    apart: pd.Series[float] = values - mean.where(alone, of_seed)
    apart[history["variant"] == other] = math.nan
    return apart


def _unpaired(history: pd.DataFrame, other: str) -> list[str]:
    """The variants that share no seed with another one."""
    seeds = history.groupby("variant")["seed"].agg(set)
    return [str(variant) for variant, own in seeds.items() if not own & seeds[other]]


def _lines(subject: Subject) -> list[_Line]:
    """The networks that have a curve, each once: the recommended one first."""
    ranking = [one.variant for one in subject.found.ranking]
    by_role = subject.compared.drop_duplicates("role").set_index("role")["variant"]
    wanted = [ranking[0], *(by_role[r] for r in _SINGLE if r in by_role), ranking[-1]]
    found = []
    for variant in dict.fromkeys(wanted):
        role = str(subject.row(variant)["role"])
        label = subject.label(role)
        if role == "grid":
            role, label = ("compound", "Recommended") if variant == ranking[0] else (role, "Worst")
        found.append(_Line(variant, role, label))
    return found


def _history(subject: Subject) -> pd.DataFrame:
    """The epochs of finished trials, with their variants.

    Raises:
        UserError: no trial has two.
    """
    if subject.imported:
        raise UserError(NO_EPOCHS)
    trials = subject.brief[subject.brief["variant"].isin(subject.variants["variant"])]
    finished = trials[trials["status"] == "finished"]
    history: pd.DataFrame = subject.history.merge(
        finished[["trial", "variant", "seed"]], on="trial"
    )
    if history.groupby("trial").size().max() < 2 or history.empty:
        raise UserError(
            "no finished trial has two epochs, so there is no curve; a sweep of another --name "
            "with --epochs 3 or more has curves."
        )
    return history


def _means(history: pd.DataFrame, values: pd.Series[float], bounds: Bounds) -> pd.DataFrame:
    """``mean``, ``low`` and ``high`` by variant and epoch; the noise is pooled in each epoch."""
    found = pd.concat(
        {
            epoch: pooled_means(rows.dropna(), history["variant"])[0]
            for epoch, rows in values.groupby(history["epoch"])
        },
        names=["epoch"],
    ).swaplevel()
    found["low"] = (found["mean"] - found["half"]).clip(*bounds)
    found["high"] = (found["mean"] + found["half"]).clip(*bounds)
    ordered: pd.DataFrame = found.sort_index()
    return ordered


def _draw_panel(
    panel: Axes,
    subject: Subject,
    lines: Sequence[_Line],
    means: pd.DataFrame,
    bounds: Bounds,
    label: str,
) -> list[float]:
    """Draw all curves; returns where they end."""
    best = subject.found.best.variant
    ends = []
    for place, line in enumerate(lines):
        rows: pd.DataFrame = means.xs(line.variant)  # type: ignore[assignment]
        shift = _BESIDE * (place - (len(lines) - 1) / 2)
        hollow, thick = line.variant in subject.off_cost, line.variant == best
        _draw_line(panel, line, rows, shift=shift, hollow=hollow, thick=thick)
        ends.append(float(rows["mean"].iloc[-1]))
    shown = means.loc[[line.variant for line in lines], ["mean", "low", "high"]]
    low, high = shown.min(axis=None), shown.max(axis=None)
    margin = 0.06 * (high - low) or 0.5
    panel.set_ylim(max(low - margin, bounds[0]), min(high + margin, bounds[1]))
    panel.set_ylabel(label)
    panel.margins(x=0.06)
    return ends


def _draw_line(
    panel: Axes, line: _Line, rows: pd.DataFrame, *, shift: float, hollow: bool, thick: bool
) -> None:
    epochs, values = rows.index.to_numpy(), rows["mean"].to_numpy()
    look, few = style.look(line.role), len(rows) <= _FEW
    size, depth = 0.8 * look.size, 3 if thick else 2.5
    panel.plot(
        epochs,
        values,
        "--" if line.role == "baseline" else "-",
        color=look.colour,
        linewidth=1.8 if thick else 1.0,
        marker=look.marker,
        markersize=size,
        markerfacecolor="none" if hollow else look.colour,
        markeredgewidth=0.8 if hollow else 0,
        markevery=1 if few else len(rows) // 8,
        zorder=depth,
        gid=f"line-{line.variant}",
    )
    ends = (epochs, rows["low"], rows["high"])
    if few:
        figure: Any = panel.figure
        moved = offset_copy(panel.transData, figure, x=shift, units="points")
        panel.vlines(*ends, look.colour, linewidth=0.8, transform=moved)
    else:
        panel.fill_between(*ends, facecolor=look.colour, alpha=0.15, edgecolor="none")
    if thick:
        style.ring(panel, float(epochs[-1]), float(values[-1]), size=7.0)


def _name(row: pd.Series[Any]) -> str:
    return network_name(str(row["role"]), *row[["alpha", "beta", "gamma"]].astype(float))


def _caption(subject: Subject, lines: list[_Line], history: pd.DataFrame) -> list[str]:
    ranking = subject.found.ranking
    best, worst = (subject.row(one.variant) for one in (ranking[0], ranking[-1]))
    counts = history[history["variant"].isin([line.variant for line in lines])]
    counts = counts.groupby("variant")["trial"].nunique()
    least, most = int(counts.min()), int(counts.max())
    seeds = f"{most}" if least == most else f"{least} to {most}"
    sentences = [
        "Learning curves of the recommended network and of those to compare it with.",
        f"Thick, with a ring: the recommended network, {coefficients_text(best)}. The worst of "
        f"{len(ranking)} candidates, by its estimate, is {_name(worst)}.",
    ]
    if most == 1:
        sentences.append("Lines are single trials, one seed each: differences may be noise.")
    else:
        shape = "Bars, beside each other," if history["epoch"].max() <= _FEW else "Bands"
        degrees = history["trial"].nunique() - history["variant"].nunique()
        bars = (
            f"{shape} are 95 % t intervals, with the seed noise of an epoch pooled over variants."
        )
        said = bars if degrees >= FEWEST_DEGREES else ONE_PAIR
        sentences.append(f"Lines are plain means of {seeds} seeds. {said}")
    loss = " The training loss is the mean over an epoch, with the recipe's label smoothing."
    sentences.append(
        "Differences are to the recommended network, of the same seeds."
        + ("" if subject.spec.get("trainer") else loss)
    )
    unpaired = set(_unpaired(history, ranking[0].variant))
    if apart := [line.label for line in lines if line.variant in unpaired]:
        sentences.append(f"Of means, without a bar, as no seed is shared: {', '.join(apart)}.")
    if subject.found.metric == "nas":
        sentences.append("Curves are of top-1, which ACC·(FLOPs/T)^w weighs by each one's FLOPs.")
    if subject.off_cost & {line.variant for line in lines}:
        sentences.append(f"Hollow: the {is_cost(subject.match)} not as planned.")
    return [*sentences, *describe_left_out(subject)]
