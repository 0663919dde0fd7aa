"""The schedule `wsd`: warm up, hold the rate, let it fall. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

DECAY = 0.3
"""Share of a training's updates in which `wsd` lets the rate fall."""


def held_updates(updates: int) -> int:
    """After how many of its updates a training by `wsd` lets its rate fall.

    Up to there trainings of different lengths are the same, and a longer one can branch off.
    """
    return updates - round(DECAY * updates)


def rung_work(rungs: Sequence[int], rung: int, *, goes_on: bool) -> float:
    """The work of a trial at one of the ``rungs``, in those of one at rung 1.

    One that ``goes_on`` trains what its rung has more than the rung before, and the part of that
    one in which the rate fell.
    """
    before = max((one for one in rungs if one < rung), default=0)
    return rung - (1 - DECAY) * before if goes_on else float(rung)
