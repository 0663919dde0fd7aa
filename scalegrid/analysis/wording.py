"""A recommendation in words and rows, for people."""

from __future__ import annotations

import math

from scalegrid.analysis.candidates import with_unit
from scalegrid.analysis.recommendation import Candidate, Gain, Recommendation
from scalegrid.analysis.sensor import POOR, Sensor
from scalegrid.util.text import coefficient, duration, percent

_NAMES = {"top1": "top-1", "top5": "top-5", "val_loss": "validation loss", "nas": "ACC·(FLOPs/T)^w"}
_ROUNDED = {
    "ceil": " (layers rounded up)",
    "round": " (layers rounded to the nearest)",
    "authors": "",
}
_RIVALS = {
    "depth": "depth alone",
    "width": "width alone",
    "resolution": "resolution alone",
    "paper": "the paper's coefficients",
}


def to_text(recommendation: Recommendation) -> str:
    """The recommendation in sentences, one a line."""
    return "\n".join(sentences(recommendation))


def sentences(recommendation: Recommendation) -> list[str]:
    """What to use, how sure that is, what it gains, what else could be, and what would help."""
    best = recommendation.best
    zone = amount(recommendation, recommendation.indifference)
    lines = [
        f"Recommended: {_name(best)}{_ROUNDED[best.depth_rounding]}, "
        f"{best.flops_ratio:.2f}× FLOPs, {best.resolution} px; "
        f"{_NAMES[recommendation.metric]} {_value(recommendation, best.accuracy)} "
        f"({_value(recommendation, best.low)} to {_value(recommendation, best.high)}).",
        f"It is the best of {len(recommendation.ranking)} candidates with probability "
        f"{percent(best.probability_best)}, and within {zone} of the best with probability "
        f"{percent(best.probability_within_indifference)}.",
        _ties(recommendation),
        *(_gain(recommendation, role, gain) for role, gain in recommendation.gains.items()),
        *_surface(recommendation),
        *sensor_sentences(recommendation.sensor),
        _images(recommendation),
        *recommendation.notes,
        _needed(recommendation),
    ]
    return [line for line in lines if line]


def rows(recommendation: Recommendation) -> list[dict[str, str]]:
    """The ranking as a table, one row a candidate."""
    ties = {candidate.variant for candidate in recommendation.tie_set}
    return [
        {
            "variant": one.variant,
            "role": one.role,
            "α": coefficient(one.alpha),
            "β": coefficient(one.beta),
            "γ": f"{one.gamma:.3f}",
            "px": str(one.resolution),
            "ratio": f"{one.flops_ratio:.3f}×",
            "trials": str(one.trials),
            _NAMES[recommendation.metric]: _value(recommendation, one.accuracy),
            "95 %": f"{_value(recommendation, one.low)} – {_value(recommendation, one.high)}",
            "best": percent(one.probability_best),
            "good enough": percent(one.probability_within_indifference),
            "tie": "yes" if one.variant in ties else "",
        }
        for one in recommendation.ranking
    ]


def sensor_sentences(sensor: Sensor | None) -> list[str]:
    """Noise, spread and reliability of one trial, and what to do where it is poor."""
    if sensor is None:
        return []
    alone, helped = f"{sensor.reliability:.2f}", f"{sensor.helped:.2f}"
    said = (
        f"One trial has a noise of {amount(sensor, sensor.noise)} (standard deviation between "
        f"seeds, {sensor.repeats} degrees of freedom), the candidates a spread of "
        f"{amount(sensor, sensor.spread)}: its reliability is {alone} ({sensor.low:.2f} to "
        f"{sensor.high:.2f}){f', {helped} with the losses' if helped > alone else ''}."
    )
    return [said, _remedy(sensor)] if sensor.poor else [said]


def _remedy(sensor: Sensor) -> str:
    wanted = sensor.noise_wanted
    hours = sensor.hours(2 * sensor.trials)
    cost = "" if hours is None else f" (twice the epochs: {_hours(hours)} for as many trials)"
    other = "another metric (none of those recorded is better)"
    if sensor.better is not None:
        name, reliability = sensor.better
        other = f"{_NAMES[name]} (its reliability is {reliability:.2f})"
    return (
        f"That is poor: below {POOR:g} a trial says more of its seed than of its candidate. The "
        f"noise would have to fall by {percent(1 - wanted / sensor.noise)}, to "
        f"{amount(sensor, wanted)}. Train longer{cost}, on more images, or compare by {other}."
    )


