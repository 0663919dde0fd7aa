"""A table of trainings made elsewhere, one row a training: read, and checked cell by cell."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from scalegrid.coefficients import LIMIT, PAPER, Scaling
from scalegrid.metric import TAKEN, is_name
from scalegrid.plan import ROLES
from scalegrid.plan.given import Given
from scalegrid.results.schema import TRIALS, VARIANTS
from scalegrid.spec import LARGEST_SIDE
from scalegrid.training.trainer import KNOWN
from scalegrid.util.errors import UserError
from scalegrid.util.text import few, plural

Row = dict[str, Any]

ALIASES = {"accuracy": "top1"}
"""Other names of columns."""

_AXES = (("alpha", "depth"), ("beta", "width"), ("gamma", "resolution"))
_ROLES = tuple(role for role in ROLES if role != "stages")
_BY_MULTIPLIERS = ("baseline", *Scaling._fields)  # roles that say which axes are scaled
_COLUMNS = tuple(name for name in KNOWN if name != "learning_rate")
"""Figures that have a column of their own, whatever is compared."""

_OTHERS = {"seed", "rung", "phi", "role", "flops", "params", "seconds", "device", "status"}
_USED = {name for axis in _AXES for name in axis} | _OTHERS | set(_COLUMNS)
_LEFT_OUT = (TAKEN | {*VARIANTS.names, *TRIALS.names, *KNOWN}) - _USED
_FAR = 0.1  # relative difference of what must be one multiplier but for rounding


class Training(NamedTuple):
    """One row: which network, with which seed, and what came of it.

    ``where`` is the row in words, ``rung`` the multiple of the brief budget, ``figures`` the
    numbers that can be compared by; ``seconds`` is NaN where it is not given.
    """

    where: str
    network: Given
    seed: int
    rung: int
    figures: dict[str, float]
    seconds: float
    device: str


class _Kind(NamedTuple):
    """What the numbers of a column may be, and that in words."""

    may_be: Callable[[float], bool]
    words: str


_MULTIPLIER = _Kind(lambda v: 0 < v <= LIMIT, f"a number above 0, and at most {LIMIT:g}")
_COST = _Kind(lambda v: 1 <= v < 2**62, "a number of 1 or above")
_SHARE = _Kind(lambda v: 0 <= v <= 1, "a share from 0 to 1 (per cent are to be divided by 100)")
_FIGURE = _Kind(math.isfinite, "a finite number")
_KINDS = {
    **dict.fromkeys(("alpha", "beta", "gamma", "depth", "width"), _MULTIPLIER),
    **dict.fromkeys(("flops", "params"), _COST),
    **dict.fromkeys(("top1", "top5", "balanced"), _SHARE),
    "resolution": _Kind(
        lambda v: v % 1 == 0 and 1 <= v <= LARGEST_SIDE, f"whole px, from 1 to {LARGEST_SIDE}"
    ),
    "phi": _Kind(lambda v: 0 <= v < 100, "a number of 0 or above"),
    "seed": _Kind(lambda v: v % 1 == 0 and 0 <= v < 2**63, "a whole number from 0 to 2^63 - 1"),
    "rung": _Kind(lambda v: v % 1 == 0 and 1 <= v <= 1000, "a whole number of 1 or above"),
    "seconds": _Kind(lambda v: 0 < v < math.inf, "a number above 0"),
}


def read_trainings(path: Path, resolution: int, wanted: str) -> tuple[list[Training], list[str]]:
    """The trainings of a table, and sentences on what of it is left out.

    A network is given by ``alpha`` or ``depth``, ``beta`` or ``width``, and ``gamma`` or
    ``resolution``. Coefficients are per unit of ``phi`` (1 without that column), ``depth`` and
    ``width`` are multipliers, ``resolution`` is in px. Numbers under other names are figures.

    Args:
        path: CSV, separated by commas, semicolons or tabs, or parquet.
        resolution: the px of the baseline.
        wanted: the figure that all must have, if there is such a column.

    Raises:
        UserError: the file cannot be read, lacks a column, or has a cell that is none of the above.
    """
    is_parquet = path.suffix.lower() in (".parquet", ".pq")
    columns, rows = _parquet(path) if is_parquet else _text(path)
    _check_columns(path, columns)
    every = len(rows)
    states = list(dict.fromkeys(str(row["status"]).strip() for _, row in rows if "status" in row))
    rows = [one for one in rows if _finished(one[1])]
    if not rows:
        said = f"; status is {few(states, 8)}, and must be finished, or empty" if states else ""
        raise UserError(f"{path} has no row of a finished training{said}.")
    own, notes = _own_figures(columns, [row for _, row in rows])
    if left := every - len(rows):
        notes.append(f"rows whose status is not finished are left out: {left}")
    found = [_training(f"{path}: {at}", row, own, wanted, resolution) for at, row in rows]
    return found, notes


def _text(path: Path) -> tuple[list[str], list[tuple[str, Row]]]:
    """The columns and rows of a CSV file, each row with its line."""
    try:
        content = path.read_bytes()
        utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text; save it as such"
        raise UserError(f"cannot read {path}: {reason}.") from None
    if "\0" in text:
        raise UserError(f"cannot read {path}: it is neither CSV nor parquet (by its ending).")
    header = next((line for line in io.StringIO(text) if line.strip()), "")
    delimiter = max(",;\t", key=header.count)
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        table = [(f"line {reader.line_num}", row) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise UserError(f"{path}: line {reader.line_num} is no CSV: {error}.") from None
    if not table:
        raise UserError(f"{path} is empty; it needs a line of column names, and one a training.")
    columns = [ALIASES.get(name.strip(), name.strip()) for name in table[0][1]]
    for at, cells in table[1:]:
        if len(cells) != len(columns):
            there = f"{plural(len(cells), 'cell')} for {plural(len(columns), 'column')}"
            raise UserError(f"{path}: {at} has {there}.")
    return columns, [(at, dict(zip(columns, cells, strict=True))) for at, cells in table[1:]]


def _parquet(path: Path) -> tuple[list[str], list[tuple[str, Row]]]:
    """Likewise of a parquet file; rows are counted from 1."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or "it is damaged or no parquet file"
        raise UserError(f"cannot read {path}: {reason}.") from None
    columns = [ALIASES.get(name, name) for name in table.column_names]
    rows = table.rename_columns(columns).to_pylist()
    return columns, [(f"row {number}", row) for number, row in enumerate(rows, start=1)]


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    there = f"there {'is' if len(columns) == 1 else 'are'} {few(columns, 20)}"
    for name in columns:
        if columns.count(name) > 1:
            raise UserError(f"{path} has two columns {name!r}; leave out one of them.")
    for one, other in _AXES:
        if one not in columns and other not in columns:
            raise UserError(f"{path} has no column {one!r}, nor {other!r} in its place; {there}.")
    if "seed" not in columns:
        raise UserError(f"{path} has no column 'seed'; {there}.")


