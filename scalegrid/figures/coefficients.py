"""What is known of α, β and γ, and what that leaves of the multipliers at larger φ.

Two things are drawn for each, which are not the same. The trials leave open which coefficient is
best: that is the posterior. And rounding gives all coefficients of a range the network that is
recommended, though at larger φ they give different ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend_handler import HandlerLine2D
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from scalegrid.analysis import Tables
from scalegrid.analysis.observations import Floats
from scalegrid.analysis.region import spacing
from scalegrid.analysis.selection import tie_set
from scalegrid.coefficients import LIMIT, Coefficients, Shares, from_shares, paper
from scalegrid.figures import style
from scalegrid.figures.captions import describe_left_out, describe_noise
from scalegrid.figures.labels import fix_layout, label_log_axis, separate
from scalegrid.figures.means import coefficients_text
from scalegrid.figures.subject import Drawing, Subject
from scalegrid.figures.text import text_width
from scalegrid.util.text import plural

PHI = 4
"""The largest compound coefficient that multipliers are drawn for."""

_LETTERS = {
    "alpha": ("α", "depth", "d"),
    "beta": ("β", "width", "w"),
    "gamma": ("γ", "resolution", "r"),
}
_BINS = 40  # of the posterior, from 1 to the coefficient that spends the whole budget alone
_WIDTH, _HEIGHT = 82.0, 45.0  # of panels in points, for the labels of ticks
_NUMBERS = 0.08  # of the figure's width, beside the fans, at least
# Heights of what is below the posterior, over its own.
_INTERVAL, _SAME, _PAPER, _BOTTOM = -0.13, -0.32, -0.51, -0.66


@dataclass(frozen=True)
class Known:
    """What is known of one coefficient.

    ``values`` (k,) are what the best one may be, with probability ``chance`` (k,); the smallest set
    that holds 95 % reaches from ``low`` to ``high``. The recommended network's is ``best``, and any
    from ``same_low`` to ``same_high`` builds the same; both are ``best`` where no range is known.
    Where that range has no end, it is drawn as far as the values go, and is ``endless``.
    ``spacing`` is that of the shares behind the values.
    """

    name: str
    values: Floats
    chance: Floats
    low: float
    high: float
    best: float
    same_low: float
    same_high: float
    spacing: float
    endless: bool

    @property
    def rounded(self) -> bool:
        """Whether other coefficients build the recommended network too."""
        return self.same_high > self.same_low


def draw(tables: Tables) -> Drawing:
    """Draw for each of α, β, γ the posterior of the best one, and its powers from φ = 0 to `PHI`.

    A coefficient by which the network cannot be scaled has no panels.

    Raises:
        UserError: no candidate has a finished trial.
    """
    subject = Subject.of(tables)
    known = what_is_known(subject)
    longest = max(text_width(text, style.FINE) for one in known for text in _numbers(one))
    room = max(_NUMBERS, (longest + 4) / (72 * style.COLUMN))
    layout = ConstrainedLayoutEngine(rect=(0, 0, 1 - room, 1))
    figure = Figure(figsize=(style.COLUMN, 0.6 + 1.05 * len(known)), layout=layout)
    panels = figure.subplots(len(known), 2, squeeze=False, width_ratios=(1, 1.1))
    for one, (left, right) in zip(known, panels, strict=True):
        _draw_posterior(left, subject, one)
        _draw_fan(right, subject, one)
    panels[0, 0].set_title("Coefficient")
    panels[0, 1].set_title("Multiplier at φ")
    panels[-1, 1].set_xlabel("Compound coefficient, φ", labelpad=1)
    _add_legend(figure, subject, rounded=any(one.rounded for one in known))
    fix_layout(figure)
    for one, (_, right) in zip(known, panels, strict=True):
        _write_numbers(right, one)
    return Drawing(figure, _caption(subject, known))


def what_is_known(subject: Subject) -> list[Known]:
    """What is known of each coefficient by which the network can be scaled.

    The best one is that of the response surface's top where the surface is used and not vague,
    else of the best candidate.
    """
    found, top, step = subject.found, subject.estimates.top(), 1 / _BINS
    optimum = found.surface_optimum
    if top is None or optimum is None or optimum.vague:
        candidates = found.ranking
        points = np.array([[one.alpha, one.beta, one.gamma] for one in candidates])
        chance = np.array([one.probability_best for one in candidates])
    else:
        mesh, chance = top
        points = np.array([from_shares(Shares(*at), _factor(subject)) for at in mesh.tolist()])
        step = spacing(_BINS, optimum.searched)
    inside, best = points[tie_set(chance)], found.best
    known = []
    for at, name in enumerate(Coefficients._fields):
        own = float(getattr(best, name))
        if own == own:
            low, high = (float(getattr(best, f"{name}_{end}", own)) for end in ("low", "high"))
            span = float(inside[:, at].min()), float(inside[:, at].max())
            if own > 1 or (own == 1 and _factor(subject) > 1):
                low = max(low, 1.0)
            else:
                high = min(high, 1.0)
            endless = low <= 1 / LIMIT or high >= LIMIT
            if endless:
                low, high = max(low, min(own, span[0])), min(high, max(own, span[1]))
            known.append(Known(name, points[:, at], chance, *span, own, low, high, step, endless))
    return known


def _by_surface(subject: Subject) -> bool:
    optimum = subject.found.surface_optimum
    return optimum is not None and not optimum.vague


def _factor(subject: Subject) -> float:
    return float(subject.spec.get("flops_factor", 2.0))


def _paper(subject: Subject) -> dict[str, float]:
    return paper(_factor(subject))._asdict()


def _draw_posterior(axes: Axes, subject: Subject, known: Known) -> None:
    """Draw the posterior, and below it its interval, the range of rounding, and the paper's."""
    edges = _edges(known, _factor(subject))
    heights, _ = np.histogram(known.values, edges, weights=known.chance)
    axes.stairs(heights / heights.max(), edges, fill=True, gid="posterior", **_grey())
    axes.plot(
        [known.low, known.high],
        [_INTERVAL, _INTERVAL],
        color=style.neutral(0.7),
        linewidth=1.2,
        marker="s",
        markersize=0.6,
        gid="interval",
    )
    if known.rounded:
        ends = [known.same_low, known.same_high]
        axes.plot(ends, [_SAME, _SAME], marker="|", gid="same", **_bracket(subject))
    style.mark(axes, known.best, _SAME, subject.role(subject.best))
    axes.plot(_paper(subject)[known.name], _PAPER, gid="paper", **_cross())
    axes.set_ylim(_BOTTOM, 1.05)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    letter, axis, _ = _LETTERS[known.name]
    axes.set_xlabel(f"{letter} ({axis})", labelpad=1)
    beyond = (edges[1] / edges[0]) ** 1.5
    _set_log(axes, "x", edges[0] / beyond, edges[-1] * beyond, _WIDTH)


