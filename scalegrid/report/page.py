"""The page as a file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from scalegrid.report.contents import contents
from scalegrid.report.search_contents import search_contents
from scalegrid.search.tables import SearchTables
from scalegrid.util.errors import UserError
from scalegrid.util.files import replace_file
from scalegrid.util.version import __version__

if TYPE_CHECKING:
    from scalegrid.results import SweepTables

REPORT_FILE = "report.html"


def write_report(
    tables: SweepTables | SearchTables, path: Path | None = None, *, refresh: int | None = None
) -> Path:
    """Write the page of a sweep or a search, one file that needs no other; an old one is replaced.

    Args:
        tables: of the sweep or search, finished or running.
        path: of the file; ``report.html`` in their folder by default.
        refresh: seconds after which a browser reads the file again; None: never.

    Raises:
        UserError: the file cannot be written, or something else has its name.
    """
    path = path or tables.folder / REPORT_FILE
    if not path.name or (path.exists() and not path.is_file()):
        raise UserError(f"{str(path)!r} is no name for a file; choose another --output.")
    page = render(tables, refresh=refresh).encode()
    try:
        replace_file(path, lambda file: file.write(page), durable=False)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}; mend that or choose another --output."
        ) from None
    return path


def render(tables: SweepTables | SearchTables, *, refresh: int | None = None) -> str:
    """The page as HTML; all texts are escaped, since names are the users' own."""
    from jinja2 import DictLoader, Environment, StrictUndefined
    from markupsafe import Markup

    templates = files("scalegrid.report") / "templates"
    texts = {
        name: (templates / name).read_text(encoding="utf-8")
        for name in ("report.html", "search.html", "style.css", "page.js")
    }
    environment = Environment(
        loader=DictLoader(texts),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    of_search = isinstance(tables, SearchTables)
    return environment.get_template("search.html" if of_search else "report.html").render(
        page=search_contents(tables) if isinstance(tables, SearchTables) else contents(tables),
        style=Markup(texts["style.css"]),
        script=Markup(texts["page.js"]),
        refresh=refresh,
        version=__version__,
        Markup=Markup,
    )
