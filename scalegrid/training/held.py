"""The schedule `wsd`: warm up, hold the rate, let it fall. Imports no torch."""

from __future__ import annotations

DECAY = 0.3
"""Share of a training's updates in which `wsd` lets the rate fall."""


def held_updates(updates: int) -> int:
    """After how many of its updates a training by `wsd` lets its rate fall.

    Up to there trainings of different lengths are the same, and a longer one can branch off.
    """
    return updates - round(DECAY * updates)