def _own_figures(columns: Sequence[str], rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """The columns that are figures by their own names, and sentences on what is left out.

    They are those of which half of the cells or more are numbers.
    """
    own: list[str] = []
    dropped: list[str] = []
    for name in columns:
        if name in _USED:
            continue
        cells = [row[name] for row in rows if not _empty(row[name])]
        numbers = sum(_is_number(cell) for cell in cells)
        figure = name not in _LEFT_OUT and is_name(name) and 0 < len(cells) <= 2 * numbers
        (own if figure else dropped).append(name)
    shown = few([name or "''" for name in dropped], 8)
    said = f"columns that are no figures are left out: {shown}"
    return own, [said] if dropped else []


def _finished(row: Row) -> bool:
    return _empty(row.get("status")) or str(row["status"]).strip() == "finished"


def _empty(cell: object) -> bool:
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip())


def _is_number(cell: object) -> bool:
    if isinstance(cell, bool) or (isinstance(cell, str) and "_" in cell):
        return False
    try:
        float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True


def _number(where: str, row: Row, name: str) -> float:
    """The number in a cell; NaN where the column is missing.

    Raises:
        UserError: the cell is empty, or what the column cannot hold.
    """
    if name not in row:
        return math.nan
    cell, kind = row[name], _KINDS.get(name, _FIGURE)
    if _is_number(cell) and kind.may_be(float(cell)):
        return float(cell)
    said = "is empty" if _empty(cell) else f"is {cell}"
    comma = ", with a decimal point" if isinstance(cell, str) and "," in cell else ""
    raise UserError(f"{where}: {name} {said}, and must be {kind.words}{comma}.")


