"""Diminishing returns in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from scalegrid.family.returns import BASELINE, Returns
from scalegrid.util.text import count

_FAR = 30  # doublings: a thousand million times the FLOPs


def title(found: Returns) -> str:
    """What a family is called; compound scaling by others than the recommended coefficients too."""
    return "compound" if found.family == "grid" else found.family


def answer(found: Returns) -> str:
    """From where on a doubling gives less than the threshold by the curve, as a sentence."""
    doubling, worth = "by the curve a doubling of the FLOPs gives", points(found.threshold)
    beyond, reach, (low, high) = found.beyond.mid, found.reach, map(_end, found.beyond[1:])
    if beyond < 0:
        surely = f"the φ beyond which it does: 95 % interval up to {high}"
        if found.beyond.high < 0:
            surely = "with a probability above 97 %"
        return f"{doubling} less than {worth} already at {_smallest(found)} ({surely})."
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


def level(found: Returns) -> str:
    """What accuracy the curve levels off at, and how far sizes are off it, as a sentence."""
    top, sizes = found.top, ""
    if found.off == found.off:
        sizes = f", and sizes are off it by {found.off:.2f} points beyond their errors"
    ends = f"{top.low:.1f} – {top.high:.1f}"
    return f"The curve levels off at {top.mid:.1f} % ({ends}){sizes}."


def basis(found: Sequence[Returns]) -> list[str]:
    """What numbers mean and rest on, as sentences."""
    return [
        f"φ counts doublings of the FLOPs of {_smallest(found[0])}. Points are per doubling: "
        f"between neighbours, and by the slope of the curve at each size. Curves are {CURVES}. ± "
        "and brackets are 95 % intervals.",
        *dict.fromkeys(one.errors for one in found),
    ]


def _smallest(found: Returns) -> str:
    name = found.sizes[0].name
    return f"{'the ' if name == BASELINE else ''}{name}, the smallest size"


CURVES = "A − B·2^(−cφ) and A − B/(1 + cφ), averaged by how well they fit"


def points(number: float) -> str:
    """``1 point``, ``0.5 points``."""
    return f"{number:g} point{'' if number == 1 else 's'}"


def _end(phi: float) -> str:
    return "below 0" if phi < 0 else f"above {_FAR}" if phi > _FAR else f"{phi:.2f}"
