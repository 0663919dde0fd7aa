"""The distribution of error over the candidates: how much it matters which is chosen.

With the errors e_i of n candidates of equal cost, F(e) = Σ_i 1[e_i ≤ e] / n, by which design spaces
are compared (Radosavovic et al. 2019, *On Network Design Spaces for Visual Recognition*, arXiv
1905.13214, section 3; 2020, arXiv 2003.13678). The noise of seeds spreads measured errors, so
beside their F is that of the true errors: its mean over joint posterior draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from scalegrid.analysis import Tables, amount
from scalegrid.analysis.matched_cost import COUNTED, is_cost
from scalegrid.analysis.selection import interval
from scalegrid.figures import style
from scalegrid.figures.captions import describe_left_out, describe_noise, describe_paper, seeds_text
from scalegrid.figures.labels import fix_layout
from scalegrid.figures.metric import unit_of
from scalegrid.figures.rows import fit_values
from scalegrid.figures.subject import Drawing, Subject
from scalegrid.figures.text import ratio_text
from scalegrid.metric import measure
from scalegrid.spec import Metric
from scalegrid.util.errors import UserError

Floats = npt.NDArray[np.float64]

SAMPLES = 1000
"""Bootstrap samples behind the band."""

_LABELS: dict[Metric, str] = {
    "top1": "Top-1 error (%)",
    "top5": "Top-5 error (%)",
    "balanced": "Balanced error (%)",
    "val_loss": "Validation loss (nats)",
    "nas": "100 − top-1 · (FLOPs / T)^−0.07 (%)",
}
_MARKED = ("depth", "width", "resolution", "paper", "baseline")
_STEP = 6.0  # per cent of the candidates between markers above each other
_NEAR = 0.03  # of the axis: markers this near are above each other


def draw(tables: Tables) -> Drawing:
    """Draw the share of candidates with at most an error: as measured, and by the posterior.

    The band is of bootstrap samples of candidates and seeds. Vertical lines mark the recommended
    network, the single axes, the paper's network and the baseline.

    Raises:
        UserError: there is no second candidate with a finished trial.
    """
    subject = Subject.of(tables)
    if len(subject.trained) < 2:
        raise UserError("only one candidate has a finished trial, so there is no distribution.")
    table = _errors_by_seed(subject)
    means = table.mean(axis=1)
    marked = _marked(subject, means)
    measured = table.loc[[v for v in subject.estimates.variants if v in table.index]]
    figure = Figure(figsize=(style.COLUMN, 2.8), layout="constrained")
    axes = figure.subplots()
    fit_values(axes, [*measured.mean(axis=1), *means[list(marked)]])
    ends = axes.get_xlim()
    places = np.linspace(*ends, 1000)
    low, high = 100 * bootstrap(measured.to_numpy(), places)
    axes.fill_between(
        places, low, high, facecolor=style.neutral(0.15), edgecolor="none", gid="band"
    )
    steps = np.sort([*ends, *measured.mean(axis=1)])
    shares = 100 * edf(measured.mean(axis=1).to_numpy(), steps)
    axes.step(steps, shares, where="post", color=style.ink(), linewidth=1.4, gid="measured")
    if subject.found.repeats:
        true = _error(subject, subject.estimates.values)
        shares = 100 * edf(true, places).mean(0)
        axes.plot(places, shares, "--", color=style.ink(), linewidth=1.0, gid="true")
    _draw_marks(axes, subject, means[list(marked)], marked)
    axes.set_xlabel(_label(subject.found.metric))
    axes.set_ylabel("Share of candidates (%)")
    _add_legend(figure, subject, marked)
    fix_layout(figure)
    return Drawing(figure, _caption(subject, marked))


def _label(metric: Metric) -> str:
    """What is drawn along x; of a figure of which more is better, that is minus it."""
    one = measure(metric)
    return _LABELS.get(metric) or f"{'−' if one.sign > 0 else ''}{one.title}"


def edf(errors: Floats, places: Floats) -> Floats:
    """The share of errors (…, n) that are at most each of ``places`` (p,), as (…, p)."""
    count = errors.shape[-1]
    ordered = np.sort(errors, axis=-1).reshape(-1, count)
    shares = [np.searchsorted(row, places, side="right") / count for row in ordered]
    return np.array(shares).reshape(*errors.shape[:-1], len(places))


def bootstrap(table: Floats, places: Floats) -> Floats:
    """The ends of the 95 % interval of the `edf` at each of ``places`` (p,), as (2, p).

    Candidates and seeds are drawn anew, independently of each other, which overstates rather than
    understates the spread (Owen 2007, *The pigeonhole bootstrap*). A candidate that has none of the
    seeds drawn keeps its mean.

    Args:
        table: (n, seeds) errors, NaN where a candidate lacks a seed.
        places: errors at which the distribution is wanted.
    """
    random = np.random.default_rng(0)
    count, seeds = table.shape
    weights = random.multinomial(seeds, np.full(seeds, 1 / seeds), SAMPLES)
    has = ~np.isnan(table)
    total = weights @ has.T  # (SAMPLES, n)
    means = weights @ np.nan_to_num(table).T / np.maximum(total, 1)
    means = np.where(total > 0, means, np.nanmean(table, axis=1))
    drawn = np.take_along_axis(means, random.integers(count, size=(SAMPLES, count)), axis=1)
    ends: Floats = np.quantile(edf(drawn, places), (0.025, 0.975), axis=0)
    return ends


def _error(subject: Subject, values: Any) -> Any:
    """What is an error of values of which more is better: less is."""
    unit = unit_of(subject.found.metric)
    return (100 if unit.factor == 100 else 0) - unit.factor * values


def _errors_by_seed(subject: Subject) -> pd.DataFrame:
    """The errors of finished trials: a row a variant, a column a seed."""
    trials = subject.estimates.trials
    errors = trials.assign(error=_error(subject, trials["value"]))
    table: pd.DataFrame = errors.pivot_table(index="variant", columns="seed", values="error")
    return table


def _marked(subject: Subject, means: pd.Series[float]) -> dict[str, str]:
    """The role of each variant that has a vertical line, by its id; the recommended one first."""
    roles = subject.compared.set_index("variant")["role"]
    best = subject.found.best.variant
    marked = {best: subject.role(best)} if best in means.index else {}
    wanted = roles[roles.isin(_MARKED) & roles.index.isin(means.index)]
    return marked | {str(variant): str(role) for variant, role in wanted.items()}


def _draw_marks(
    axes: Axes, subject: Subject, errors: pd.Series[float], marked: Mapping[str, str]
) -> None:
    """Draw a line at each error, with its marker above the others that are near."""
    low, high = axes.get_xlim()
    levels: dict[str, int] = {}
    for variant, error in errors.sort_values().items():
        near = [v for v in levels if abs(errors[v] - error) < _NEAR * (high - low)]
        free = [n for n in range(len(marked)) if n not in [levels[v] for v in near]]
        levels[str(variant)] = free[0]
        role, hollow = marked[str(variant)], variant in subject.off_cost
        best = variant == subject.found.best.variant
        top = 100 + _STEP * (free[0] + 1)
        axes.plot(
            [error, error],
            [0, top],
            ":" if role == "baseline" else "--" if hollow else "-",
            color=style.look(role).colour,
            linewidth=1.6 if best else 0.8,
            zorder=3 if best else 2,
            gid="mark",
        )
        style.mark(axes, float(error), top, role, hollow=hollow, variant=str(variant))
        if best:
            style.ring(axes, float(error), top, size=7.5)
    axes.set_ylim(0, 100 + _STEP * (max(levels.values()) + 1.8))
    axes.set_yticks([0, 25, 50, 75, 100])
    axes.spines["left"].set_bounds(0, 100)


def _add_legend(figure: Figure, subject: Subject, marked: Mapping[str, str]) -> None:
    ink = style.ink()
    entries: list[Any] = [Line2D([], [], color=ink, linewidth=1.4, label="As measured")]
    if subject.found.repeats:
        entries.append(
            Line2D([], [], color=ink, linewidth=1.0, linestyle="--", label="By the posterior")
        )
    entries.append(Patch(color=style.neutral(0.15), linewidth=0, label="Bootstrap, 95 %"))
    entries += [
        style.legend_entry(role, label=subject.label(role))
        for role in dict.fromkeys(marked.values())
    ]
    style.legend_outside(figure, entries, handlelength=1.8)


def _caption(subject: Subject, marked: Mapping[str, str]) -> list[str]:
    found, draws = subject.found, subject.estimates.values
    unit = unit_of(found.metric)
    ahead = unit.factor * (draws.max(1) - np.median(draws, axis=1))
    low, high = interval(ahead)
    ratios = [one.cost_ratio for one in subject.trained]
    good = sum(one.probability_within_indifference for one in found.ranking)
    digits = 1 if good < 10 else 0
    sentences = [
        f"The share of {len(ratios)} candidates that have at most an error: the empirical "
        "distribution of their plain means.",
        f"They cost {ratio_text(min(ratios))} to {ratio_text(max(ratios))} the baseline's "
        f"{COUNTED[found.match]}; "
        f"{seeds_text(subject)}.",
        f"The band is 95 % of {SAMPLES:,} bootstrap samples of candidates"
        f"{' and seeds' if found.repeats else ''}.",
    ]
    if found.repeats:
        sentences.append(
            "Dashed: the distribution of the true values, the mean over joint posterior draws; it "
            "leaves out the noise of seeds, and is blurred by what is not known."
        )
    sentences += [
        f"By joint posterior draws the best is {ahead.mean():.2g} {unit.points} better than the "
        f"median candidate (95 % interval {low:.2g} to {high:.2g}), and {good:.{digits}f} "
        f"candidates are expected within {amount(found, found.indifference)} of the best, itself "
        "included.",
        "Vertical lines are plain means; the ring is on the recommended network.",
    ]
    if "paper" in marked.values():
        sentences.append(describe_paper(subject))
    if subject.off_cost & marked.keys():
        sentences.append(f"Hollow, dashed: the {is_cost(subject.match)} not as planned.")
    return [*sentences, *describe_noise(subject), *describe_left_out(subject)]
