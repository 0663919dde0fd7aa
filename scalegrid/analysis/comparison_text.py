"""A comparison in words and rows, for people; two sweeps are called A and B throughout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from scalegrid.analysis.agreement import Agreement
from scalegrid.analysis.comparison import Comparison, SharedCandidate, Side
from scalegrid.analysis.differing import SameTrials
from scalegrid.analysis.naming import role_phrase, signed, with_unit
from scalegrid.metric import Measure, measure
from scalegrid.spec import Metric
from scalegrid.util.text import coefficient, percent, plural

Rows = list[dict[str, str]]
ALIKE = 0.5
"""A rank correlation from which on orders are much the same: so are two of three pairs."""

NOISY = 0.7
"""A correlation of estimates, if the orders were equal, below which the noise hides much."""

_NETWORK = ("baseline", "resolution", "flops_factor", "match", "grid")


def verdict(found: Comparison) -> list[str]:
    """Whether both recommend the same network; if not, whether either rules out the other's."""
    a, b = found.a, found.b
    within = with_unit(a.indifference, found.metric)
    if a.indifference != b.indifference:
        within += f" (in B {with_unit(b.indifference, found.metric)})"
    both = f"A ({a.name}) and B ({b.name}) recommend"
    if found.same_network:
        return [
            f"{both} the same network, {_network(a)}. It is good enough, so within {within} of the "
            f"best, with probability {percent(a.good)} in A and {percent(b.good)} in B."
        ]
    return [
        f"{both} different networks. Good enough is within {within} of the best.",
        _elsewhere("A", "B", a),
        _elsewhere("B", "A", b),
    ]


def _elsewhere(own: str, other: str, side: Side) -> str:
    said = f"{own}: {_network(side)}, good enough with probability {percent(side.good)} in {own}"
    if side.good_there is None:
        return f"{said}; it is no candidate of {other}."
    ruled = "rules it out" if side.ruled_out else "does not rule it out"
    return f"{said} and {percent(side.good_there)} in {other}, which {ruled}."


def differing_rows(found: Comparison) -> Rows:
    """What is not the same in both: settings as in ``sweep.yaml``, then facts."""
    return [
        {"differs": key, "A": _shown(key, x), "B": _shown(key, y)}
        for key, (x, y) in found.differing.items()
    ]


def shared_sentences(found: Comparison) -> list[str]:
    """What the sweeps share, and how the differences of their candidates were taken."""
    return [*_shared_sentences(found), *_on_the_baseline(found)]


def _shared_sentences(found: Comparison) -> list[str]:
    lines = [] if found.differing else ["Settings, data, devices, versions and seeds are the same."]
    if found.same_trials is not None:
        lines.append(_same(found.same_trials, found.metric))
    if not found.shared:
        why = [key for key in _NETWORK if key in found.differing]
        reason = f", as {' and '.join(why)} differ{'s' * (len(why) == 1)}" if why else ""
        return [*lines, f"They share no candidate{reason}: values and order cannot be compared."]
    lines.append(
        f"They share {plural(len(found.shared), 'candidate')}; A has {len(found.only_a)} others, B "
        f"{len(found.only_b)}. Ranks are among the shared, in A → in B."
    )
    gap = found.mean_difference
    assert gap is not None
    over = f"In the mean over these B - A is {_gap(gap.mean, gap.low, gap.high, found.metric)}"
    tasks = "" if found.same_data else "; that their data differ is part of it"
    lines.append(f"{over}{tasks}.")
    taken = "Differences are those of the two estimates, taken as independent."
    if found.pairs:
        taken = (
            f"Differences are taken within {found.pairs} pairs of trials of one variant and seed, "
            f"whose noise correlates by {found.noise_in_common:.2f}; they need not be those of the "
            "two estimates."
        )
    lines.append(taken)
    return lines


def _on_the_baseline(found: Comparison) -> list[str]:
    if found.baseline is None:
        return []
    return [
        "The baseline is no candidate and has no rank; its values are means of its trials, and its "
        "interval is by the noise of the candidates'."
    ]


