"""A page that is written again while its sweep runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from scalegrid.progress import read_status
from scalegrid.report.page import write_report
from scalegrid.results.checks import TRIALS_FILE
from scalegrid.results.loading import SEARCH_FILE, SPEC_FILE
from scalegrid.search.tables import load_either

PAUSE = 2.0  # seconds between two looks
REFRESH = 10  # seconds after which a browser reads the page again


def watch_report(folder: Path, path: Path | None = None, pause: float = PAUSE) -> Iterator[Path]:
    """Write the page whenever the trials have changed, until the sweep or search no longer runs.

    Args:
        folder: of the sweep or search.
        path: of the page; ``report.html`` in the folder by default.
        pause: seconds between two looks.

    Yields:
        The page's path, each time that it has been written.

    Raises:
        UserError: a table cannot be read, or the page cannot be written.
    """
    seen: object = ()
    while True:
        status = read_status(folder)
        if status is None or status.state != "running":
            return
        trials = folder / TRIALS_FILE
        now = trials.stat().st_mtime_ns if trials.exists() else None
        # Not while a learning rate is searched.
        begun = any((folder / file).exists() for file in (SPEC_FILE, SEARCH_FILE))
        if begun and now != seen:
            seen = now
            tables = load_either(folder.name, folder.parent)
            yield write_report(tables, path, refresh=REFRESH)
        time.sleep(pause)
