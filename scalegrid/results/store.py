"""Writing the results of a sweep: one folder a sweep, written by one process, read by any.

A finished trial is durable as soon as `Store.add` returns. Its history and answers are written
first and its row in ``trials.parquet`` last, so that row decides whether the trial has been
trained; history and answers without it are left over from a kill and are dropped. Those of long
sweeps, and of trials that end within moments, go to a journal first.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa

from scalegrid.results.checks import ANSWERS_FILE, HISTORY_FILE, TRIALS_FILE, VARIANTS_FILE
from scalegrid.results.gathered import Rows, gathered
from scalegrid.results.heads import Heads
from scalegrid.results.journal import Journal, journals, rows_on_disk
from scalegrid.results.loading import (
    DATA_KEY,
    PLANNED_KEY,
    RATES_FILE,
    SKIPPED_KEY,
    SPEC_FILE,
    Stored,
    read_parts,
    read_stored,
)
from scalegrid.results.schema import (
    RATES,
    VARIANTS,
    Row,
    Table,
    make_table,
    read_table,
    write_table,
)
from scalegrid.spec import EXTENDABLE_KEYS, SweepSpec
from scalegrid.util import disk, yaml
from scalegrid.util.errors import UserError, cannot_write
from scalegrid.util.files import make_missing, remove_made, replace_file
from scalegrid.util.locks import HeldError, Lock

if TYPE_CHECKING:
    from typing_extensions import Self

    from scalegrid.training.answers import Flags

_SHORT = 1000
"""Trials up to which the tables are written every few seconds, for any reader of parquet."""

_SHARE = 4
"""Longer ones are written once the journal has more than this part of their trials: a quarter."""


News = tuple[Row, "Flags | None"]
"""The row of a trial that another head has made, and which images it got right."""


class Store:
    """The tables of one sweep, open for writing by this process alone; `JoinedStore` shares them.

    A context manager: entering makes the folder, locks it and reads what is there into ``stored``,
    and into ``rates`` the trainings that tried a learning rate; leaving unlocks it. ``lock.note``
    says where the lock is not the operating system's.
    """

    spec_file: ClassVar[str] = SPEC_FILE
    """A folder with this file is started."""

    hint: ClassVar[str] = "; processes that are all started with --join share a sweep"
    """What else can be done where another process has the lock."""

    shared: ClassVar[bool] = False
    """Whether other processes may work on the sweep at the same time."""

    status_file: str | None = None
    """Where to write how far this process is, if not where a sweep's own status is."""

    leads = True
    """Whether this process does what one head does for all."""

    every: ClassVar[float] = 2.0
    """Seconds between two tables at least; trials that end meanwhile go to the journal."""

    commit_every: ClassVar[float] = 0.25
    """Seconds between two commits of a run at least; trials that end meanwhile wait."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stored: Stored | None = None
        self.rates: list[Row] = []
        self.lock = Lock(folder / ".lock")
        self._positions: dict[str, int] = {}  # of each variant in the table
        self._journal = Journal(folder, 0)
        self._written = self._journalled = 0  # trials in the tables, and in the journal
        self._known: list[Rows] | None = None  # what is in short tables, and in their journal
        self._folded = -math.inf  # when the tables were written, in monotonic time
        self._added = -math.inf  # when trials were added
        self._made: list[Path] = []  # folders that were not there before, outermost first

    def __enter__(self) -> Self:
        """Lock the folder, and read it.

        Raises:
            UserError: it cannot be written, another process holds the lock, or its files are
                damaged.
        """
        try:
            self._made = make_missing(self.folder)
            self.lock.acquire()
        except HeldError as held:
            raise UserError(f"{held}, or choose another --name{self.hint}.") from None
        except OSError as error:
            remove_made(self._made)
            raise cannot_write(self.folder, error) from None
        try:
            self._check_heads()
            self._read()
        except BaseException:
            self.lock.release()
            raise
        return self

    def _check_heads(self) -> None:
        """Raise UserError where processes that were started with --join use the folder."""
        heads = Heads(self.folder)
        if others := heads.known_to_live():
            raise UserError(
                f"{self.folder} is in use by {others[0]}, which was started with --join; add "
                "--join to work on it too, or choose another --name."
            )
        heads.clear()

    def _read(self) -> None:
        self.stored = read_stored(self.folder)
        self.rates = read_table(self.folder / RATES_FILE, RATES).to_pylist()

    def __exit__(self, *_exception: object) -> None:
        """Unlock the folder, with all in its tables; remove it if no sweep was started in it."""
        unused = self.folder in self._made and not (self.folder / self.spec_file).exists()
        try:
            if self._journalled:
                with suppress(UserError):  # then it stays in the journal
                    self._write()
            if unused:
                with suppress(OSError):
                    disk.remove(self.lock.path)
        finally:
            self.lock.release()
        if unused:
            remove_made(self._made)

    @property
    def elsewhere(self) -> int:
        """Workers of other heads."""
        return 0

    @contextmanager
    def turn(self) -> Iterator[Sequence[News]]:
        """Within, no other head claims or stores a trial; the trials that others have made."""
        yield ()

    def claim(self, trial: str) -> bool:
        """Whether a trial is to be run here, asked in a `turn`; else another head runs it."""
        return True

    @contextmanager
    def leaving(self) -> Iterator[bool]:
        """The end of this process' part; within, whether it is the last, and nothing begins."""
        yield True

    def add_rate(self, row: Row) -> None:
        """Store a training that tried a learning rate, durably; it need not be started for that.

        A training already stored is replaced.

        Raises:
            UserError: the file cannot be written.
        """
        self.rates = [one for one in self.rates if one["trial"] != row["trial"]] + [row]
        write_table(self.folder / RATES_FILE, make_table(RATES, self.rates))

    def start(self, spec: SweepSpec, variants: Sequence[Row], data: str, skipped: int = 0) -> None:
        """Start a sweep, or go on with the one in ``stored``, which `Stored.check` has allowed.

        Variants of earlier plans, and their trials, are kept after those of this one.

        Args:
            spec: the resolved specification.
            variants: the rows of the plan, in its order.
            data: the fingerprint of the data.
            skipped: images that were left out of them.

        Raises:
            UserError: a file cannot be written.
        """
        stored = self.stored
        table = make_table(VARIANTS, variants)
        if stored is not None:
            table = _with_earlier(table, stored.variants)
        metadata = {DATA_KEY: data, PLANNED_KEY: str(len(variants))}
        if skipped:
            metadata[SKIPPED_KEY] = str(skipped)
        table = table.replace_schema_metadata({**VARIANTS.metadata, **metadata})
        self._positions = {v: i for i, v in enumerate(table["variant"].to_pylist())}
        if stored is None or not _same(table, stored.variants):
            write_table(self.folder / VARIANTS_FILE, table)
        keys = EXTENDABLE_KEYS | {"data"}
        if stored is None or any(getattr(stored.spec, k) != getattr(spec, k) for k in keys):
            # Last: a folder with this file in it is a sweep.
            write_text(self.folder / SPEC_FILE, yaml.dump(spec))
        self._open_tables()

    def _open_tables(self) -> None:
        """Go on with the tables; what a kill has left in a journal goes into them first."""
        self._written = rows_on_disk(self.folder / TRIALS_FILE)
        self._journal = Journal(self.folder, self._written)
        if journals(self.folder) or not (self.folder / TRIALS_FILE).exists():
            self._write()  # from now on the absence of the table is a loss

    @property
    def due_in(self) -> float:
        """Seconds for which ended trials may wait for the next commit; 0 or less: store them now.

        A sweep whose trials end within moments would otherwise spend its time on commits. A process
        that is killed loses those that wait, and they are trained again.
        """
        return self.commit_every - (time.monotonic() - self._added)

    def add(
        self, trials: Sequence[Row], history: Sequence[Row], answers: Sequence[Row] = ()
    ) -> None:
        """Store ended trials with all their epochs and answers, durably.

        A trial already stored is replaced. Called without any, it writes tables that are due.

        Raises:
            UserError: a file cannot be written.
        """
        journalled = self._journalled + len(trials)
        rows = [Rows.of(trials, history, answers)] if trials else []
        if journalled and self._due(journalled):
            self._write(*rows)
        elif rows:
            self._journal.append(*rows)
            self._journalled = journalled
            if self._known is not None:
                self._known += rows
        if trials:
            self._added = time.monotonic()

    def _due(self, journalled: int) -> bool:
        """Whether the tables are to be written again rather than have a journal so long."""
        recent = time.monotonic() - self._folded < self.every
        return not recent and (self._written < _SHORT or _SHARE * journalled > self._written)

    def _write(self, *more: Rows) -> None:
        """Write the tables: what they and the journal hold, and ``more``. A new journal begins.

        Of long ones nothing is kept here, so that this process does not grow with the sweep.
        """
        before = read_parts(self.folder) if self._known is None else self._known
        old = journals(self.folder)
        rows = gathered(self._positions, [*before, *more])
        write_table(self.folder / HISTORY_FILE, rows.history)
        write_table(self.folder / ANSWERS_FILE, rows.answers)
        write_table(self.folder / TRIALS_FILE, rows.trials)
        for path in old:
            with suppress(OSError):  # its trials are in the tables, and stay so
                disk.remove(path)
        self._written, self._journalled = len(rows.trials), 0
        self._journal = Journal(self.folder, self._written)
        self._known = [rows] if self._written < _SHORT else None
        self._folded = time.monotonic()


def _same(one: Table, other: Table) -> bool:
    """Whether two tables have the same rows and metadata; unlike arrow's, NaN equals NaN."""
    metadata = one.schema.metadata == other.schema.metadata
    return metadata and repr(one.to_pylist()) == repr(other.to_pylist())


def _with_earlier(table: Table, earlier: Table) -> Table:
    """``table``, and the rows of ``earlier`` that it lacks after its own."""
    known = set(table["variant"].to_pylist())
    rows = [row for row in earlier.to_pylist() if row["variant"] not in known]
    moved = [{**row, "order": order} for order, row in enumerate(rows, start=len(known))]
    return pa.concat_tables([table, make_table(VARIANTS, moved)]).combine_chunks()


def write_text(path: Path, text: str) -> None:
    """Replace a file durably and in one step; UserError where it cannot be written."""
    try:
        replace_file(path, lambda file: file.write(text.encode()))
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}.") from error