def shared_rows(found: Comparison) -> Rows:
    """The shared candidates, best of A first, then the baseline: values, difference and ranks."""
    one = measure(found.metric)
    scale, unit = one.scale, "%" if one.unit == "share" else one.points
    shared = [*found.shared, *filter(None, [found.baseline])]
    digits = _digits(shared, one) if shared else 0
    return [
        {
            "α β γ": _triple(one),
            "px": str(one.resolution),
            "FLOPs": f"{one.flops_ratio:.2f}×",
            f"A, {unit}": f"{scale * one.a:.{digits}f}",
            f"B, {unit}": f"{scale * one.b:.{digits}f}",
            "B - A": _signed(scale * one.difference, digits),
            "95 %": f"{_signed(scale * one.low, digits)} to {_signed(scale * one.high, digits)}",
            "rank": "–" if one.rank_a is None else f"{one.rank_a}→{one.rank_b}",
        }
        for one in shared
    ]


def _triple(one: SharedCandidate) -> str:
    if one.rank_a is None:
        return "baseline"
    return " ".join(coefficient(value, 2) for value in (one.alpha, one.beta, one.gamma))


def order_sentences(found: Comparison) -> list[str]:
    """Whether the shared candidates are in the same order."""
    if not found.shared:
        return []
    one = found.agreement
    if one is None:
        return ["They are too few, or their estimates too equal, for their order to be compared."]
    if found.pairs and not any(c.low or c.high for c in found.shared):
        return ["Their order confirms nothing, since the same trials are in both."]
    said = f"Order: the rank correlation of the estimates is {one.spearman:.2f} (Spearman's)."
    if found.pairs:
        return [f"{said} The noise that they have in common adds to that."]
    return [
        f"{said} Their reliability is {one.reliability_a:.2f} in A and {one.reliability_b:.2f} in "
        f"B, so that no more than {one.most:.2f} can be expected even of equal orders. The rank "
        f"correlation of the true values is {one.low:.2f} to {one.high:.2f} (95 %): {_agree(one)}."
    ]


def _agree(one: Agreement) -> str:
    if one.low >= ALIKE:
        return "the orders are much the same"
    if one.high < ALIKE:
        return "the orders are not the same"
    noise = "; the estimates are too noisy for more" if one.most < NOISY else ""
    return f"that leaves open whether the orders agree{noise}"


def _same(one: SameTrials, metric: Metric) -> str:
    said = f"Trials with equal descriptions (ids) are in both: {one.trials}"
    if not one.finished:
        return f"{said}, none of which finished in both."
    if one.equal == one.finished:
        return f"{said}; the {one.finished} that finished in both gave the same numbers."
    assert one.mean is not None
    mean = _gap(one.mean, one.low, one.high, metric)
    spread = (
        "" if one.deviation is None else f", standard deviation {with_unit(one.deviation, metric)}"
    )
    return (
        f"{said}; of {one.finished} that finished in both, {one.finished - one.equal} gave other "
        f"numbers: B - A is {mean} in the mean{spread}."
    )


def _network(side: Side) -> str:
    triple = f"α {coefficient(side.alpha)}, β {coefficient(side.beta)}, γ {side.gamma:.3f}"
    name = role_phrase(side.role, side.alpha, side.beta, side.gamma)
    coefficients = f"{name} ({triple})" if name else triple
    return f"{coefficients}, {side.resolution} px"


def _gap(mean: float, low: float | None, high: float | None, metric: Metric) -> str:
    one = measure(metric)

    def text(value: float) -> str:
        if one.unit == "own":
            return signed(value, metric)
        return _signed(one.scale * value, 4 if one.unit == "nats" else 2)

    ends = "" if low is None or high is None else f" ({text(low)} to {text(high)})"
    return f"{text(mean)} {one.points}{ends}"


def _signed(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:+.{digits}f}"


def _digits(shared: Sequence[SharedCandidate], by: Measure) -> int:
    """Decimals: one less where intervals are wide; of a trainer's figure two of the interval."""
    width = by.scale * float(np.median([one.high - one.low for one in shared]))
    if by.unit == "own":
        return max(0, 1 - math.floor(math.log10(width))) if 0 < width < math.inf else 4
    wide, digits = (2.0, 1) if by.unit == "share" else (0.02, 3)
    return digits if width > wide else digits + 1


def _shown(key: str, value: Any) -> str:
    if value is None:
        return "default"
    if value == []:
        return "–"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        whole = len(value) > 2 and all(isinstance(one, int) for one in value)
        if whole and list(value) == list(range(value[0], value[-1] + 1)):
            return f"{value[0]} to {value[-1]}"
        return ", ".join(_shown(key, one) for one in value)
    return str(value)[:12] if key == "data_fingerprint" else str(value)
