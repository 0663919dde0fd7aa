"""Figures by name: drawn in the common style and written to files."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scalegrid.util import disk
from scalegrid.util.errors import UserError
from scalegrid.util.files import replace_file
from scalegrid.util.text import did_you_mean, enumerated

if TYPE_CHECKING:
    import pandas as pd

    from scalegrid.analysis import Tables
    from scalegrid.family.returns import Returns
    from scalegrid.figures.style import Theme
    from scalegrid.figures.subject import Drawing
    from scalegrid.search.tables import SearchTables
    from scalegrid.spec import Match

FIGURES = (
    "equal-cost",
    "difference",
    "ranking",
    "scaling",
    "axes",
    "returns",
    "width-by-depth-and-resolution",
    "triangle",
    "coefficients",
    "price",
    "certainty",
    "rungs",
    "noise",
    "curves",
    "edf",
    "architecture",
)
"""Every figure by name; the module of that name beside this one has a function ``draw(tables)``."""

SEARCH_FIGURES = ("search-front", "search-progress", "search-importance")
"""Likewise, of a search for a baseline."""

FORMATS = ("png", "svg", "pdf")
"""File formats of figures; PDF is what LaTeX takes."""

# Files carry no time of creation, so equal tables give equal bytes.
_METADATA: dict[str, dict[str, Any]] = {
    "png": {},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}


def draw(
    names: Sequence[str] | None,
    tables: Tables,
    folder: Path,
    formats: Sequence[str] = ("png", "svg"),
    *,
    theme: Theme | None = None,
    warn: Callable[[str], None] | None = None,
) -> list[Path]:
    """Draw figures of a sweep into ``folder``, which is created if missing.

    Args:
        names: some of `FIGURES`, or None for all that the tables have data for.
        tables: of one sweep.
        folder: where the files go, named after figure and format; old ones are replaced.
        formats: some of `FORMATS`. Beside them goes the caption, as ``.txt``.
        theme: for a light page or a dark one. None is for a light one, where an SVG follows the
            page that it is on. The background is transparent.
        warn: called with one sentence for each reason why figures are left out, which names them;
            only where ``names`` is None.

    Returns:
        The files, figure by figure. Nothing is written unless all can be drawn.

    Raises:
        UserError: unknown figure or format; no data for a named figure, or for any figure at all;
            the folder cannot be written.
    """
    from scalegrid.figures.subject import Subject

    return _draw(names, FIGURES, Subject.of(tables), folder, formats, theme, warn)


def draw_search(
    names: Sequence[str] | None,
    tables: SearchTables,
    folder: Path,
    formats: Sequence[str] = ("png", "svg"),
    *,
    theme: Theme | None = None,
    warn: Callable[[str], None] | None = None,
) -> list[Path]:
    """Draw figures of a search, some of `SEARCH_FIGURES`; all else is as in `draw`."""
    return _draw(names, SEARCH_FIGURES, tables, folder, formats, theme, warn)


def _draw(
    names: Sequence[str] | None,
    known: Sequence[str],
    subject: Any,
    folder: Path,
    formats: Sequence[str],
    theme: Theme | None,
    warn: Callable[[str], None] | None,
) -> list[Path]:
    _check("figure", names or (), known)
    _check("format", formats, FORMATS)
    drawn, reasons = render(names or known, subject, formats, theme)
    files = {name: text for own in drawn.values() for name, text in own.items()}
    if reasons and (names or not files):
        raise UserError(reasons[0])
    if warn is not None:
        for reason in reasons:
            warn(reason)
    return _write(files, folder)


def draw_plans(
    plans: Mapping[str, pd.DataFrame],
    folder: Path,
    formats: Sequence[str] = ("png", "svg"),
    *,
    flops_factor: float = 2.0,
    match: Match = "flops",
    theme: Theme | None = None,
) -> list[Path]:
    """Draw the variants of plans (classic, matched) on the triangle, as ``plan.*``.

    See `scalegrid.figures.plans.draw_plans`; files and errors are as in `draw`.
    """
    _check("format", formats, FORMATS)
    from scalegrid.figures.plans import draw_plans

    drawn = partial(draw_plans, plans, flops_factor, match)
    return _write(_render(drawn, "plan", formats, theme), folder)


def draw_returns(
    found: Sequence[Returns],
    folder: Path,
    formats: Sequence[str] = ("png", "svg"),
    *,
    theme: Theme | None = None,
) -> list[Path]:
    """Draw diminishing returns, as ``returns.*``.

    See `scalegrid.figures.returns.draw_returns`; files and errors are as in `draw`.
    """
    _check("format", formats, FORMATS)
    from scalegrid.figures.returns import draw_returns

    return _write(_render(partial(draw_returns, found), "returns", formats, theme), folder)


def render(
    names: Sequence[str], tables: Any, formats: Sequence[str], theme: Theme | None = None
) -> tuple[dict[str, dict[str, bytes]], list[str]]:
    """The files of each figure by their names, its caption among them; and why others are missing.

    Arguments are as in `draw`. A reason is a sentence that names all figures it holds for.
    """
    drawn: dict[str, dict[str, bytes]] = {}
    left_out: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        module = import_module(f"scalegrid.figures.{name.replace('-', '_')}")
        try:
            drawn[name] = _render(partial(module.draw, tables), name, formats, theme)
        except UserError as error:
            left_out.setdefault(str(error), []).append(name)
    return drawn, [f"cannot draw {enumerated(found)}: {why}" for why, found in left_out.items()]


def _check(kind: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known, f"there are {', '.join(known)}.")
            raise UserError(f"unknown {kind} {name!r}; {hint}")


def _render(
    draw: Callable[[], Drawing], name: str, formats: Sequence[str], theme: Theme | None
) -> dict[str, bytes]:
    from scalegrid.figures import style
    from scalegrid.figures.page import follow_page

    files = {}
    with style.context(theme or "light"):
        figure, caption = draw()
        for suffix in formats:
            content = io.BytesIO()
            figure.savefig(content, format=suffix, metadata=_METADATA[suffix])
            files[f"{name}.{suffix}"] = content.getvalue()
    if "svg" in formats:
        files[f"{name}.svg"] = follow_page(files[f"{name}.svg"], theme)
    files[f"{name}.txt"] = "".join(f"{sentence}\n" for sentence in caption).encode()
    return files


def _write(files: Mapping[str, bytes], folder: Path) -> list[Path]:
    try:
        disk.make_folders(folder)
        for name, content in files.items():
            replace_file(folder / name, methodcaller("write", content), durable=False)
    except OSError as error:
        raise UserError(
            f"cannot write figures to {folder}: {error.strerror or error}; mend that or choose "
            "another folder."
        ) from error
    return [folder / name for name in files]
