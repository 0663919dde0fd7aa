"""Common parts of the timing benchmarks: interleaved rounds, ratios within a round, tables.

Contenders are measured in turn, round after round, so that disturbances and drift of the machine
affect all of them. The result is the median of ratios, each formed within a round.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from scalegrid.cli.output import print_table


class MedianRange(NamedTuple):
    """The median of some values, with the least and the greatest."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        low, high = (f"{end:.3g}" for end in (self.low, self.high))
        return f"{self.median:.3g} ({low}–{high})"


def median_range(values: Sequence[float]) -> MedianRange:
    """The median and the range of one or more values.

    Raises:
        ValueError: there is no value.
    """
    if not values:
        raise ValueError("nothing was measured")
    return MedianRange(statistics.median(values), min(values), max(values))


def pairwise(values: Sequence[float], references: Sequence[float]) -> MedianRange:
    """The ratios of ``values`` to ``references``, each formed within a round.

    Raises:
        ValueError: they have different numbers of rounds.
    """
    return median_range([value / other for value, other in zip(values, references, strict=True)])


def in_turn(rounds: int, contenders: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """What each contender returns in each round; the first contender changes in every round."""
    names = list(contenders)
    values: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            values[name].append(contenders[name]())
    return values


def stopwatch(action: Callable[[], object]) -> float:
    """The seconds that ``action`` takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def bounded(
    kind: Callable[[str], float], least: float, most: float = math.inf
) -> Callable[[str], float]:
    """A type of numbers for options: ``int`` or ``float``, within these bounds."""
    whole = "whole number" if kind is int else "number"
    bounds = f"of {least:g} or more" if most == math.inf else f"from {least:g} to {most:g}"

    def read(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = math.nan
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text} is no {whole} {bounds}")
        return number

    return read


def read_options(name: str, doc: str | None) -> argparse.Namespace:
    """The options ``quick`` and ``out`` of the command line."""
    return options_parser(name, doc).parse_args()


def options_parser(name: str, doc: str | None) -> argparse.ArgumentParser:
    """A parser of the options that benchmarks have in common, ``quick`` and ``out``."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=doc)
    parser.add_argument("--quick", action="store_true", help="a coarse answer within a minute")
    parser.add_argument(
        "--out", type=_folder, default="benchmarks/results", help="where the tables go"
    )
    return parser


def _folder(text: str) -> Path:
    """A folder that exists, before hours are spent for what goes there."""
    try:
        Path(text).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no folder ({error.strerror})") from error
    return Path(text)


def publish(name: str, rows: Sequence[Mapping[str, object]], out: Path) -> None:
    """Print a table and write it to ``out/name.parquet``, with three columns for a median."""
    print_table([{key: _shown(value) for key, value in row.items()} for row in rows])
    out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([flat(row) for row in rows]).to_parquet(out / f"{name}.parquet", index=False)


def flat(row: Mapping[str, object]) -> dict[str, object]:
    """A row with each `MedianRange` as three columns: the median, ``_low`` and ``_high``."""
    cells: dict[str, object] = {}
    for key, value in row.items():
        if isinstance(value, MedianRange):
            cells |= {key: value.median, f"{key}_low": value.low, f"{key}_high": value.high}
        else:
            cells[key] = value
    return cells


def _shown(value: object) -> object:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)
