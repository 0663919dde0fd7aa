"""Sentences and rows as pieces of HTML, such as a notebook shows; every text is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from scalegrid.util.text import is_quantity


def html_lines(lines: Sequence[str]) -> str:
    """Sentences as a list, after the first, which is bold."""
    first, *others = (escape(line) for line in lines)
    items = "".join(f"<li>{line}</li>" for line in others)
    return f"<p><strong>{first}</strong></p>" + (f"<ul>{items}</ul>" if items else "")


def html_table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows with the same keys as a table, numbers to the right; a wide one can be scrolled."""
    sides = {
        key: "right" if all(is_quantity(row[key]) for row in rows) else "left" for key in rows[0]
    }
    head = _row({key: key for key in sides}, sides, "th")
    body = "".join(_row(row, sides, "td") for row in rows)
    table = f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"
    return f'<div style="overflow-x: auto">{table}</div>'


def _row(texts: Mapping[str, str], sides: Mapping[str, str], tag: str) -> str:
    cells = (
        f'<{tag} style="text-align: {sides[key]}; white-space: nowrap">{escape(text)}</{tag}>'
        for key, text in texts.items()
    )
    return f"<tr>{''.join(cells)}</tr>"
