"""Writing the results of a sweep from several processes: each commit under the lock, held briefly.

Before each, what others have written since is read: the journal from where it was read last, or the
tables where they are others. A commit goes to the journal; the tables are written from time to
time, and by the last head.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from scalegrid.executors import was_killed
from scalegrid.results.checks import ANSWERS_FILE, TRIALS_FILE, of_trials
from scalegrid.results.gathered import Rows
from scalegrid.results.heads import START, STATUS, Heads
from scalegrid.results.journal import Journal, journals, rows_on_disk
from scalegrid.results.loading import flags_of
from scalegrid.results.schema import ANSWERS, TRIALS, Row, Table, read_table
from scalegrid.results.store import News, Store
from scalegrid.spec import SweepSpec
from scalegrid.util.errors import UserError

if TYPE_CHECKING:
    from typing_extensions import Self


class JoinedStore(Store):
    """The tables of one sweep, which several heads write.

    ``stored`` is what is there on entering; what others add later is the news of each `turn`.
    """

    shared: ClassVar[bool] = True

    every: ClassVar[float] = 10.0
    """See `Store.every`; all heads wait while tables are written."""

    def __init__(self, heads: Heads) -> None:
        super().__init__(heads.folder)
        self._heads, self.lock = heads, heads.lock
        self.leads = heads.leads
        self.status_file = f"{heads.name}{STATUS}"
        self._made_trials: set[str] = set()  # that are stored, and no news
        self._tried_again: dict[str, datetime] = {}  # stored as killed before, and when
        self._news: list[News] = []
        self._table: tuple[int, ...] = ()  # which file the table of trials is

    def __enter__(self) -> Self:
        """Read the folder.

        Raises:
            UserError: another process keeps the lock, or files are damaged.
        """
        with self._locked():
            self._read()
            self._open()
        if self.stored is not None:
            columns = (self.stored.trials[name] for name in ("trial", "error", "finished_at"))
            for trial, error, moment in zip(*(one.to_pylist() for one in columns), strict=True):
                if was_killed(error):
                    self._tried_again[trial] = moment
                else:
                    self._made_trials.add(trial)
        return self

    def __exit__(self, *_exception: object) -> None:
        """Nothing is held."""

    @property
    def elsewhere(self) -> int:
        """Workers of other heads, at the last `turn`."""
        return self._heads.elsewhere

    def start(self, spec: SweepSpec, variants: Sequence[Row], data: str, skipped: int = 0) -> None:
        """See `Store.start`; where another head has started the sweep, it stays as it is."""
        with self._locked():
            self._catch_up()  # others may have started it while this head was suspended
            if self.leads:
                super().start(spec, variants, data, skipped)
                self._table = self._table_now()
            elif self.stored is not None:
                known = self.stored.variants["variant"].to_pylist()
                self._positions = {variant: i for i, variant in enumerate(known)}
            self._heads.release([START])
            self._heads.write()

    @contextmanager
    def turn(self) -> Iterator[Sequence[News]]:
        """See `Store.turn`."""
        with self._locked():
            self._catch_up()
            news, self._news = self._news, []
            yield news

    def claim(self, trial: str) -> bool:
        """See `Store.claim`."""
        return trial not in self._made_trials and self._heads.claim(trial)

    def add(
        self, trials: Sequence[Row], history: Sequence[Row], answers: Sequence[Row] = ()
    ) -> None:
        """See `Store.add`; a trial that another head has stored stays as it is."""
        if not trials:
            return
        mine = {row["trial"] for row in trials}
        with self._locked():
            self._catch_up()
            new = mine - self._made_trials
            self._news = [one for one in self._news if one[0]["trial"] not in mine]
            super().add(
                *(
                    [row for row in rows if row["trial"] in new]
                    for rows in (trials, history, answers)
                )
            )
            self._made_trials |= new
            self._heads.release(mine)

    @contextmanager
    def leaving(self) -> Iterator[bool]:
        """See `Store.leaving`; what the head had claimed is free."""
        with self._locked():
            self._heads.leave()
            if self._heads.last and journals(self.folder):
                with suppress(UserError):  # then it stays in the journal
                    self._write()
            yield self._heads.last

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self._heads.take_lock()
            self._heads.look()
            yield
            self._heads.write_claims()
        finally:
            self.lock.release()

    def _catch_up(self) -> None:
        """Read what other heads have stored."""
        if self._table_now() == self._table:
            commits = self._journal.read()
            self._journalled += sum(len(rows.trials) for rows in commits)
        else:
            commits = self._open()
            trials = read_table(self.folder / TRIALS_FILE, TRIALS)
            self._hear(trials, lambda: read_table(self.folder / ANSWERS_FILE, ANSWERS))
        for rows in commits:
            self._hear(rows.trials, lambda rows=rows: rows.answers)  # type: ignore[misc]

    def _open(self) -> list[Rows]:
        """Go on with the tables and the journal that there are; what the journal has."""
        self._table, self._folded = self._table_now(), time.monotonic()
        self._written = rows_on_disk(self.folder / TRIALS_FILE)
        self._journal = Journal(self.folder, self._written)
        commits = self._journal.read()
        self._journalled = sum(len(rows.trials) for rows in commits)
        return commits

    def _hear(self, trials: Table, answers: Callable[[], Table]) -> None:
        """The trials that are new are news."""
        columns = (trials[name].to_pylist() for name in ("trial", "finished_at"))
        new = [
            row
            for row, (trial, moment) in enumerate(zip(*columns, strict=True))
            if trial not in self._made_trials and self._tried_again.get(trial) != moment
        ]
        if new:
            trials = trials.take(new)
            flags = flags_of(of_trials(answers(), trials))
            rows = trials.to_pylist()
            self._news += [(row, flags.get(row["trial"])) for row in rows]
            self._made_trials.update(row["trial"] for row in rows)

    def _table_now(self) -> tuple[int, ...]:
        """What tells the present table of trials from those before and after it."""
        try:
            with (self.folder / TRIALS_FILE).open("rb") as file:
                found = os.fstat(file.fileno())
        except FileNotFoundError:
            return ()
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _write(self, *more: Rows) -> None:
        super()._write(*more)
        self._known = None  # others write too
        self._table = self._table_now()
