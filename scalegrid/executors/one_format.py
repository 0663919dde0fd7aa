"""The number format of a sweep's trials, of which there is one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from scalegrid.training.devices import differing
from scalegrid.training.trial import Outcome, Trial


class OneFormat:
    """Keeps trials to the number format of those before, or of the first.

    Args:
        made: rows of the trials before.
    """

    def __init__(self, made: Iterable[Mapping[str, Any]]) -> None:
        self.known: str | None = None
        for row in made:
            self.known = self.known or row["number_format"]

    def wanted(self, trial: Trial) -> Trial:
        """The trial, which a device of another format leaves untrained."""
        return replace(trial, number_format=self.known)

    def checked(self, outcome: Outcome) -> Outcome:
        """The outcome; one that stops the run where trials before are in another format."""
        now = outcome.number_format
        self.known = self.known or now
        if now in (None, self.known):
            return outcome
        return replace(
            outcome, status="failed", error=differing(self.known, now, outcome.device), unfit=True
        )
