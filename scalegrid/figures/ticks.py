"""Round numbers for axes: few enough to read, whatever the range."""

from __future__ import annotations

import math
from itertools import pairwise

from matplotlib.ticker import MaxNLocator

from scalegrid.figures import style
from scalegrid.figures.labels import text_width

_DECADE_PARTS = ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Up to ``most`` round numbers in [low, high], both positive, for a logarithmic axis.

    Within a factor of four the steps are equal; beyond, the digits repeat in every decade.
    """
    if high < 4 * low:
        steps = MaxNLocator(most - 1, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        ticks = [float(step) for step in steps if low <= step <= high]
    else:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for parts in _DECADE_PARTS:
            ticks = [part * 10.0**decade for decade in decades for part in parts]
            ticks = [tick for tick in ticks if low <= tick <= high]
            if len(ticks) <= most:
                break
    return ticks[:: max(1, math.ceil(len(ticks) / most))]


def labelled_log_ticks(
    low: float, high: float, form: str, width: float
) -> tuple[list[float], list[str]]:
    """As many `log_ticks` as an axis of ``width`` points has room for, and their labels."""
    for most in range(6, 1, -1):
        ticks = log_ticks(low, high, most)
        labels = [form.format(tick) for tick in ticks]
        places = [width * math.log(tick / low) / math.log(high / low) for tick in ticks]
        halves = [text_width(label, style.SMALL) / 2 for label in labels]
        gaps = [b - a for a, b in pairwise(places)]
        needs = [a + b + 4 for a, b in pairwise(halves)]
        if all(gap >= need for gap, need in zip(gaps, needs, strict=True)):
            break
    return ticks, labels


def flops_unit(low: float, high: float) -> tuple[float, str]:
    """The unit for FLOPs from ``low`` to ``high``: its size, and the word for an axis label."""
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if high >= size and low >= 0.1 * size:
            return size, word
    return 1e3, "thousand"


def flops_text(flops: float) -> str:
    """A count of FLOPs in three digits, such as ``390 M``."""
    size, word = flops_unit(flops, flops)
    value = flops / size
    digits = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    number = f"{value:.{digits}f}"
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    letter = "k" if word == "thousand" else word[0].upper()
    return f"{number}\u00a0{letter}"


def ratio_text(ratio: float) -> str:
    """A FLOPs ratio to three digits, such as ``2.13×``; the baseline's own is ``1×``."""
    if ratio == 1:
        return "1×"
    return f"{ratio:.2f}×" if ratio < 9.995 else f"{ratio:.3g}×"
