"""What is not sent yet is sent: from the tables in a sweep's folder, by the notes of what was.

A run is noted after it has been sent. A kill in between sends it again, to the run of its id.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from scalegrid.results import Stored, SweepTables, load_sweep, read_stored
from scalegrid.track.runs import Run, sweep_run, trial_runs, versions
from scalegrid.track.trackers import Tracker
from scalegrid.util.errors import UserError
from scalegrid.util.files import replace_file

TRACKED_FILE = "tracked.json"
"""By tracker and destination: the id of each run sent, and the version of it (see `versions`)."""


class Draw(Protocol):
    """Draws all figures of tables into a folder, in formats; `scalegrid.figures.draw` does."""

    def __call__(
        self,
        names: None,
        tables: SweepTables,
        folder: Path,
        formats: Sequence[str],
        /,
        *,
        warn: Callable[[str], None],
    ) -> Sequence[Path]:
        """The files; why figures are left out goes to ``warn``."""


def unsent(stored: Stored, tracker: Tracker) -> dict[str, str]:
    """The runs that a tracker has not been sent as they are now: versions by id, trials first."""
    sent = _tracked(stored.folder).get(tracker.destination, {})
    return {run: now for run, now in versions(stored).items() if sent.get(run) != now}


def send_unsent(
    folder: Path,
    tracker: Tracker,
    draw: Draw | None = None,
    warn: Callable[[str], None] = lambda _reason: None,
) -> Iterator[Run]:
    """Send the trials that a tracker lacks; yields each when it is sent and noted.

    Args:
        folder: of the sweep.
        tracker: where to.
        draw: if given, the run of the sweep is sent too, with the figures that there are data for.
        warn: called with one sentence for each figure left out.

    Raises:
        UserError: the tables cannot be read.
        Exception: whatever the tracker or the drawing raises.
    """
    stored = read_stored(folder)
    if stored is None:
        return
    wanted = unsent(stored, tracker)
    for run in trial_runs(stored, wanted):
        yield _sent(run, wanted, folder, tracker)
    if draw is not None and wanted.keys() - set(stored.trials["trial"].to_pylist()):
        with TemporaryDirectory() as drawn:
            figures: Sequence[Path] = ()
            tables = load_sweep(folder.name, folder.parent)
            try:
                figures = draw(None, tables, Path(drawn), ("png",), warn=warn)
            except UserError as error:  # there are no data for any
                warn(str(error))
            pictures = [path for path in figures if path.suffix == ".png"]
            yield _sent(sweep_run(stored, pictures), wanted, folder, tracker)


def _sent(run: Run, versions: dict[str, str], folder: Path, tracker: Tracker) -> Run:
    """Send a run, and note that."""
    tracker.send(run)
    tracked = _tracked(folder)
    tracked.setdefault(tracker.destination, {})[run.id] = versions[run.id]
    text = json.dumps(tracked, indent=0).encode()
    replace_file(folder / TRACKED_FILE, lambda file: file.write(text), durable=False)
    return run


def _tracked(folder: Path) -> dict[str, dict[str, str]]:
    """What has been sent where; nothing if the file is missing or damaged."""
    with suppress(OSError, ValueError):
        tracked: dict[str, dict[str, str]] = json.loads((folder / TRACKED_FILE).read_bytes())
        return tracked
    return {}
