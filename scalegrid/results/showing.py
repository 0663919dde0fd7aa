"""A sweep at a glance: what it is, and its verdict."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from scalegrid.analysis import answer
from scalegrid.util.errors import UserError
from scalegrid.util.html import html_lines, html_table
from scalegrid.util.text import sentence

if TYPE_CHECKING:
    from scalegrid.results.loading import SweepTables


def about(tables: SweepTables) -> dict[str, str]:
    """Baseline, data, and how many of the variants and trials are finished."""
    planned, status = tables.planned, tables.trials["status"]
    trained = planned["variant"].isin(tables.trials.loc[status == "finished", "variant"])
    left = (
        f"{int((~trained).sum())} without a finished trial" if not trained.all() else "all trained"
    )
    finished = int((status == "finished").sum())
    return {
        "baseline": f"{tables.spec['baseline']}, {planned['resolution'].iloc[0]} px",
        **{key: str(tables.spec[key]) for key in ("trainer", "data") if tables.spec.get(key)},
        "variants": f"{len(planned)}, {left}",
        "trials": f"{finished} finished, {len(status) - finished} failed",
    }


def to_html(tables: SweepTables) -> str:
    """The name of a sweep, what it is, and its verdict; or why there is none yet."""
    return (
        f"<h3>{escape(tables.folder.name)}</h3>{html_table([about(tables)])}"
        f"{html_lines([_verdict(tables)])}"
    )


def _verdict(tables: SweepTables) -> str:
    try:
        return answer(tables.recommend())[0]
    except UserError as error:
        text = str(error)
        return sentence(text[:1].upper() + text[1:])
