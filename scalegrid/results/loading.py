"""Reading the results of a sweep: finished or running, from one folder of parquet files."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from scalegrid.results.checks import (
    ANSWERS_FILE,
    HISTORY_FILE,
    TRIALS_FILE,
    VARIANTS_FILE,
    check,
    of_trials,
)
from scalegrid.results.gathered import Rows, together
from scalegrid.results.journal import Journal, journals, rows_on_disk
from scalegrid.results.schema import ANSWERS, HISTORY, TRIALS, VARIANTS, Table, read_table
from scalegrid.spec import (
    EXTENDABLE_KEYS,
    HELD_SCHEDULE,
    IMAGE_KEYS,
    RUNTIME_KEYS,
    Metric,
    SweepSpec,
    check_name,
)
from scalegrid.training.answers import unpack
from scalegrid.util import yaml
from scalegrid.util.errors import UserError
from scalegrid.util.text import did_you_mean, few, plural, results_flag

if TYPE_CHECKING:
    import pandas as pd

    from scalegrid.analysis import Recommendation
    from scalegrid.training.answers import Flags

SPEC_FILE = "sweep.yaml"
_ONCE = {"depth_rounding": "authors", "rates": "same"}
RATES_FILE = "rates.parquet"

SEARCH_FILE = "search.yaml"
"""In the folder of a search, which is no sweep: its specification."""

NETWORKS_FILE = "networks.parquet"
"""There, the networks that were sampled."""

DATA_KEY = b"scalegrid.data"
"""Of the metadata of ``variants.parquet``: the fingerprint of the data."""

SKIPPED_KEY = b"scalegrid.skipped"
"""Likewise: how many images were left out since they cannot be read; without it none."""

PLANNED_KEY = b"scalegrid.planned"
"""Likewise: how many variants, from the first, make up the plan last run."""


@dataclass(frozen=True)
class SweepTables:
    """A sweep as it is on disk: the columns are those of `scalegrid.results.schema`.

    ``spec`` holds the keys of ``sweep.yaml``; trials are in the order of the plan, then of seeds,
    then of rungs. ``planned`` are the variants of the plan last run, the others of ``variants`` of
    earlier ones.
    ``answers`` lacks trials that failed or were made by a scalegrid that did not keep them.
    ``data`` is the fingerprint of the data. The figures of a trainer are columns of trials and
    history too.
    """

    folder: Path
    spec: dict[str, Any]
    data: str
    variants: pd.DataFrame
    trials: pd.DataFrame
    history: pd.DataFrame
    answers: pd.DataFrame
    planned: pd.DataFrame

    @property
    def correct(self) -> Flags:
        """Which images the trials of ``answers`` got right: (its rows, validation images)."""
        images = self.answers["images"]
        return unpack(self.answers["correct"].tolist(), int(images.iloc[0]) if len(images) else 0)

    @property
    def answered(self) -> dict[str, Flags]:
        """The rows of ``correct`` by the ids of their trials."""
        return dict(zip(self.answers["trial"], self.correct, strict=True))

    def recommend(
        self,
        *,
        metric: Metric | None = None,
        indifference: float | None = None,
        confidence: float | None = None,
    ) -> Recommendation:
        """What `scalegrid recommend` says; settings that are not given are the sweep's own.

        Arguments and errors are those of `scalegrid.analysis.recommend_as_planned`.
        """
        from scalegrid.analysis import recommend_as_planned

        return recommend_as_planned(
            self.planned,
            self.trials,
            self.spec,
            metric=metric,
            indifference=indifference,
            confidence=confidence,
            answers=self.answered,
        )

    def __repr__(self) -> str:
        from scalegrid.results.showing import about

        facts = "; ".join(f"{key}: {text}" for key, text in about(self).items())
        return f"<SweepTables {self.folder.name}; {facts}>"

    def _repr_html_(self) -> str:
        """The sweep in a notebook: its name, what it is, and its verdict."""
        from scalegrid.results.showing import to_html

        return to_html(self)


@dataclass(frozen=True)
class Stored:
    """A sweep as it is on disk, without pandas.

    The first rows of ``variants`` make up the plan last run; any after them are of earlier plans.
    """

    folder: Path
    spec: SweepSpec
    variants: Table
    trials: Table
    history: Table
    answers: Table

    @property
    def data(self) -> str:
        """The fingerprint of the data that the sweep trains on."""
        return str(self.variants.schema.metadata[DATA_KEY].decode())

    @property
    def skipped(self) -> int:
        """Images that were left out since they cannot be read."""
        return int(self.variants.schema.metadata.get(SKIPPED_KEY, 0))

    @property
    def planned(self) -> list[dict[str, Any]]:
        """The rows of the variants of the plan last run, in its order."""
        rows: list[dict[str, Any]] = self.variants.slice(0, self.planned_count).to_pylist()
        return rows

    @property
    def answered(self) -> dict[str, Flags]:
        """Which images the trials of ``answers`` got right, by their ids."""
        return flags_of(self.answers)

    @property
    def planned_count(self) -> int:
        """How many variants the plan last run has."""
        return int(self.variants.schema.metadata[PLANNED_KEY])

    def check(self, spec: SweepSpec, baseline: str, data: str, changed: Sequence[str] = ()) -> None:
        """Refuse to mix two sweeps in one folder.

        Args:
            spec: the resolved specification that is to go on here.
            baseline: the id of its unscaled variant.
            data: the fingerprint of its data.
            changed: images that are others than in this sweep, as far as known.

        Raises:
            UserError: see `check_settings`; or the images or the network are not those that the
                sweep began with.
        """
        self.check_settings(spec)
        if self.data != data:
            for key in sorted(IMAGE_KEYS, reverse=True):
                old, new = getattr(self.spec, key), getattr(spec, key)
                if old != new:
                    raise self._other_settings(key, old, new)
            if spec.trainer is not None:
                raise UserError(
                    f"{spec.trainer} has changed since the sweep in {self.folder} was started; "
                    "choose another --name, or undo the change."
                )
            which = f" ({few(list(changed), 10)})" if changed else ""
            raise UserError(
                f"the images of {spec.data} have changed since the sweep in {self.folder} was "
                f"started{which}; choose another --name, or restore them."
            )
        if self.variants["variant"][0].as_py() != baseline:
            raise UserError(
                f"{spec.baseline} has changed since the sweep in {self.folder} was started; choose "
                "another --name, or undo the change."
            )

    def check_settings(self, spec: SweepSpec) -> None:
        """Refuse settings that decide what a trial is, and are not those of this sweep.

        Whether the images are the same is for their fingerprint to say, not for `IMAGE_KEYS`.

        Raises:
            UserError: naming the first such setting; or trials are to continue at a higher rung,
                and the schedule of this sweep does not allow it.
        """
        if self.spec.imported:
            raise UserError(
                f"{self.folder} holds trainings made elsewhere, which are no trials of a sweep; "
                "choose another --name."
            )
        check_held(self.folder, spec, self.spec)
        for key in SweepSpec.model_fields:
            if key in RUNTIME_KEYS | EXTENDABLE_KEYS | IMAGE_KEYS:
                continue
            old, new = getattr(self.spec, key), getattr(spec, key)
            if old != new:
                raise self._other_settings(key, old, new)

    def check_alike(self, spec: SweepSpec, planned: Sequence[Mapping[str, Any]]) -> None:
        """Refuse to change a sweep that other heads run.

        Args:
            spec: the resolved specification of a further head, which `check` has allowed.
            planned: the rows of its plan.

        Raises:
            UserError: it asks for other trials.
        """
        for key in sorted(EXTENDABLE_KEYS):
            old, new = getattr(self.spec, key), getattr(spec, key)
            if old != new:
                raise UserError(
                    f"others run the sweep in {self.folder} with --{key.replace('_', '-')} "
                    f"{_given(old)}, and here it is {_given(new)}; give the same, or wait for them."
                )
        if [row["variant"] for row in planned] != [row["variant"] for row in self.planned]:
            raise UserError(
                f"others run the sweep in {self.folder} with other variants than are planned here; "
                "use the same version of scalegrid, or wait for them."
            )

    def _other_settings(self, key: str, old: object, new: object) -> UserError:
        return other_settings(self.folder, "sweep", key, old, new)


def check_held(folder: Path, spec: SweepSpec, stored: SweepSpec) -> None:
    """Raise UserError where trials are to continue, and the stored schedule does not allow it."""
    if spec.continues and spec.schedule == stored.schedule != HELD_SCHEDULE:
        raise UserError(
            f"{folder} holds trainings by the schedule {spec.schedule!r}, which does not hold its "
            "rate, so that none can go on to a higher rung; use --rungs-from scratch, or "
            f"--schedule {HELD_SCHEDULE} under another --name."
        )


def other_settings(folder: Path, what: str, key: str, old: object, new: object) -> UserError:
    """That a sweep, or ``what`` it is, does not go on in its folder with another setting."""
    flag = f"--{key.replace('_', '-')}"
    as_before = f"without {flag}" if old is None else f"with {flag} as it was"
    if old is False:
        as_before = f"with --no-{flag[2:]}"
    return UserError(
        f"{folder} holds a {what} with other settings: {flag} is {_given(old)} there and "
        f"{_given(new)} here; choose another --name, or run it {as_before}."
    )


def _given(value: object) -> object:
    """A setting as a user gives it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return "not given" if value is None else value


