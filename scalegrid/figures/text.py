"""Text in figures: its width, notes under a figure, and numbers to three digits."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

from scalegrid.figures import style


def text_width(text: str, size: float) -> float:
    """The printed width of ``text`` in points."""
    font = FontProperties(size=size)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width)


def wrap(sentences: Sequence[str], width: float, size: float) -> str:
    """Break ``sentences``, joined, into lines of at most ``width`` points; words stay whole."""
    lines: list[str] = []
    for word in " ".join(sentences).split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


def add_note(figure: Figure, sentences: Sequence[str]) -> Text:
    """Write ``sentences`` under the figure, wrapped to its width."""
    margin = 0.04
    width = (figure.get_figwidth() - 2 * margin) * 72
    text = wrap([s.replace(" = ", "\u00a0=\u00a0") for s in sentences], width, style.FINE)
    x = margin / figure.get_figwidth()
    return figure.supxlabel(text, x=x, ha="left", fontsize=style.FINE, linespacing=1.25)


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
