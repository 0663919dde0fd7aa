"""Words and numbers in text for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from difflib import SequenceMatcher
from itertools import groupby
from pathlib import Path
from typing import Any


def did_you_mean(
    word: str, known: Iterable[str], otherwise: str = "", *, most: int = 1, cutoff: float = 0.6
) -> str:
    """``did you mean 'b0'?``: the nearest of the ``known`` words, or ``otherwise``.

    Args:
        word: what the user wrote.
        known: the valid words.
        otherwise: the result if no word is near.
        most: the largest number of suggestions.
        cutoff: the least similarity of a suggestion, from 0 to 1 (see `difflib`).
    """
    spelling = {name.lower(): name for name in known}
    ratios = {name: SequenceMatcher(None, word.lower(), name).ratio() for name in spelling}
    # Of equally near ones the first.
    near = sorted((n for n in spelling if ratios[n] >= cutoff), key=lambda n: -ratios[n])[:most]
    return (
        f"did you mean {' or '.join(repr(spelling[name]) for name in near)}?" if near else otherwise
    )


def sentence(text: str) -> str:
    """``text`` with a full stop, unless it ends with one or with a question mark."""
    return text if text.endswith((".", "?")) else f"{text}."


def plural(number: int, thing: str) -> str:
    """A number of things: ``1 failed trial``, ``2 failed trials``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def few(texts: Sequence[str], most: int = 4) -> str:
    """The first of some texts in a row, and how many more there are: ``a, b, and 40 more``."""
    if len(texts) <= most:
        return ", ".join(texts)
    return f"{', '.join(texts[:most])}, and {len(texts) - most} more"


def enumerated(words: Sequence[str]) -> str:
    """Words in a sentence: ``one``, ``one and two``, ``one, two and three``."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def count(value: float) -> str:
    """A count of operations or parameters with its unit: ``385.8 M``, ``4.39 B``, ``512``."""
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            digits = 2 if value < 10 * limit else 1
            return f"{value / limit:.{digits}f} {unit}"
    return f"{value:.0f}"


def coefficient(value: float, digits: int = 3) -> str:
    """α, β or γ; a dash for NaN, where a network cannot be scaled along that axis."""
    return "–" if value != value else f"{value:.{digits}f}"


def is_quantity(value: Any) -> bool:
    """Whether a text is a number, perhaps with a unit, or stands for one that is not known."""
    return isinstance(value, str) and (value in ("", "–") or value.lstrip("<>+- ")[:1].isdigit())


def runs(numbers: str, most: int = 48) -> str:
    """Numbers joined by dashes; if more than ``most`` characters, equal neighbours as ``53×1``."""
    if len(numbers) <= most:
        return numbers
    groups = [(number, len(list(run))) for number, run in groupby(numbers.split("-"))]
    short = "-".join(number if n == 1 else f"{n}×{number}" for number, n in groups)
    return short if len(short) <= most else f"{short[: most - 1]}…"


def exact_percent(share: float) -> str:
    """A share that was asked for, with all its digits: ``95 %``, ``99.99999 %``."""
    return f"{(Decimal(repr(float(share))) * 100).normalize():f} %"


def percent(probability: float) -> str:
    """A probability in whole per cent, from ``< 1 %`` to ``> 99 %``."""
    if probability >= 0.995:
        return "> 99 %"
    if probability <= 0.005:
        return "< 1 %"
    return f"{100 * probability:.0f} %"


def part(share: float) -> str:
    """A share of things that were counted: as `percent`, but ``100 %`` where it is all."""
    return exact_percent(share) if share in (0, 1) else percent(share)


def duration(seconds: float) -> str:
    """A duration to about two digits: ``48 s``, ``6 min``, ``1 h 20 min``, ``2 d 3 h``."""
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"


def results_flag(root: Path, known: str = "results") -> list[str]:
    """``--results ROOT`` for a command that by itself would look in ``known``; else nothing."""
    return [] if root == Path(known) else ["--results", str(root)]


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of the same columns as a table of Markdown; "" without any."""
    if not rows:
        return ""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
