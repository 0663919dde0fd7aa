"""How fast trials are on this machine, and how they are fastest: by steps on noise, and kept."""

from scalegrid.speed.at_once import count_is_open, known_count, trials_at_once
from scalegrid.speed.probing import Probed, can_be_timed, chosen, probed
from scalegrid.speed.rate import rate_of, remember_rate, stored_rate

__all__ = [
    "Probed",
    "can_be_timed",
    "chosen",
    "count_is_open",
    "known_count",
    "probed",
    "rate_of",
    "remember_rate",
    "stored_rate",
    "trials_at_once",
]