def _edges(known: Known, factor: float) -> Floats:
    """Edges of bins with the points of the surface's mesh in their middles."""
    step = abs(np.log(factor)) * known.spacing / (1 if known.name == "alpha" else 2)
    ends = np.log([*known.values, known.best, known.same_low, known.same_high]) / step
    whole = (0, 1 / known.spacing) if factor > 1 else (-1 / known.spacing, 0)
    first, last = np.rint([min(ends.min(), whole[0]), max(ends.max(), whole[1])])
    edges: Floats = np.exp(step * (np.arange(first, last + 2) - 0.5))
    return edges


def _grey() -> dict[str, Any]:
    return {"facecolor": style.neutral(0.3), "edgecolor": style.neutral(0.7), "linewidth": 0.5}


def _cross() -> dict[str, Any]:
    """The paper's coefficients, as on the triangle."""
    look = {"color": style.ink(), "marker": "x", "markersize": 4.5, "markeredgewidth": 0.9}
    return {**look, "linestyle": "none"}


def _bracket(subject: Subject) -> dict[str, Any]:
    """How the range of rounding is drawn, its caps aside."""
    colour = style.look(subject.role(subject.best)).colour
    return {"color": colour, "linewidth": 1.2, "markersize": 5, "markeredgewidth": 1.0}


def _draw_fan(axes: Axes, subject: Subject, known: Known) -> None:
    """Draw the powers of the interval's ends, of the range of rounding, and of the recommended."""
    phi = np.linspace(0, PHI, 50)
    low, high = known.low**phi, known.high**phi
    axes.fill_between(phi, low, high, facecolor=style.neutral(0.18), edgecolor="none")
    for end in (low, high):
        axes.plot(phi, end, color=style.neutral(0.7), linewidth=0.7, gid="fan")
    role = subject.role(subject.best)
    axes.plot(phi, known.best**phi, color=style.look(role).colour, linewidth=1.2, gid="line")
    for at in range(1, PHI + 1):
        if known.rounded:
            ends = [known.same_low**at, known.same_high**at]
            axes.plot([at, at], ends, marker="_", gid="same", **_bracket(subject))
        style.mark(axes, at, known.best**at, role)
    style.mark(axes, 0, 1, "baseline")
    letter, _, multiplier = _LETTERS[known.name]
    axes.set_ylabel(f"{multiplier} = {letter}ᵠ", labelpad=3)
    axes.set_xticks(range(PHI + 1))
    reach = [1.0, *(end**PHI for end in (known.low, known.high, known.same_low, known.same_high))]
    part = (max(reach) / min(reach)) ** 0.1 if max(reach) > min(reach) else 1.1
    _set_log(axes, "y", min(reach) / part, max(reach) * part, _HEIGHT)