def _hours(hours: float) -> str:
    return f"{duration(3600 * hours)} of one worker"


def amount(found: Recommendation | Sensor, difference: float) -> str:
    """A difference of the metric with its unit."""
    return with_unit(difference, found.metric)


def _name(one: Candidate) -> str:
    return f"α = {coefficient(one.alpha)}, β = {coefficient(one.beta)}, γ = {one.gamma:.3f}"


def _value(recommendation: Recommendation, value: float) -> str:
    return f"{value:.4f}" if recommendation.metric == "val_loss" else f"{100 * value:.2f} %"


def _ties(recommendation: Recommendation) -> str:
    ties = recommendation.tie_set
    if len(ties) == 1:
        return "No other candidate is needed to hold 95 % of the probability of being the best."
    listed = "; ".join(
        f"{coefficient(one.alpha, 2)} {coefficient(one.beta, 2)} {one.gamma:.2f} "
        f"({percent(one.probability_best)})"
        for one in ties
    )
    return f"95 % of the probability of being the best is held by {len(ties)} candidates: {listed}."


def _gain(recommendation: Recommendation, role: str, gain: Gain | None) -> str:
    if gain is None:
        return ""
    if gain.variant == recommendation.best.variant:
        return f"It is the variant of {_RIVALS[role]}."
    loss = recommendation.metric == "val_loss"
    scale, unit, digits = (1.0, "nats", 4) if loss else (100.0, "points", 2)
    middle, low, high = (f"{scale * v:+.{digits}f}" for v in (gain.gain, gain.low, gain.high))
    return (
        f"Gain over {_RIVALS[role]} ({gain.flops_ratio:.2f}×): {middle} {unit} ({low} to {high})."
    )


def _surface(recommendation: Recommendation) -> list[str]:
    errors = recommendation.validation
    if errors.surface is None:
        return [
            "No response surface: the candidates are too few, or their budget shares do not vary."
        ]
    compared = (
        f"cross-validated error {amount(recommendation, errors.surface)}, "
        f"without it {amount(recommendation, errors.plain)}"
    )
    top = recommendation.surface_optimum
    if top is None:
        return [f"The response surface does not fit and is not used: {compared}."]
    letters = {"alpha": "α", "beta": "β", "gamma": "γ"}
    where = [
        f"{letters[name]} = {value:.2f} ({low:.2f} to {high:.2f})"
        for name, value in top.coefficients._asdict().items()
        for low, high in [top.intervals[name]]
        if value == value  # else the network cannot be scaled along that axis
    ]
    return [
        f"The response surface ({compared}) is highest at {', '.join(where)}; the 95 % region "
        f"covers {percent(top.region)} of the {'triangle' if len(where) == 3 else 'edge'}."
    ]


def _images(recommendation: Recommendation) -> str:
    luck = recommendation.luck
    if luck is None:
        return ""
    said = (
        f"A candidate's luck with these {luck.images:,} validation images, which seeds do not "
        f"remove, is {amount(recommendation, math.sqrt(luck.variance))}."
    )
    if recommendation.images_needed is None:
        return said
    return (
        f"{said} The images limit the answer, not the seeds: no number of seeds would make it "
        f"clear, about {recommendation.images_needed:,} images would."
    )


def _needed(recommendation: Recommendation) -> str:
    aim = f"{100 * recommendation.confidence:g} %"
    needed = recommendation.trials_needed
    if needed == 0:
        return f"The answer is clear at {aim}."
    if needed is None and recommendation.images_needed is not None:
        return f"The answer is not clear at {aim}; it takes more validation images."
    if needed is None:
        return f"The answer is not clear at {aim}, and no reasonable number of trials will do."
    sensor = recommendation.sensor
    hours = None if sensor is None else sensor.hours(needed)
    cost = "" if hours is None else f" ({_hours(hours)})"
    more = "one more trial" if needed == 1 else f"about {needed} more trials"
    return f"The answer is not clear at {aim}; {more}{cost} would probably make it so."
