"""The results of sweeps on disk: one folder a sweep, written by one process, read by any.

A finished trial is durable as soon as `Store.add` returns. Its history is written first and its row
in ``trials.parquet`` last, so that row decides whether the trial has been trained; history without
it is left over from a kill and is dropped.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock, Timeout

from scalegrid.results.schema import (
    HISTORY,
    TRIALS,
    VARIANTS,
    Row,
    Table,
    make_table,
    read_table,
    write_table,
)
from scalegrid.spec import (
    EXTENDABLE_KEYS,
    RUNTIME_KEYS,
    SweepSpec,
    check_name,
)
from scalegrid.util import yaml
from scalegrid.util.errors import UserError
from scalegrid.util.files import remove_partial_files, replace_file
from scalegrid.util.text import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

SPEC_FILE = "sweep.yaml"
VARIANTS_FILE = "variants.parquet"
TRIALS_FILE = "trials.parquet"
HISTORY_FILE = "history.parquet"

_DATA_KEY = b"scalegrid.data"
_PLANNED_KEY = b"scalegrid.planned"


@dataclass(frozen=True)
class SweepTables:
    """A sweep as it is on disk: the columns are those of `scalegrid.results.schema`.

    ``spec`` holds the keys of ``sweep.yaml``; trials are in the order of the plan, then of seeds.
    ``planned`` are the variants of the plan last run, the others of ``variants`` of earlier ones.
    """

    folder: Path
    spec: dict[str, Any]
    variants: pd.DataFrame
    trials: pd.DataFrame
    history: pd.DataFrame
    planned: pd.DataFrame


@dataclass(frozen=True)
class Stored:
    """A sweep as it is on disk, without pandas.

    The first rows of ``variants`` make up the plan last run; any after them are of earlier plans.
    """

    spec: SweepSpec
    variants: Table
    trials: Table
    history: Table

    @property
    def data(self) -> str:
        """The fingerprint of the data that the sweep trains on."""
        return str(self.variants.schema.metadata[_DATA_KEY].decode())

    @property
    def planned(self) -> list[dict[str, Any]]:
        """The rows of the variants of the plan last run, in its order."""
        rows: list[dict[str, Any]] = self.variants.slice(0, self.planned_count).to_pylist()
        return rows

    @property
    def planned_count(self) -> int:
        """How many variants the plan last run has."""
        return int(self.variants.schema.metadata[_PLANNED_KEY])


def sweep_folder(name: str | None, results: Path | str) -> Path:
    """The folder of the sweep called ``name``, or of the newest sweep under ``results``.

    The newest is the one that was written to last.

    Raises:
        UserError: the name is no plain name, or there is no such sweep.
    """
    root = Path(os.path.expanduser(results))
    if name is None:
        folders = _sweeps(root)
        if not folders:
            raise UserError(f"there are no results in {root}; `scalegrid sweep` makes some.")
        return max(folders, key=_last_written)
    try:
        check_name(name)
    except ValueError as error:
        raise UserError(f"{error}.") from None
    if not (root / name / SPEC_FILE).is_file():
        others = sorted(folder.name for folder in _sweeps(root))
        there = f"there are {', '.join(others)}." if others else "`scalegrid sweep` makes some."
        hint = did_you_mean(name, others, there)
        raise UserError(f"there are no results called {name!r} in {root}; {hint}")
    return root / name


def load_sweep(name: str | None, results: Path | str = "results") -> SweepTables:
    """Read the tables of a sweep, finished or running; of the newest when ``name`` is None.

    Raises:
        UserError: there is no such sweep, or a file is corrupt, foreign, or from a newer scalegrid.
    """
    folder = sweep_folder(name, results)
    stored = read_stored(folder)
    assert stored is not None
    spec = stored.spec.model_dump(mode="json")
    tables = (stored.variants, stored.trials, stored.history)
    variants, trials, history = (table.to_pandas() for table in tables)
    planned = variants.head(stored.planned_count)
    return SweepTables(folder, spec, variants, trials, history, planned)


def read_stored(folder: Path) -> Stored | None:
    """The sweep in ``folder``, rows in canonical order; None if none was started there.

    Raises:
        UserError: a file is corrupt, foreign, or from a newer scalegrid.
    """
    if not (folder / SPEC_FILE).is_file():
        if (folder / TRIALS_FILE).exists():
            raise UserError(
                f"{folder} holds trials but no {SPEC_FILE}; restore that or choose another --name."
            )
        return None
    spec = yaml.load(SweepSpec, folder / SPEC_FILE, "specification")
    # In the reverse of the order of writing: what a row refers to is there when it is read.
    trials = read_table(folder / TRIALS_FILE, TRIALS)
    history = read_table(folder / HISTORY_FILE, HISTORY)
    variants = read_table(folder / VARIANTS_FILE, VARIANTS)
    if _PLANNED_KEY not in (variants.schema.metadata or {}):
        raise UserError(
            f"{folder / VARIANTS_FILE} is missing; restore it or choose another --name."
        )
    metadata = variants.schema.metadata
    if _DATA_KEY not in metadata or not metadata[_PLANNED_KEY].isdigit():
        raise UserError(
            f"{folder / VARIANTS_FILE} is damaged; restore it or choose another --name."
        )
    _check_once(folder / VARIANTS_FILE, "variant", variants)
    _check_once(folder / TRIALS_FILE, "trial", trials)
    strangers = set(trials["variant"].to_pylist()) - set(variants["variant"].to_pylist())
    if strangers:
        raise UserError(
            f"{folder / TRIALS_FILE} has trials of variant {min(strangers)}, which "
            f"{folder / VARIANTS_FILE} does not list; restore both from the same sweep."
        )
    _check_epochs(folder, trials, history)
    return Stored(spec, variants, trials, _without_orphans(history, trials))


def _check_once(path: Path, key: str, table: Table) -> None:
    """Raise UserError if two rows have one id."""
    for identity, count in Counter(table[key].to_pylist()).items():
        if count > 1:
            raise UserError(f"{path} has {key} {identity} {count} times; restore it.")


def _check_epochs(folder: Path, trials: Table, history: Table) -> None:
    """Raise UserError unless all epochs of finished trials are there."""
    epochs = Counter(history["trial"].to_pylist())
    for row in trials.select(["trial", "epochs", "status"]).to_pylist():
        if row["status"] == "finished" and epochs[row["trial"]] != row["epochs"]:
            raise UserError(
                f"{folder / HISTORY_FILE} has {epochs[row['trial']]} epochs of trial "
                f"{row['trial']}, which finished {row['epochs']}; restore it, or delete "
                f"{TRIALS_FILE} too to train again."
            )


def check_settings(stored: Stored, spec: SweepSpec, folder: Path) -> None:
    """Refuse to mix two sweeps in one folder.

    Whether the data are the same is for their fingerprint to say, not for the name they go by.

    Raises:
        UserError: a key that decides what a trial is differs; the first such is named.
    """
    for key in SweepSpec.model_fields:
        if key in RUNTIME_KEYS or key in EXTENDABLE_KEYS or key == "data":
            continue
        old, new = getattr(stored.spec, key), getattr(spec, key)
        if old != new:
            raise _other_settings(folder, key, old, new)


def check_data(stored: Stored, spec: SweepSpec, fingerprint: str, folder: Path) -> None:
    """Refuse to go on with other images than the sweep began with.

    Raises:
        UserError: the fingerprints differ.
    """
    if stored.data == fingerprint:
        return
    if stored.spec.data != spec.data:
        raise _other_settings(folder, "data", stored.spec.data, spec.data)
    raise UserError(
        f"the images of {spec.data} have changed since the sweep in {folder} was started; "
        "choose another --name, or restore them."
    )


class Store:
    """The tables of one sweep, open for writing by this process alone.

    A context manager: entering makes the folder and locks it, leaving unlocks it. The lock goes
    with the process, however that ends.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = FileLock(folder / ".lock")
        self._order: dict[str, int] = {}
        self._keys: list[tuple[int, int]] = []  # of each row of trials: plan order, seed
        self._epochs: list[int] = []  # rows of history of each row of trials
        self._trials: Table = TRIALS.empty_table()
        self._history: Table = HISTORY.empty_table()
        self._made: list[Path] = []  # folders that were not there before, outermost first

    def __enter__(self) -> Store:
        """Lock the folder.

        Raises:
            UserError: it cannot be written, or another process holds the lock.
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
        return self

    def __exit__(self, *_exception: object) -> None:
        """Unlock the folder; remove it if no sweep was started in it and it was not there."""
        if self.folder in self._made and not (self.folder / SPEC_FILE).exists():
            with suppress(OSError):
                Path(self._lock.lock_file).unlink(missing_ok=True)
            self._remove_made()
        self._lock.release()

    def _remove_made(self) -> None:
        """Remove the folders that were not there before, as far as they are empty."""
        for path in reversed(self._made):
            with suppress(OSError):
                path.rmdir()

    def create_or_check(self, spec: SweepSpec, variants: Sequence[Row], data: str) -> None:
        """Start a sweep, or go on with the one that is here.

        Variants of earlier plans, and their trials, are kept after those of this one.

        Args:
            spec: the resolved specification.
            variants: the rows of the plan, in its order.
            data: the fingerprint of the data.

        Raises:
            UserError: the folder holds a sweep with other settings or data, or a damaged one.
        """
        stored = read_stored(self.folder)
        table = make_table(VARIANTS, variants)
        if stored is not None:
            check_settings(stored, spec, self.folder)
            check_data(stored, spec, data, self.folder)
            table = _with_earlier(table, stored.variants)
        metadata = {_DATA_KEY: data, _PLANNED_KEY: str(len(variants))}
        table = table.replace_schema_metadata({**VARIANTS.metadata, **metadata})
        self._take_in(table, stored)
        if stored is None or not _same(table, stored.variants):
            write_table(self.folder / VARIANTS_FILE, table)
        keys = EXTENDABLE_KEYS | {"data"}
        if stored is None or any(getattr(stored.spec, k) != getattr(spec, k) for k in keys):
            # Last: a folder with this file in it is a sweep.
            _write_spec(self.folder / SPEC_FILE, yaml.dump(spec).encode())

    def add(self, trials: Sequence[Row], history: Sequence[Row]) -> None:
        """Store ended trials with all their epochs, durably. A trial already stored is replaced.

        Raises:
            UserError: a file cannot be written.
        """
        if not trials:
            return
        epochs: dict[object, list[Row]] = {row["trial"]: [] for row in trials}
        for row in history:
            epochs[row["trial"]].append(row)
        order = sorted((self._key(row), place) for place, row in enumerate(trials))
        rows = [trials[place] for _, place in order]
        self._merge(
            [key for key, _ in order],
            make_table(TRIALS, rows),
            [make_table(HISTORY, epochs[row["trial"]]) for row in rows],
        )
        write_table(self.folder / HISTORY_FILE, self._history)
        write_table(self.folder / TRIALS_FILE, self._trials)

    def trials(self) -> pd.DataFrame:
        """All trials that have ended, in canonical order."""
        trials: pd.DataFrame = self._trials.to_pandas()
        return trials

    def history(self) -> pd.DataFrame:
        """The epochs of all trials that have ended, in canonical order."""
        history: pd.DataFrame = self._history.to_pandas()
        return history

    def _key(self, row: Row) -> tuple[int, int]:
        return self._order[str(row["variant"])], int(str(row["seed"]))

    def _merge(self, keys: list[tuple[int, int]], rows: Table, epochs: list[Table]) -> None:
        """Put ``rows``, sorted by ``keys``, in their places; one with a known key replaces it."""
        trials, history = [], []
        all_keys, all_epochs = [], []
        done = done_epochs = 0  # of what is held, how much has been put in place
        for number, key in enumerate(keys):
            place = bisect_left(self._keys, key, done)
            before = sum(self._epochs[done:place])
            trials += [self._trials.slice(done, place - done), rows.slice(number, 1)]
            history += [self._history.slice(done_epochs, before), epochs[number]]
            all_keys += [*self._keys[done:place], key]
            all_epochs += [*self._epochs[done:place], epochs[number].num_rows]
            done, done_epochs = place, done_epochs + before
            if self._keys[place : place + 1] == [key]:
                done_epochs += self._epochs[place]
                done += 1
        self._trials = pa.concat_tables([*trials, self._trials.slice(done)]).combine_chunks()
        self._history = pa.concat_tables(
            [*history, self._history.slice(done_epochs)]
        ).combine_chunks()
        self._keys = all_keys + self._keys[done:]
        self._epochs = all_epochs + self._epochs[done:]

    def _take_in(self, variants: Table, stored: Stored | None) -> None:
        """Hold the stored trials in the order that ``variants`` gives them."""
        ids = variants["variant"].to_pylist()
        self._order = {variant: place for place, variant in enumerate(ids)}
        if stored is None:
            return
        names, seeds = (stored.trials[name].to_pylist() for name in ("variant", "seed"))
        keys = [(self._order[v], s) for v, s in zip(names, seeds, strict=True)]
        places = sorted(range(len(keys)), key=keys.__getitem__)
        self._keys = [keys[place] for place in places]
        self._trials = _taken(stored.trials, places)
        rank = {t: i for i, t in enumerate(self._trials["trial"].to_pylist())}
        ranks = [rank[trial] for trial in stored.history["trial"].to_pylist()]
        epochs = stored.history["epoch"].to_pylist()
        order = sorted(range(len(ranks)), key=lambda i: (ranks[i], epochs[i]))
        self._history = _taken(stored.history, order)
        self._epochs = [0] * len(keys)
        for one in ranks:
            self._epochs[one] += 1


def _sweeps(root: Path) -> list[Path]:
    return [path.parent for path in root.glob(f"*/{SPEC_FILE}") if path.is_file()]


def _last_written(folder: Path) -> float:
    files = (folder / SPEC_FILE, folder / TRIALS_FILE)
    return max(file.stat().st_mtime for file in files if file.exists())


def _without_orphans(history: Table, trials: Table) -> Table:
    return history.filter(pc.is_in(history["trial"], value_set=trials["trial"].combine_chunks()))


def _same(one: Table, other: Table) -> bool:
    """Whether two tables have the same rows and metadata; unlike arrow's, NaN equals NaN."""
    metadata = one.schema.metadata == other.schema.metadata
    return metadata and repr(one.to_pylist()) == repr(other.to_pylist())


def _with_earlier(table: Table, earlier: Table) -> Table:
    """``table``, and the rows of ``earlier`` that it lacks after its own."""
    known = set(table["variant"].to_pylist())
    rows = [row for row in earlier.to_pylist() if row["variant"] not in known]
    moved = [{**row, "order": len(known) + place} for place, row in enumerate(rows)]
    return pa.concat_tables([table, make_table(VARIANTS, moved)]).combine_chunks()


def _taken(table: Table, places: Sequence[int]) -> Table:
    return table.take(pa.array(places, pa.int64()))


def _write_spec(path: Path, text: bytes) -> None:
    try:
        replace_file(path, lambda file: file.write(text))
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}.") from error


def _other_settings(folder: Path, key: str, old: object, new: object) -> UserError:
    flag = key.replace("_", "-")
    return UserError(
        f"{folder} holds a sweep with other settings: {flag} is {old} there and {new} here; "
        f"choose another --name, or run it with --{flag} as it was."
    )