def _set_log(axes: Axes, which: str, low: float, high: float, length: float) -> None:
    """Make an axis logarithmic, with round ticks that have room on its length in points."""
    axes.set(**{f"{which}scale": "log", f"{which}lim": (low, high)})
    label_log_axis(axes.xaxis if which == "x" else axes.yaxis, low, high, length)


def _write_numbers(axes: Axes, known: Known) -> None:
    """Write the multipliers at the largest φ beside the fan, those of the posterior fainter."""
    numbers = _numbers(known)
    heights = [float(axes.transData.transform((PHI, end))[1]) for end, _ in numbers.values()]
    pixel, box = axes.figure.dpi / 72, axes.get_window_extent()
    moved = separate(heights, 6.8 * pixel, box.y0, box.y1)
    for (number, (_, opacity)), y in zip(numbers.items(), moved, strict=True):
        axes.annotate(
            number,
            (1, (y - box.y0) / box.height),
            (2, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=style.FINE,
            color=style.neutral(opacity),
            va="center",
            annotation_clip=False,
        )


def _numbers(known: Known) -> dict[str, tuple[float, float]]:
    """The multipliers at the largest φ and their opacities, by their texts."""
    ends = {end**PHI: 0.7 for end in (known.low, known.high)}
    ends |= {end**PHI: 1.0 for end in (known.same_low, known.same_high, known.best)}
    return {_number(end): (end, opacity) for end, opacity in ends.items()}


def _number(multiplier: float) -> str:
    return f"{multiplier:.3g}"


def _add_legend(figure: Figure, subject: Subject, *, rounded: bool) -> None:
    bracket = Line2D([], [], marker="|", label="Same network, by rounding", **_bracket(subject))
    style.legend_outside(
        figure,
        [
            Patch(label="Posterior of the best, 95 %", **_grey()),
            *([bracket] if rounded else []),
            style.legend_entry(subject.role(subject.best), label="Recommended"),
            style.legend_entry("baseline"),
            Line2D([], [], label="Paper's coefficients", **_cross()),
        ],
        handler_map={bracket: HandlerLine2D(numpoints=2)},
        ncols=2,
    )


def _caption(subject: Subject, known: Sequence[Known]) -> list[str]:
    found, letters = subject.found, [_LETTERS[one.name][0] for one in known]
    what = "where the response surface is highest"
    if not _by_surface(subject):
        what = f"which of {plural(len(found.ranking), 'candidate')} is the best"
    best = coefficients_text(subject.row(found.best.variant))
    sentences = [
        f"What is known of {', '.join(letters)}, and the multipliers that they give at φ.",
        f"Grey: the posterior of {what}; the line below it and the fan reach as far as the "
        "smallest set that holds 95 %.",
        f"Coloured: the recommended network ({best}).",
    ]
    if ranges := [_LETTERS[one.name][0] for one in known if one.rounded]:
        sentences.append(
            f"A bar with caps is the range of {' or '.join(ranges)} that builds this very network "
            "at φ = 1, by rounding; at larger φ its coefficients build different ones."
        )
    if found.surface_optimum is not None and not _by_surface(subject):
        sentences.append("The response surface leaves the coefficients open, and is not drawn.")
    return [
        *sentences,
        f"At φ = {PHI}: {'; '.join(map(_in_words, known))}.",
        f"They are not free of each other: α·β²·γ² is about {_factor(subject):g}.",
        f"Crosses: the paper's coefficients ({coefficients_text(_paper(subject))}).",
        *describe_noise(subject),
        *describe_left_out(subject),
    ]


def _in_words(known: Known) -> str:
    """At the largest φ: ``d = 1.85 (95 % 1 to 5.1, the same network 1.8 to 2.4)``."""
    low, high, best = (_number(end**PHI) for end in (known.same_low, known.same_high, known.best))
    ends = f"{low} to {high}"
    if known.endless:
        ends = f"{high} or less" if known.best < 1 else f"{low} or more"
    same = f", the same network {ends}" if known.rounded else ""
    span = f"95 % {_number(known.low**PHI)} to {_number(known.high**PHI)}"
    return f"{_LETTERS[known.name][2]} = {best} ({span}{same})"