def sweep_folder(
    name: str | None, results: Path | str, files: Sequence[str] = (SPEC_FILE,)
) -> Path:
    """The folder of the sweep called ``name``, or of the newest sweep under ``results``.

    The newest is the one that was written to last. A folder that holds any of ``files`` is a sweep.

    Raises:
        UserError: the name is no plain name, or there is no such sweep.
    """
    root = Path(os.path.expanduser(results))
    if root.is_file():
        raise UserError(f"--results {root} is a file; give the folder of sweeps.")
    if name is None:
        folders = _sweeps(root, files)
        if not folders:
            raise UserError(f"there are no results in {root}; `scalegrid sweep` makes some.")
        return max(folders, key=lambda folder: _last_written(folder, files))
    try:
        check_name(name)
    except ValueError as error:
        raise UserError(f"{error}.") from None
    if not any((root / name / file).is_file() for file in files):
        if SPEC_FILE in files and (root / name / SEARCH_FILE).is_file():
            answer = shlex.join(["scalegrid", "search", str(root / name / SEARCH_FILE)])
            page = shlex.join(["scalegrid", "report", name, *results_flag(root)])
            raise UserError(
                f"{name} in {root} is a search for a baseline, which has no coefficients; "
                f"`{answer}` prints its answer, and `{page}` writes its page."
            )
        _check_no_trials(root / name)
        others = sorted(folder.name for folder in _sweeps(root, files))
        there = f"{root}, which has {plural(len(others), 'sweep')}" if others else root
        instead = f"there are {few(others)}." if others else "`scalegrid sweep` makes some."
        hint = did_you_mean(name, others, instead, most=3)
        raise UserError(f"there are no results called {name!r} in {there}; {hint}")
    return root / name


