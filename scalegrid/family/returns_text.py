"""Diminishing returns in sentences."""

from __future__ import annotations

from scalegrid.family.returns import Returns
from scalegrid.util.text import count

_FAR = 30  # doublings: a thousand million times the FLOPs


def answer(found: Returns) -> str:
    """From where on a doubling gives less than the threshold by the curve, as a sentence."""
    doubling, worth = "by the curve a doubling of the FLOPs gives", points(found.threshold)
    beyond, reach, (low, high) = found.beyond.mid, found.reach, map(_end, found.beyond[1:])
    if beyond < 0:
        return (
            f"{doubling} less than {worth} already at {found.sizes[0].name}, the smallest size "
            f"(95 % interval of the φ beyond which it does: {low} – {high})."
        )
    if beyond > _FAR:
        return f"{doubling} {worth} or more at all sizes, and no end is in sight ({low} – {high})."
    flops = f"{count(found.flops_at(beyond))} FLOPs"
    if beyond > reach:
        return (
            f"{doubling} {worth} or more at all sizes, up to φ = {reach:.2f}; extrapolated, less "
            f"beyond φ = {beyond:.2f} ({low} – {high}), at {flops}."
        )
    after = sum(size.phi <= beyond for size in found.sizes)
    names = [size.name for size in found.sizes][after - 1 : after + 1]
    where = f"between {' and '.join(names)}" if len(names) > 1 else f"at {names[0]}"
    extrapolated = f", extrapolated beyond {reach:.2f}" if found.beyond.high > reach else ""
    return (
        f"{doubling} less than {worth} beyond φ = {beyond:.2f} ({low} – {high}{extrapolated}), at "
        f"{flops}, {where}."
    )


def basis(found: Returns) -> list[str]:
    """What the answer rests on, as sentences."""
    top, sizes = found.top, ""
    if found.off == found.off:
        sizes = f", and sizes are off it by {found.off:.2f} points beyond their errors"
    return [
        f"φ counts doublings of the FLOPs of {found.sizes[0].name}. Points are per doubling: "
        f"between neighbours, and by the slope at each size of {CURVES}. The curve levels off at "
        f"A = {top.mid:.1f} % ({top.low:.1f} – {top.high:.1f}){sizes}. ± and brackets are 95 % "
        "intervals.",
        found.errors,
    ]


CURVES = "A − B·2^(−cφ) and A − B/(1 + cφ), averaged by how well they fit"


def points(number: float) -> str:
    """``1 point``, ``0.5 points``."""
    return f"{number:g} point{'' if number == 1 else 's'}"


def _end(phi: float) -> str:
    return "below 0" if phi < 0 else f"above {_FAR}" if phi > _FAR else f"{phi:.2f}"
