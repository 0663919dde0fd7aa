"""The sweeps of docs/study.md side by side: ``python -m benchmarks.study``.

Nothing is trained: the published sweeps are read, and their answers printed as the page has them.
``--picture FILE`` draws their recommended networks on the triangle of budget shares, and on
another those of earlier sweeps.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.selection_worlds import PUBLISHED
from scalegrid.analysis import Candidate, Gain, Recommendation
from scalegrid.coefficients import PAPER
from scalegrid.figures import style
from scalegrid.figures.subject import Subject
from scalegrid.figures.ternary import SHARES, ternary
from scalegrid.report.ways import ways
from scalegrid.results import SweepTables, load_sweep
from scalegrid.util.text import markdown, percent

STUDIES = {
    "nano on CIFAR-10": "study-nano",
    "MobileNetV2 on clothing, 64 px": "study-mobilenetv2",
    "ResNet-14 on CIFAR-10": "study-resnet",
    "B0 on leaves": "study-b0",
}
"""What each published study is called on the page; their specifications are in ``sweeps/``."""

BEFORE = {
    "nano on CIFAR-10, 30,000 images": "nano-cifar10-32",
    "nano on CIFAR-10, 210,000 images": "fidelity-nano-cifar10",
    "nano on leaves": "nano-leaves-32",
    "MobileNetV2 on clothing": "mobilenetv2-clothing-36",
    "B0 on leaves, eight seeds": "b0-leaves-36",
}
"""The earlier published sweeps, of about as many seeds for each candidate."""

_LOOKS = (  # markers, and colours that colour-blind readers tell apart (Okabe and Ito, one of Tol)
    ("o", "#0072b2"),
    ("D", "#cc79a7"),
    ("s", "#56b4e9"),
    ("P", "#882255"),
    ("v", "#009e73"),
    ("^", "#d55e00"),
    ("X", "#e69f00"),
    ("<", "#666666"),
    (">", "#222222"),
)

_LARGE, _SMALL, _SMALLER = 80, 36, 2.0  # square points: filled, hollow; and of the next on top
_NEAR = 0.04  # shares in which marks are on top of each other
_SIDE, _LEFT, _BELOW, _ABOVE, _LINE = 2.1, 0.62, 0.3, 2.4, 0.135  # of the triangle, in inches


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the page's tables; draw its picture if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study", description=__doc__)
    parser.add_argument("--results", type=Path, default=PUBLISHED, help="folder of the sweeps")
    parser.add_argument("--picture", type=Path, help="file to draw, .svg or .png")
    options = parser.parse_args(arguments)
    groups = [load(names, options.results) for names in (STUDIES, BEFORE)]
    for studies in groups:
        print(markdown(side_by_side(studies)) + "\n")
        for name, tables in studies.items():
            print(f"{name}\n\n{markdown(ways(Subject(tables)))}\n")
    if options.picture:
        with style.context():
            draw(*groups).savefig(options.picture)


def load(names: Mapping[str, str], results: Path = PUBLISHED) -> dict[str, SweepTables]:
    """The sweeps of ``names`` that are there."""
    there = {name: sweep for name, sweep in names.items() if (results / sweep).exists()}
    return {name: load_sweep(sweep, results) for name, sweep in there.items()}


def side_by_side(studies: Mapping[str, SweepTables]) -> list[dict[str, str]]:
    """A row for each question, a column for each study."""
    answers = {name: _answers(tables) for name, tables in studies.items()}
    questions = list(next(iter(answers.values()))) if answers else []
    return [{"": q, **{name: one[q] for name, one in answers.items()}} for q in questions]


def _answers(tables: SweepTables) -> dict[str, str]:
    found = tables.recommend()
    best = found.best
    finished = tables.trials[tables.trials["status"] == "finished"]
    several = found.probability_compound
    axes = [one for role in ("depth", "width", "resolution") if (one := found.gains[role])]
    nearest = min(axes, key=lambda gain: gain.gain, default=None)
    return {
        "candidates of equal cost": str(len(found.ranking)),
        "trials": f"{len(finished):,}",
        "longest trainings, images": f"{finished['images'].max():,.0f}",
        "recommended α, β, γ": f"{best.alpha:.2f}, {best.beta:.2f}, {best.gamma:.2f}",
        "its top-1": _accuracy(best, found),
        "within 0.3 points of the best": percent(best.probability_within_indifference),
        "the best scales several axes": "–" if several is None else percent(several),
        "of the candidates do": f"{len(found.compound)} of {len(found.ranking)}",
        "gain over the best single axis": _gain(nearest, found),
        "gain over the paper's triple": _gain(found.gains["paper"], found),
        "gain over the baseline": _gain(found.gains["baseline"], found),
        "gain over the best axis at more FLOPs, trained briefly": _at_most_flops(found),
        "order kept, τ": _kept(found),
    }


def _accuracy(best: Candidate, found: Recommendation) -> str:
    if not found.repeats and best.mean is not None:  # as `recommend` has it then
        return f"{100 * best.mean:.1f} % (one seed)"
    return f"{100 * best.accuracy:.1f} % ({100 * best.low:.1f}–{100 * best.high:.1f})"


def _gain(gain: Gain | None, found: Recommendation) -> str:
    if gain is None:
        return "–"
    if gain.variant == found.best.variant:
        return "it is one"
    middle, low, high = (f"{100 * v:+.1f}" for v in (gain.gain, gain.low, gain.high))
    as_said = gain.role == "baseline" or abs(gain.cost_ratio / 2 - 1) < 0.03
    notes = [] if as_said else [f"of {gain.flops_ratio:.2f}×"]
    if gain.rung < found.rung:
        notes += ["trained briefly" if gain.measured else f"estimated from {gain.rung}×"]
    return f"{middle} ({', '.join([f'{low} to {high}', *notes])})"


def _at_most_flops(found: Recommendation) -> str:
    further = [one for one in found.advantage.at if one.phi > 1] if found.advantage else []
    if not further:
        return "–"
    last = max(further, key=lambda one: one.phi)
    middle, low, high = (f"{100 * v:+.1f}" for v in (last.advantage, last.low, last.high))
    return f"{middle} ({low} to {high}) at {2**last.phi:.3g}×"


def _kept(found: Recommendation) -> str:
    if (verdict := found.verdict) is None:
        return "–"
    first = verdict.taus[0]
    return f"{first.mean:.2f} ({first.low:.2f} to {first.high:.2f}), 1× to {found.rung}×"


def draw(*groups: Mapping[str, SweepTables]) -> Figure:
    """The networks that can still be the best of each study, on one triangle a group."""
    legend = _LINE * (2 + max(map(len, groups)))
    figure = Figure(figsize=(style.COLUMN * len(groups), _ABOVE + legend))
    looks = iter(_LOOKS)
    paper = ("x", style.ink())
    for column, studies in enumerate(groups):
        panel = ternary(figure, style.COLUMN * column + _LEFT, legend + _BELOW, _SIDE)
        entries = []
        marked: list[pd.Series[float]] = []
        for name, tables in studies.items():
            look = next(looks)
            _mark_candidates(panel, tables, look, marked)
            entries.append(_entry(name, look))
        _mark(panel, pd.Series(PAPER.shares()), paper, 20, filled=True, layer=len(marked))
        entries.append(_entry("α {}, β {}, γ {}".format(*PAPER), paper))
        figure.legend(
            handles=entries,
            loc="upper center",
            bbox_to_anchor=((column + 0.5) / len(groups), legend / figure.get_figheight()),
            borderpad=0.2,
            handletextpad=0.4,
        )
    return figure


def _mark_candidates(
    panel: Any, tables: SweepTables, look: tuple[str, str], marked: list[pd.Series[float]]
) -> None:
    """Mark those that are not ruled out, smaller where others are ``marked``, and add them."""
    rows = tables.planned.set_index("variant")[list(SHARES)]
    for rank, one in enumerate(tables.recommend().tie_set):
        shares = rows.loc[one.variant]
        below = sum(float(((shares - other) ** 2).sum()) < _NEAR**2 for other in marked)
        size = (_SMALL if rank else _LARGE) / _SMALLER**below
        _mark(panel, shares, look, size, filled=not rank, layer=len(marked))
        marked.append(shares)


def _mark(
    panel: Any,
    shares: pd.Series[float],
    look: tuple[str, str],
    size: float,
    *,
    filled: bool,
    layer: int,
) -> None:
    marker, colour = look
    panel.scatter(
        *([share] for share in shares),
        marker=marker,
        s=size,
        color=colour if filled else "none",
        **({} if marker == "x" else {"edgecolor": style.ink() if filled else colour}),
        linewidth=1.2 if marker == "x" else 0.5 if filled else 0.9,
        clip_on=False,
        zorder=3 + layer / 1000,
    )


def _entry(label: str, look: tuple[str, str]) -> Line2D:
    marker, colour = look
    return Line2D([], [], linestyle="none", marker=marker, color=colour, markersize=4, label=label)


if __name__ == "__main__":
    main()
