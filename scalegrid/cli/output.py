"""Tables on standard output: for people, or as JSON or CSV for programs."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TextIO

Format = Literal["table", "json", "csv"]
FORMATS: tuple[Format, ...] = ("table", "json", "csv")


def print_json(value: Any, stream: TextIO | None = None) -> None:
    """Print ``value`` as JSON; numbers that JSON lacks (NaN, infinities) become null."""
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    print(text, file=stream or sys.stdout)


def print_csv(rows: Sequence[Mapping[str, Any]], stream: TextIO | None = None) -> None:
    """Print rows with the same keys as CSV with a header."""
    writer = csv.DictWriter(stream or sys.stdout, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def print_table(rows: Sequence[Mapping[str, Any]], stream: TextIO | None = None) -> None:
    """Print rows with the same keys as aligned columns, numbers to the right.

    On a terminal long cells are wrapped to its width; elsewhere a row is always one line.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    out = stream or sys.stdout
    console = Console(file=out, highlight=False, width=None if out.isatty() else 1000)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for key in rows[0]:
        numeric = all(isinstance(row[key], int | float) or _is_quantity(row[key]) for row in rows)
        table.add_column(key, justify="right" if numeric else "left", no_wrap=numeric)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    console.print(table, soft_wrap=False)


def _is_quantity(value: Any) -> bool:
    return isinstance(value, str) and (value == "" or value[0].isdigit() or value == "–")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
