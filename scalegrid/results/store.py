"""Writing the results of a sweep: one folder a sweep, written by one process, read by any.

A finished trial is durable as soon as `Store.add` returns. Its history and answers are written
first and its row in ``trials.parquet`` last, so that row decides whether the trial has been
trained; history and answers without it are left over from a kill and are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import pyarrow as pa
from filelock import FileLock, Timeout

from scalegrid.results.checks import ANSWERS_FILE, HISTORY_FILE, TRIALS_FILE, VARIANTS_FILE
from scalegrid.results.loading import (
    DATA_KEY,
    PLANNED_KEY,
    RATES_FILE,
    SKIPPED_KEY,
    SPEC_FILE,
    Stored,
    read_stored,
)
from scalegrid.results.schema import (
    ANSWERS,
    HISTORY,
    RATES,
    TRIALS,
    VARIANTS,
    Row,
    Table,
    make_table,
    read_table,
    write_table,
)
from scalegrid.spec import EXTENDABLE_KEYS, SweepSpec
from scalegrid.util import yaml
from scalegrid.util.errors import UserError
from scalegrid.util.files import remove_partial_files, replace_file

if TYPE_CHECKING:
    from typing_extensions import Self


class _Held(NamedTuple):
    """Where a trial is sorted (position of its variant, seed, rung), and which rows hold it."""

    order: tuple[int, int, int]
    row: int
    epochs: list[int]
    answers: list[int]  # one row or none


class Store:
    """The tables of one sweep, open for writing by this process alone.

    A context manager: entering makes the folder, locks it and reads what is there into ``stored``,
    and into ``rates`` the trainings that tried a learning rate; leaving unlocks it. The lock goes
    with the process, however that ends.
    """

    spec_file: ClassVar[str] = SPEC_FILE
    """A folder with this file is started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stored: Stored | None = None
        self.rates: list[Row] = []
        self._lock = FileLock(folder / ".lock")
        self._positions: dict[str, int] = {}  # of each variant in the table
        self._trials: Table = TRIALS.empty_table()
        self._history: Table = HISTORY.empty_table()
        self._answers: Table = ANSWERS.empty_table()
        self._held: dict[str, _Held] = {}
        self._made: list[Path] = []  # folders that were not there before, outermost first

    def __enter__(self) -> Self:
        """Lock the folder, and read it.

        Raises:
            UserError: it cannot be written, another process holds the lock, or its files are
                damaged.
        """
        try:
            self._made = [
                p for p in (*reversed(self.folder.parents), self.folder) if not p.exists()
            ]
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
            remove_partial_files(self.folder)
        except Timeout:
            raise UserError(
                f"{self.folder} is in use by another running sweep; wait for it, or choose "
                "another --name."
            ) from None
        except OSError as error:
            self._remove_made()
            raise UserError(
                f"cannot write to {self.folder}: {error.strerror or error}; choose another "
                "--results folder."
            ) from None
        try:
            self._read()
        except BaseException:
            self._lock.release()
            raise
        return self

    def _read(self) -> None:
        self.stored = read_stored(self.folder)
        self.rates = read_table(self.folder / RATES_FILE, RATES).to_pylist()

    def __exit__(self, *_exception: object) -> None:
        """Unlock the folder; remove it if no sweep was started in it and it was not there."""
        if self.folder in self._made and not (self.folder / self.spec_file).exists():
            with suppress(OSError):
                Path(self._lock.lock_file).unlink(missing_ok=True)
            self._remove_made()
        self._lock.release()

    def _remove_made(self) -> None:
        """Remove the folders that were not there before, as far as they are empty."""
        for path in reversed(self._made):
            with suppress(OSError):
                path.rmdir()

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
        if stored is not None:
            self._hold(stored.trials, stored.history, stored.answers)
        if stored is None or not _same(table, stored.variants):
            write_table(self.folder / VARIANTS_FILE, table)
        keys = EXTENDABLE_KEYS | {"data"}
        if stored is None or any(getattr(stored.spec, k) != getattr(spec, k) for k in keys):
            # Last: a folder with this file in it is a sweep.
            write_text(self.folder / SPEC_FILE, yaml.dump(spec))
        if not (self.folder / TRIALS_FILE).exists():  # from now on its absence is a loss
            write_table(self.folder / TRIALS_FILE, self._trials)

    def add(
        self, trials: Sequence[Row], history: Sequence[Row], answers: Sequence[Row] = ()
    ) -> None:
        """Store ended trials with all their epochs and answers, durably.

        A trial already stored is replaced.

        Raises:
            UserError: a file cannot be written.
        """
        if not trials:
            return
        self._hold(
            make_table(TRIALS, trials), make_table(HISTORY, history), make_table(ANSWERS, answers)
        )
        ordered = sorted(self._held.values(), key=lambda held: held.order)
        epochs = [epoch for held in ordered for epoch in held.epochs]
        bits = [row for held in ordered for row in held.answers]
        write_table(self.folder / HISTORY_FILE, _taken(self._history, epochs))
        write_table(self.folder / ANSWERS_FILE, _taken(self._answers, bits))
        write_table(self.folder / TRIALS_FILE, _taken(self._trials, [one.row for one in ordered]))

    def _hold(self, trials: Table, history: Table, answers: Table) -> None:
        """Append rows, and remember by trial which they are; rows that are replaced stay unused."""
        first_row, first_epoch = self._trials.num_rows, self._history.num_rows
        first_answer = self._answers.num_rows
        self._trials = _joined(self._trials, trials)
        self._history = _joined(self._history, history)
        self._answers = _joined(self._answers, answers)
        columns = (trials[name].to_pylist() for name in ("trial", "variant", "seed", "rung"))
        for row, (trial, variant, *own) in enumerate(zip(*columns, strict=True), start=first_row):
            self._held[trial] = _Held((self._positions[variant], *own), row, [], [])
        owners, epochs = (history[name].to_pylist() for name in ("trial", "epoch"))
        for row in sorted(range(len(epochs)), key=epochs.__getitem__):
            self._held[owners[row]].epochs.append(first_epoch + row)
        for row, trial in enumerate(answers["trial"].to_pylist(), start=first_answer):
            self._held[trial].answers.append(row)


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


def _joined(table: Table, more: Table) -> Table:
    return pa.concat_tables([table, more]).combine_chunks()


def _taken(table: Table, rows: Sequence[int]) -> Table:
    return table.take(pa.array(rows, pa.int64()))
