"""Figures as SVG inside a page: with names of their own, and what each point is on hovering."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape


def inline(svg: str, prefix: str, label: str, points: Mapping[str, str]) -> str:
    """An SVG file as an element of a page.

    Args:
        svg: the file's text.
        prefix: put before the ids that are referred to, since those of several files are one name
            space in a page; the others are dropped.
        label: what the picture shows, for those who cannot see it.
        points: texts by the ids of groups; a group gets its text as a title, which browsers show
            on hovering.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    for point, text in points.items():
        group = f'<g id="{point}">'
        body = body.replace(group, f"{group}<title>{escape(text)}</title>")
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', body))

    def renamed(found: re.Match[str]) -> str:
        return f' id="{prefix}-{found[1]}"' if found[1] in used else ""

    body = re.sub(r'\sid="([^"]+)"', renamed, body)
    body = re.sub(r'(href="|url\()#([^")]+)', rf"\1#{prefix}-\2", body)
    name = escape(label, {'"': "&quot;"})
    return body.replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1)
