"""The figures of a sweep, drawn from its result tables alone.

Importing this package is cheap; matplotlib and pandas are loaded when something is drawn.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from scalegrid.util.errors import UserError
from scalegrid.util.files import replace_file
from scalegrid.util.text import did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from scalegrid.figures.means import Tables

FORMATS = ("png", "svg", "pdf")
"""What figures can be written as; PDF is what LaTeX takes."""

# Neither clock nor chance may enter a file: equal tables give equal bytes.
_METADATA: dict[str, dict[str, Any]] = {
    "png": {},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}


def _accuracy_flops(tables: Tables) -> Figure:
    from scalegrid.figures import flops

    return flops.draw(tables)


def _single_axis(tables: Tables) -> Figure:
    from scalegrid.figures import axes

    return axes.draw(tables)


def _triangle(tables: Tables) -> Figure:
    from scalegrid.figures import triangle

    return triangle.draw(tables)


def _ranking(tables: Tables) -> Figure:
    from scalegrid.figures import ranking

    return ranking.draw(tables)


def _architecture(tables: Tables) -> Figure:
    from scalegrid.figures import architecture

    return architecture.draw(tables)


FIGURES: dict[str, Callable[[Tables], Figure]] = {
    "accuracy-flops": _accuracy_flops,
    "single-axis": _single_axis,
    "triangle": _triangle,
    "ranking": _ranking,
    "architecture": _architecture,
}
"""Every figure by name. Call them through `draw`, which sets the style."""


def draw(
    names: Sequence[str] | None,
    tables: Tables,
    folder: Path,
    formats: Sequence[str] = ("png", "svg"),
    *,
    say: Callable[[str], None] | None = None,
) -> list[Path]:
    """Draw figures into ``folder``, which is made if need be.

    Args:
        names: keys of `FIGURES`, or None for all that the tables have data for.
        tables: of one sweep.
        folder: where the files go, named after figure and format; old ones are replaced.
        formats: some of `FORMATS`.
        say: with ``names`` None, gets a sentence about each figure that is left out.

    Returns:
        The files, figure by figure. Nothing is written unless all can be drawn.

    Raises:
        UserError: an unknown figure or format; a figure asked for, or every figure, lacks data; the
            folder cannot be written.
    """
    _check("figure", names or (), tuple(FIGURES))
    _check("format", formats, FORMATS)
    from scalegrid.figures import style

    files: dict[str, bytes] = {}
    reasons: list[str] = []
    for name in dict.fromkeys(FIGURES if names is None else names):
        with style.context():
            try:
                figure = FIGURES[name](tables)
            except UserError as error:
                if names is not None:
                    raise
                reasons.append(str(error))
            else:
                files |= _render(figure, name, formats)
    if reasons and not files:
        raise UserError(reasons[0])
    if say is not None:
        for reason in reasons:
            say(reason)
    return _write(files, folder)


def draw_plans(
    plans: Mapping[str, pd.DataFrame],
    folder: Path,
    formats: Sequence[str] = ("png", "svg"),
    *,
    flops_factor: float = 2.0,
) -> list[Path]:
    """Draw tables of variants (classic, matched) on the triangle, side by side, as ``plan.*``.

    See `scalegrid.figures.triangle.draw_plans`; files and errors are as in `draw`.
    """
    _check("format", formats, FORMATS)
    from scalegrid.figures import style, triangle

    with style.context():
        files = _render(triangle.draw_plans(plans, flops_factor), "plan", formats)
    return _write(files, folder)


def _check(kind: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known, f"there are {', '.join(known)}.")
            raise UserError(f"unknown {kind} {name!r}; {hint}")


def _render(figure: Figure, name: str, formats: Sequence[str]) -> dict[str, bytes]:
    files = {}
    for suffix in formats:
        content = io.BytesIO()
        figure.savefig(content, format=suffix, metadata=_METADATA[suffix])
        files[f"{name}.{suffix}"] = content.getvalue()
    return files


def _put(content: bytes, file: BinaryIO) -> None:
    file.write(content)


def _write(files: Mapping[str, bytes], folder: Path) -> list[Path]:
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            replace_file(folder / name, partial(_put, content), durable=False)
            paths.append(folder / name)
    except OSError as error:
        raise UserError(
            f"cannot write figures to {folder}: {error.strerror or error}; mend that or choose "
            "another folder."
        ) from error
    return paths
