"""Text in figures: its width, and numbers to three digits."""

from __future__ import annotations

import math

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path


def text_width(text: str, size: float) -> float:
    """The printed width of ``text`` in points."""
    font = FontProperties(size=size)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width)


def flops_unit(low: float, high: float) -> tuple[float, str]:
    """The unit for FLOPs from ``low`` to ``high``: its size, and the word for an axis label."""
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if high >= size and low >= 0.1 * size:
            return size, word
    return 1e3, "thousand"


def flops_text(flops: float) -> str:
    """A count of FLOPs to three digits, such as ``390 M``."""
    size, word = flops_unit(flops, flops)
    value = flops / size
    digits = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    number = f"{value:.{digits}f}"
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    letter = "k" if word == "thousand" else word[0].upper()
    return f"{number}\u00a0{letter}"


def ratio_text(ratio: float) -> str:
    """A FLOPs ratio to three digits, such as ``2.13×``; that of the baseline is ``1×``."""
    if ratio == 1:
        return "1×"
    return f"{ratio:.2f}×" if ratio < 9.995 else f"{ratio:.3g}×"


def bytes_unit(low: float, high: float) -> tuple[float, str]:
    """The unit for bytes from ``low`` to ``high``, as `flops_unit`, and its symbol."""
    size, word = flops_unit(low, high)
    return size, {"trillion": "TB", "billion": "GB", "million": "MB", "thousand": "kB"}[word]


def seconds_unit(low: float, high: float) -> tuple[float, str]:
    """The unit for durations from ``low`` to ``high`` seconds, and its symbol."""
    for size, symbol in ((3600.0, "h"), (60.0, "min")):
        if high >= 3 * size and low >= 0.1 * size:
            return size, symbol
    return 1.0, "s"
