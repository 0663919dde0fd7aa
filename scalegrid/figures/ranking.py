"""How probably each candidate is the best, and how probably it is good enough."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, PercentFormatter

from scalegrid.analysis import Candidate, Tables, amount
from scalegrid.figures import style
from scalegrid.figures.captions import describe_left_out, describe_noise, describe_rows
from scalegrid.figures.rows import Row, candidate_rows, strip
from scalegrid.figures.subject import Drawing, Subject
from scalegrid.util.text import exact_percent, percent

_BAR = 0.62  # height of a bar, over that of its row


def draw(tables: Tables) -> Drawing:
    """Draw two bars for each candidate: probability of being best, within that of good enough.

    The numbers are those of `scalegrid recommend`. All candidates that are not ruled out have a
    row, and those that `scalegrid.figures.rows` labels.

    Raises:
        UserError: no candidate has a finished trial.
    """
    subject = Subject.of(tables)
    found = subject.found
    rows = candidate_rows(subject, ruled_out=False, others=False)
    best = {one.variant: percent(one.probability_best) for one in found.ranking}
    enough = {o.variant: percent(o.probability_within_indifference) for o in found.ranking}
    figure, axes = strip(rows, [("best", best), ("enough", enough)])
    candidates = {one.variant: one for one in found.ranking}
    for row in rows:
        _draw_row(axes, row, candidates[row.variant])
    axes.axvline(
        100 * found.confidence,
        color=style.neutral(0.7),
        linestyle="--",
        linewidth=0.8,
        gid="confidence",
    )
    axes.set_xlim(0, 100)
    axes.xaxis.set_major_locator(FixedLocator([0, 50, 100]))
    axes.xaxis.set_major_formatter(PercentFormatter(symbol=" %"))
    axes.set_xlabel("Probability")
    return Drawing(figure, _caption(subject, rows))


def _draw_row(axes: Axes, row: Row, candidate: Candidate) -> None:
    outline = 0.5 * row.scale
    for kind, probability, opacity in (
        ("enough", candidate.probability_within_indifference, 0.2),
        ("best", candidate.probability_best, 1.0),
    ):
        axes.barh(
            row.y,
            100 * probability,
            _BAR * row.pitch,
            facecolor=style.neutral(opacity),
            edgecolor=style.neutral(0.7),
            linewidth=outline,
            gid=f"{kind}-{row.variant}",
        )


def _caption(subject: Subject, rows: list[Row]) -> list[str]:
    found = subject.found
    shown = {row.variant for row in rows}
    rest = [one for one in found.ranking if one.variant not in shown]
    sentences = [
        "How probably each candidate is the best (dark) and good enough (pale), in the order of "
        "the estimates: the first is the recommended one.",
        *describe_rows(subject, rows),
        f"Good enough is within {amount(found, found.indifference)} of the best; the dashed line "
        f"is at {exact_percent(found.confidence)}, where the answer counts as clear.",
    ]
    if rest:
        best = sum(one.probability_best for one in rest)
        sentences.append(
            f"Not drawn: {len(rest)} candidates that are ruled out, which hold {percent(best)} of "
            "the probability of being the best together."
        )
    return [*sentences, *describe_noise(subject), *describe_left_out(subject)]
