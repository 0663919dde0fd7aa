"""Long sweeps: what is read and left does not depend on the journal, whatever happens to it."""

from __future__ import annotations

import shutil
import threading
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from light_sweep import light_spec
from store_rows import VARIANTS, all_answers, failure, histories, plan_rows, trial

from scalegrid.results import Store, load_sweep, read_stored
from scalegrid.results import store as module
from scalegrid.results.schema import write_table
from scalegrid.util.errors import UserError

SPEC = light_spec("results", name="s", depth_rounding="round")
Row = dict[str, Any]


@pytest.fixture(autouse=True)
def _short() -> Iterator[None]:
    """Tables are written at once up to four trials."""
    short, every = mock.patch.object(module, "_SHORT", 4), mock.patch.object(Store, "every", 0.0)
    with short, every:
        yield


def begin(store: Store) -> None:
    store.start(SPEC, plan_rows(), "data")


def add(store: Store, *rows: Row) -> None:
    store.add(rows, histories(rows), all_answers(rows))


def fill(folder: Path, rows: list[Row]) -> None:
    with Store(folder) as store:
        begin(store)
        for row in rows:
            add(store, row)


def many(count: int) -> list[Row]:
    return [trial(VARIANTS[i % 3], i // 3, top1=(i % 7) / 12) for i in range(count)]


def journal(folder: Path) -> list[Path]:
    return sorted(folder.glob("journal-*"))


def stored(folder: Path) -> tuple[list[Row], list[Row], list[Row]]:
    found = read_stored(folder)
    assert found is not None
    return found.trials.to_pylist(), found.history.to_pylist(), found.answers.to_pylist()


def parquet_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def all_at_once(folder: Path, rows: list[Row]) -> None:
    """The same trials in one commit, which no journal holds."""
    with mock.patch.object(module, "_SHORT", 10_000), Store(folder) as store:
        begin(store)
        add(store, *rows)


def test_short_tables_are_written_once_in_a_while_and_trials_of_a_moment_are_in_the_journal(
    tmp_path: Path,
) -> None:
    folder, rows = tmp_path / "s", many(3)
    with Store(folder) as store:
        begin(store)
        written = parquet_bytes(folder)
        with mock.patch.object(Store, "every", 1000.0):
            for count, row in enumerate(rows, start=1):
                add(store, row)
                assert len(journal(folder)) == 1
                assert len(stored(folder)[0]) == count
            store.add([], [])
        assert parquet_bytes(folder) == written
        store.add([], [])
        assert journal(folder) == []
        assert stored(folder)[0] == rows
    all_at_once(tmp_path / "other", rows)
    assert parquet_bytes(folder) == parquet_bytes(tmp_path / "other")


def test_a_trial_is_read_as_soon_as_it_is_added_and_in_its_place(tmp_path: Path) -> None:
    rows, seen = many(40), []
    with Store(tmp_path / "s") as store:
        begin(store)
        for count, row in enumerate(rows, start=1):
            add(store, row)
            seen.append(bool(journal(tmp_path / "s")))
            all_at_once(tmp_path / str(count), rows[:count])
            assert stored(tmp_path / "s") == stored(tmp_path / str(count))
    assert not any(seen[:4])
    assert sum(seen) > 25
    assert not journal(tmp_path / "s")


def test_the_tables_are_written_ever_more_rarely(tmp_path: Path) -> None:
    written = []

    def write(path: Path, table: Any) -> None:
        written.append(len(table))
        write_table(path, table)

    with mock.patch.object(module, "write_table", write):
        fill(tmp_path, many(300))
    once = 4 * 300  # rows of the tables of trials, of two epochs each, and of answers
    assert written[-1] == 300
    assert sum(written) < 8 * once  # 150 times if they were written for each


@settings(max_examples=15, deadline=None)
@given(
    st.permutations(range(24)),
    st.lists(st.integers(1, 23), max_size=4),
    st.lists(st.integers(0, 23), max_size=5),
)
def test_the_files_left_are_those_of_an_undisturbed_run(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], stops: list[int], again: list[int]
) -> None:
    """Whatever the order, where it was stopped, and which trials failed and were made again."""
    tmp_path, rows = tmp_path_factory.mktemp("s"), many(24)
    failed = [failure(rows[i]["variant"], rows[i]["seed"]) for i in again]
    made = [*failed, *(rows[i] for i in order)]
    ends = sorted({0, *stops, len(made)})
    for begins, end in pairwise(ends):
        fill(tmp_path / "s", made[begins:end])
    all_at_once(tmp_path / "whole", rows)
    assert parquet_bytes(tmp_path / "s") == parquet_bytes(tmp_path / "whole")


@pytest.mark.parametrize("cut", [1, 9, 10, 400, 10_000])
def test_a_line_cut_short_is_the_one_trial_that_is_lost(tmp_path: Path, cut: int) -> None:
    rows = many(12)
    with Store(tmp_path / "s") as store:
        begin(store)
        for row in rows:
            add(store, row)
        before = stored(tmp_path / "s")[0]
        add(store, trial("v002", 9))
        shutil.copytree(tmp_path / "s", tmp_path / "killed")
    [path] = journal(tmp_path / "killed")
    text = path.read_bytes()
    last = text.rstrip(b"\n").rfind(b"\n") + 1
    path.write_bytes(text[: max(last, len(text) - cut)])
    assert stored(tmp_path / "killed")[0] == before
    fill(tmp_path / "killed", [trial("v002", 9)])
    assert parquet_bytes(tmp_path / "killed") == parquet_bytes(tmp_path / "s")


def test_a_damaged_line_before_the_last_is_an_error(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        begin(store)
        add(store, *many(20))
        for row in (trial("v000", 20), trial("v000", 21)):
            add(store, row)
        shutil.copytree(tmp_path / "s", tmp_path / "damaged")
    [path] = journal(tmp_path / "damaged")
    path.write_bytes(path.read_bytes().replace(b"v000-20", b"v000-77", 1))
    with pytest.raises(UserError, match=r"journal-20.jsonl is damaged in line 1"):
        read_stored(tmp_path / "damaged")


@pytest.mark.parametrize("change", [(b'"seed"', b'"grain"'), (b'"finished_at"', b'"at"')])
def test_a_journal_of_other_columns_is_refused(tmp_path: Path, change: tuple[bytes, bytes]) -> None:
    with Store(tmp_path / "s") as store:
        begin(store)
        add(store, *many(20))
        add(store, trial("v000", 20))
        shutil.copytree(tmp_path / "s", tmp_path / "other")
    [path] = journal(tmp_path / "other")
    rows = path.read_bytes().partition(b" ")[2].rstrip(b"\n").replace(*change)
    path.write_bytes(b"%08x %s\n" % (zlib.crc32(rows), rows))
    with pytest.raises(UserError, match=r"journal-20.jsonl was written by another version"):
        read_stored(tmp_path / "other")


@pytest.mark.parametrize("survivors", [0, 1, 2, 3])
def test_a_kill_while_the_tables_are_written_loses_nothing(tmp_path: Path, survivors: int) -> None:
    """Of history, answers, trials and the removal of the journal, the first ones are done."""
    rows = many(8)
    left = [survivors]

    def write_or_die(path: Path, table: Any) -> None:
        if left[0] == 0:
            raise SystemExit
        left[0] -= 1
        write_table(path, table)

    with Store(tmp_path / "s") as store:
        begin(store)
        add(store, *rows)
        for row in (trial("v000", 20), trial("v000", 21)):
            add(store, row)
        with (
            mock.patch.object(module, "write_table", write_or_die),
            mock.patch.object(Path, "unlink", side_effect=SystemExit),
            pytest.raises(SystemExit),
        ):
            add(store, trial("v000", 22))
        shutil.copytree(tmp_path / "s", tmp_path / "killed")
    kept = 10 + (survivors == 3)
    assert len(stored(tmp_path / "killed")[0]) == kept
    fill(tmp_path / "killed", [trial("v000", 22)])
    assert not journal(tmp_path / "killed")
    fill(tmp_path / "whole", [*rows, *(trial("v000", seed) for seed in (20, 21, 22))])
    assert parquet_bytes(tmp_path / "killed") == parquet_bytes(tmp_path / "whole")


def test_a_reader_beside_it_sees_ever_more_trials(tmp_path: Path) -> None:
    counts, over = [], threading.Event()

    def read() -> None:
        while not over.is_set():
            counts.append(len(load_sweep("s", tmp_path).trials))

    with Store(tmp_path / "s") as store:
        begin(store)
        reader = threading.Thread(target=read)
        reader.start()
        for row in many(150):
            add(store, row)
        over.set()
        reader.join()
    assert counts == sorted(counts)
    assert len(set(counts)) > 3


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path: Path) -> None:
    full = OSError(28, "No space left on device")
    with Store(tmp_path / "s") as store:
        begin(store)
        add(store, *many(20))
        add(store, trial("v000", 20))
        before = journal(tmp_path / "s")[0].read_bytes()
        with (
            mock.patch("os.fsync", side_effect=full),
            pytest.raises(UserError, match=r"cannot write .*journal-20\.jsonl: No space left"),
        ):
            add(store, trial("v000", 21))
        assert journal(tmp_path / "s")[0].read_bytes() == before