def load_sweep(name: str | Path | None, results: Path | str = "results") -> SweepTables:
    """Read the tables of a sweep, finished or running; of the newest when ``name`` is None.

    A `Path` is that of the sweep's own folder, as `SweepOutcome.folder` is, whatever ``results``.

    Raises:
        UserError: there is no such sweep, or a file is corrupt, foreign, or from a newer scalegrid.
    """
    if isinstance(name, Path):
        return load_sweep_at(f"{name}{os.sep}")
    folder = sweep_folder(name, results)
    stored = read_stored(folder)
    assert stored is not None
    spec = stored.spec.model_dump(mode="json")
    tables = (stored.variants, stored.trials, stored.history, stored.answers)
    variants, trials, history, answers = (table.to_pandas() for table in tables)
    trials, history = with_figures(trials), with_figures(history)
    planned = variants.head(stored.planned_count)
    return SweepTables(folder, spec, stored.data, variants, trials, history, answers, planned)


def with_figures(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a column for each further figure of a trainer; NaN where a row lacks it."""
    given = [dict(pairs) if pairs is not None else {} for pairs in table["figures"]]
    names = dict.fromkeys(name for figures in given for name in figures)
    columns = {name: [one.get(name, math.nan) for one in given] for name in names}
    widened: pd.DataFrame = table.assign(**columns)
    return widened


def load_sweep_at(sweep: str, results: Path | str = "results") -> SweepTables:
    """Read the tables of a sweep by the path of its folder, or by its name under ``results``.

    What has a path separator, or is ``.`` or ``..``, is a path.

    Raises:
        UserError: see `load_sweep`.
    """
    if sweep in (".", "..") or "/" in sweep or os.sep in sweep:
        folder = Path(os.path.abspath(os.path.expanduser(sweep)))
        return load_sweep(folder.name, folder.parent)
    return load_sweep(sweep, results)


def read_stored(folder: Path) -> Stored | None:
    """The sweep in ``folder``, rows in canonical order; None if none was started there.

    Raises:
        UserError: a file is corrupt, foreign, or from a newer scalegrid.
    """
    if not (folder / SPEC_FILE).is_file():
        if (folder / SEARCH_FILE).is_file():
            raise UserError(
                f"{folder} holds a search for a baseline; choose another --name for the sweep."
            )
        _check_no_trials(folder)
        return None
    spec = yaml.load(SweepSpec, folder / SPEC_FILE, "specification")
    if "baseline" not in spec.model_fields_set:
        raise UserError(f"{folder / SPEC_FILE} does not say the baseline; restore it.")
    for key, value in _ONCE.items():  # of a scalegrid that had no choice
        if key not in spec.model_fields_set and not spec.imported:
            spec = spec.model_copy(update={key: value})
    parts = read_parts(folder)
    variants = read_table(folder / VARIANTS_FILE, VARIANTS)
    if PLANNED_KEY not in (variants.schema.metadata or {}):
        raise UserError(
            f"{folder / VARIANTS_FILE} is missing; restore it or choose another --name."
        )
    metadata = variants.schema.metadata
    if DATA_KEY not in metadata or not metadata[PLANNED_KEY].isdigit():
        raise UserError(
            f"{folder / VARIANTS_FILE} is damaged; restore it or choose another --name."
        )
    trials, history, answers = together(parts, variants["variant"].to_pylist())
    answers = of_trials(answers, trials.filter(pc.equal(trials["status"], "finished")))
    check(folder, variants, trials, history, answers, spec.network_known)
    return Stored(folder, spec, variants, trials, of_trials(history, trials), answers)


def _check_no_trials(folder: Path) -> None:
    """Raise UserError if there are trials in a folder that has lost its specification."""
    lost = SEARCH_FILE if (folder / NETWORKS_FILE).exists() else SPEC_FILE
    if (folder / TRIALS_FILE).exists() and not (folder / lost).exists():
        raise UserError(f"{folder} holds trials but no {lost}; restore that, or use another name.")


def flags_of(answers: Table) -> dict[str, Flags]:
    """Which images trials got right, (images,) each, by their ids."""
    rows = answers.to_pylist()
    flags = unpack([row["correct"] for row in rows], rows[0]["images"] if rows else 0)
    return dict(zip((row["trial"] for row in rows), flags, strict=True))


def read_parts(folder: Path) -> list[Rows]:
    """The tables of trials, and after them the commits of their journal.

    Raises:
        UserError: a file cannot be read, is missing, corrupt, or of something else.
    """
    # In the reverse of the order of writing: what a row refers to is there when it is read.
    trials = read_table(folder / TRIALS_FILE, TRIALS)
    commits = Journal(folder, len(trials)).read()
    if not commits and rows_on_disk(folder / TRIALS_FILE) != len(trials):
        return read_parts(folder)  # the journal has gone into a new table meanwhile
    answers = read_table(folder / ANSWERS_FILE, ANSWERS)
    history = read_table(folder / HISTORY_FILE, HISTORY)
    if history.num_rows and not (folder / TRIALS_FILE).exists():
        lost = plural(len(set(history["trial"].to_pylist())), "trial")
        raise UserError(
            f"{folder / TRIALS_FILE} is missing, though there are epochs of {lost}; restore it, or "
            "remove the folder to train all again."
        )
    return [Rows(trials, history, answers), *commits]


def _sweeps(root: Path, files: Sequence[str]) -> list[Path]:
    found = (path for file in files for path in root.glob(f"*/{file}") if path.is_file())
    return list({path.parent for path in found})


def _last_written(folder: Path, files: Sequence[str]) -> float:
    paths = [folder / file for file in (*files, TRIALS_FILE, RATES_FILE)] + journals(folder)
    return max(path.stat().st_mtime for path in paths if path.exists())