def _seed(where: str, row: Row) -> int:
    """The seed, every digit of which counts, so not by way of a float where it is whole."""
    seed = _number(where, row, "seed")
    try:
        return int(row["seed"])
    except ValueError:  # 1.0 or 1e3, as text
        return int(seed)


def _training(where: str, row: Row, own: Sequence[str], wanted: str, resolution: int) -> Training:
    figures = {
        name: _number(where, row, name)
        for name in (*_COLUMNS, *own)
        if name in row and (name == wanted or not _empty(row[name]))
    }
    rung = _number(where, row, "rung")
    device = row.get("device")
    return Training(
        where,
        _network(where, row, resolution),
        _seed(where, row),
        1 if math.isnan(rung) else int(rung),
        figures,
        math.nan if _empty(row.get("seconds")) else _number(where, row, "seconds"),
        "elsewhere" if _empty(device) else str(device).strip(),
    )


def _network(where: str, row: Row, resolution: int) -> Given:
    phi = 1.0 if _empty(row.get("phi")) else _number(where, row, "phi")
    grown, sizes = [], []
    for coefficient, size in _AXES:
        power = size_of = math.nan
        if not _empty(row.get(coefficient)) or size not in row:
            power = _number(where, row, coefficient) ** phi
        if size in row:
            size_of = _number(where, row, size)
        sizes.append(size_of)
        relative = size_of / resolution if size == "resolution" else size_of
        if abs(power / relative - 1) > _FAR:
            of = f" px of {resolution} px (--resolution)" if size == "resolution" else ""
            raise UserError(
                f"{where}: {size} is {size_of:g}{of}, and {coefficient} at φ = {phi:g} says "
                f"{power:.4g} times the baseline's; give one of the two columns, or mend it."
            )
        grown.append(relative if math.isnan(power) else power)
    scaling = Scaling(*grown)
    pixels = round(resolution * scaling.resolution) if math.isnan(sizes[2]) else int(sizes[2])
    if pixels < 1:
        raise UserError(f"{where}: gamma {scaling.resolution:g} leaves no px of {resolution}.")
    whole = {name: _whole(where, row, name) for name in ("flops", "params")}
    role = _role(where, row, phi, scaling, pixels == resolution)
    if role == "baseline":
        return Given(role, 0.0, Scaling(1.0, 1.0, 1.0), resolution, **whole)
    if phi == 0:
        raise UserError(f"{where}: φ is 0, which is the baseline's, but the network is scaled.")
    return Given(role, phi, scaling, pixels, **whole)


def _whole(where: str, row: Row, name: str) -> int | None:
    return round(_number(where, row, name)) if name in row else None


def _role(where: str, row: Row, phi: float, scaling: Scaling, same_pixels: bool) -> str:
    """The role in the row, or what the multipliers say it is."""
    depth, width, _ = scaling
    alone = {"depth": depth != 1, "width": width != 1, "resolution": not same_pixels}
    scaled = [axis for axis, grown in alone.items() if grown]
    near = max(abs(one - papers) for one, papers in zip(scaling, PAPER, strict=True))
    derived = "paper" if phi == 1 and near < 1e-6 else "grid"
    if len(scaled) < 2:
        derived = scaled[0] if scaled else "baseline"
    given = row.get("role")
    role = derived if _empty(given) else str(given).strip()
    if role not in _ROLES:
        raise UserError(f"{where}: role is {role}, and must be {', '.join(_ROLES)}, or empty.")
    if role != derived and (role in _BY_MULTIPLIERS or derived == "baseline"):
        raise UserError(
            f"{where}: role is {role}, and by its multipliers the network is of the role {derived};"
            " leave the role empty."
        )
    return role
