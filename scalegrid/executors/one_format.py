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
            self.agrees(row["number_format"])

    def agrees(self, number_format: str | None) -> bool:
        """Whether a trial in this format is like those before; the first that has one decides."""
        self.known = self.known or number_format
        return number_format in (None, self.known)

    def wanted(self, trial: Trial) -> Trial:
        """The trial, which a device of another format leaves untrained."""
        return replace(trial, number_format=self.known)

    def checked(self, outcome: Outcome) -> Outcome:
        """The outcome; one that stops the run where trials before are in another format."""
        if self.agrees(outcome.number_format):
            return outcome
        error = differing(self.known, outcome.number_format, outcome.device)
        return replace(outcome, status="failed", error=error, unfit=True)
