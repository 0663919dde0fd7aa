"""SVG that follows the page it is on: what is in ink takes the page's colour of text."""

from __future__ import annotations

from scalegrid.figures.style import INK, Theme

_CLASS = "scalegrid"


def follow_page(svg: bytes, theme: Theme | None) -> bytes:
    """An SVG of matplotlib with its ink as ``currentColor``, which is set on its root.

    Args:
        svg: drawn in a theme, or in the light one where ``theme`` is None.
        theme: None for ink that is light where the reader prefers dark pages.
    """
    drawn = INK[theme or "light"]
    rule = f".{_CLASS} {{color: {drawn}}}"
    if theme is None:
        dark = f".{_CLASS} {{color: {INK['dark']}}}"
        rule += f" @media (prefers-color-scheme: dark) {{{dark}}}"
    text = svg.decode().replace(drawn, "currentColor")
    text = text.replace("<svg ", f'<svg class="{_CLASS}" ', 1)
    text = text.replace("</style>", f"{rule}</style>", 1)
    return text.encode()
