"""Every write of a sweep is made to fail, one after the other: nothing is lost or made twice.

Each point is a run that meets one fault at one call of the disk, and a run after it, which has to
end with the tables of an undisturbed one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from faults import KINDS, FaultyDisk, Kind, faulty
from light_sweep import light_spec, run_light_sweep

from scalegrid.progress.status import STATUS_FILE, read_status
from scalegrid.results import Store, heads, read_stored
from scalegrid.results import store as module
from scalegrid.results.joined import JoinedStore
from scalegrid.results.schema import MEASURED
from scalegrid.util import yaml
from scalegrid.util.errors import UserError

NAME = "s"


@dataclass(frozen=True)
class Scenario:
    """A sweep, and the one before it in the same folder; tables are short up to ``short``.

    Short tables are written at most ``every`` so many seconds, and trials are stored at most every
    ``commit_every`` seconds.

    One that may be joined has a journal, which goes into the tables at its end.
    """

    settings: dict[str, Any]
    earlier: dict[str, Any] = field(default_factory=dict)
    short: int = 1000
    every: float = 0.0
    commit_every: float = 0.0
    join: bool = False


SCENARIOS = {
    "tables": Scenario({"candidates": 4, "seeds": 1}),
    "journal": Scenario({"candidates": 4, "seeds": 2}, short=2),
    "rungs": Scenario({"candidates": 4, "seeds": 1, "rungs": (1, 2)}),
    "extended": Scenario({"candidates": 5, "seeds": 1}, {"candidates": 4, "seeds": 1}),
    "quick": Scenario({"candidates": 4, "seeds": 1}, every=1e9),
    "grouped": Scenario({"candidates": 5, "seeds": 1}, every=1e9, commit_every=1e9),
    "joined": Scenario({"candidates": 4, "seeds": 1}, join=True),
}


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    """Of two things that take long, each is done once."""
    read: dict[bytes, Any] = {}

    def load(model: Any, path: Path, what: str) -> Any:
        text = path.read_bytes()
        if text not in read:
            read[text] = real(model, path, what)
        return read[text]

    real = yaml.load
    with (
        mock.patch("scalegrid.training.attempt.versions", return_value="of today"),
        mock.patch.object(yaml, "load", load),
    ):
        yield


class Sweeps:
    """Runs of one scenario, each on a disk that is as before its first."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self._scenario = scenario
        self._before, self.disk = folder / "before", folder / "disk"
        self._before.mkdir()
        self.folder = self.disk / "results" / NAME
        if scenario.earlier:
            self.reset()
            self._run(scenario.earlier)
            shutil.move(self.folder.parent, self._before)
        self.reset()
        self._earlier = self._stored()
        with faulty(self.disk) as undisturbed:
            self._run(scenario.settings)
        self.calls = undisturbed.calls
        self.whole = left_in(self.folder)

    def reset(self) -> None:
        """The disk as it is before the first run."""
        shutil.rmtree(self.disk, ignore_errors=True)
        shutil.copytree(self._before, self.disk)

    def points(self, kind: Kind) -> list[int]:
        """Calls at which a run can meet the fault; the last is after it."""
        last = [len(self.calls)] if kind in ("lost", "garbled") else []
        return [at for at, call in enumerate(self.calls) if KINDS[kind](call)] + last

    def check(self, kind: Kind, at: int) -> str:
        """Meet the fault, and run again; how the first run ended."""
        self.reset()
        kept: set[str] = set()
        with faulty(self.disk, kind, at) as disk:
            ended = self._meet(disk, kept)
        if disk.gone:
            ended = "gone"
        stored = self._stored()
        assert self._earlier | kept <= stored, "a stored trial is lost"
        again: set[str] = set()
        self._run(self._scenario.settings, again)
        assert not stored & again, "a stored trial is made again"
        assert left_in(self.folder) == self.whole
        return ended

    def _meet(self, disk: FaultyDisk, kept: set[str]) -> str:
        try:
            self._run(self._scenario.settings, kept)
        except UserError as error:
            said = str(error)
        else:
            return "went on"
        assert said.endswith(".")
        assert "\n" not in said
        assert str(self.disk) in said
        return "a sentence"

    def _stored(self) -> set[str]:
        found = read_stored(self.folder)
        return set(found.trials["trial"].to_pylist()) if found else set()

    def _run(self, settings: dict[str, Any], kept: set[str] | None = None) -> None:
        """Run; the trials that are durable by then are added to ``kept``."""
        real = Store.add

        def add(store: Store, rows: Any, *others: Any) -> None:
            real(store, rows, *others)
            if kept is not None:
                kept.update(row["trial"] for row in rows)

        spec = light_spec(self.folder.parent, name=NAME, workers=1, **settings)
        with (
            mock.patch.object(Store, "add", add),
            mock.patch.object(module, "_SHORT", self._scenario.short),
            mock.patch.object(Store, "every", self._scenario.every),
            mock.patch.object(JoinedStore, "every", 1e9),
            mock.patch.object(Store, "commit_every", self._scenario.commit_every),
            # A head that is gone is dead, though its process is this one; and none has a pulse.
            mock.patch.multiple(heads, LEASE=0.0, BEAT=1e6),
        ):
            run_light_sweep(spec, join=self._scenario.join)


def left_in(folder: Path) -> tuple[object, ...]:
    """What a finished sweep leaves: its files, and what they say beside measured times."""
    found = read_stored(folder)
    assert found is not None
    tables = (found.variants, found.trials, found.history, found.answers)
    shown = [str(one.drop_columns(_measured(one)).to_pylist()) for one in tables]
    names = {str(path.relative_to(folder.parent)) for path in folder.parent.rglob("*")}
    status = read_status(folder)
    assert status is None or (status.state, status.ended) == ("finished", len(found.trials))
    return (
        names - {f"{NAME}/{name}" for name in (STATUS_FILE, ".lock")},
        (folder / "sweep.yaml").read_text(),
        shown,
    )


def _measured(table: Any) -> list[str]:
    return [name for name in MEASURED if name in table.column_names]


@pytest.mark.parametrize(
    ("name", "one_in"), [("tables", 4), ("grouped", 7), ("journal", 12), ("rungs", 18)]
)
def test_a_fault_at_any_call_loses_nothing(name: str, one_in: int, tmp_path: Path) -> None:
    """Every call, or one in so many, and the kinds in turn."""
    sweeps, kinds = Sweeps(SCENARIOS[name], tmp_path), list(KINDS)
    for at in range(0, len(sweeps.calls), one_in):
        kind = kinds[(at + at // len(kinds)) % len(kinds)]
        sweeps.check(kind if at in sweeps.points(kind) else "kill", at)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_each_fault_at_each_call_loses_nothing(name: str, kind: Kind, tmp_path: Path) -> None:
    sweeps = Sweeps(SCENARIOS[name], tmp_path)
    ends = [sweeps.check(kind, at) for at in sweeps.points(kind)]
    counted = {end: ends.count(end) for end in sorted(set(ends))}
    print(f"{name}, {kind}: {len(ends)} points: {counted}")
