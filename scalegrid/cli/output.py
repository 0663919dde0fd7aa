"""Tables on standard output: for people, or as JSON or CSV for programs."""

from __future__ import annotations

import csv
import json
import math
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TextIO

from scalegrid.util.text import is_quantity

if TYPE_CHECKING:
    from rich.table import Table

Format = Literal["table", "json", "csv"]
FORMATS: tuple[Format, ...] = ("table", "json", "csv")


def print_json(value: Any, stream: TextIO | None = None) -> None:
    """Print ``value`` as JSON; numbers that JSON lacks (NaN, infinities) become null."""
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    print(text, file=stream or sys.stdout)


def print_csv(
    rows: Sequence[Mapping[str, Any]],
    stream: TextIO | None = None,
    columns: Sequence[str] = (),
) -> None:
    """Print rows with the same keys as CSV with a header; without rows, of ``columns``."""
    writer = csv.DictWriter(stream or sys.stdout, columns or list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def print_lines(lines: Iterable[str], stream: TextIO | None = None) -> None:
    """Print sentences, one a line; on a terminal they are broken between words at its width.

    A line that is indented is a command, to be copied, and is never broken.
    """
    out = stream or sys.stdout
    for line in lines:
        if out.isatty() and not line.startswith(" "):
            line = textwrap.fill(line, _width(), break_long_words=False, break_on_hyphens=False)
        print(line, file=out)


def print_table(
    rows: Sequence[Mapping[str, Any]],
    stream: TextIO | None = None,
    *,
    least: Sequence[str] = (),
) -> None:
    """Print rows with the same keys as aligned columns, numbers to the right.

    On a terminal that is too narrow the columns called ``least`` are left out, the first first, and
    named below; then words are wrapped, and numbers never. Elsewhere a row is always one line.
    """
    from rich.console import Console

    out = stream or sys.stdout
    width = _width() if out.isatty() else _UNBOUNDED
    console = Console(file=out, highlight=False, width=_UNBOUNDED)
    dropped: list[str] = []
    table = _table(rows, dropped)
    for key in (key for key in least if key in rows[0]):
        if console.measure(table).maximum <= width:
            break
        dropped.append(key)
        table = _table(rows, dropped)
    needed = console.measure(table).minimum
    with console.capture() as captured:
        console.print(table, width=max(width, needed), soft_wrap=False)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()), file=out)
    if dropped:
        print_lines([f"A wider terminal shows also: {', '.join(dropped)}."], out)


_UNBOUNDED = 1000  # characters


def _width() -> int:
    return shutil.get_terminal_size().columns


def _table(rows: Sequence[Mapping[str, Any]], dropped: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    keys = [key for key in rows[0] if key not in dropped]
    for key in keys:
        numeric = all(isinstance(row[key], int | float) or is_quantity(row[key]) for row in rows)
        justify: Literal["right", "left"] = "right" if numeric else "left"
        widest = max(len(str(row[key])) for row in rows) if numeric else None
        table.add_column(key, justify=justify, no_wrap=numeric, min_width=widest)
    for row in rows:
        table.add_row(*(str(row[key]) for key in keys))
    return table


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
