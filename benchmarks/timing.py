"""What the timing benchmarks share: interleaved rounds, ratios pair by pair, tables.

Contenders are measured in turn, round after round, so that a disturbance of the machine, or its
drift, meets all of them; ratios are formed within a round, and their median is what counts.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from scalegrid.cli.output import print_table


class Spread(NamedTuple):
    """The median of some figures, and the least and the greatest of them."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        low, high = (f"{end:.3g}" for end in (self.low, self.high))
        return f"{self.median:.3g} ({low}–{high})"


def spread(values: Sequence[float]) -> Spread:
    """Of one or more figures.

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("nothing was measured")
    return Spread(statistics.median(values), min(values), max(values))


def pairwise(ones: Sequence[float], others: Sequence[float]) -> Spread:
    """The ratios of ``ones`` to ``others``, formed between figures of the same round.

    Raises:
        ValueError: their rounds are not the same.
    """
    return spread([one / other for one, other in zip(ones, others, strict=True)])


def in_turn(rounds: int, contenders: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """What each contender returns in each round; who is first changes from round to round."""
    names = list(contenders)
    figures: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            figures[name].append(contenders[name]())
    return figures


def stopwatch(action: Callable[[], object]) -> float:
    """Seconds that ``action`` takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def read_options(name: str, doc: str | None) -> argparse.Namespace:
    """``quick`` and ``out`` from the command line."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=doc)
    parser.add_argument("--quick", action="store_true", help="a coarse answer within a minute")
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results"), help="where the tables go"
    )
    return parser.parse_args()


def publish(name: str, rows: Sequence[Mapping[str, object]], out: Path) -> None:
    """Print a table, and write it to ``out/name.parquet``; a spread becomes three columns there."""
    print_table([{key: _shown(value) for key, value in row.items()} for row in rows])
    out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([flat(row) for row in rows]).to_parquet(out / f"{name}.parquet", index=False)


def flat(row: Mapping[str, object]) -> dict[str, object]:
    """A row with each `Spread` as its median, and its ends as columns of their own."""
    cells: dict[str, object] = {}
    for key, value in row.items():
        if isinstance(value, Spread):
            ends = {f"{key}_low": value.low, f"{key}_high": value.high}
            cells |= {key: value.median, **ends}
        else:
            cells[key] = value
    return cells


def _shown(value: object) -> object:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (
        f"{value:.3g}"
        if isinstance(value, float) and abs(value) < 1000
        else (f"{value:.0f}" if isinstance(value, float) else str(value))
    )
