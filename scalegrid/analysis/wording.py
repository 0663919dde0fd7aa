"""A recommendation in words and rows, for people: the verdict first."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scalegrid.analysis.candidates import sign
from scalegrid.analysis.matched_cost import COSTS, COUNTED, cost_ratio_text, ratio_column
from scalegrid.analysis.naming import (
    metric_name,
    network_name,
    placed_word,
    points,
    range_text,
    role_name,
    signed,
    value_text,
    value_with_unit,
    with_unit,
)
from scalegrid.analysis.recommendation import Candidate, Gain, Recommendation
from scalegrid.analysis.selection import MIN_REPEATS
from scalegrid.analysis.sensor import POOR, Sensor
from scalegrid.coefficients import LIMIT
from scalegrid.metric import measure
from scalegrid.spec import Metric
from scalegrid.util.text import (
    coefficient,
    duration,
    enumerated,
    exact_percent,
    few,
    percent,
    plural,
)

_ROUNDED = {
    "ceil": ", layers rounded up",
    "round": ", layers rounded to the nearest",
    "authors": "",
}
LONGER = 4
"""Times the epochs, where trials like these tell too little."""

_SHOWN = 0.0005  # a difference of accuracies that is seen in a tenth of a per cent
_SHOWN_PART = 0.1  # of the interval: the same of a figure of an unknown unit


def to_text(recommendation: Recommendation, next_step: Sequence[str] = ()) -> str:
    """The recommendation in sentences, one a line."""
    return "\n".join(sentences(recommendation, next_step))


def sentences(recommendation: Recommendation, next_step: Sequence[str] = ()) -> list[str]:
    """Whether it is decided, what to use, what that gains, what to do next; then what it rests on.

    ``next_step`` are the lines of `next_step.next_step`; without them it is said what more trials
    would do.
    """
    then = next_step or [outlook(recommendation)]
    return list(filter(None, [*answer(recommendation), *then, *basis(recommendation)]))


def answer(recommendation: Recommendation) -> list[str]:
    """Whether it is decided, what to use, and what that gains."""
    lines = [
        _decided(recommendation),
        _network(recommendation),
        _placements(recommendation),
        _accuracy(recommendation),
        *(_gain(recommendation, gain) for gain in recommendation.gains.values()),
        _compound(recommendation),
        _advantage(recommendation),
        _not_ruled_out(recommendation),
        *brief_and_long(recommendation),
    ]
    return list(filter(None, lines))


def basis(recommendation: Recommendation) -> list[str]:
    """What the answer rests on: the surface, noise and reliability, images, and notes."""
    lines = [
        _surface(recommendation),
        *sensor_sentences(recommendation.sensor),
        _images(recommendation),
        *recommendation.notes,
    ]
    return list(filter(None, lines))


def outlook(recommendation: Recommendation) -> str:
    """How many more trials would probably decide it, and how long these take; "" if it is.

    Over rungs these are trained from the first to the highest.
    """
    needed, most = recommendation.trials_needed, recommendation.trials_most
    if needed == 0:
        return ""
    images = recommendation.images_needed
    if needed is None and images is not None:
        more = f"more than {images.number:,}" if images.beyond else "more"
        return f"No more trials would decide it, {more} validation images would."
    if needed is None:
        return "No reasonable number of trials like these would decide it."
    times = map(recommendation.pace.seconds, [needed] if most is None else [needed, most])
    spans = [duration(time) for time in times if time is not None]
    time = f", {' to '.join(dict.fromkeys(spans))} at this sweep's pace," if spans else ""
    if most is None:
        cases = "would decide it in half of all cases; nine of ten would take many more"
        return f"{_trials(needed)}{_up_to(recommendation)}{time} {cases}."
    count = _trials(needed) if most == needed else f"{needed} to {_trials(most)}"
    count += _up_to(recommendation)
    return f"{count}{time} would probably decide it."


def rows(recommendation: Recommendation) -> list[dict[str, str]]:
    """The ranking as a table, one row a candidate; `DROPPED` are its columns that tell least."""
    open_ = {candidate.variant for candidate in recommendation.tie_set}
    metric, seen = recommendation.metric, recommendation.repeats > 0
    return [
        {
            "variant": one.variant,
            "role": role_name(one.role, one.alpha, one.beta, one.gamma),
            "α": coefficient(one.alpha),
            "β": coefficient(one.beta),
            "γ": f"{one.gamma:.3f}",
            "px": str(one.resolution),
            ratio_column(recommendation.match): f"{one.cost_ratio:.3f}×",
            "seeds": str(one.trials),
            metric_name(metric): "–" if one.mean is None else value_text(one.mean, metric),
            "estimate": value_text(one.accuracy, metric) if seen else "–",
            "95 %": range_text(one.low, one.high, metric) if seen else "–",
            "best": percent(one.probability_best),
            "good enough": percent(one.probability_within_indifference),
            "not ruled out": "yes" if one.variant in open_ else "",
        }
        for one in recommendation.ranking
    ]


DROPPED = (
    *("variant", "not ruled out", "good enough", *map(ratio_column, COUNTED), "95 %"),
    *("seeds", "role", "estimate"),
)
"""The columns of `rows` that a narrow terminal does without, the first first."""


def sensor_sentences(sensor: Sensor | None) -> list[str]:
    """Noise, spread and reliability of one trial, and what to do where it is poor."""
    if sensor is None:
        return []
    alone, helped = f"{sensor.reliability:.2f}", f"{sensor.helped:.2f}"
    said = (
        f"One trial has a noise of {with_unit(sensor.noise, sensor.metric)} (standard deviation "
        f"between seeds, {sensor.repeats} degrees of freedom), the candidates a spread of "
        f"{with_unit(sensor.spread, sensor.metric)}: its reliability is {alone} ({sensor.low:.2f} "
        f"to {sensor.high:.2f}){f', {helped} with the losses' if helped > alone else ''}."
    )
    return [said, _remedy(sensor)] if sensor.poor else [said]


def amount(found: Recommendation | Sensor, difference: float) -> str:
    """A difference of its metric with the unit."""
    return with_unit(difference, found.metric)


def _remedy(sensor: Sensor) -> str:
    wanted = sensor.noise_wanted
    time = "" if sensor.seconds is None else duration(LONGER * sensor.trials * sensor.seconds)
    cost = f" ({LONGER} times the epochs: {time} for as many trials)" if time else ""
    other = "on more images"
    if sensor.better is not None and sensor.better[1] > sensor.reliability + _CLEARLY:
        name, reliability = sensor.better
        other = f"more images, or compare by {metric_name(name)} (reliability {reliability:.2f})"
    return (
        f"That is poor: below {POOR:g} a trial says more of its seed than of its candidate. The "
        f"noise would have to fall by {percent(1 - wanted / sensor.noise)}, to "
        f"{with_unit(wanted, sensor.metric)}. Train longer{cost}, or {other}."
    )


_CLEARLY = 0.05
"""By how much another metric must be more reliable to be named."""


def _decided(recommendation: Recommendation) -> str:
    """Decided or not; the leader, its chances, and what it was compared with."""
    best, count = recommendation.best, len(recommendation.ranking)
    equal = f" of equal {COSTS[recommendation.match]}" if recommendation.equal_cost else ""
    asked = f"{exact_percent(recommendation.confidence)} asked"
    name = network_name(best.role, best.alpha, best.beta, best.gamma)
    decided = "Decided" if recommendation.trials_needed == 0 else "Not decided"
    good, first = best.probability_within_indifference, best.probability_best
    alone = f", and the best with {percent(first)}" if recommendation.indifference else ""
    return (
        f"{decided}: {name} leads {plural(count, 'candidate')}{equal}{_at(recommendation)}. It is "
        f"{_good_enough(recommendation)} with probability {percent(good)} ({asked}){alone}."
    )


def _good_enough(recommendation: Recommendation) -> str:
    """``within 0.3 points of the best``, or the best where no difference is too small."""
    zone = with_unit(recommendation.indifference, recommendation.metric)
    return f"within {zone} of the best" if recommendation.indifference else "the best"


def _network(recommendation: Recommendation) -> str:
    """The coefficients, all that build the same network, and the network."""
    best = recommendation.best
    scaled = [
        ("α", best.alpha, best.alpha_low, best.alpha_high, "layers"),
        ("β", best.beta, best.beta_low, best.beta_high, "channels"),
    ]
    axes = [_axis(*axis) for axis in scaled if not math.isnan(axis[1])]  # else it cannot be scaled
    axes.append(f"γ = {best.gamma:.3f}")
    ranges = any("(" in axis for axis in axes)
    same = " Coefficients in brackets build the same network, at φ = 1 alone." if ranges else ""
    costs = {"FLOPs": best.flops_ratio, COUNTED[recommendation.match]: best.cost_ratio}
    cost = ", ".join(f"{ratio:.2f}× {name}" for name, ratio in costs.items())
    return (
        f"Its coefficients: {', '.join(axes)}; {best.resolution} px, "
        f"{cost}{_ROUNDED[best.depth_rounding]}.{same}"
    )


def _axis(letter: str, value: float, low: float, high: float, unit: str) -> str:
    """``α = 1.127 (1.000–1.166: no more layers)``, or ``α = 0.500 (≤ 0.500)``."""
    said = f"{letter} = {coefficient(value)}"
    ends = [f"{low if value < 1 else max(low, 1.0):.3f}", f"{high:.3f}"]
    if ends[0] == ends[1]:
        return said
    if low <= 1 / LIMIT or high >= LIMIT:
        return f"{said} ({f'≤ {ends[1]}' if value < 1 else f'≥ {ends[0]}'})"
    none = (
        f": no {'fewer' if value < 1 or low < 1 == high else 'more'} {unit}"
        if low <= 1 <= high
        else ""
    )
    return f"{said} ({'–'.join(ends)}{none})"


def _accuracy(recommendation: Recommendation) -> str:
    """What was measured of the leader, and what is estimated where that differs."""
    best, metric = recommendation.best, recommendation.metric
    measured = "not measured"
    if best.mean is not None:
        seeds = plural(best.trials, "seed")
        measured = f"{value_with_unit(best.mean, metric)} measured ({seeds})"
    said = f"Its {metric_name(metric)}{_at(recommendation)}: {measured}"
    if recommendation.repeats == 0:
        return f"{said}."
    estimate = (
        f"{value_with_unit(best.accuracy, metric)} estimated "
        f"({range_text(best.low, best.high, metric)})"
    )
    if not _lucky(best, metric):
        return f"{said}, {estimate}."
    return f"{said}, {estimate}: what is best of several was lucky too."


def _lucky(best: Candidate, metric: Metric) -> bool:
    """Whether the measured mean is so much better than the estimate that it is seen."""
    if best.mean is None:
        return False
    own = measure(metric).unit == "own"
    shown = _SHOWN_PART * (best.high - best.low) if own else _SHOWN
    return sign(metric) * (best.mean - best.accuracy) >= shown


def _at(recommendation: Recommendation) -> str:
    """At which rung; nothing at the first."""
    return f" at {recommendation.rung}×" if recommendation.rung > 1 else ""


def _briefly(recommendation: Recommendation) -> str:
    """For what is compared at the first rung, where the others are not."""
    return " at 1×" if recommendation.rung > 1 else ""


def brief_and_long(recommendation: Recommendation) -> list[str]:
    """Whether the order of brief trainings is that of long ones, and what that means."""
    found = recommendation.verdict
    if found is None:
        return []
    first, last = found.rungs[0], found.rungs[-1]
    tau = found.taus[0]
    said = {
        True: f"The order held from {first}× to {last}×",
        False: f"The order of {first}× did not hold at {last}×",
        None: f"Whether the order held from {first}× to {last}× is open",
    }[found.held]
    between = "".join(f"; from {one.rung}× {one.mean:.2f}" for one in found.taus[1:])
    name = _named(recommendation, found.variants[found.brief])
    enough = found.good >= recommendation.confidence
    surprising = found.good < 0.5 if found.held else found.held is False and enough
    even_so = "Even so the" if surprising else "The"
    lines = [
        f"{said}: Kendall's τ {tau.mean:.2f} ({tau.low:.2f} to {tau.high:.2f}){between}. "
        f"{even_so} brief leader, {name}, is {_good_enough(recommendation)} at {last}× with "
        f"probability {percent(found.good)}."
    ]
    if found.held is False and not enough:
        lines.append(
            f"Brief trainings mislead here: choose by trainings of {last}× or longer, and do not "
            f"take the order of {first}× for that of longer ones."
        )
    return lines


def _named(recommendation: Recommendation, variant: str) -> str:
    one = next(one for one in recommendation.ranking if one.variant == variant)
    return network_name(one.role, one.alpha, one.beta, one.gamma)


def _placements(recommendation: Recommendation) -> str:
    """Whether it matters where layers go; nothing where the plan does not try."""
    found, metric = recommendation.placements, recommendation.metric
    if not found:
        return ""
    zone, said = recommendation.indifference, []
    for one in found:
        gain, low, high = (signed(v, metric) for v in (one.gain, one.low, one.high))
        costs = [cost_ratio_text(r, recommendation.match) for r in (one.cost_ratio, one.even_cost)]
        at = "" if one.equal_cost else f", at {' against '.join(costs)}"
        said.append(
            f"{placed_word(one.placement)} {gain} ({low} to {high}, better with probability "
            f"{percent(one.probability)}{at})"
        )
    name = network_name("grid", found[0].alpha, found[0].beta, found[0].gamma)
    verdict = "is open"
    if recommendation.repeats < MIN_REPEATS:
        verdict = "is open, as few seeds say little"
    elif any(one.low > 0 or one.high < 0 for one in found):
        verdict = "matters"
    elif all(-zone <= one.low and one.high <= zone for one in found):
        verdict = f"does not matter (less than {with_unit(zone, metric)})"
    unit = points(metric)
    change = "removed" if found[0].cost_ratio < 1 else "added"
    return (
        f"Whether layers are {change} early, evenly or late{_briefly(recommendation)} {verdict}: "
        f"over evenly ({name}), {' and '.join(said)}, in {unit}."
    )


def _not_ruled_out(recommendation: Recommendation) -> str:
    """The other candidates that may well be the best."""
    best = recommendation.best.variant
    others = [
        f"{network_name(one.role, one.alpha, one.beta, one.gamma)} "
        f"({percent(one.probability_best)})"
        for one in recommendation.tie_set
        if one.variant != best
    ]
    return f"Not ruled out as the best: {few(others)}." if others else ""


def _gain(recommendation: Recommendation, gain: Gain | None) -> str:
    if gain is None or gain.variant == recommendation.best.variant:
        return ""
    metric = recommendation.metric
    unit = points(metric)
    middle, low, high = (signed(v, metric) for v in (gain.gain, gain.low, gain.high))
    name = network_name(gain.role, gain.alpha, gain.beta, gain.gamma)
    briefly = _briefly(recommendation) if gain.rung < recommendation.rung else ""
    how = f", as measured{briefly}" if gain.measured else ""
    if not gain.measured and gain.rung < recommendation.rung:
        how = f", estimated, since it was trained to {gain.rung}× only"
    cost = cost_ratio_text(gain.cost_ratio, recommendation.match)
    return f"Gain over {name} ({cost}{how}): {middle} {unit} ({low} to {high})."


def _compound(recommendation: Recommendation) -> str:
    """How probably the best scales several axes, beside how many of the candidates do."""
    chance = recommendation.probability_compound
    if chance is None:
        return ""
    several, every = len(recommendation.compound), len(recommendation.ranking)
    equal = f" of equal {COSTS[recommendation.match]}" if recommendation.equal_cost else ""
    return (
        f"The best of the {every} candidates{equal} is one that scales several axes, as {several} "
        f"of them do, with probability {percent(chance)}."
    )


def _advantage(recommendation: Recommendation) -> str:
    """By how much compound scaling beats the best single axis at each φ, and whether that grows."""
    found, metric = recommendation.advantage, recommendation.metric
    if found is None:
        return ""

    name = network_name("compound", *found.coefficients)
    left_out = f"; left out: {few(found.left_out)}" if found.left_out else ""
    if not found.at:
        return f"The advantage of compound scaling ({name}) over single axes is open{left_out}."
    unit = points(metric)
    phis = [
        f"{signed(one.advantage, metric)} {unit} at φ = {one.phi:g} "
        f"({signed(one.low, metric)} to {signed(one.high, metric)})"
        for one in found.at
    ]
    grows = " is"
    if slope := found.slope:
        fewer = "" if len(slope.axes) == 3 else f" (of {enumerated(slope.axes)})"
        grows = (
            f"{fewer} changes by {signed(slope.mean, metric)} {unit} per unit of φ "
            f"({signed(slope.low, metric)} to {signed(slope.high, metric)}; it grows with "
            f"probability {percent(slope.probability)}):"
        )
    return (
        f"The advantage of compound scaling ({name}) over the best single "
        f"axis{_briefly(recommendation)}{grows} {', '.join(phis)}{left_out}."
    )


def _surface(recommendation: Recommendation) -> str:
    """Where a response surface is highest, if it is used and that says anything."""
    top, errors = recommendation.surface_optimum, recommendation.validation
    if top is None or errors.surface is None or top.vague:
        return ""
    letters = {"alpha": "α", "beta": "β", "gamma": "γ"}
    where = [
        f"{letters[name]} = {value:.2f} ({low:.2f} to {high:.2f})"
        for name, value in top.coefficients._asdict().items()
        for low, high in [top.intervals[name]]
        if value == value  # else the network cannot be scaled along that axis
    ]
    return (
        f"A response surface (cross-validated error "
        f"{with_unit(errors.surface, recommendation.metric)}, without it "
        f"{with_unit(errors.plain, recommendation.metric)}) is highest at {', '.join(where)}; the "
        f"95 % region covers {percent(top.region)} of the "
        f"{'triangle' if len(where) == 3 else 'edge'}"
        f"{' and of what candidates span beyond it' if top.searched.beyond else ''}."
    )


def _images(recommendation: Recommendation) -> str:
    luck = recommendation.luck
    if luck is None:
        return ""
    said = (
        f"A candidate's luck with these {luck.images:,} validation images, which seeds do not "
        f"remove, is {with_unit(math.sqrt(luck.variance), recommendation.metric)}."
    )
    needed = recommendation.images_needed
    if needed is None:
        return said
    return (
        f"{said} The images limit the answer, not the seeds: no number of seeds would make it "
        f"clear, {'more than' if needed.beyond else 'about'} {needed.number:,} images would."
    )


def _up_to(recommendation: Recommendation) -> str:
    return f" up to {recommendation.rung}×" if recommendation.rung > 1 else ""


def _trials(count: int) -> str:
    return "One more trial" if count == 1 else f"{count} more trials"
