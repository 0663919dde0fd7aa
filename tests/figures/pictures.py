"""Figures of artificial sweeps, each drawn once for all tests."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from stress_tables import STRESS

from scalegrid.analysis import Tables
from scalegrid.figures import style
from scalegrid.figures.subject import Drawing, Subject

ANSWERS = ("equal-cost", "difference", "ranking", "triangle")
"""The figures that show what `recommend` says."""


def draw(name: str, tables: Tables) -> Drawing:
    """A figure by its name."""
    module = import_module(f"scalegrid.figures.{name.replace('-', '_')}")
    with style.context():
        drawing: Drawing = module.draw(tables)
    return drawing


@cache
def subject(sweep: str) -> Subject:
    """A stress sweep, read once."""
    return Subject(STRESS[sweep]())


@cache
def picture(name: str, sweep: str) -> Drawing:
    """A figure of a stress sweep, which a test must not change."""
    return draw(name, subject(sweep))
